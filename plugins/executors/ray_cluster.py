"""Tasks on the machines of a Ray cluster: one actor for every so many threads, each with a model that stays
loaded, and one call a task. Files are read and written where they are, under a path that all machines see."""

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

TRIES = 3  # a task that has ended so many workers is given up
LOOK = 0.2  # seconds between two looks at whether to stop
PACE = 1.0  # seconds between two questions to a worker how far it is
QUESTIONS = 200  # of that kind a second, at most
GRACE = 5.0  # seconds that a task has to clear away what it began


@dataclass(eq=False, slots=True)
class _Attempt:
    task: Task
    tries: int = 0


@dataclass(eq=False, slots=True)
class _Actor:
    """An actor, the answer expected of it, and the task it is at; `asked` is how far that is."""

    actor: Any
    gpu: bool
    answer: Any
    at: _Attempt | None = None
    asked: Any = None

    def give(self, attempt: _Attempt) -> None:
        self.at, self.answer = attempt, self.actor.perform.remote(_anywhere(attempt.task))


class Cluster(Executor):
    """The cluster at `address`; None is the one this computer belongs to, or else one of its own. `jobs` is
    how many workers at most; each has `settings.threads` threads, one where nothing is said. As many of them
    as the cluster has GPUs get one."""

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
        told = on_frames or (lambda task, frames: None)
        coming = iter(tasks)
        waiting: deque[_Attempt] = deque()
        done: list[tuple[Task, Report | Exception]] = []
        ask = time.monotonic() + PACE
        try:
            while not stop.is_set():
                busy = sum(bool(hand.at) for hand in self._actors)
                while busy + len(waiting) < self.workers and (task := next(coming, None)):
                    if not self._actors and not waiting:
                        self._begin(task)
                    waiting.append(_Attempt(task))
                while len(self._actors) < min(self.workers, busy + len(waiting)):
                    self._hire()
                for hand in self._actors:
                    if waiting and not hand.answer:
                        hand.give(waiting.popleft())
                # what is done is told only now, when all have work again: the listener may take its time
                yield from done
                done.clear()
                if not waiting and not any(hand.at for hand in self._actors):
                    return
                if time.monotonic() > ask:
                    ask = time.monotonic() + max(PACE, len(self._actors) / QUESTIONS)
                    for hand in self._actors:
                        if hand.at and not hand.asked:
                            hand.asked = hand.actor.frames.remote()
                for hand, said in self._answers():
                    attempt = hand.at
                    if isinstance(said, int):
                        if attempt:
                            told(attempt.task, said)
                    elif not isinstance(said, RayError):
                        hand.at = None
                        if attempt and said:
                            done.append((attempt.task, said))
                    else:
                        self._actors.remove(hand)
                        ray.kill(hand.actor)  # it may only be out of reach
                        if not attempt:
                            self._do_without(said)
                            continue
                        attempt.tries += 1
                        told(attempt.task, 0)
                        if attempt.tries < TRIES:
                            waiting.appendleft(attempt)
                        else:
                            done.append((attempt.task, _fatal(attempt, said)))
            yield from done
        finally:
            if any(hand.at for hand in self._actors):  # stopped, or left alone, with work begun
                self._dismiss()

    def _begin(self, task: Task) -> None:
        """What must be true of the cluster before work is handed out."""
        self._threads = task.settings.threads or 1
        self.workers = self._places()
        _check_paths(_anywhere(task))

    def _places(self) -> int:
        places = sum(int(node["Resources"].get("CPU", 0) // self._threads) for node in _nodes())
        if not places:
            raise NstfilterError(
                f"no machine of the Ray cluster has {self._threads} processors; choose fewer --threads"
            )
        return min(places, self._jobs or places)

    def _hire(self) -> None:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        gpu = sum(hand.gpu for hand in self._actors) < gpus
        environ = {name: value for name, value in os.environ.items() if name.startswith("NSTFILTER_")}
        remote: Any = ray.remote
        kind = remote(concurrency_groups={"aside": 1})(Worker)
        actor = kind.options(num_cpus=self._threads, num_gpus=int(gpu)).remote(environ, gpu)
        self._actors.append(_Actor(actor, gpu, actor.ready.remote()))

    def _answers(self) -> Iterator[tuple[_Actor, Any]]:
        """What has come in from whom, after a little waiting: a number of frames, what became of a task, None
        from one who is ready, or the `RayError` that ended one."""
        expected = {hand.answer: hand for hand in self._actors if hand.answer}
        expected |= {hand.asked: hand for hand in self._actors if hand.asked}
        if not expected:
            return
        ray.wait(list(expected), timeout=LOOK)
        for ref in ray.wait(list(expected), num_returns=len(expected), timeout=0)[0]:
            hand = expected[ref]
            try:
                said = ray.get(ref)
            except RayTaskError as error:  # raised beside the task, such as by a module that is not there
                said = error.cause if isinstance(error.cause, Exception) else NstfilterError(str(error))
            except RayError as error:
                said = error
            if ref is hand.asked:
                hand.asked = None
                if isinstance(said, int):
                    yield hand, said
            else:
                hand.answer = None
                yield hand, said

    def _do_without(self, error: RayError) -> None:
        """A worker that never came to be is not asked for again."""
        self.workers -= 1
        if not self.workers:
            raise NstfilterError(f"no worker could be started on the Ray cluster: {_one_line(error)}")

    def _dismiss(self) -> None:
        actors, self._actors = self._actors, []
        busy = [hand for hand in actors if hand.at]
        for hand in busy:
            hand.actor.stop.remote()
        if busy:
            ray.wait([hand.answer for hand in busy], num_returns=len(busy), timeout=GRACE)
        for hand in actors:
            ray.kill(hand.actor)

    def close(self) -> None:
        if ray.is_initialized():
            self._dismiss()
            if self._ours:
                ray.shutdown()


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of our own reports to nobody
    polite_kill = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "here"
        raise NstfilterError(
            f"no Ray cluster answers {where} ({_one_line(error)}); ray start --head begins one"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, polite_kill)  # Ray puts its own in place


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _anywhere(task: Task) -> Task:
    """The task with paths that do not depend on the folder a process was started in."""
    model = task.settings.model
    return replace(
        task,
        input=task.input.absolute() if task.input.exists() else task.input,  # or the name of a source
        output=task.output.absolute(),
        settings=replace(task.settings, model=os.path.abspath(model) if os.path.exists(model) else model),
    )


def _check_paths(task: Task) -> None:
    """Raises `NstfilterError` unless every machine that may get work sees what `task` reads, and can write
    where it writes."""
    folder = next(parent for parent in task.output.parents if parent.is_dir())
    files = [path for path in (task.input, Path(task.settings.model)) if path.is_absolute()]
    mark = folder / f".nstfilter-{secrets.token_hex(8)}"  # a folder of the same name elsewhere will not do
    try:
        mark.write_text("Can every machine see this?")
    except OSError as error:
        raise SinkError(f"cannot write in {folder}: {error.strerror}") from None
    try:
        sizes = [(path, path.stat().st_size) for path in [*files, mark]]
        look: Any = ray.remote(_look)
        nodes = _nodes()
        answers = [
            look.options(
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


def _look(files: list[tuple[Path, int]], folder: Path) -> tuple[str, Path | None]:
    return our_version(), missing(files, folder)


def _fatal(attempt: _Attempt, error: RayError) -> NstfilterError:
    return NstfilterError(
        f"{attempt.task.input} has killed {attempt.tries} workers of the Ray cluster: {_one_line(error)}"
    )


def _one_line(error: BaseException) -> str:
    """The end of it: Ray puts the cause last, below its own tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
