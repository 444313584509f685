"""Pictures of any size in a frame of a fixed one: whole, in proportion, with black bars where they differ."""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2


class Letterbox:
    """Puts pictures into a frame of `width` x `height` pixels, in two steps, so that only the picture is
    painted and not its bars. Neither costs anything where sizes agree."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height

    def scaled(self, image: np.ndarray) -> np.ndarray:
        """The picture (HxWx3 uint8) as large as fits into the frame, in proportion."""
        height, width = image.shape[:2]
        scale = min(self.width / width, self.height / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size == (width, height):
            return image
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)

    def placed(self, image: np.ndarray) -> np.ndarray:
        """A scaled picture in the middle of the frame."""
        below, right = self.height - image.shape[0], self.width - image.shape[1]
        if below == right == 0:
            return image
        top, left = below // 2, right // 2
        return cv2.copyMakeBorder(
            image, top, below - top, left, right - left, cv2.BORDER_CONSTANT, value=(0, 0, 0)
        )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self.placed(self.scaled(image))
