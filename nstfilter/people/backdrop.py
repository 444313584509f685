"""What stands behind people in place of the room: an even wall, the room out of focus, or a picture."""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2
from nstfilter.people.blend import Blend
from nstfilter.people.segmenter import shrunk

# the even wall, BGR: a warm gray that flatters skin and gives every style something to paint on
WALL = (150, 158, 164)
# standard deviation of the blur, as a share of the room's shorter side: what is left would fit into a picture
# 24 pixels high
BLUR = 1 / 32
# a room is halved until its shorter side has fewer pixels before it is blurred
HALVED = 128
# pixels of the longer side that are kept of a picture: it travels with every task of a render
LARGEST = 2560
# the weight of the room's mean beside what is near
FAR = np.float32(0.01)
# what the mask is pulled in by before people are put before another room: the outermost pixels are part room
TIGHTER = 0.35
_TIGHTER = np.clip((np.arange(256) / 255 - TIGHTER) / (1 - TIGHTER) * 255, 0, 255).round().astype(np.uint8)


class Backdrop:
    """`picture` is HxWx3 BGR uint8, cropped to the frame's shape; without one the room is blurred."""

    def __init__(self, picture: np.ndarray | None) -> None:
        if picture is not None and max(picture.shape[:2]) > LARGEST:
            scale = LARGEST / max(picture.shape[:2])
            size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        self.picture = picture
        self._blend = Blend()
        self._fitted: np.ndarray | None = None

    @classmethod
    def wall(cls) -> Backdrop:
        return cls(np.full((8, 8, 3), WALL, np.uint8))

    def behind(self, image: np.ndarray, mask: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
        """The people of `image` (HxWx3 BGR uint8), where `mask` (HxW uint8) is, before this. `seen`, where
        given, is the image made smaller."""
        return self._blend(image, self.room(image if seen is None else seen, mask), cv2.LUT(mask, _TIGHTER))

    def room(self, seen: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """What is behind the people, and where they are, of the size of `mask`."""
        return _blurred(seen, mask) if self.picture is None else self._fit(mask.shape)

    def _fit(self, shape: tuple[int, ...]) -> np.ndarray:
        """The picture's middle at the frame's size."""
        if self._fitted is None or self._fitted.shape[:2] != shape:
            assert self.picture is not None
            height, width = shape
            scale = max(height / self.picture.shape[0], width / self.picture.shape[1])
            h, w = (max(1, round(side / scale)) for side in shape)
            h, w = min(h, self.picture.shape[0]), min(w, self.picture.shape[1])
            top, left = (self.picture.shape[0] - h) // 2, (self.picture.shape[1] - w) // 2
            middle = self.picture[top : top + h, left : left + w]
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            self._fitted = cv2.resize(middle, (width, height), interpolation=way)
        return self._fitted


def _blurred(seen: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The room out of focus. People do not count, so that no shine of them stands around their edge."""
    height, width = mask.shape
    small = seen
    while min(small.shape[:2]) >= HALVED:
        half = (small.shape[1] + 1) // 2, (small.shape[0] + 1) // 2
        small = cv2.resize(small, half, interpolation=cv2.INTER_AREA)
    inside = shrunk(mask, small.shape[:2], cv2.INTER_AREA)
    # a pixel that is part person has their color in it
    weight = np.maximum(1 - np.float32(4 / 255) * inside, 0)[..., None]
    weighted = small * weight
    total = max(cv2.sumElems(weight)[0], 1.0)
    # behind the middle of people, where no room is near, its mean
    mean = np.array(cv2.sumElems(weighted)[:3], np.float32) / np.float32(total)
    sigma = max(2.0, BLUR * min(small.shape[:2]))
    weighted = cv2.GaussianBlur(weighted, (0, 0), sigma) + FAR * mean
    weighted /= (cv2.GaussianBlur(weight, (0, 0), sigma) + FAR)[..., None]
    return cv2.resize(cv2.convertScaleAbs(weighted), (width, height), interpolation=cv2.INTER_LINEAR)
