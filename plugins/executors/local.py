"""Tasks done on this computer: in this process, or in several worker processes (`--jobs N`)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from nstfilter.errors import UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.jobs.task import Executor, Settings, Stopped, Task

if TYPE_CHECKING:
    from nstfilter.jobs.work import InTurn
    from nstfilter.pipeline import Report

# pictures in flight: one is read, one painted, one written. A file larger than this many bytes is done alone
AT_ONCE = 3
LARGEST = 20_000_000
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@hookimpl
def register_executors(register: Register) -> None:
    register("local", _open, help="this computer; --jobs N for N processes")


def _open(target: str, *, jobs: int = 1) -> Executor:
    if target:
        raise UsageError(f"local takes nothing after its name, and was given {target!r}")
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}; expected a whole number from 1 up")
    if jobs == 1:
        return InProcess()
    from nstfilter.plugins.executors.local_pool import Pool

    return Pool(jobs, InProcess())


class InProcess(Executor):
    """In this process: one task after the other, but up to `at_once` pictures: one is painted while others
    are read and written."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._turn = threading.Lock()
        self._own = threading.local()  # each thread's filter

    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        from nstfilter.jobs.interrupts import interrupted_later
        from nstfilter.jobs.work import attempt

        stop = stop or threading.Event()
        begun: deque[tuple[Task, Future[Report | Exception]]] = deque()
        ending = threading.Event()

        def painted(frames: int) -> None:
            if frames > 1 and ending.is_set():  # a picture is finished; an animation may have hours to go
                raise Stopped

        def done(left: int) -> Iterator[tuple[Task, Report | Exception]]:
            """The results of the pictures begun, until so many are left."""
            while len(begun) > left:
                task, future = begun[0]
                result = None if future.cancelled() else future.result()
                begun.popleft()
                if result is None:
                    continue
                if isinstance(result, Exception):
                    if stop.is_set():
                        continue
                elif on_frames:
                    on_frames(task, result.frames)
                yield task, result

        threads = ThreadPoolExecutor(self._at_once, "nstfilter-picture")
        try:
            for task in tasks:
                if stop.is_set():
                    break
                if self._at_once > 1 and _is_picture(task):
                    work = threads.submit(attempt, task, on_frame=painted, stop=stop, filters=self._filter)
                    begun.append((task, work))
                    yield from done(self._at_once - 1)
                    continue
                yield from done(0)
                result = attempt(task, on_frame=partial(on_frames, task) if on_frames else None, stop=stop)
                if stop.is_set() and isinstance(result, Exception):
                    return
                yield task, result
            yield from done(0)
        except KeyboardInterrupt as press:
            ending.set()
            with suppress(KeyboardInterrupt), interrupted_later():  # a second would leave half a picture
                threads.shutdown(cancel_futures=True)
            for stopped in (future.result() for _, future in begun if not future.cancelled()):
                for note in getattr(stopped, "__notes__", []) if isinstance(stopped, Stopped) else []:
                    press.add_note(note)
            yield from done(0)  # those at work are done
            raise
        finally:
            ending.set()
            with interrupted_later():
                threads.shutdown(cancel_futures=True)

    def _filter(self, settings: Settings) -> InTurn:
        from nstfilter.jobs.work import InTurn

        if getattr(self._own, "settings", None) != settings:
            self._own.settings, self._own.filter = settings, InTurn(settings, self._turn)
        own: InTurn = self._own.filter
        return own


def _is_picture(task: Task) -> bool:
    """Whether `task` is a picture of which several fit into memory."""
    with suppress(OSError):
        return (
            task.segment is None
            and {task.input.suffix.lower(), task.output.suffix.lower()} <= PICTURES
            and task.input.stat().st_size <= LARGEST
        )
    return False
