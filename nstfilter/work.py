"""A piece of work, wherever it is done: a `Task` travels to any process, `perform` does it there, and an
`Executor` decides where and how many at once."""

from __future__ import annotations

import pickle
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nstfilter.errors import NstfilterError
from nstfilter.streams import Frame, Source

if TYPE_CHECKING:
    from nstfilter.filter import StyleFilter
    from nstfilter.pipeline import Report


@dataclass(frozen=True, slots=True)
class Settings:
    """What a `StyleFilter` is made of, as plain values. `embedding` is the mixed style's (float32, as bytes)
    and `shape` its shape, so that whoever works needs no style pictures; `style` is its name, for people."""

    style: str
    embedding: bytes
    shape: tuple[int, ...]
    model: str
    strength: float = 1.0
    keep_colors: bool = False
    size: int | None = None
    stability: float = 0.0
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The frames of a video from `begin` up to, and without, `end`, in units of its time base; None is the
    video's own end."""

    begin: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """Paint `input`, or a `part` of it, into `output`, which appears whole or not at all. `options` go to the
    sink, as far as it knows them."""

    input: Path
    output: Path
    settings: Settings
    part: Part | None = None
    options: dict[str, Any] = field(default_factory=dict)


class Executor(ABC):
    """Does tasks: here, in several processes, on several machines. `workers` is how many at once."""

    workers: int = 1

    @abstractmethod
    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        """Yield each task as it is done, in any order, with its report or the error that ended it.

        A worker that dies is no error of its task: that is done again elsewhere. `on_frames` is told how many
        frames of a task are painted so far. Once `stop` is set no task is begun, those at work end early, and
        the iteration ends.
        """

    def close(self) -> None:  # noqa: B027  (nothing to let go of is a valid answer)
        """Let go of workers. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stopped(Exception):  # noqa: N818  (not an error)
    """Raised by `perform` when it was told to stop before the task was done."""


def perform(
    task: Task, *, on_frame: Callable[[int], None] | None = None, stop: threading.Event | None = None
) -> Report:
    """Do `task` in this process. Raises what reading, painting or writing raises, and `Stopped`; nothing is
    then left under the output's name. A part that holds no frame makes no output."""
    from nstfilter.manager import manager, open_sink, open_source
    from nstfilter.pipeline import Report, run
    from nstfilter.stability import warm_up

    def painted(frames: int) -> None:
        if on_frame:
            on_frame(frames)
        if stop and stop.is_set():
            raise Stopped

    paint = filter_for(task.settings)
    paint.reset()
    known = manager().registries["register_sinks"].options(str(task.output))
    options = {name: value for name, value in task.options.items() if name in known}
    if task.part is None:
        source = open_source(task.input)
    else:
        lead = warm_up(task.settings.stability)
        source = open_source(task.input, begin=task.part.begin, end=task.part.end, lead=lead)
        source = _WarmedUp(source, paint, task.part.begin)
    with source:
        if task.part and not source.info.frames:
            return Report(warnings=source.warnings)
        return run(source, paint, open_sink(task.output, **options), on_frame=painted)


class _WarmedUp(Source):
    """The frames of `source` from `begin` on; those before it only pass through the filter, which so comes
    to remember what it would have remembered had it seen the whole video."""

    def __init__(self, source: Source, paint: StyleFilter, begin: int) -> None:
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
    task: Task, *, on_frame: Callable[[int], None] | None = None, stop: threading.Event | None = None
) -> Report | Exception:
    """As `perform`, for a worker far from home: an error is the answer, in a form that can be sent there."""
    try:
        return perform(task, on_frame=on_frame, stop=stop)
    except Exception as error:
        if not isinstance(error, NstfilterError):
            error.add_note("".join(traceback.format_exception(error)))  # all that is left of it elsewhere
        return _portable(error)


def _portable(error: Exception) -> Exception:
    """`error`, or where it does not survive being sent, the nearest of its kinds that does."""
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


def _make(settings: Settings) -> StyleFilter:
    import numpy as np

    from nstfilter.filter import StyleFilter

    return StyleFilter(
        np.frombuffer(settings.embedding, np.float32).reshape(settings.shape),
        strength=settings.strength,
        keep_colors=settings.keep_colors,
        model=settings.model,
        size=settings.size,
        stability=settings.stability,
        threads=settings.threads,
    )
