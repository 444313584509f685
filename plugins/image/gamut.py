"""Pictures in a color space wider than sRGB: painted in sRGB, and given back in their own."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

# as painted and original differ by more than this in a channel, nothing is left of the original's color
FADE = 64
STRIP = 256  # rows converted at once


@dataclass(frozen=True, slots=True, eq=False)
class WideGamut:
    """What was lost on the way to sRGB, to be put back.

    `profile`   the picture's own ICC profile
    `original`  HxWx3 RGB uint8, in that profile's space
    `srgb`      HxWx3 RGB uint8: the same in sRGB, its colors cut to what sRGB holds
    """

    profile: bytes
    original: np.ndarray
    srgb: np.ndarray

    def restore(self, painted: np.ndarray) -> np.ndarray:
        """`painted` (HxWx3 RGB uint8 in sRGB) in the space of `profile`.

        The painting is converted by the color engine. Where it is still the original's color, what sRGB could
        not hold of that is added again, so that a painting at strength 0 is the original, bit for bit; where
        it is another color, nothing of the original is in it.
        """
        back = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"),
            ImageCms.ImageCmsProfile(io.BytesIO(self.profile)),
            "RGB",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        result = np.empty_like(self.original)
        for top in range(0, len(result), STRIP):
            rows = slice(top, top + STRIP)
            own, srgb, paint = self.original[rows], self.srgb[rows], painted[rows]
            lost = own.astype(np.int16) - _converted(srgb, back)
            change = np.abs(paint.astype(np.int16) - srgb).max(axis=2, keepdims=True)
            kept = lost * np.maximum(0, 1 - change / FADE)
            result[rows] = np.clip(np.rint(_converted(paint, back) + kept), 0, 255)
        return result


def _converted(image: np.ndarray, transform: ImageCms.ImageCmsTransform) -> np.ndarray:
    converted = ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(image)), transform)
    return np.asarray(converted)
