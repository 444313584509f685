"""A mask that does not flicker: the last one is carried along the motion of the frame and mixed with the new.

Motion is found at the mask's own size (DIS: Kroeger et al. 2016, arXiv 1603.03590), where it costs less than
half a millisecond: less than taking it from the stabilizer, which finds it for the strokes at a larger size,
would save in code and order.
"""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2

# gray levels of difference between the frame and the carried one at which trust has fallen to 1/e
TOLERANCE = 12.0
# the share of the carried mask where both masks agree, and where they contradict each other: noise is
# smoothed away, and what has really changed shows within a few frames
AGREED, CONTRADICTED = 0.95, 0.5
# how many levels of 255 masks that agree may differ by
NOISE = 60.0
# the amount from which on as much is carried as ever is: the default stability
FULL = 0.8
# the mean trust below which the scene has changed
CUT = 0.35
# the share of the frame that may have changed, beyond moving, where a mask is carried without looking again
CHANGED = 0.03
# the shorter side, in pixels, below which there is too little to find motion in
SMALLEST = 16


class Calm:
    """Carries masks from frame to frame. One stream at a time; `reset` starts another."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        levels = np.arange(256, dtype=np.float32)
        self._trust = np.exp(-((levels / TOLERANCE) ** 2))
        self._share = (CONTRADICTED + (AGREED - CONTRADICTED) * np.exp(-((levels / NOISE) ** 2))).astype(
            np.float32
        )
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame is the first of its stream."""
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, gray: np.ndarray, mask: np.ndarray, amount: float) -> np.ndarray:
        """The calm version of `mask`, hxw uint8, of the frame with the brightness `gray` (uint8, any size).

        `amount` goes from 0 (the mask itself) to FULL. A mask of another size starts a new stream.
        """
        # motion is found as well in what is sampled as in what is averaged, in a tenth of the time
        gray = cv2.resize(gray, mask.shape[::-1])
        kept = mask.astype(np.float32)
        if amount > 0 and (found := self._carry(gray)):
            carried, trust = found
            if cv2.mean(trust)[0] >= CUT:
                apart = cv2.absdiff(kept, carried)
                trust *= cv2.LUT(cv2.convertScaleAbs(apart), self._share)
                trust *= min(1.0, amount / FULL)
                kept += trust * (carried - kept)
        self._last = gray, kept
        return cv2.convertScaleAbs(kept)

    def carried(self, gray: np.ndarray) -> np.ndarray | None:
        """The mask before, moved to where its people are in the frame with the brightness `gray` (uint8, any
        size); None where there is none before, or where too much of that frame is new."""
        if self._last is None:
            return None
        gray = cv2.resize(gray, self._last[0].shape[::-1])
        found = self._carry(gray)
        if found is None or np.count_nonzero(found[1] < 0.5) > CHANGED * gray.size:
            return None
        self._last = gray, found[0]
        return cv2.convertScaleAbs(found[0])

    def _carry(self, gray: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The last mask, float32, moved as the frame has moved since, and how far the frame agrees with that,
        0 to 1; None where there is nothing to carry."""
        if self._last is None or self._last[0].shape != gray.shape or min(gray.shape) < SMALLEST:
            return None
        last_gray, last_mask = self._last
        there = self._flow.calc(gray, last_gray, None)
        there[..., 0] += np.arange(gray.shape[1], dtype=np.float32)
        there[..., 1] += np.arange(gray.shape[0], dtype=np.float32)[:, None]
        seen = cv2.remap(last_gray, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        carried = cv2.remap(last_mask, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        difference = cv2.absdiff(cv2.blur(gray, (3, 3)), cv2.blur(seen, (3, 3)))
        return carried, cv2.LUT(difference, self._trust)
