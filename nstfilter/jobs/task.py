"""What a task is, and who does it: the contract between renders and executors."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nstfilter.parameters import PARAMETERS

if TYPE_CHECKING:
    from nstfilter.jobs.unchanged import InputState
    from nstfilter.pipeline import Report


@dataclass(frozen=True, slots=True)
class Settings:
    """What a `StyleFilter` is made of, as plain values. `embedding` is the mixed style's (float32, as bytes)
    and `shape` its shape, so that whoever works needs no style pictures; `style` is its name, for people. In
    the same way `background` is a word or a name, and `room` the embedding (float32) or picture (HxWx3 BGR
    uint8, where `room_shape` has three sides) that it stands for; empty for "plain" and "blur"."""

    style: str
    embedding: bytes
    shape: tuple[int, ...]
    model: str
    strength: float = 1.0
    keep_colors: bool = False
    size: int | None = None
    stability: float = 0.0
    area: str = "all"
    background: str | None = None
    room: bytes = b""
    room_shape: tuple[int, ...] = ()
    feather: float = PARAMETERS["feather"].default
    face: float = 1.0
    segmenter: str = PARAMETERS["segmenter"].default
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """The frames of a video from `begin` up to, and without, `end`, in units of its time base; None is the
    video's own end."""

    begin: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """Paint `input`, or a `segment` of it, into `output`, which appears whole or not at all. The sink
    gets those of `options` that it takes. `state` is that of the input when the render began; None for what
    is no file."""

    input: Path
    output: Path
    settings: Settings
    segment: Segment | None = None
    options: dict[str, Any] = field(default_factory=dict)
    state: InputState | None = None


class Pictures(Iterator[Task]):
    """Tasks that are one picture each. `left` is how many are still to come, at most: so that an executor can
    judge whether starting workers is worth it."""

    def __init__(self, tasks: Iterable[Task], count: int) -> None:
        self._tasks = iter(tasks)
        self.left = count

    def __next__(self) -> Task:
        task = next(self._tasks)
        self.left -= 1
        return task


class Executor(ABC):
    """Where tasks are done: in this process, in several processes, on several machines.

    `workers`   how many tasks are worked on at once
    """

    workers: int = 1

    @abstractmethod
    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        """Do `tasks` and yield each with its report, or with the error that ended it, in any order.

        Called once, by the thread that renders, which also iterates; both callbacks run in that thread.

        Parameters
        ----------
        tasks
            taken one at a time, as workers become free: planning a task may be costly. They are `Pictures`
            where that is known.
        on_frames
            called with a task and the number of its frames painted so far, as often as the executor likes.
        stop
            once it is set no task is begun, those at work end early, and the iteration ends.

        Notes
        -----
        A worker that dies is no error of its task: the task is given to another worker, a limited number of
        times. An exception raised by the task itself is yielded, not raised.
        """

    def close(self) -> None:  # noqa: B027  (nothing to release is a valid answer)
        """Release the workers. Called once `run` is over, whether or not it raised; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stopped(Exception):  # noqa: N818  (not an error)
    """Raised by `perform` when it was told to stop before the task was done."""
