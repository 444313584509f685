"""Tasks done on the machines of a Ray cluster, by actors, each with a model of its own that stays loaded.

Files are not sent: every machine reads and writes them under the same path. Ray can restart a dead actor
and repeat its task (`max_restarts`, `max_task_retries`), but does not make this simpler. Tried with Ray
2.60: the task of a machine that was cut off used up its retries within six seconds, before Ray saw that the
machine was gone, and ended with ActorUnavailableError. A task has to be given to another worker here all
the same.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nstfilter.errors import NstfilterError, SinkError
from nstfilter.jobs.task import Executor, Task
from nstfilter.plugins.executors.ray_worker import Worker, missing, our_version

if TYPE_CHECKING:
    from nstfilter.pipeline import Report

TRIES = 3  # how many workers a task may kill before it is given up
POLL = 0.2  # seconds between two looks at `stop`
PACE = 1.0  # seconds between two requests to a worker for its progress
REQUESTS = 200  # for progress a second, of all workers together, at most
GRACE = 5.0  # seconds that a task has to remove its temporary files


@dataclass(eq=False, slots=True)
class _Attempt:
    task: Task
    tries: int = 0


@dataclass(eq=False, slots=True)
class _Actor:
    """A Ray actor and the task it is doing. `result` is the reference to what that returns, at first to the
    actor's being ready; `progress` that to the number of frames. Each is None when nothing is awaited."""

    handle: Any
    gpu: bool
    result: Any
    doing: _Attempt | None = None
    progress: Any = None

    def send(self, attempt: _Attempt) -> None:
        self.doing, self.result = attempt, self.handle.perform.remote(_with_absolute_paths(attempt.task))


class Cluster(Executor):
    """The cluster at `address`; None is the one this computer belongs to, or else a new one on this computer.
    There are at most `jobs` workers, each with `settings.threads` threads, by default one. As many workers as
    the cluster has GPUs get one each.
    """

    def __init__(self, address: str | None, jobs: int | None) -> None:
        self._ours = not ray.is_initialized()
        if self._ours:
            _connect(address)
        self._jobs = jobs
        self._actors: list[_Actor] = []
        self._threads = 1
        self.workers = self._places()

    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        stop = stop or threading.Event()
        on_frames = on_frames or (lambda task, frames: None)
        coming = iter(tasks)
        waiting: deque[_Attempt] = deque()
        done: list[tuple[Task, Report | Exception]] = []
        next_request = time.monotonic() + PACE
        try:
            while not stop.is_set():
                busy = sum(bool(actor.doing) for actor in self._actors)
                while busy + len(waiting) < self.workers and (task := next(coming, None)):
                    if not self._actors and not waiting:
                        self._check(task)
                    waiting.append(_Attempt(task))
                while len(self._actors) < min(self.workers, busy + len(waiting)):
                    self._start_actor()
                for actor in self._actors:
                    if waiting and not actor.result:
                        actor.send(waiting.popleft())
                # results are yielded only now that all workers are busy again: the caller may take its time
                yield from done
                done.clear()
                if not waiting and not any(actor.doing for actor in self._actors):
                    return
                if time.monotonic() > next_request:
                    next_request = time.monotonic() + max(PACE, len(self._actors) / REQUESTS)
                    for actor in self._actors:
                        if actor.doing and not actor.progress:
                            actor.progress = actor.handle.frames.remote()
                for actor, message in self._messages():
                    attempt = actor.doing
                    if isinstance(message, int):
                        if attempt:
                            on_frames(attempt.task, message)
                    elif not isinstance(message, RayError):
                        actor.doing = None
                        if attempt and message:
                            done.append((attempt.task, message))
                    else:
                        self._actors.remove(actor)
                        ray.kill(actor.handle)  # it may only be unreachable
                        if not attempt:
                            self._one_worker_less(message)
                            continue
                        attempt.tries += 1
                        on_frames(attempt.task, 0)
                        if attempt.tries < TRIES:
                            waiting.appendleft(attempt)
                        else:
                            done.append((attempt.task, _gave_up(attempt, message)))
            yield from done
        finally:
            if any(actor.doing for actor in self._actors):  # stopped, or the caller closed this generator
                self._end_actors()

    def _check(self, task: Task) -> None:
        """Raises `NstfilterError` where the cluster cannot do tasks like this one, the first."""
        self._threads = task.settings.threads or 1
        self.workers = self._places()
        _check_paths(_with_absolute_paths(task))

    def _places(self) -> int:
        places = sum(int(node["Resources"].get("CPU", 0) // self._threads) for node in _nodes())
        if not places:
            raise NstfilterError(
                f"no machine of the Ray cluster has {self._threads} processors; choose fewer --threads"
            )
        return min(places, self._jobs or places)

    def _start_actor(self) -> None:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        gpu = sum(actor.gpu for actor in self._actors) < gpus
        environ = {name: value for name, value in os.environ.items() if name.startswith("NSTFILTER_")}
        remote: Any = ray.remote
        kind = remote(concurrency_groups={"control": 1})(Worker)
        actor = kind.options(num_cpus=self._threads, num_gpus=int(gpu)).remote(environ, gpu)
        self._actors.append(_Actor(actor, gpu, actor.ready.remote()))

    def _messages(self) -> Iterator[tuple[_Actor, Any]]:
        """What arrived within `POLL` seconds, and from which actor: a number of frames, the result of a task,
        None from an actor that is ready, or the `RayError` that it died of."""
        awaited = {actor.result: actor for actor in self._actors if actor.result}
        awaited |= {actor.progress: actor for actor in self._actors if actor.progress}
        if not awaited:
            return
        ray.wait(list(awaited), timeout=POLL)
        for reference in ray.wait(list(awaited), num_returns=len(awaited), timeout=0)[0]:
            actor = awaited[reference]
            try:
                message = ray.get(reference)
            except RayTaskError as error:  # raised outside the task, such as by a missing module
                message = error.cause if isinstance(error.cause, Exception) else NstfilterError(str(error))
            except RayError as error:
                message = error
            if reference is actor.progress:
                actor.progress = None
                if isinstance(message, int):
                    yield actor, message
            else:
                actor.result = None
                yield actor, message

    def _one_worker_less(self, error: RayError) -> None:
        """A worker that could not be started is not started again."""
        self.workers -= 1
        if not self.workers:
            raise NstfilterError(f"no worker could be started on the Ray cluster: {_one_line(error)}")

    def _end_actors(self) -> None:
        actors, self._actors = self._actors, []
        for actor in actors:
            if actor.doing:
                actor.handle.stop.remote()
        results = [actor.result for actor in actors if actor.doing and actor.result]
        if results:
            ray.wait(results, num_returns=len(results), timeout=GRACE)
        for actor in actors:
            ray.kill(actor.handle)

    def close(self) -> None:
        if ray.is_initialized():
            self._end_actors()
            if self._ours:
                ray.shutdown()


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a new cluster sends no usage statistics
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "here"
        raise NstfilterError(
            f"no Ray cluster answers {where} ({_one_line(error)}); ray start --head begins one"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray installs a handler of its own


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _with_absolute_paths(task: Task) -> Task:
    """The task, independent of the current folder of a process."""
    model = task.settings.model
    return replace(
        task,
        input=task.input.absolute() if task.input.exists() else task.input,  # else it names a source
        output=task.output.absolute(),
        settings=replace(task.settings, model=os.path.abspath(model) if os.path.exists(model) else model),
    )


def _check_paths(task: Task) -> None:
    """Raises `NstfilterError` unless every machine of the cluster sees what `task` reads, and can write
    beside its output."""
    folder = next(parent for parent in task.output.parents if parent.is_dir())
    files = [path for path in (task.input, Path(task.settings.model)) if path.is_absolute()]
    mark = folder / f".nstfilter-{secrets.token_hex(8)}"  # tells it from another folder of the same path
    try:
        mark.write_text("written to see whether every machine of the cluster sees this folder")
    except OSError as error:
        raise SinkError(f"cannot write in {folder}: {error.strerror}") from None
    try:
        sizes = [(path, path.stat().st_size) for path in [*files, mark]]
        check: Any = ray.remote(_version_and_missing)
        nodes = _nodes()
        answers = [
            check.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(sizes, folder)
            for node in nodes
        ]
        for node, answer in zip(nodes, answers, strict=True):
            host = node["NodeManagerAddress"]
            try:
                version, path = ray.get(answer)
            except RayError as error:
                raise NstfilterError(
                    f"{host}, a machine of the Ray cluster, cannot run nstfilter: {_one_line(error)}; "
                    f"install nstfilter {our_version()} there"
                ) from None
            if version != our_version():
                raise NstfilterError(
                    f"{host}, a machine of the Ray cluster, has nstfilter {version}; expected {our_version()}"
                )
            if path:
                raise NstfilterError(
                    f"{host}, a machine of the Ray cluster, does not see {folder if path == mark else path}; "
                    "input and output must lie in a folder that all machines share, under the same path"
                )
    finally:
        mark.unlink(missing_ok=True)


def _version_and_missing(files: list[tuple[Path, int]], folder: Path) -> tuple[str, Path | None]:
    return our_version(), missing(files, folder)


def _gave_up(attempt: _Attempt, error: RayError) -> NstfilterError:
    return NstfilterError(
        f"{attempt.task.input} has killed {attempt.tries} workers of the Ray cluster: {_one_line(error)}"
    )


def _one_line(error: BaseException) -> str:
    """The last line, where Ray puts the cause, below its tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
