"""Fits a small mask to the edges of its frame.

A guided filter (He et al. 2010, "Guided Image Filtering"): near every pixel the mask is taken to be a linear
function of the frame's brightness. Those functions are found at half the size of the guide (He and Sun 2015,
"Fast Guided Filter", arXiv 1505.00996), in half the time and with the same edges.
"""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2

# Masks are found in the frame halved until its longer side is less than twice so many pixels, and fitted to
# that: an edge that is two pixels wide in a frame of 1280x720 is what looks right
GUIDE = 640
# the same for a frame that may take its time
CAREFUL_GUIDE = 1280
# how many cells of the small mask the filter looks around
REACH = 2.0
# variance of brightness, of 1 for black to white, below which a surrounding counts as flat
FLAT = 4e-4
# how much steeper the edge is made: the filter leaves a veil where the surroundings are busy
STEEPER = 1.5


def guide(frame: np.ndarray, longest: int = GUIDE) -> np.ndarray:
    """`frame` (HxWx3 uint8), halved until its longer side is less than twice `longest`."""
    while max(frame.shape[:2]) >= 2 * longest:
        size = (frame.shape[1] + 1) // 2, (frame.shape[0] + 1) // 2
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return frame


class EdgeFilter:
    """Fits masks to frames. Its buffers are kept: new arrays for every frame would double the time. One
    serves one thread at a time."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._halves: list[np.ndarray] = []
        self._wholes: list[np.ndarray] = []

    def __call__(self, gray: np.ndarray, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """`mask` (hxw uint8, of any size, covering all of a frame) as HxW uint8 of `shape`, its edge that of
        `gray`, the frame's brightness at any size (uint8)."""
        if not mask.any():
            return np.zeros(shape[:2], np.uint8)
        whole = gray.shape[1], gray.shape[0]
        half = (whole[0] + 1) // 2, (whole[1] + 1) // 2
        if self._size != whole:
            self._size = whole
            self._halves = [np.empty(half[::-1], np.float32) for _ in range(6)]
            self._wholes = [np.empty(whole[::-1], np.float32) for _ in range(2)]
        small = cv2.resize(gray, half, interpolation=cv2.INTER_AREA)
        rough = cv2.resize(mask, half, interpolation=cv2.INTER_LINEAR)
        side = 2 * max(1, round(REACH * half[0] / mask.shape[1])) + 1
        box = (side, side)
        mean, rough_mean, slope, variance, product, base = self._halves
        cv2.boxFilter(small, cv2.CV_32F, box, dst=mean)
        cv2.boxFilter(rough, cv2.CV_32F, box, dst=rough_mean)
        cv2.blur(cv2.multiply(small, rough, dst=product, dtype=cv2.CV_32F), box, dst=slope)
        cv2.sqrBoxFilter(small, cv2.CV_32F, box, dst=variance)
        slope -= np.multiply(mean, rough_mean, out=product)
        variance -= np.multiply(mean, mean, out=product)
        variance += np.float32(FLAT * 255**2)
        slope /= variance
        np.subtract(rough_mean, np.multiply(slope, mean, out=product), out=base)
        fitted, added = self._wholes
        cv2.resize(cv2.blur(slope, box, dst=variance), whole, dst=fitted, interpolation=cv2.INTER_LINEAR)
        cv2.resize(cv2.blur(base, box, dst=product), whole, dst=added, interpolation=cv2.INTER_LINEAR)
        fitted *= gray
        fitted += added
        np.maximum(fitted, np.float32(127.5 * (1 - 1 / STEEPER)), out=fitted)
        edge = cv2.convertScaleAbs(fitted, alpha=STEEPER, beta=127.5 * (1 - STEEPER))
        if edge.shape == tuple(shape[:2]):
            return edge
        return cv2.resize(edge, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
