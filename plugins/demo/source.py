"""The demo as a source: frames of the scene, and its sound in a temporary file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nstfilter.errors import UsageError
from nstfilter.streams import Frame, Source, StreamInfo

if TYPE_CHECKING:
    from nstfilter.plugins.demo.scene import Scene

SIZE = (1280, 720)
RATE = Fraction(30)
SECONDS = 8.0
HOUR = 3600


def open_demo(target: str, *, seconds: float = SECONDS, sound: bool = True) -> DemoSource:
    """The demo of `target`, which is empty, `640x360` or `640x360@25`; it repeats when `seconds` are many.

    Without `sound` it has no tune, and opens faster. Raises `UsageError` for what cannot be meant.
    """
    match = re.fullmatch(r"(?:(\d{1,5})x(\d{1,5}))?(?:@(\d{1,6}(?:/\d{1,4}|\.\d{1,3})?))?", target)
    try:
        if not match:
            raise ValueError
        width, height = (int(match[1]), int(match[2])) if match[1] else SIZE
        rate = Fraction(match[3]) if match[3] else RATE
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"{target!r} is not a size for the demo; expected something like 640x360 or 1280x720@30"
        ) from None
    if not (64 <= width <= 4096 and 64 <= height <= 4096):
        raise UsageError(f"the demo cannot be {width}x{height}; expected 64 to 4096 pixels each way")
    if not 1 <= rate <= 240:
        raise UsageError(f"the demo cannot have {rate} frames a second; expected 1 to 240")
    try:
        seconds = float(seconds)
    except ValueError:
        seconds = 0
    longest = HOUR if sound else 24 * HOUR
    if not 1 / rate <= seconds <= longest:
        raise UsageError(f"seconds must be a number from one frame's time to {longest}, for the demo")
    return DemoSource(width, height, rate, seconds, sound=sound)


class DemoSource(Source):
    """`seconds` of the scene, which repeats every 8; its sound lies in a temporary file, `info.origin`."""

    def __init__(self, width: int, height: int, rate: Fraction, seconds: float, *, sound: bool) -> None:
        super().__init__()
        from tempfile import TemporaryDirectory

        self.scene = _scene(width, height)
        frames = max(1, round(seconds * rate))
        self.folder = TemporaryDirectory(prefix="nstfilter-demo-") if sound else None
        origin = None
        if self.folder:
            from nstfilter.plugins.demo.sound import write

            origin = Path(self.folder.name) / "sound.m4a"
            write(origin, float(frames / rate))
        self.info = StreamInfo(width, height, 1 / rate, rate, frames, origin=origin)

    def _frames(self) -> Iterator[Frame]:
        assert self.info.frames is not None
        for index in range(self.info.frames):
            yield Frame(self.scene.draw(float(index * self.info.time_base)), pts=index, duration=1)

    def _close(self) -> None:
        if self.folder:
            self.folder.cleanup()


@lru_cache(maxsize=2)
def _scene(width: int, height: int) -> Scene:
    """Drawing its layers takes about a second; a source that is opened again finds them drawn."""
    from nstfilter.plugins.demo.scene import Scene

    return Scene(width, height)
