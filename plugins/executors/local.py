"""Tasks done on this computer: in this process, or in several worker processes (`--jobs N`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from nstfilter.errors import UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.jobs.task import Executor, Task

if TYPE_CHECKING:
    from nstfilter.pipeline import Report


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
    """One task after the other, in this process."""

    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        from nstfilter.jobs.work import attempt

        stop = stop or threading.Event()
        for task in tasks:
            if stop.is_set():
                return
            result = attempt(task, on_frame=partial(on_frames, task) if on_frames else None, stop=stop)
            if stop.is_set() and isinstance(result, Exception):
                return
            yield task, result
