"""Calm for videos: paint that stays on what it was painted on.

A style model paints every frame afresh, and small changes of the input move its strokes: the result
flickers. Here the last painted frame is carried along the motion of the input, found by dense optical flow
(DIS: Kroeger et al. 2016, arXiv 1603.03590), and mixed with the new one where the carried *input* still
looks like the new input. Mixing strokes that do not match softens them, so the lost local contrast is given
back. The new frame always has its share: nothing drifts, and a cut starts afresh.

The motion is a matter of the input alone, so it is found while the model paints.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np

from nstfilter.graphics.opencv import cv2

# the largest share of the carried frame; the rest anchors the result to the new one
CARRIED = 0.95
# gray levels of difference, after blurring, at which trust in the carried frame has fallen to 1/e
TOLERANCE = 15.0
# the same for the carried and the new painting, blurred until strokes no longer count
PAINT_TOLERANCE = 30.0
# below this mean trust the scene has changed
CUT = 0.35
# the most that local contrast is raised
GAIN = 1.5
# What a frame long past still weighs when it may be forgotten. Measured on three clips as the difference
# between a filter that has seen all of the clip and one that was warmed up, at the first frame that is shown:
# at stability 0.8, 5 to 7 gray levels without warming up and 0.3 to 0.6 after the 10 frames that this asks
# for (the frame before differs by 4 to 26, for things move); at 0.4, 3.0 and 0.2; at 1, 10 and 2.
FORGOTTEN = 0.07
# the shorter side, in pixels, below which there is too little to find motion in
SMALLEST = 32


def warm_up(stability: float) -> int:
    """How many frames before a place in a video the filter must have seen, so that its painting there is as
    if it had seen them all."""
    share = CARRIED * stability
    return math.ceil(math.log(FORGOTTEN) / math.log(share)) if share > FORGOTTEN else 0


class Stabilizer:
    """Carries the painting from frame to frame. Frames are HxWx3 BGR uint8 and come in order."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._trust = np.exp(-((np.arange(256, dtype=np.float32) / TOLERANCE) ** 2))
        self._paint_trust = np.exp(-((np.arange(256, dtype=np.float32) / PAINT_TOLERANCE) ** 2))
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame is the first of its stream."""
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, frame: np.ndarray, paint: Callable[[], np.ndarray], stability: float) -> np.ndarray:
        """The calm version of what `paint` makes of `frame`; both HxWx3 BGR uint8.

        `stability` goes from 0 (the painting itself) to 1 (as calm as it gets). A frame of another size than
        the one before starts a new stream. `paint` is called in this thread, what can be done without its
        result in another.
        """
        if min(frame.shape[:2]) < SMALLEST:
            return paint()
        half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        if self._last and self._last[1].shape == frame.shape and stability > 0:
            found: list[tuple[np.ndarray, np.ndarray]] = []
            carrier = threading.Thread(target=lambda: found.append(self._carry(half)), name="nstfilter-carry")
            carrier.start()
            try:
                painted = paint()
            finally:
                carrier.join()
            painted = _mixed(painted, *found[0], self._paint_trust, stability)
        else:
            painted = paint()
        self._last = half, painted.copy()  # the caller may go on painting on what it is given
        return painted

    def _carry(self, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last painting moved as the input has moved since, and how far the input agrees with that."""
        assert self._last
        last_half, last_painted = self._last
        height, width = last_painted.shape[:2]
        last_gray, gray = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (last_half, half))
        there = self._flow.calc(gray, last_gray, None)
        there[..., 0] += np.arange(gray.shape[1], dtype=np.float32)
        there[..., 1] += np.arange(gray.shape[0], dtype=np.float32)[:, None]
        inputs = cv2.remap(last_half, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # the same places in the full picture, where a pixel's center lies at its index plus a half
        scale = width / gray.shape[1], height / gray.shape[0]
        there = cv2.resize(there, (width, height), interpolation=cv2.INTER_LINEAR)
        there = cv2.multiply(cv2.add(there, (0.5, 0.5, 0, 0)), (*scale, 0, 0))
        there = cv2.subtract(there, (0.5, 0.5, 0, 0), dst=there)
        carried = cv2.remap(last_painted, there, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return carried, cv2.LUT(_difference(half, inputs, 3), self._trust)


def _mixed(
    painted: np.ndarray, carried: np.ndarray, trust: np.ndarray, paint_trust: np.ndarray, stability: float
) -> np.ndarray:
    trust *= cv2.LUT(_difference(_halved(painted, trust), _halved(carried, trust), 7), paint_trust)
    if cv2.mean(trust)[0] < CUT:
        return painted
    trust = cv2.resize(trust, painted.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    trust *= CARRIED * stability
    return _with_contrast_of(painted, cv2.blendLinear(carried, painted, trust, 1 - trust))


def _halved(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, like.shape[::-1], interpolation=cv2.INTER_AREA)


def _difference(one: np.ndarray, other: np.ndarray, width: int) -> np.ndarray:
    """How far apart two pictures are once blurred: HxW uint8, the largest of the three channels."""
    one, other = cv2.blur(one, (width, width)), cv2.blur(other, (width, width))
    blue, green, red = cv2.split(cv2.absdiff(one, other))
    return cv2.max(cv2.max(blue, green), red)


def _with_contrast_of(painted: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """`mixed` with its local contrast raised to that of `painted`, where it has lost some."""
    gain = cv2.divide(_contrast(painted), _contrast(mixed))
    cv2.min(cv2.max(gain, 1.0, dst=gain), GAIN, dst=gain)
    return cv2.blendLinear(mixed, cv2.GaussianBlur(mixed, (7, 7), 1.5), gain, 1 - gain)


def _contrast(image: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    fine = cv2.absdiff(gray, cv2.GaussianBlur(gray, (7, 7), 1.5))
    return cv2.boxFilter(fine, cv2.CV_32F, (25, 25)) + np.float32(0.5)
