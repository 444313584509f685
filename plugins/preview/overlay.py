"""Lines of text over a picture, on a darkened plate in its upper left."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nstfilter.graphics.opencv import cv2

# how much of the picture's light the plate lets through
DIMMED = 0.35
# shares of the picture's height, and the least that can be read, in pixels
LETTERS, SMALLEST = 1 / 34, 14


def draw_overlay(image: np.ndarray, lines: tuple[str, ...]) -> None:
    """Write `lines` over `image` (HxWx3 BGR uint8), in place; what does not fit is cut off. The font has the
    letters of ASCII: accents are left out, and others become question marks."""
    if not lines:
        return
    plate = _plate(lines, max(SMALLEST, round(image.shape[0] * LETTERS)))
    edge = image.shape[0] // 72
    below = image[edge : edge + plate.shape[0], edge : edge + plate.shape[1]]
    dimmed = cv2.convertScaleAbs(below, alpha=DIMMED)
    below[:] = np.maximum(dimmed, plate[: below.shape[0], : below.shape[1]])


@lru_cache(maxsize=4)  # the text changes now and then, the picture thirty times a second
def _plate(lines: tuple[str, ...], size: int) -> np.ndarray:
    """HxWx3 uint8: white letters on black."""
    font = ImageFont.load_default(size)
    text = unicodedata.normalize("NFKD", "\n".join(lines))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = text.encode("ascii", "replace").decode()
    spacing, inset = size // 3, size // 2
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = ruler.multiline_textbbox((0, 0), text, font, spacing=spacing)
    plate = Image.new("L", (round(right - left) + 2 * inset, round(bottom - top) + 2 * inset))
    ImageDraw.Draw(plate).multiline_text((inset - left, inset - top), text, 255, font, spacing=spacing)
    return cv2.cvtColor(np.asarray(plate), cv2.COLOR_GRAY2BGR)
