"""Pictures of any size in a frame of a fixed one, in proportion: whole with black bars, or filling it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nstfilter.graphics.opencv import cv2


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a picture: either the largest of the proportions `aspect` (width to height) in its middle, or
    the rectangle of `width` x `height` pixels from `left`, `top` on, as far as it lies in the picture."""

    aspect: Fraction | None = None
    width: int = 0
    height: int = 0
    left: int = 0
    top: int = 0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The part of `image`, HxWx3: a view. All of it where the part lies outside."""
        height, width = image.shape[:2]
        if self.aspect:
            # even, as video codecs and virtual cameras ask for
            wide = min(width, max(2, 2 * round(height * self.aspect / 2)))
            tall = min(height, max(2, 2 * round(width / self.aspect / 2)))
            left, top = (width - wide) // 2, (height - tall) // 2
        else:
            left, top, wide, tall = self.left, self.top, self.width, self.height
        part = image[top : top + tall, left : left + wide]
        return part if part.size else image


class Letterbox:
    """Puts pictures into a frame of `width` x `height` pixels, in two steps, so that only the picture is
    painted and not its bars. Neither costs anything where sizes agree.

    `fill`  cut off what does not fit, so that there are no bars
    `crop`  take this part of the picture
    """

    def __init__(self, width: int, height: int, *, fill: bool = False, crop: Crop | None = None) -> None:
        self.width = width
        self.height = height
        self.fill = fill
        self.crop = crop

    def scaled(self, image: np.ndarray) -> np.ndarray:
        """The picture (HxWx3 uint8) as large as fits into the frame, in proportion; contiguous."""
        if self.crop:
            image = self.crop(image)
        fill = self.fill  # once: another thread may change it
        if fill:
            image = Crop(Fraction(self.width, self.height))(image)
        height, width = image.shape[:2]
        scale = min(self.width / width, self.height / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if fill:
            size = self.width, self.height
        if size == (width, height):
            return np.ascontiguousarray(image)
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
