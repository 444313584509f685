"""Which way up a video is shown, as its display matrix says."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np

UPRIGHT = (False, False, False)


def orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool] | None:
    """Whether to transpose, then mirror left-right, then mirror top-bottom, by the display matrix:
    (x', y') = (a x + c y, b x + d y). None for a rotation that is no quarter turn."""
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data
    if Type.DISPLAYMATRIX not in side_data:
        return UPRIGHT
    matrix = struct.unpack("=9i", bytes(side_data[Type.DISPLAYMATRIX]))
    a, b, c, d = (round(matrix[i] / 65536) for i in (0, 1, 3, 4))
    if a and d and not b and not c:
        return False, a < 0, d < 0
    if b and c and not a and not d:
        return True, c < 0, b < 0
    return None


def turned(image: np.ndarray, transpose: bool, mirror: bool, flip: bool) -> np.ndarray:
    """`image` the way up that `orientation` said."""
    import cv2

    if transpose:
        image = cv2.transpose(image)
    if mirror or flip:
        image = cv2.flip(image, {(True, False): 1, (False, True): 0, (True, True): -1}[mirror, flip])
    return image
