"""Worker processes on this computer, each with a model of its own that stays loaded.

They are spawned, never forked: PyAV and TensorFlow hang in a forked child. The threads that one process would
have used are divided among them. A worker that dies gives its task back, and another takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from nstfilter.errors import NstfilterError
from nstfilter.jobs.task import Executor, Task
from nstfilter.models import allowed_threads
from nstfilter.plugins.executors.local_worker import GRACE, work

if TYPE_CHECKING:
    from nstfilter.pipeline import Report

TRIES = 3  # a task that has ended so many workers is given up
LOOK = 0.2  # seconds between two looks at whether to stop


@dataclass(eq=False, slots=True)
class _Attempt:
    task: Task
    tries: int = 0


class _Worker:
    """A process, the connection to it, and what it is at."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, its_end = spawn.Pipe()
        self.process: SpawnProcess = spawn.Process(target=work, args=(its_end,), name="nstfilter-worker")
        self.process.daemon = True
        with _without_ctrl_c():
            self.process.start()
        its_end.close()  # so that the connection ends when the worker does
        self.at: _Attempt | None = None

    def give(self, attempt: _Attempt, threads: int) -> None:
        self.at = attempt
        settings = replace(attempt.task.settings, threads=threads)
        with contextlib.suppress(OSError):  # it has died idle, which reading from it will show
            self.connection.send(replace(attempt.task, settings=settings))

    def hear(self) -> int | Report | Exception | None:
        """The frames it has painted, or what became of its task; None when it has died."""
        try:
            said: int | Report | Exception = self.connection.recv()
            return said
        except (EOFError, OSError):
            return None

    def dismiss(self) -> None:
        """What it is at is given up; it ends itself."""
        self.connection.close()

    def bury(self, seconds: float | None = None) -> None:
        """Wait until it has ended, with force after `seconds`."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Pool(Executor):
    """`jobs` processes at most; each is started when there is something for it to do."""

    def __init__(self, jobs: int) -> None:
        self.workers = jobs
        self._pool: list[_Worker] = []

    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        stop = stop or threading.Event()
        told = on_frames or (lambda task, frames: None)
        coming, again = iter(tasks), list[_Attempt]()
        done: list[tuple[Task, Report | Exception]] = []
        try:
            while not stop.is_set():
                while self._room() and (attempt := again.pop() if again else _next(coming)):
                    self._free().give(attempt, self._threads(attempt.task))
                # what is done is told only now, when all have work again: the listener may take its time
                yield from done
                done.clear()
                busy: dict[object, _Worker] = {w.connection: w for w in self._pool if w.at}
                if not busy:
                    return
                for connection in wait(list(busy), LOOK):  # type: ignore[arg-type]
                    worker = busy[connection]
                    assert worker.at
                    attempt, said = worker.at, worker.hear()
                    if isinstance(said, int):
                        told(attempt.task, said)
                    elif said is not None:
                        worker.at = None
                        done.append((attempt.task, said))
                    else:
                        self._pool.remove(worker)
                        worker.bury(GRACE)
                        attempt.tries += 1
                        told(attempt.task, 0)
                        if attempt.tries < TRIES:
                            again.append(attempt)
                        else:
                            done.append((attempt.task, _fatal(attempt, worker.process.exitcode)))
            yield from done
        finally:
            if any(worker.at for worker in self._pool):  # stopped, or left alone, with work begun
                self.close()

    def _room(self) -> bool:
        return sum(bool(worker.at) for worker in self._pool) < self.workers

    def _free(self) -> _Worker:
        """One with nothing to do, a new one if need be."""
        for worker in self._pool:
            if not worker.at:
                return worker
        self._pool.append(_Worker())
        return self._pool[-1]

    def _threads(self, task: Task) -> int:
        return max(1, (allowed_threads(task.settings.threads) or _cores()) // self.workers)

    def close(self) -> None:
        pool, self._pool = self._pool, []
        for worker in pool:
            worker.dismiss()
        for worker in pool:
            worker.bury(GRACE + 1)


def _next(tasks: Iterator[Task]) -> _Attempt | None:
    task = next(tasks, None)
    return _Attempt(task) if task else None


def _cores() -> int:
    """Those this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fatal(attempt: _Attempt, code: int | None) -> NstfilterError:
    how = f"exit code {code}"
    if code and code < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-code).name
    return NstfilterError(
        f"{attempt.task.input} has ended {attempt.tries} workers, the last with {how}; "
        "if memory is short, fewer --jobs may help"
    )


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """What is started in here never sees Ctrl-C, from its first moment on."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: the worker ignores it once it runs
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
