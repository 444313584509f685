"""Mixes two pictures by a mask."""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2


class Blend:
    """Mixes pictures in whole numbers, with the two signs of their difference apart, in buffers that are
    kept: half the time of OpenCV's `blendLinear`."""

    def __init__(self) -> None:
        self._buffers: list[np.ndarray] = []

    def __call__(self, front: np.ndarray, back: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """`front` where `mask` (HxW uint8) is 255, `back` where it is 0; all else in between. Both are
        HxWx3 uint8; the result is a new array."""
        if not self._buffers or self._buffers[0].shape != front.shape:
            self._buffers = [np.empty_like(front) for _ in range(3)]
        weights, more, less = self._buffers
        cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR, dst=weights)
        cv2.multiply(cv2.subtract(front, back, dst=more), weights, dst=more, scale=1 / 255)
        cv2.multiply(cv2.subtract(back, front, dst=less), weights, dst=less, scale=1 / 255)
        result = cv2.add(back, more)
        return cv2.subtract(result, less, dst=result)
