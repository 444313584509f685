"""Frames as arrays: shapes and channels, what is no frame, and the size that a network works at."""

from __future__ import annotations

import numpy as np

from nstfilter.errors import FrameError
from nstfilter.graphics.opencv import cv2

# where the user does not say, the network works at 480 pixels for a frame of 720, and at the square root of
# the ratio for larger ones: strokes grow with the picture, and yet stay crisp
DEFAULT_SIZE = (480, 720)


def as_bgr(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The frame as contiguous HxWx3, and its alpha as HxW if it has one. Raises `FrameError` for what is no
    frame."""
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        kind = f"{frame.dtype} array" if isinstance(frame, np.ndarray) else type(frame).__name__
        hint = " (cv2.imread gives None for a file it cannot read)" if frame is None else ""
        raise FrameError(f"the frame is a {kind}; expected a uint8 array of shape HxWx3 (BGR){hint}")
    channels = frame.shape[2] if frame.ndim == 3 else 1
    if frame.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in frame.shape:
        raise FrameError(f"the frame's shape is {frame.shape}; expected HxW, HxWx3 (BGR) or HxWx4 (BGRA)")
    frame = np.ascontiguousarray(frame)
    if channels == 1:
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR), None
    if channels == 4:
        return cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR), frame[:, :, 3]
    return frame, None


def check_out(out: np.ndarray, frame: np.ndarray) -> None:
    """Raise `FrameError` for an `out` that the painted `frame` cannot be written into."""
    if not isinstance(out, np.ndarray) or out.shape != frame.shape or out.dtype != np.uint8:
        what = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
        raise FrameError(f"out is {what}; expected uint8 {frame.shape}, like the frame")
    if not out.flags.writeable:
        raise FrameError("out is read-only; expected an array that can be written to, such as a copy of it")


def check_painted(painted: np.ndarray, image: np.ndarray) -> None:
    """Raise `FrameError` for what is no frame like `image`: a sink would take any array's bytes for one."""
    shape: tuple[int, ...] = getattr(painted, "shape", ())
    dtype = getattr(painted, "dtype", type(painted).__name__)
    channels = shape[2] if len(shape) == 3 else 1
    if shape[:2] != image.shape[:2] or len(shape) > 3 or channels not in (1, 3, 4) or dtype != "uint8":
        raise FrameError(f"the filter made {dtype} {shape} of a frame; expected uint8 {image.shape}, like it")


def like(frame: np.ndarray, painted: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """`painted`, HxWx3 BGR, with the channels of `frame`: gray, BGR, or BGRA with this alpha."""
    if alpha is not None:
        painted = cv2.cvtColor(painted, cv2.COLOR_BGR2BGRA)
        painted[:, :, 3] = alpha
    elif frame.ndim == 2 or frame.shape[2] == 1:
        painted = cv2.cvtColor(painted, cv2.COLOR_BGR2GRAY).reshape(frame.shape)
    return painted


def network_size(height: int, width: int, size: int | None = None) -> tuple[int, int]:
    """Height and width, in pixels, that the network works at for a frame of `height` by `width`: those of
    the frame, reduced so that the shorter is `size`, or `default_size` where that is None."""
    scale = (size or default_size(height, width)) / min(height, width)
    if scale >= 1:
        return height, width
    sides = (max(1, round(side * scale)) for side in (height, width))
    # networks halve twice: other sizes they would have to extend first
    return tuple(side // 4 * 4 if side >= 64 else side for side in sides)  # type: ignore[return-value]


def default_size(height: int, width: int) -> int:
    """The shorter side, in pixels, that the network works at for a frame of this size."""
    size, frame = DEFAULT_SIZE
    return round(size * max(1.0, (min(height, width) / frame) ** 0.5))


def reduced(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image at a smaller size. Halved while it is more than twice as large, which is quick, and then
    interpolated, which takes every pixel into account up to there and a tenth of the time of averaging."""
    while min(image.shape[0] / height, image.shape[1] / width) > 2:
        half = image.shape[1] // 2, image.shape[0] // 2
        image = cv2.resize(image[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
