"""Webcams as sources: by number, by name or by path."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from nstfilter.errors import UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.plugins.v4l2 import is_device

if TYPE_CHECKING:
    from nstfilter.plugins.webcam.source import WebcamSource


def open_webcam(
    target: str, *, width: int = 1280, height: int = 720, rate: Fraction | float = 30
) -> WebcamSource:
    """The webcam that `target` means: nothing (the first), a number, a path or a part of its name.

    It is asked for `width` x `height` pixels as MJPEG, `rate` times a second, and gives what it supports (see
    `info`). Raises `SourceError` for a camera that is missing, busy or silent, `UsageError` for a name of
    several.
    """
    if not (0 < width <= 16384 and 0 < height <= 16384 and 0 < rate <= 1000):
        raise UsageError(f"no webcam gives {width}x{height} at {rate}; expected 1280x720 at 30, say")
    from nstfilter.plugins.cameras import cameras, find
    from nstfilter.plugins.webcam.source import WebcamSource

    return WebcamSource(find(target, cameras()), width, height, Fraction(rate))


@hookimpl
def register_sources(register: Register) -> None:
    register(
        "webcam",
        open_webcam,
        accepts=is_device,
        help="a webcam: webcam, webcam:1, webcam:Logitech, /dev/video2",
    )
