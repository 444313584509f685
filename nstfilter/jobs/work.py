"""Does a `Task` in this process, whichever process that is."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nstfilter.errors import NstfilterError
from nstfilter.filter import StyleFilter
from nstfilter.jobs.checkpoints import CheckpointSink
from nstfilter.jobs.task import Segment, Settings, Stopped, Task
from nstfilter.jobs.unchanged import WatchedSource
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.models import StyleModel
from nstfilter.pipeline import Report, run
from nstfilter.stability import warm_up
from nstfilter.streams import Frame, Source


def perform(
    task: Task,
    *,
    on_frame: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
    filters: Callable[[Settings], StyleFilter | InTurn] | None = None,
) -> Report:
    """Do `task` in this process, with the filter that `filters` has for its settings, by default
    `filter_for`. Raises what reading, painting or writing raises, and `Stopped`; nothing is then left under
    the output's name. A part that holds no frame makes no output."""

    def painted(frames: int) -> None:
        if on_frame:
            on_frame(frames)
        if stop and stop.is_set():
            raise Stopped

    paint = (filters or filter_for)(task.settings)
    paint.reset()
    known = manager().sinks.options(str(task.output))
    options = {name: value for name, value in task.options.items() if name in known}
    if task.state:
        task.state.check(task.input)
    if task.segment:
        return _perform_segment(task, task.segment, paint, options, painted)
    source = open_source(task.input)
    if task.state:
        source = WatchedSource(source, task.input, task.state)
    with source:
        return run(source, paint, open_sink(task.output, **options), on_frame=painted)


def _perform_segment(
    task: Task,
    segment: Segment,
    paint: StyleFilter | InTurn,
    options: dict[str, Any],
    painted: Callable[[int], None],
) -> Report:
    """Goes on from the checkpoints that an earlier run has left."""
    sink = CheckpointSink(task.output, lambda path: open_sink(path, **options))
    before = Report(sink.frames, sink.seconds)
    begin = segment.begin if sink.end is None else sink.end
    pre_roll = warm_up(task.settings.stability)
    with open_source(task.input, begin=begin, end=segment.end, pre_roll=pre_roll) as found:
        if sink.complete or not found.info.frames:
            if before.frames:
                sink.join(found.info)
                before.warnings += sink.warnings
            return before
        sink.said = found.warnings
        source: Source = _WarmedUp(found, paint, begin)
        if task.state:
            source = WatchedSource(source, task.input, task.state)
        painted(before.frames)
        report = run(source, paint, sink, on_frame=lambda frames: painted(before.frames + frames))
    report.frames += before.frames
    report.seconds += before.seconds
    return report


class _WarmedUp(Source):
    """The frames of `source` from `begin` on; those before it only pass through the filter, which so comes
    to remember what it would have remembered had it seen the whole video."""

    def __init__(self, source: Source, paint: Callable[[np.ndarray], np.ndarray], begin: int) -> None:
        super().__init__()
        self.source, self.paint, self.begin = source, paint, begin
        self.info, self.warnings = source.info, source.warnings

    def _frames(self) -> Iterator[Frame]:
        for frame in self.source:
            if frame.pts < self.begin:
                self.paint(frame.image)
            else:
                yield frame

    def _close(self) -> None:
        self.source.close()


def attempt(
    task: Task,
    *,
    on_frame: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
    filters: Callable[[Settings], StyleFilter | InTurn] | None = None,
) -> Report | Exception:
    """As `perform`, but an error is the answer."""
    try:
        return perform(task, on_frame=on_frame, stop=stop, filters=filters)
    except Exception as error:
        return error


def portable(answer: Report | Exception) -> Report | Exception:
    """What `attempt` answers, in a form that another process can be sent: of an error that nobody had thought
    of, its traceback becomes a note; one that does not survive being sent becomes the nearest of its kinds
    that does."""
    if not isinstance(answer, Exception):
        return answer
    error = answer
    if not isinstance(error, NstfilterError):
        error.add_note("".join(traceback.format_exception(error)))
    for kind in type(error).__mro__:
        try:
            copy = error if kind is type(error) else kind(str(error))
            pickle.loads(pickle.dumps(copy))
        except Exception:
            continue
        for note in getattr(error, "__notes__", []) if copy is not error else []:
            copy.add_note(note)
        return copy
    raise AssertionError("Exception itself can be sent")


_latest: dict[Settings, StyleFilter] = {}


def filter_for(settings: Settings, made: StyleFilter | None = None) -> StyleFilter:
    """The filter that `settings` describe: `made`, if the caller has just made it. The latest is kept, for
    loading a model takes a while."""
    if made or settings not in _latest:
        paint = made or _make(settings)
        _latest.clear()
        _latest[settings] = paint
    return _latest[settings]


class InTurn:
    """A further filter for `settings`, for another thread, with the model of `filter_for`. Those that share
    `lock` paint one frame at a time: a model need not allow for more."""

    def __init__(self, settings: Settings, lock: threading.Lock) -> None:
        self._lock = lock
        with lock:
            self._paint = _make(settings, filter_for(settings).model)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        with self._lock:
            return self._paint(image)

    def reset(self) -> None:
        self._paint.reset()


def _make(settings: Settings, model: StyleModel | None = None) -> StyleFilter:
    return StyleFilter(
        np.frombuffer(settings.embedding, np.float32).reshape(settings.shape),
        strength=settings.strength,
        keep_colors=settings.keep_colors,
        model=model or settings.model,
        size=settings.size,
        stability=settings.stability,
        area=settings.area,
        background=_background(settings),
        feather=settings.feather,
        face=settings.face,
        segmenter=settings.segmenter,
        device=settings.device,
        threads=settings.threads,
    )


def room_of(paint: StyleFilter) -> dict[str, Any]:
    """What `Settings` carry of the background that `paint` has, by the names of their fields."""
    room = paint.background_data
    return {} if room is None else {"room": room.tobytes(), "room_shape": room.shape}


def _background(settings: Settings) -> str | np.ndarray | None:
    if not settings.room:
        return settings.background
    kind = np.uint8 if len(settings.room_shape) == 3 else np.float32
    return np.frombuffer(settings.room, kind).reshape(settings.room_shape)
