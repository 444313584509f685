"""The one way through the house: source -> filter -> sinks.

Reading, filtering and writing overlap, each in a thread of its own with a few frames between them, so that
a run costs little more than its slowest part. Every frame of the source reaches every sink, in order; but a
live source's frames do not wait, and there live.py lets the newest win.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.filter import StyleFilter
from nstfilter.frames import check_painted
from nstfilter.live.governor import Governor
from nstfilter.live.live import Live
from nstfilter.live.stats import Figures
from nstfilter.streams import Frame, Sink, Source, StreamInfo

STALLED = 0.5  # seconds that a thread has to end whose source or sink may wait for others without end
# frames waiting between two threads: enough to even out their paces, few enough to weigh little
DEPTH = 4


@dataclass(slots=True)
class Report:
    """How a run went: `frames` filtered, and but for live runs written to each sink that holds so many;
    `seconds` in all, `filtering` the seconds spent inside the filter, `warnings` what the source and the
    sinks had to say; `live` the figures of a live run."""

    frames: int = 0
    seconds: float = 0.0
    filtering: float = 0.0
    warnings: list[str] = field(default_factory=list)
    live: Figures | None = None


def run(
    source: Source,
    filter: Callable[[np.ndarray], np.ndarray],
    sinks: Sink | Sequence[Sink],
    *,
    on_frame: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Take every frame of `source` through `filter` (BGR uint8 in and out, same shape) to every sink.

    Opens the sinks, and closes source and sinks when the frames are done or `stop` is set: results then
    appear under their final names. On any error, Ctrl-C included, the sinks are aborted and the error is
    raised with a note for each finished part that was kept. `on_frame` is called with the number of frames
    filtered so far. Raises whatever source, filter or sinks raise, and `FrameError` when the filter gives
    something else than a frame of the same size.

    A live source is run as a `Live` is: at its own size and rate, which a `StyleFilter` of no fixed size is
    made to hold; failures are mended, and Ctrl-C is a normal end.
    """
    sinks = [sinks] if isinstance(sinks, Sink) else list(sinks)
    if source.info.live:
        return _run_live(source, filter, sinks, on_frame, stop)
    stop = stop or threading.Event()
    report = Report()
    started = time.perf_counter()
    with source:
        try:
            for sink in sinks:
                sink.open(source.info)
            with ExitStack() as threads:
                most = most_frames(sinks, source.info)
                reader = _Reader(source, most)
                threads.callback(reader.stop)
                writers = [_Writer(sink, sink.most_frames(source.info)) for sink in sinks]
                for writer in writers:
                    threads.callback(writer.stop)
                if isinstance(filter, StyleFilter) and 1 not in (source.info.frames, most):
                    painted = _painted_ahead(filter, reader)
                else:
                    painted = ((frame, filter(frame.image)) for frame in reader)
                threads.enter_context(closing(painted))
                since = time.perf_counter()
                for frame, image in painted:
                    report.filtering += time.perf_counter() - since - reader.waited
                    check_painted(image, frame.image)
                    for writer in writers:
                        writer.put(replace(frame, image=image))
                    report.frames += 1
                    if on_frame:
                        on_frame(report.frames)
                    if stop.is_set():
                        break
                    reader.waited, since = 0.0, time.perf_counter()
                for writer in writers:
                    writer.finish()
            for sink in sinks:
                sink.close()
        except BaseException as error:
            for sink in sinks:
                kept = _abort(sink, error)
                if kept:
                    error.add_note(f"the finished part is kept in {kept}")
            raise
        finally:
            report.seconds = time.perf_counter() - started
            report.warnings += source.warnings
            for sink in sinks:
                report.warnings += sink.warnings
    return report


def _painted_ahead(
    filter: StyleFilter, frames: Iterable[Frame]
) -> Generator[tuple[Frame, np.ndarray], None, None]:
    """Each frame and its painting; the network begins with the next frames before one is done."""
    waiting: deque[Frame] = deque()

    def images() -> Iterator[np.ndarray]:
        for frame in frames:
            waiting.append(frame)
            yield frame.image

    with closing(filter.stream(images())) as painted:
        for image in painted:
            yield waiting.popleft(), image


def most_frames(sinks: Sequence[Sink], info: StreamInfo) -> int | None:
    """How many frames of a stream one of `sinks` holds; None for all."""
    wanted = [sink.most_frames(info) for sink in sinks]
    return None if None in wanted else max((each for each in wanted if each is not None), default=None)


def _run_live(
    source: Source,
    filter: Callable[[np.ndarray], np.ndarray],
    sinks: Sequence[Sink],
    on_frame: Callable[[int], None] | None,
    stop: threading.Event | None,
) -> Report:
    rate = source.info.rate or Fraction(30)
    governor = Governor(rate) if isinstance(filter, StyleFilter) and filter.size is None else None
    live = Live(source, filter, sinks, rate=rate, governor=governor, on_frame=on_frame)
    figures = live.run(stop=stop)
    return Report(figures.painted, figures.seconds, live.filtering, live.warnings, figures)


def _abort(sink: Sink, error: BaseException) -> Path | None:
    try:
        return sink.abort()
    except Exception as second:
        error.add_note(f"and the unfinished output could not be cleared away: {second}")
        return None


class _Queue:
    """A queue between two threads. Either side may end it, and the other is told at its next move."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Any] = queue.Queue(DEPTH)
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def put(self, item: Any) -> bool:
        """False when the other side has ended."""
        while not self.ended.is_set():
            try:
                self.queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class _Reader:
    """Reads ahead of the filter."""

    def __init__(self, source: Source, most: int | None) -> None:
        self.source, self.most = source, most
        self.waited = 0.0  # seconds that were waited for frames
        self.hand = _Queue()
        self.thread = threading.Thread(target=self._read, name="nstfilter-read", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            for frame in islice(self.source, self.most):
                if not self.hand.put(frame):
                    return
        except BaseException as error:
            self.hand.error = error
        self.hand.put(None)

    def __iter__(self) -> Iterator[Frame]:
        while True:
            since = time.perf_counter()
            frame = self.hand.queue.get()
            self.waited += time.perf_counter() - since
            if frame is None:
                break
            yield frame
        if self.hand.error:
            raise self.hand.error

    def stop(self) -> None:
        self.hand.ended.set()
        if self.source.stalls and self.thread.is_alive():
            self.source.close()
        self.thread.join(STALLED if self.source.stalls else None)


class _Writer:
    """Writes behind the filter: the first `most` frames, or all of them."""

    def __init__(self, sink: Sink, most: int | None) -> None:
        self.sink, self.most = sink, most
        self.taken = 0
        self.hand = _Queue()
        self.thread = threading.Thread(target=self._write, name="nstfilter-write", daemon=True)
        self.thread.start()

    def _write(self) -> None:
        try:
            while (frame := self.hand.queue.get()) is not None:
                self.sink.write(frame)
        except BaseException as error:
            self.hand.error = error
        self.hand.ended.set()

    def put(self, frame: Frame) -> None:
        if self.taken == self.most:
            return
        self.taken += 1
        if not self.hand.put(frame):
            raise self.hand.error or RuntimeError("the writer ended early")

    def finish(self) -> None:
        """Wait until every frame is written."""
        self.hand.put(None)
        self.thread.join()
        if self.hand.error:
            raise self.hand.error

    def stop(self) -> None:
        """End without waiting for the frames that are still queued."""
        if self.thread.is_alive():
            while not self.hand.queue.empty():
                try:
                    self.hand.queue.get_nowait()
                except queue.Empty:
                    break
            self.hand.put(None)
            self.thread.join(STALLED if self.sink.stalls else None)
