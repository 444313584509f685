"""Fits a small mask to the edges of its frame, at the frame's size.

A fast guided filter (He and Sun 2015, arXiv 1505.00996): near every pixel the mask is taken to be a linear
function of the frame's brightness; its two coefficients are found at a smaller size, where the mask is known,
and used at full size, where the frame is sharp.
"""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2

# the longer side at which the coefficients are found, at most
GUIDE = 640
# how many cells of the small mask the filter looks around
REACH = 2.0
# variance of brightness, of 1 for black to white, below which a surrounding counts as flat
FLAT = 4e-4
# how much steeper the edge is made: the filter leaves a veil where the surroundings are busy
STEEPER = 1.5


def refine(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`mask` (hxw uint8, of any size, covering all of `frame`) as HxW uint8 whose edge follows that of
    `frame` (HxWx3 BGR uint8)."""
    height, width = frame.shape[:2]
    if not mask.any():
        return np.zeros((height, width), np.uint8)
    scale = min(1.0, GUIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    guide = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    guide *= 1 / 255
    rough = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    side = 2 * max(1, round(REACH * size[0] / mask.shape[1])) + 1
    mean = cv2.blur(guide, (side, side))
    rough_mean = cv2.blur(rough, (side, side))
    both = cv2.blur(cv2.multiply(guide, rough), (side, side))
    square = cv2.blur(cv2.multiply(guide, guide), (side, side))
    slope = cv2.divide(both - mean * rough_mean, square - mean * mean + np.float32(FLAT))
    base = rough_mean - slope * mean
    slope, base = cv2.blur(slope, (side, side)), cv2.blur(base, (side, side))
    # the edge made steeper about one half, and brightness in 0 to 255, both in the coefficients
    slope *= STEEPER / 255
    base = base * STEEPER + np.float32(127.5 * (1 - STEEPER))
    if scale < 1:
        slope, base = (cv2.resize(x, (width, height), interpolation=cv2.INTER_LINEAR) for x in (slope, base))
    fitted = cv2.multiply(slope, cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), dtype=cv2.CV_32F)
    return cv2.add(fitted, base, dtype=cv2.CV_8U)
