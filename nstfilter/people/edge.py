"""Fits a small mask to the edges of its frame.

A guided filter (He et al. 2010, "Guided Image Filtering"): near every pixel the mask is taken to be a linear
function of the frame's brightness. It works at GUIDE pixels and the result is enlarged: an edge that is two
pixels wide in a frame of 1280x720 is what looks right, and all of it takes 2 ms.
"""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2

# the longer side that it works at, at most
GUIDE = 640
# how many cells of the small mask the filter looks around
REACH = 2.0
# variance of brightness, of 1 for black to white, below which a surrounding counts as flat
FLAT = 4e-4
# how much steeper the edge is made: the filter leaves a veil where the surroundings are busy
STEEPER = 1.5


class EdgeFilter:
    """Fits masks to frames. Its buffers are kept: new arrays for every frame would double the time. One
    serves one thread at a time."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._floats: list[np.ndarray] = []

    def __call__(self, frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """`mask` (hxw uint8, of any size, covering all of `frame`) as HxW uint8 whose edge follows that of
        `frame` (HxWx3 BGR uint8)."""
        height, width = frame.shape[:2]
        if not mask.any():
            return np.zeros((height, width), np.uint8)
        scale = min(1.0, GUIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if self._size != size:
            self._size = size
            self._small = np.empty((*size[::-1], 3), np.uint8)
            self._floats = [np.empty(size[::-1], np.float32) for _ in range(6)]
        if scale < 1:
            frame = cv2.resize(frame, size, dst=self._small, interpolation=cv2.INTER_AREA)
        guide = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        rough = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
        side = 2 * max(1, round(REACH * size[0] / mask.shape[1])) + 1
        box = (side, side)
        mean, rough_mean, slope, variance, product, base = self._floats
        cv2.boxFilter(guide, cv2.CV_32F, box, dst=mean)
        cv2.boxFilter(rough, cv2.CV_32F, box, dst=rough_mean)
        cv2.blur(cv2.multiply(guide, rough, dst=product, dtype=cv2.CV_32F), box, dst=slope)
        cv2.sqrBoxFilter(guide, cv2.CV_32F, box, dst=variance)
        slope -= np.multiply(mean, rough_mean, out=product)
        variance -= np.multiply(mean, mean, out=product)
        variance += np.float32(FLAT * 255**2)
        slope /= variance
        np.subtract(rough_mean, np.multiply(slope, mean, out=product), out=base)
        fitted = cv2.blur(slope, box, dst=variance)
        fitted *= guide
        fitted += cv2.blur(base, box, dst=product)
        np.maximum(fitted, np.float32(127.5 * (1 - 1 / STEEPER)), out=fitted)
        edge = cv2.convertScaleAbs(fitted, alpha=STEEPER, beta=127.5 * (1 - STEEPER))
        return cv2.resize(edge, (width, height), interpolation=cv2.INTER_LINEAR) if scale < 1 else edge
