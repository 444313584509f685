"""Calm for videos: paint that stays on what it was painted on.

A style model paints every frame afresh, and small changes of the input move its strokes: the result
flickers. Here the last painted frame is carried along the motion of the input, found by dense optical flow
(DIS: Kroeger et al. 2016, arXiv 1603.03590), and mixed with the new one where the carried *input* still
looks like the new input. Mixing strokes that do not match softens them, so the lost local contrast is given
back. The new frame always has its share: nothing drifts, and a cut starts afresh.

Motion and agreement are found at a quarter of the size; only the carrying and the mixing touch all pixels.
The motion is a matter of the input alone, so it is found while the model paints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from nstfilter.graphics.opencv import cv2

# the largest share of the carried frame; the rest anchors the result to the new one. Below it the share grows
# with this power of the dial
CARRIED = 0.95
POWER = 0.75
# gray levels of difference, after blurring, at which trust in the carried frame has fallen to 1/e
TOLERANCE = 15.0
# The same for the carried and the new painting, blurred until strokes no longer count, where nothing moves.
# What moves by FAST pixels a frame is allowed half of it: there flicker is not seen, but smeared strokes are.
PAINT_TOLERANCE = 60.0
FAST = 10.0
# and the same for two inputs between which nothing may have moved: thin lines leave ghosts otherwise
STILL = 5.0
# trust by the difference, 0 to 255
TRUST, PAINT_TRUST, STILL_TRUST = (
    np.exp(-((np.arange(256, dtype=np.float32) / tolerance) ** 2))
    for tolerance in (TOLERANCE, PAINT_TOLERANCE, STILL)
)
# below this mean trust the scene has changed
CUT = 0.35
# While the style changes from frame to frame the carried share is multiplied by this, for a change that was
# asked for is to be seen. At stability 0.8, the first frame of a glide of half a second shows 11 per cent of
# the change rather than 5, and the fourth 41 rather than 32.
GLIDING = 0.5
# Local contrast is measured in cells of so many pixels a side. Where mixing has divided it by r, the finest
# detail is raised by (r - 1) * RAISED of itself, at most to its double.
CELL = 8
RAISED = 1.3
# What a frame long past still weighs when it may be forgotten. Measured on three clips in two styles as the
# difference between a filter that has seen all of the clip and one that was warmed up, at the first frame
# shown: at stability 0.8, 5 to 12 gray levels without warming up and 0.5 to 0.7 after the 13 frames that this
# asks for (the frame before differs by 4 to 27, for things move); at 0.4, 2 to 6 and 0.1 to 0.3.
FORGOTTEN = 0.07
# So many frames a change of size is spread over: the painting at the old size is carried on and gives way to
# that at the new one evenly, half a second at 30 frames a second
FADE = 15
# the shorter side, in pixels, below which there is too little to find motion in
SMALLEST = 32
# the shorter side from which on motion is found at a quarter of the size; smaller frames are halved
QUARTERED = 240


def warm_up(stability: float) -> int:
    """How many frames before a place in a video the filter must have seen, so that its painting there is as
    if it had seen them all."""
    share = _share(stability)
    return math.ceil(math.log(FORGOTTEN) / math.log(share)) if share > FORGOTTEN else 0


def _share(stability: float) -> float:
    return float(CARRIED * stability**POWER)


# One thread for the process, which stays, as OpenCV's do: a new one for every frame works in memory that is
# new to it too, and takes 3 per cent of the frame's time more
_beside = ThreadPoolExecutor(1, "stability")


class _Last(NamedTuple):
    """What is kept of the frame before."""

    small: np.ndarray
    gray: np.ndarray
    painted: np.ndarray


class _Buffers:
    """Arrays that are the same for every frame of a stream, and what is computed in them."""

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray] = {}

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array that is the same for every frame of a stream."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = self._buffers[name] = np.empty(shape, dtype)
        return buffer

    def _moved(self, start: np.ndarray, end: np.ndarray, base: np.ndarray, share: np.ndarray) -> np.ndarray:
        """start + share * (end - base), pictures of uint8; `share`, float32 from 0 to 1, is enlarged to their
        size.

        In whole numbers, with the two signs of the difference apart: a fifth of the time of floating point.
        """
        height, width = start.shape[:2]
        shares = self._buffer("shares", (height, width), np.uint8)
        cv2.resize(cv2.convertScaleAbs(share, alpha=255), (width, height), dst=shares)
        weights = self._buffer("weights", start.shape, np.uint8)
        cv2.cvtColor(shares, cv2.COLOR_GRAY2BGR, dst=weights)
        more, less = (self._buffer(name, start.shape, np.uint8) for name in ("more", "less"))
        cv2.multiply(cv2.subtract(end, base, dst=more), weights, dst=more, scale=1 / 255)
        cv2.multiply(cv2.subtract(base, end, dst=less), weights, dst=less, scale=1 / 255)
        result = cv2.add(start, more)
        return cv2.subtract(result, less, dst=result)


class Stabilizer(_Buffers):
    """Carries the painting from frame to frame. Frames are HxWx3 BGR uint8 and come in order.

    One stabilizer serves one thread at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        # Between two presets of OpenCV's: MEDIUM takes three times as long for 5 per cent less flicker, and
        # FAST leaves 10 per cent more.
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._flow.setFinestScale(0)
        self._flow.setPatchStride(6)
        self._flow.setGradientDescentIterations(4)
        self._flow.setVariationalRefinementIterations(1)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame is the first of its stream."""
        self._last: _Last | None = None
        self._buffers = {}
        self._fading = 0  # frames until a change of size is over
        self._style: np.ndarray | None = None  # of the frame before

    def __call__(
        self,
        frame: np.ndarray,
        paint: Callable[[], np.ndarray],
        stability: float,
        style: np.ndarray | None = None,
    ) -> np.ndarray:
        """The calm version of what `paint` makes of `frame`; both HxWx3 BGR uint8.

        `stability` goes from 0 (the painting itself) to 1 (as calm as it gets). A frame of another size than
        the one before is taken for the same stream, and the painting fades from one size to the other;
        `reset` starts a new stream. `style` is what `paint` paints with; it is only compared with that of
        the frame before. `paint` is called in this thread, what can be done without its result in another.
        Raises what either raises.
        """
        gliding = style is not None and self._style is not None and not np.array_equal(style, self._style)
        self._style = style
        if min(frame.shape[:2]) < SMALLEST:
            return paint()
        small = _reduced(frame)
        gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        if self._last and self._last.painted.shape != frame.shape:
            self._last = self._resized(self._last, small, frame)
            self._fading = FADE
        if self._last and stability > 0:
            carrying = _beside.submit(self._carry, self._last, small, gray)
            try:
                painted = paint()
            finally:
                wait([carrying])  # it works in the buffers of this frame
            share = _share(stability) * (GLIDING if gliding else 1.0)
            painted = self._mixed(painted, *carrying.result(), share)
        else:
            painted = paint()
        # the caller may go on painting on what it is given
        kept = self._buffer("kept", frame.shape, np.uint8)
        np.copyto(kept, painted)
        self._last = _Last(small, gray, kept)
        return painted

    def _resized(self, last: _Last, small: np.ndarray, frame: np.ndarray) -> _Last:
        """What is kept of the frame before, at the size of this one."""
        inputs = cv2.resize(last.small, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        painted = cv2.resize(last.painted, frame.shape[1::-1], interpolation=cv2.INTER_LANCZOS4)
        return _Last(inputs, cv2.cvtColor(inputs, cv2.COLOR_BGR2GRAY), painted)

    def _carry(
        self, last: _Last, small: np.ndarray, gray: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The last painting moved as the input has moved since; how far the input agrees with that, 0 to 1;
        and how much stricter than where nothing moves the paintings are to be compared, from 1. The latter
        two are float32 and of the size of `small`."""
        height, width = last.painted.shape[:2]
        flow = self._flow.calc(gray, last.gray, None)
        inputs = cv2.remap(
            last.small, flow + _grid(*gray.shape), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        agreement = cv2.LUT(_difference(small, inputs), TRUST)
        flow *= np.float32(_factor(last.painted))
        strictness = cv2.magnitude(*cv2.split(flow)) / np.float32(FAST) + 1
        there = self._buffer("there", (height, width, 2), np.float32)
        cv2.resize(flow, (width, height), dst=there, interpolation=cv2.INTER_LINEAR)
        cv2.add(there, _grid(height, width), dst=there)
        # maps in fixed point: 16 bits for the pixel, 5 for what lies between two
        pixels = self._buffer("pixels", (height, width, 2), np.int16)
        between = self._buffer("between", (height, width), np.uint16)
        cv2.convertMaps(there, None, cv2.CV_16SC2, pixels, between)
        carried = self._buffer("carried", last.painted.shape, np.uint8)
        cv2.remap(
            last.painted, pixels, between, cv2.INTER_LINEAR, dst=carried, borderMode=cv2.BORDER_REPLICATE
        )
        return carried, agreement, strictness

    def _mixed(
        self,
        painted: np.ndarray,
        carried: np.ndarray,
        agreement: np.ndarray,
        strictness: np.ndarray,
        most: float,
    ) -> np.ndarray:
        difference = _difference(_reduced(painted), _reduced(carried))
        difference = cv2.multiply(difference, strictness, dtype=cv2.CV_8U)
        trust = agreement * cv2.LUT(difference, PAINT_TRUST)
        fading, self._fading = self._fading, max(0, self._fading - 1)
        # while the size changes, paintings differ everywhere, and the inputs alone tell of a cut
        if cv2.mean(agreement if fading else trust)[0] < CUT:
            self._fading = 0
            return painted
        share = trust * np.float32(most)
        if fading:
            share = np.maximum(share, agreement * np.float32((fading - 1) / fading))
        mixed = self._moved(painted, carried, painted, share)
        raised = RAISED * (_contrast(painted) / _contrast(mixed) - 1)
        np.clip(raised, 0, 1, out=raised)
        raised *= np.float32(1 - fading / (FADE + 1))  # the old size's softness goes as evenly
        blurred = self._buffer("blurred", painted.shape, np.uint8)
        cv2.blur(mixed, (3, 3), dst=blurred)
        return self._moved(mixed, mixed, blurred, raised)


class SizeFade(_Buffers):
    """Spreads a change of the network's size over FADE frames, at the frame's own size.

    What such a change alters at once, all of it at stability 0 and the finest detail at any other, is taken
    back with the first frame after it and given way to evenly; where the picture has moved since, at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame is the first of its stream."""
        self._size: tuple[int, int] | None = None
        self._fading = 0  # frames until the change is over
        self._still = np.zeros((0, 0, 3), np.uint8)  # the reduced frame at the change

    def __call__(self, frame: np.ndarray, painted: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """What is shown for `painted`, the painting of `frame` by a network that worked at `size` (height and
        width); all HxWx3 BGR uint8. Frames of a stream are of one size."""
        shown = self._buffer("shown", painted.shape, np.uint8)
        if self._size not in (None, size):
            self._fading, self._still = FADE, _reduced(frame)
            np.copyto(self._buffer("before", painted.shape, np.uint8), shown)
            np.copyto(self._buffer("after", painted.shape, np.uint8), painted)
        self._size = size
        if self._fading:
            self._fading -= 1
            trust = cv2.LUT(_difference(_reduced(frame), self._still), STILL_TRUST)
            share = trust * np.float32(self._fading / FADE)
            painted = self._moved(painted, self._buffers["before"], self._buffers["after"], share)
        np.copyto(shown, painted)
        return painted


@lru_cache(2)
def _grid(height: int, width: int) -> np.ndarray:
    """The x and y of every pixel, [height, width, 2] float32."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.dstack([x, y])


def _factor(picture: np.ndarray) -> int:
    return 4 if min(picture.shape[:2]) >= QUARTERED else 2


def _reduced(picture: np.ndarray) -> np.ndarray:
    """The picture at a half or a quarter of its size, by halves, for which OpenCV is quickest. A last odd row
    or column is left out."""
    for _ in range(_factor(picture) // 2):
        height, width = (side // 2 for side in picture.shape[:2])
        even = picture[: 2 * height, : 2 * width]
        picture = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    return picture


def _difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far apart two pictures are once blurred: HxW uint8, the largest of the three channels."""
    blue, green, red = cv2.split(cv2.absdiff(cv2.blur(one, (3, 3)), cv2.blur(other, (3, 3))))
    return cv2.max(cv2.max(blue, green), red)


def _contrast(picture: np.ndarray) -> np.ndarray:
    """How much a picture's finest detail stands out, in gray levels: float32, for cells of CELL pixels."""
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    # in quarters of a level: what is averaged is small, and kept in whole numbers
    fine = cv2.convertScaleAbs(cv2.absdiff(gray, cv2.blur(gray, (3, 3))), alpha=4)
    # to whole cells, for which OpenCV is four times as quick
    below, right = (-side % CELL for side in fine.shape)
    fine = cv2.copyMakeBorder(fine, 0, below, 0, right, cv2.BORDER_REFLECT)
    fine = cv2.resize(fine, None, fx=1 / CELL, fy=1 / CELL, interpolation=cv2.INTER_AREA)
    return cv2.blur(fine, (3, 3)).astype(np.float32) / 4 + np.float32(0.5)
