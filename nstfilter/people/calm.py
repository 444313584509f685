"""A mask that does not flicker: the last one is carried along the motion of the frame and mixed with the new.

Motion is found at the mask's own size (DIS: Kroeger et al. 2016, arXiv 1603.03590), where it costs less than
half a millisecond: less than taking it from the stabilizer, which finds it for the strokes at a larger size,
would save in code and order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nstfilter.graphics.opencv import cv2

# gray levels of difference between the frame and the carried one at which trust has fallen to 1/e
TOLERANCE = 12.0
# The largest share of the carried mask: where both masks agree, and where they contradict each other in a
# place that changes or does not. A mask that changes where the picture does not is most often wrong; what has
# really changed shows within a second there, and within three frames elsewhere.
AGREED, CONTRADICTED, CONTRADICTED_STILL = 0.96, 0.4, 0.92
# so many frames count at most
LONGEST = AGREED / (1 - AGREED)
# how many levels of 255 masks that agree may differ by
NOISE = 50.0
# gray levels that a place that does not change may differ by from one frame to the next
STILL = 3.0
# motion, in pixels of the mask, that is taken for none: edges would tremble with it
TREMBLE = 0.3
# the amount from which on as much is carried as ever is: the default stability
FULL = 0.8
# the mean trust, weighted by contrast, below which the scene has changed: dark is like dark in any two scenes
CUT = 0.42
# the share of the frame that may have changed, beyond moving, where a mask is carried without looking again
CHANGED = 0.03
# the shorter side, in pixels, below which there is too little to find motion in
SMALLEST = 16

_LEVELS = np.arange(256, dtype=np.float32)
_TRUST, _AGREEMENT, _STILLNESS = (np.exp(-((_LEVELS / scale) ** 2)) for scale in (TOLERANCE, NOISE, STILL))
_CONTRADICTED = CONTRADICTED + (CONTRADICTED_STILL - CONTRADICTED) * _STILLNESS
_AROUND = np.ones((5, 5), np.uint8)


class _Past(NamedTuple):
    """What is known from the frames before.

    `gray`   the brightness of the last frame, hxw uint8
    `kept`   hxwx2 float32: its mask, and how many frames have gone into it
    """

    gray: np.ndarray
    kept: np.ndarray


class Calm:
    """Carries masks from frame to frame. One stream at a time; `reset` starts another.

    `fresh` is whether the latest mask has nothing in it of those before: the first one, and after a cut.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame is the first of its stream."""
        self._past: _Past | None = None
        self.fresh = True

    def __call__(self, gray: np.ndarray, mask: np.ndarray, amount: float) -> np.ndarray:
        """The calm version of `mask`, hxw uint8, of the frame with the brightness `gray` (uint8, any size).

        `amount` goes from 0 (the mask itself) to FULL. A mask of another size starts a new stream.
        """
        # motion is found as well in what is sampled as in what is averaged, in a tenth of the time
        gray = cv2.resize(gray, mask.shape[::-1])
        kept = mask.astype(np.float32)
        frames = np.ones_like(kept)
        self.fresh = True
        if amount > 0 and (found := self._carry(gray)):
            past, carried, trust = found
            contrast = cv2.max(_contrast(gray), _contrast(past.gray)).astype(np.float32)
            if cv2.sumElems(cv2.multiply(trust, contrast))[0] >= CUT * cv2.sumElems(contrast)[0]:
                carried, before = cv2.split(carried)
                limit = cv2.LUT(cv2.absdiff(_smooth(gray), _smooth(past.gray)), _CONTRADICTED)
                agreement = cv2.LUT(cv2.convertScaleAbs(cv2.absdiff(kept, carried)), _AGREEMENT)
                limit += agreement * (AGREED - limit)
                # a mask of few frames is no better than a new one: at first the mean of all counts
                share = np.minimum(limit, before / (before + 1))
                share *= trust
                share *= min(1.0, amount / FULL)
                kept += share * (carried - kept)
                frames += np.minimum(before * trust, LONGEST)
                self.fresh = False
        self._past = _Past(gray, cv2.merge([kept, frames]))
        return cv2.convertScaleAbs(kept)

    def carried(self, gray: np.ndarray) -> np.ndarray | None:
        """The mask before, moved to where its people are in the frame with the brightness `gray` (uint8, any
        size); None where there is none before, or where too much of that frame is new."""
        if self._past is None:
            return None
        gray = cv2.resize(gray, self._past.gray.shape[::-1])
        found = self._carry(gray)
        if found is None or np.count_nonzero(found[2] < 0.5) > CHANGED * gray.size:
            return None
        self._past = _Past(gray, found[1])
        self.fresh = False
        return cv2.convertScaleAbs(cv2.extractChannel(found[1], 0))

    def _carry(self, gray: np.ndarray) -> tuple[_Past, np.ndarray, np.ndarray] | None:
        """The past; what was kept of it, moved as the frame has moved since; and how far the frame agrees
        with that, hxw float32, 0 to 1. None where there is nothing to carry."""
        past = self._past
        if past is None or past.gray.shape != gray.shape or min(gray.shape) < SMALLEST:
            return None
        flow = self._flow.calc(gray, past.gray, None)
        x, y = cv2.split(flow)
        moving = np.clip(cv2.magnitude(x, y) / np.float32(TREMBLE) - 1, 0, 1)
        x = x * moving + np.arange(gray.shape[1], dtype=np.float32)
        y = y * moving + np.arange(gray.shape[0], dtype=np.float32)[:, None]
        seen = cv2.remap(past.gray, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        carried = cv2.remap(past.kept, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return past, carried, cv2.LUT(cv2.absdiff(_smooth(gray), _smooth(seen)), _TRUST)


def _smooth(gray: np.ndarray) -> np.ndarray:
    return cv2.blur(gray, (3, 3))


def _contrast(gray: np.ndarray) -> np.ndarray:
    """How far brightness differs around each place, uint8, from 1."""
    return cv2.add(cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, _AROUND), 1)
