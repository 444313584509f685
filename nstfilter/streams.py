"""The contracts between the rooms: what a frame is, where frames come from and where they go.

A source is opened by its plugin, iterated once and closed. A sink is opened with the stream's description,
written to, and then either closed (the result appears under its final name) or aborted (it does not).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np


@dataclass(slots=True)
class Frame:
    """One picture of a stream.

    `image`     HxW (gray), HxWx3 (BGR) or HxWx4 (BGRA, alpha not premultiplied), uint8
    `pts`       when it is shown, in units of the stream's time base
    `duration`  how long, in the same units; None where the stream does not say
    `captured`  `time.monotonic()` at capture, in seconds; None for files
    `overlay`   lines that a sink which only the user sees may write over the picture
    """

    image: np.ndarray
    pts: int = 0
    duration: int | None = None
    captured: float | None = None
    overlay: tuple[str, ...] = ()


class Closed(Exception):  # noqa: N818  (not an error)
    """Raised by a sink's `write` when its user has closed it, as a window is closed: that is no failure."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame; what a file's header claims may be wrong.

    `width`, `height`  in pixels, as shown (rotation applied)
    `time_base`        seconds per unit of `Frame.pts`
    `rate`             nominal frames a second; None for a still picture
    `frames`           how many frames to expect; None when unknown
    `live`             whether frames arrive whether or not they are wanted
    `origin`           the file whose sound, subtitles and tags belong to this stream
    `details`          whatever else a plugin's source wants its own sink to know
    """

    width: int
    height: int
    time_base: Fraction = Fraction(1, 30)
    rate: Fraction | None = None
    frames: int | None = None
    live: bool = False
    origin: Path | None = None
    details: dict[str, object] = field(default_factory=dict)

    @property
    def still(self) -> bool:
        """Whether this is a single picture and not a video."""
        return self.rate is None and not self.live


class Source(ABC):
    """Frames, in order, once. `info` is known as soon as the source is open; `warnings` fills while it is
    read, with one line for each thing the user should know (frames that could not be decoded, say).

    `reopen`, where there is one, opens the same place again after it broke off, as a camera that was
    unplugged; `open_source` sets it, and a source may set a better one.
    """

    info: StreamInfo
    reopen: Callable[[], Source] | None = None

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames():
            if self.closed:
                return
            yield frame

    def span(self) -> tuple[int, int] | None:
        """When the first frame is shown and when the stream should end, in units of its time base; None
        unless any stretch of it can be opened on its own. Asked before the first frame is read.

        A plugin whose sources answer takes the options `begin`, `end` and `lead`: the frames with `begin` <=
        pts < `end` (None: to the end), the same as in the whole, after the last `lead` frames before them.
        `info` is the whole's but for `frames`, which is 0 where the stretch holds none.
        """
        return None

    @abstractmethod
    def _frames(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Let go of files and devices. Safe to call twice, and from another thread than the reader's."""
        if not self.closed:
            self.closed = True
            self._close()

    def _close(self) -> None:  # noqa: B027  (nothing to let go of is a valid answer)
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Sink(ABC):
    """Where frames go. Between `open` and `close` a sink has made nothing under its final name.

    `name` is what messages of a live run call it, and `open_sink` sets it to what the user wrote; `reopen` is
    a source's, for sinks. In a live run each sink is opened, written to and closed by a thread of its own,
    or, with `main_thread`, by the one that called `run`: some systems want their windows there.
    """

    name: str | None = None
    reopen: Callable[[], Sink] | None = None
    main_thread = False

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.state = "new"

    def open(self, info: StreamInfo) -> None:
        """Get ready for frames of `info.width` x `info.height`. Raises `SinkError`."""
        if self.state != "new":
            raise ValueError(f"a {self.state} sink cannot be opened again")
        self._open(info)
        self.state = "open"

    def write(self, frame: Frame) -> None:
        """Take one frame. The image is the sink's to keep: the caller does not write to it again."""
        if self.state != "open":
            raise ValueError(f"a {self.state} sink cannot be written to")
        self._write(frame)

    def close(self) -> None:
        """Finish: the result appears under its final name. Safe to call twice."""
        if self.state == "open":
            self._close()
            self.state = "closed"

    def abort(self) -> Path | None:
        """Stop early. Nothing appears under the final name; where a finished part is of use on its own it is
        kept beside it, and its path is returned."""
        if self.state != "open":
            return None
        self.state = "aborted"
        return self._abort()

    @abstractmethod
    def _open(self, info: StreamInfo) -> None: ...

    @abstractmethod
    def _write(self, frame: Frame) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    def _abort(self) -> Path | None:
        return None


class JoiningSink(Sink):
    """A sink whose result can also be made in pieces, in any order and in other places, and then joined."""

    @abstractmethod
    def pieces(self) -> tuple[str, dict[str, Any]] | None:
        """How a piece is made: the suffix of its file's name, and the options to open its sink with, through
        the same door. None where this result cannot be joined, of whatever pieces."""

    def join(self, info: StreamInfo, pieces: Sequence[Path]) -> None:
        """Make the result of `pieces`, files that hold one stretch after the other of the stream that `info`
        describes: it appears under its final name as after `close`. The pieces stay. Raises `SinkError`."""
        if self.state != "new":
            raise ValueError(f"a {self.state} sink cannot join anything")
        self._join(info, pieces)
        self.state = "closed"

    @abstractmethod
    def _join(self, info: StreamInfo, pieces: Sequence[Path]) -> None: ...
