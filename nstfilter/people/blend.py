"""Mixes two pictures by a mask."""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2


class Blend:
    """Mixes pictures in whole numbers, where the mask is, in buffers that are kept: half the time of OpenCV's
    `blendLinear`."""

    def __init__(self) -> None:
        self._buffers: list[np.ndarray] = []

    def __call__(self, front: np.ndarray, back: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """`front` where `mask` (HxW uint8) is 255, `back` where it is 0; all else in between. Both are
        HxWx3 uint8; the result is a new array."""
        if not self._buffers or self._buffers[0].shape != front.shape:
            self._buffers = [np.empty_like(front) for _ in range(2)]
        result = back.copy()
        left, top, width, height = cv2.boundingRect(mask)
        if not width:
            return result
        there = np.s_[top : top + height, left : left + width]
        weights, share = (buffer[there] for buffer in self._buffers)
        mixed = result[there]
        cv2.cvtColor(mask[there], cv2.COLOR_GRAY2BGR, dst=weights)
        cv2.multiply(front[there], weights, dst=share, scale=1 / 255)
        cv2.multiply(mixed, cv2.bitwise_not(weights, dst=weights), dst=mixed, scale=1 / 255)
        cv2.add(mixed, share, dst=mixed)
        return result
