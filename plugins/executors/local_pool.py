"""Worker processes on this computer, each with a model of its own that stays loaded.

They are spawned, never forked: PyAV and TensorFlow hang in a forked child. They share the threads that one
process would have used. The task of a worker that dies is given to another one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from statistics import median
from typing import TYPE_CHECKING

from nstfilter.errors import NstfilterError
from nstfilter.jobs.task import Executor, Pictures, Task
from nstfilter.models import allowed_threads
from nstfilter.plugins.executors.local_worker import GRACE, work

if TYPE_CHECKING:
    from nstfilter.pipeline import Report

TRIES = 3  # how many workers a task may kill before it is given up
POLL = 0.2  # seconds between two looks at `stop`
# seconds that workers must save at least, to be started: each takes about two to start
WORTHWHILE = 10.0
LATEST = 30  # pictures by which that is judged


@dataclass(eq=False, slots=True)
class _Attempt:
    task: Task
    tries: int = 0


class _Worker:
    """A process, the connection to it, and the task it is doing."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, its_end = spawn.Pipe()
        self.process: SpawnProcess = spawn.Process(target=work, args=(its_end,), name="nstfilter-worker")
        self.process.daemon = True
        with _ctrl_c_blocked():
            self.process.start()
        its_end.close()  # so that the connection ends when the worker does
        self.doing: _Attempt | None = None

    def send(self, attempt: _Attempt, threads: int) -> None:
        self.doing = attempt
        settings = replace(attempt.task.settings, threads=threads)
        with contextlib.suppress(OSError):  # it died while idle, which `receive` will find out
            self.connection.send(replace(attempt.task, settings=settings))

    def receive(self) -> int | Report | Exception | None:
        """How many frames are painted so far, or the result of the task; None when the worker has died."""
        try:
            message: int | Report | Exception = self.connection.recv()
            return message
        except (EOFError, OSError):
            return None

    def disconnect(self) -> None:
        """Make it give up its task and exit."""
        self.connection.close()

    def join(self, seconds: float) -> None:
        """Wait until it has exited; kill it after `seconds`."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Pool(Executor):
    """At most `jobs` processes, each started when there is a task for it.

    Pictures are painted by this process as long as workers would not be done sooner.
    """

    # pebble's ProcessPool could start the workers and notice that one died, a quarter of this file. It has no
    # progress within a task and no retry, and its workers go on when their parent was killed.

    def __init__(self, jobs: int, in_process: Executor) -> None:
        self.workers = jobs
        self._in_process = in_process
        self._pool: list[_Worker] = []

    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        stop = stop or threading.Event()
        on_frames = on_frames or (lambda task, frames: None)
        coming, again = iter(tasks), list[_Attempt]()
        done: list[tuple[Task, Report | Exception]] = []
        if isinstance(tasks, Pictures):
            yield from self._while_quicker_here(tasks, on_frames, stop)
        try:
            while not stop.is_set():
                while self._room() and (attempt := again.pop() if again else _next(coming)):
                    self._idle_worker().send(attempt, self._threads(attempt.task))
                # results are yielded only now that all workers are busy again: the caller may take its time
                yield from done
                done.clear()
                busy: dict[object, _Worker] = {w.connection: w for w in self._pool if w.doing}
                if not busy:
                    return
                for connection in wait(list(busy), POLL):  # type: ignore[arg-type]
                    worker = busy[connection]
                    assert worker.doing
                    attempt, message = worker.doing, worker.receive()
                    if isinstance(message, int):
                        on_frames(attempt.task, message)
                    elif message is not None:
                        worker.doing = None
                        done.append((attempt.task, message))
                    else:
                        self._pool.remove(worker)
                        worker.join(GRACE)
                        attempt.tries += 1
                        on_frames(attempt.task, 0)
                        if attempt.tries < TRIES:
                            again.append(attempt)
                        else:
                            done.append((attempt.task, _gave_up(attempt, worker.process.exitcode)))
            yield from done
        finally:
            if any(worker.doing for worker in self._pool):  # stopped, or the caller closed this generator
                self.close()

    def _while_quicker_here(
        self, tasks: Pictures, on_frames: Callable[[Task, int], None], stop: threading.Event
    ) -> Iterator[tuple[Task, Report | Exception]]:
        """Paint here until workers would save `WORTHWHILE` seconds.

        They can use no more than what this process leaves idle of its processors, which it measures. Most
        models use all of them, and then workers are never started.
        """
        # of the latest results, each after the one before: in all, and of all processors together
        seconds, busy = deque[float](maxlen=LATEST), deque[float](maxlen=LATEST)

        def saved() -> float:
            if len(seconds) < 3 and sum(seconds) <= WORTHWHILE / 2:
                return 0.0  # the first picture of a size takes longer than those after it
            share = sum(busy) / max(1e-9, sum(seconds)) / _cores()
            return tasks.left * median(seconds) * (1 - max(share, 1 / self.workers))

        def few() -> Iterator[Task]:
            while saved() <= WORTHWHILE:
                task = next(tasks, None)
                if task is None:
                    return
                yield task

        latest, worked = time.monotonic(), time.process_time()
        for result in self._in_process.run(few(), on_frames=on_frames, stop=stop):
            now, then = time.monotonic(), time.process_time()
            seconds.append(now - latest)
            busy.append(then - worked)
            latest, worked = now, then
            yield result

    def _room(self) -> bool:
        return sum(bool(worker.doing) for worker in self._pool) < self.workers

    def _idle_worker(self) -> _Worker:
        """A worker without a task, a new one if need be."""
        for worker in self._pool:
            if not worker.doing:
                return worker
        self._pool.append(_Worker())
        return self._pool[-1]

    def _threads(self, task: Task) -> int:
        return max(1, (allowed_threads(task.settings.threads) or _cores()) // self.workers)

    def close(self) -> None:
        pool, self._pool = self._pool, []
        for worker in pool:
            worker.disconnect()
        for worker in pool:
            worker.join(GRACE + 1)


def _next(tasks: Iterator[Task]) -> _Attempt | None:
    task = next(tasks, None)
    return _Attempt(task) if task else None


def _cores() -> int:
    """How many this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gave_up(attempt: _Attempt, code: int | None) -> NstfilterError:
    how = f"exit code {code}"
    if code and code < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-code).name
    return NstfilterError(
        f"{attempt.task.input} has killed {attempt.tries} workers, the last with {how}; "
        "if memory is short, fewer --jobs may help"
    )


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """A process started in here never gets SIGINT, not even before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: the worker ignores Ctrl-C once it runs
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
