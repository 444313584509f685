"""What a frame is, and the contracts of sources, sinks and microphones.

A source is opened by its plugin, iterated once and closed. A sink is opened with the stream's description,
written to, and then either closed (the result appears under its final name) or aborted (it does not).
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

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
    `sound`     NxC float32 from -1 to 1, as `StreamInfo.sound` says: what follows the sound of the frames
                before, and is heard up to this one or a little less far; None where there is nothing new
    """

    image: np.ndarray
    pts: int = 0
    duration: int | None = None
    captured: float | None = None
    overlay: tuple[str, ...] = ()
    sound: np.ndarray | None = None


class Change(str):
    """A warning that says what of the input the output lacks, or has otherwise. `apply --strict` ends with an
    error where there is one; all else about it is like any line in `warnings`."""


COUNT = re.compile(r"(\d+) (.+?)s? (?:was|were) (.+)")


def added_up(lines: Iterable[str]) -> list[str]:
    """Warnings of parts of a stream as those of the whole: equal lines become one, and so do those that say
    how often something happened, such as `1 frame was skipped` and `2 frames were skipped`, with the sum."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        count = COUNT.fullmatch(line)
        alike.setdefault(count.groups()[1:] if count else (line,), []).append(line)
    whole = []
    for key, same in alike.items():
        text = same[0]
        if len(key) > 1 and len(same) > 1:
            what, fate = key
            number = sum(int(line.split()[0]) for line in same)
            text = f"{number} {what} was {fate}" if number == 1 else f"{number} {what}s were {fate}"
        whole.append(Change(text) if any(isinstance(line, Change) for line in same) else text)
    return whole


class Closed(Exception):  # noqa: N818  (not an error)
    """Raised by a sink's `write` when its user has closed it, as a window is closed: that is no failure."""


@dataclass(frozen=True, slots=True)
class SoundInfo:
    """Sound of `channels` (1 or 2), each of `rate` samples a second."""

    rate: int = 48_000
    channels: int = 1


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame; what a file's header claims may be wrong.

    `width`, `height`  in pixels, as shown (rotation applied)
    `time_base`        seconds per unit of `Frame.pts`
    `rate`             nominal frames a second; None for a still picture
    `frames`           how many frames to expect; None when unknown
    `live`             whether frames arrive whether or not they are wanted
    `origin`           the file whose sound, subtitles and tags belong to this stream
    `sound`            what `Frame.sound` holds; None where there is none
    `details`          whatever else a plugin's source wants its own sink to know
    """

    width: int
    height: int
    time_base: Fraction = Fraction(1, 30)
    rate: Fraction | None = None
    frames: int | None = None
    live: bool = False
    origin: Path | None = None
    sound: SoundInfo | None = None
    details: dict[str, object] = field(default_factory=dict)

    @property
    def still(self) -> bool:
        """Whether this is a single picture and not a video."""
        return self.rate is None and not self.live


class Source(ABC):
    """Where frames come from: a file, a camera, a drawing.

    A plugin derives from this class. Its `__init__` opens the file or device, raises `SourceError` or
    `UsageError` where it cannot, and sets `info`; the public methods below are the program's side, the
    underscored ones the plugin's. A plugin that takes the option `describe` is asked with it for `info` and
    `warnings` alone, and may spare itself the frames.

    `info`      what is known of the stream; set before `__init__` returns, and not changed afterwards
    `warnings`  one line for each thing the user should know, such as frames that could not be decoded; the
                source appends while it is read, the program prints them at the end; a `Change` where
                something of the input is lost. Those of segments are `added_up`
    `closed`    whether `close` was called
    `seekable`  once `span` was called: whether opening in the middle costs little; where it does not, a
                render is one segment, and opens in the middle only to resume
    `reopen`    opens the same place again after a live source failed, as when a camera was unplugged;
                `open_source` sets it unless the source has set its own
    `stalls`    whether reading may wait for somebody else without end, as from a pipe: a render that is
                stopped then ends without it
    """

    info: StreamInfo
    reopen: Callable[[], Source] | None = None
    seekable = True
    stalls = False

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.closed = False
        self._closing = threading.Lock()

    def __iter__(self) -> Iterator[Frame]:
        """The frames, in order. Ends early once the source is closed.

        Called once, by one thread: the reader's, which is not the one that opened the source.
        """
        for frame in self._frames():
            if self.closed:
                return
            yield frame

    def span(self) -> tuple[int, int] | None:
        """The pts of the first frame and the end of the stream, in units of its time base.

        Called at most once, before the first frame is read. None means that the source cannot be opened in
        its middle, and a render is then one task.

        Notes
        -----
        A plugin whose sources return a span takes the options `begin`, `end` and `pre_roll`. It yields the
        frames with `begin` <= pts < `end` (None: to the end), equal to those of the whole, and before them
        the last `pre_roll` frames ahead of `begin`. `info` is the whole's but for `frames`, which is 0 where
        the range holds none.
        """
        return None

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """Yield every frame, in the order it is shown.

        Called once, in the reader's thread. Each image belongs to whoever receives it: the source does not
        write to it again, nor yields the same array twice.

        Raises
        ------
        SourceError
            where nothing more can be read. A damaged frame is skipped with a line in `warnings` instead. Any
            other exception is a defect of the plugin and keeps its traceback.

        After an exception `close` is called; of a live source `reopen` is called then, after a pause.
        """

    def close(self) -> None:
        """Release files and devices. Safe to call twice, and from any thread while another one reads."""
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self._close()

    def _close(self) -> None:  # noqa: B027  (nothing to release is a valid answer)
        """Release files and devices. Called once, possibly while another thread is inside `_frames`, also
        after `_frames` has raised; not called where `__init__` raised."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Microphone(ABC):
    """Where the sound of a live run comes from.

    A plugin derives from this class. Its `__init__` opens the device, sets `info` and `name`, and raises
    `SourceError` where it cannot. The run iterates it once, in a thread of its own.

    `info`    what it gives; set before `__init__` returns
    `name`    what messages call it
    `reopen`  opens it again after it failed, as when it was unplugged; `open_microphone` sets it unless the
              microphone has set its own
    """

    info: SoundInfo
    name: str
    reopen: Callable[[], Microphone] | None = None

    def __init__(self) -> None:
        self.closed = False
        self._closing = threading.Lock()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        """Blocks of NxC float32 from -1 to 1, some 20 milliseconds each, and the `time.monotonic()` at which
        the first sample of each was heard. Ends early once the microphone is closed. Raises `SourceError`
        where there is no more sound; `close` and, after a pause, `reopen` are called then."""
        for block in self._blocks():
            if self.closed:
                return
            yield block

    def close(self) -> None:
        """Release the device. Safe to call twice, and from any thread while another one reads."""
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _blocks(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yield every block, as `__iter__` describes; returns soon after `_close` was called."""

    @abstractmethod
    def _close(self) -> None:
        """Release the device. Called once, possibly while another thread is inside `_blocks`."""


class Sink(ABC):
    """Where frames go: a file, a virtual camera, a window.

    A plugin derives from this class and implements the underscored methods; the public ones check their
    order. Until `close` returns, nothing has appeared under the final name.

    `name`         what messages call the sink; `open_sink` sets it to what the user wrote
    `reopen`       as a source's; a live run calls it after `write` has raised
    `main_thread`  whether a live run must call this sink from the thread that called `run`, as some systems
                   ask of windows. Otherwise each sink has a thread of its own, and all of its methods are
                   called there
    `audience`     who sees it: "user", nobody else, as in a preview; "others", at once, as in a call or a
                   stream; "file", whoever opens the result. Behind the privacy card a live run goes on for
                   the user alone; it asks before it ends where others see it, and then waits for files only
    `takes_sound`  whether it writes `Frame.sound`; only then do frames carry any
    `warnings`     one line for each thing the user should know; printed at the end
    `stalls`       as a source's: whether writing may wait for somebody else without end
    `state`        "new", "open", "closed" or "aborted"
    """

    name: str | None = None
    reopen: Callable[[], Sink] | None = None
    main_thread = False
    stalls = False
    takes_sound = False
    audience: Literal["user", "others", "file"] = "file"

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.state = "new"

    def losses(self, info: StreamInfo) -> list[str]:
        """What of a stream the result will lack or have otherwise, as far as that is known before its first
        frame: lines that `warnings` will hold too, word for word.

        Called at most once, before `open`, and changes nothing. Raises as `open` does.
        """
        return []

    def most_frames(self, info: StreamInfo) -> int | None:
        """How many frames of a stream the result holds, the first ones, where that may be fewer than all: no
        more are written to it, and no more painted, if no other sink holds more. None for all of them.
        Changes nothing."""
        return None

    def open(self, info: StreamInfo) -> None:
        """Get ready for frames of `info.width` x `info.height`.

        Called once, before the first frame. Raises `SinkError` where the result cannot be written.
        """
        if self.state != "new":
            raise ValueError(f"a {self.state} sink cannot be opened again")
        self._open(info)
        self.state = "open"

    def write(self, frame: Frame) -> None:
        """Take one frame. Called once a frame, in order. The image then belongs to the sink; several sinks
        may hold the same one, so none writes to it."""
        if self.state != "open":
            raise ValueError(f"a {self.state} sink cannot be written to")
        self._write(frame)

    def close(self) -> None:
        """Finish: the result appears under its final name. Safe to call twice.

        Where it raises, the sink is still open, and the caller calls `abort`.
        """
        if self.state == "open":
            self._close()
            self.state = "closed"

    def abort(self) -> Path | None:
        """Stop early. Nothing appears under the final name; a finished part that is of use on its own is kept
        beside it, and its path is returned. Safe to call twice, and after any other method has raised."""
        if self.state != "open":
            return None
        self.state = "aborted"
        return self._abort()

    @abstractmethod
    def _open(self, info: StreamInfo) -> None:
        """Get ready. Raises `SinkError`, and leaves no file behind then: `_abort` is not called."""

    @abstractmethod
    def _write(self, frame: Frame) -> None:
        """Take one frame; may keep its image, must not write to it.

        Raises
        ------
        SinkError
            where the frame cannot be written. `_abort` is called next; a live run then calls `reopen`.
        Closed
            where the user has ended this sink, as by closing a window; a live run goes on without it.
        """

    @abstractmethod
    def _close(self) -> None:
        """Finish and move the result to its final name. Raises `SinkError`; `_abort` is called next."""

    def _abort(self) -> Path | None:
        """Remove what is unfinished, or keep it and return its path. Called at most once, after `_open`."""
        return None


class JoiningSink(Sink):
    """A sink whose result can also be made as segments, in any order and in other processes, and joined.

    `on_joined`  what `join` calls, where it is set, after each frame with the number of those it has written
    """

    on_joined: Callable[[int], None] | None = None

    @abstractmethod
    def segment_format(self, info: StreamInfo) -> tuple[str, dict[str, Any]] | None:
        """How a segment is written: the suffix of its file, and the options to open its sink with, through
        the same plugin. None where this result cannot be joined. Called once, on a sink that is not open."""

    def join(self, info: StreamInfo, segments: Sequence[Path]) -> None:
        """Make the result of `segments`, files that hold one range of the stream `info` after the other.

        Called in place of `open`, `write` and `close`, once. The result appears under its final name; the
        segments stay. Raises `SinkError`, and nothing is left under the final name then.
        """
        if self.state != "new":
            raise ValueError(f"a {self.state} sink cannot join anything")
        self._join(info, segments)
        self.state = "closed"

    @abstractmethod
    def _join(self, info: StreamInfo, segments: Sequence[Path]) -> None:
        """Write the result of `segments`; cleans up after itself where it raises."""
