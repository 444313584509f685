"""The screen as a source, through mss."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from nstfilter.errors import MissingLibraryError, SourceError, UsageError
from nstfilter.streams import Frame, Source, StreamInfo

PART = re.compile(r"(\d{1,5})x(\d{1,5})\+(\d{1,5})\+(\d{1,5})")


class ScreenSource(Source):
    """Pictures of a screen or of a part of the desktop, `rate` a second or as many as the system gives."""

    def __init__(self, target: str, rate: Fraction) -> None:
        super().__init__()
        try:
            import mss
        except ImportError:
            raise MissingLibraryError("the screen needs mss: pip install 'nstfilter[screen]'") from None
        self._mss = mss
        self._ended = threading.Event()
        try:
            with mss.MSS() as desktop:
                self._part = _part(target, desktop.monitors)
                picture = desktop.grab(self._part)
        except UsageError:
            raise
        except Exception as error:  # each system has its own
            raise _unseen(error) from error
        self.info = StreamInfo(picture.width, picture.height, Fraction(1, 1_000_000), rate, live=True)

    def _frames(self) -> Iterator[Frame]:
        period, begun, pts = float(1 / (self.info.rate or 30)), time.monotonic(), -1
        due = begun
        with self._mss.MSS() as desktop:  # X11 wants it made by the thread that uses it
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                captured = time.monotonic()
                try:
                    picture = np.asarray(desktop.grab(self._part))[:, :, :3]  # BGRA; its alpha says nothing
                except Exception as error:
                    raise _unseen(error) from error
                pts = max(pts + 1, round((captured - begun) / self.info.time_base))
                yield Frame(np.ascontiguousarray(picture), pts, captured=captured)
                due = max(due + period, time.monotonic())

    def _close(self) -> None:
        self._ended.set()


def _unseen(error: Exception) -> SourceError:
    return SourceError(f"the screen cannot be seen: {str(error) or type(error).__name__}")


def _part(target: str, monitors: list[dict[str, int]]) -> dict[str, int]:
    """What `target` means, as mss takes it; the first of `monitors` is the whole desktop."""
    if match := PART.fullmatch(target):
        width, height, left, top = map(int, match.groups())
        whole = monitors[0]
        if width and height and left + width <= whole["width"] and top + height <= whole["height"]:
            return {
                "left": whole["left"] + left,
                "top": whole["top"] + top,
                "width": width,
                "height": height,
            }
        raise UsageError(f"screen:{target} does not lie on the desktop of {whole['width']}x{whole['height']}")
    number = int(target or 1) if (target or "1").isdecimal() else 0
    if not 0 < number < len(monitors):
        raise UsageError(
            f"there is no screen {target!r}; expected a number from 1 to {len(monitors) - 1}, or a part such "
            "as 1280x720+100+0"
        )
    return monitors[number]
