"""Many renders, and long ones: what is done stays done.

A long video is rendered in segments. Each is a task of its own, and its file is kept once it is done; at the
end the files are joined. So the same command resumes a render, and several workers share one video.
Pictures, short videos and those whose middle cannot be found are one task each.
"""

from __future__ import annotations

import os
import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from nstfilter.errors import NstfilterError, SinkError, SourceError
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.jobs.job_file import JobFolder
from nstfilter.jobs.planning import Job, clear_folder, make_folder
from nstfilter.jobs.segments import NOT_COMPARED, Segmented, segmented
from nstfilter.jobs.task import Executor, Pictures, Settings, Stopped, Task
from nstfilter.jobs.unchanged import InputState
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.pipeline import Report
from nstfilter.streams import Change, Sink

PACE = 0.1  # seconds between two signs of progress while segments are joined
SEGMENTABLE = {"begin", "end", "pre_roll"}  # the options of a source that gives segments


@dataclass
class Progress:
    """How far `render_all` is: `frames` painted, in earlier runs too, of `total`, an estimate from the files
    begun until all are, and None where nothing is known; `files` in all, and how many of them are `done`,
    `failed` or were `skipped`. While segments are joined, `joined` is how many frames are in the result, and
    how many there will be."""

    frames: int
    total: int | None
    files: int
    done: int
    failed: int
    skipped: int
    joined: tuple[int, int] | None = None


@dataclass
class Result:
    """What became of one job.

    `state`    "done"; "skipped" where the output was there; "failed"; "stopped" before it was done
    `frames`   in the output; where it is not done, painted so far
    `seconds`  of work, that of earlier runs and of several workers together
    `error`    one line, or a traceback where nobody had thought of it; `cause` is what it was made of
    `kept`     what there is of an output that is not done: goes on from there with the same command
    """

    job: Job
    state: Literal["done", "skipped", "failed", "stopped"]
    frames: int = 0
    seconds: float = 0.0
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    kept: Path | None = None
    cause: Exception | None = None

    @property
    def changes(self) -> list[str]:
        """Those of `warnings` that say what of the input the output lacks, or has otherwise."""
        return [line for line in self.warnings if isinstance(line, Change)]


def render_all(
    jobs: Sequence[Job],
    settings: Settings,
    executor: Executor,
    *,
    overwrite: bool = False,
    options: dict[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_begin: Callable[[Job, list[str]], None] | None = None,
    on_result: Callable[[Result], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Result]:
    """Do `jobs`, each as far as it can be done; the results are in the order of `jobs`.

    Of `options`, each sink gets those it knows. `on_begin` is called with those of a job's warnings that are
    known before its first frame is painted, `on_result` as soon as a job is over, with all of them. Once
    `stop` is set what is at work ends early. Ctrl-C does the same, and is raised again with a note on what
    was kept.
    """
    run = _Run(jobs, settings, {**(options or {}), "overwrite": overwrite}, stop or threading.Event())
    run.on_progress, run.on_begin, run.on_result = on_progress, on_begin, on_result
    try:
        outcomes = executor.run(run.pictures() or run.tasks(), on_frames=run.painted, stop=run.stop)
        try:
            for task, outcome in outcomes:
                run.done(task, outcome)
        finally:
            if isinstance(outcomes, Generator):
                outcomes.close()
    except BaseException as error:
        with suppress(KeyboardInterrupt), interrupted_later():  # a second Ctrl-C says nothing new
            for note in run.leave():
                error.add_note(note)
        raise
    run.leave()
    return [run.results[job.output] for job in jobs]


class _Whole:
    """A job that is one task."""

    def __init__(self, job: Job, settings: Settings, options: dict[str, Any], expected: int) -> None:
        state = InputState.of(job.input) if job.input.is_file() else None
        self.task = Task(job.input, job.output, settings, options=options, state=state)
        self.expected = expected
        self.frames, self.seconds = 0, 0.0
        self.warnings: list[str] = []
        self._before = _identity(job.output)

    def tasks(self) -> list[Task]:
        return [self.task]

    def took(self, task: Task, report: Report) -> None:
        self.frames, self.seconds, self.warnings = report.frames, report.seconds, report.warnings

    @property
    def complete(self) -> bool:
        """Whether the result has its name: nothing unfinished ever has it."""
        return _identity(self.task.output) not in (None, self._before)

    def finish(self, on_joined: Callable[[int], None]) -> None:
        """Nothing is left to do."""

    def leave(self) -> tuple[Path | None, str | None]:
        """Nothing is left either: where a part was kept, whoever painted it says so."""
        return None, None


def _identity(path: Path) -> tuple[int, ...] | None:
    """Tells a file from another that takes its place; None where there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


@dataclass(eq=False)
class _Open:
    """A job that is being worked on: tasks given out, tasks not yet back, frames painted of the latter."""

    job: Job
    work: _Whole | Segmented
    left: int
    out: dict[Path, int] = field(default_factory=dict)
    error: Exception | None = None


class _Run:
    def __init__(
        self, jobs: Sequence[Job], settings: Settings, options: dict[str, Any], stop: threading.Event
    ) -> None:
        self.jobs, self.settings, self.options, self.stop = jobs, settings, options, stop
        self.on_progress: Callable[[Progress], None] | None = None
        self.on_begin: Callable[[Job, list[str]], None] | None = None
        self.on_result: Callable[[Result], None] | None = None
        self.results: dict[Path, Result] = {}
        self.states: Counter[str] = Counter()  # how many results of each; counted once, not on every frame
        self.at_work: list[_Open] = []
        self.out: dict[Path, _Open] = {}  # by the outputs of the tasks given out
        self.frames = self.expected = 0  # of jobs that are over, and of all that were begun
        self.begun = 0
        self.shown = 0.0  # when a joining was, of which every packet would be too much

    # -- giving out --

    def pictures(self) -> Pictures | None:
        """The tasks, where every job is a picture as far as its name tells."""
        if not all(is_picture(str(job.input)) for job in self.jobs):
            return None
        there = 0 if self.options["overwrite"] else sum(os.path.exists(job.output) for job in self.jobs)
        return Pictures(self.tasks(), len(self.jobs) - there)

    def tasks(self) -> Iterator[Task]:
        for job in self.jobs:
            if self.stop.is_set():
                return
            self.begun += 1
            begun = self._begin(job)
            if begun is None:
                continue
            for task in begun.work.tasks():
                if begun.error or self.stop.is_set():
                    break
                begun.out[task.output] = 0
                self.out[task.output] = begun
                yield task
            if not begun.left and begun in self.at_work:
                self._over(begun)  # its segments were all there

    def _begin(self, job: Job) -> _Open | None:
        if os.path.exists(job.output) and not self.options["overwrite"]:
            error = f"{job.output} exists; choose another name with -o, or --overwrite it"
            self._tell(Result(job, "skipped", error=error, cause=SinkError(error)))
            return None
        try:
            make_folder(job)
            work = self._work(job)
        except Exception as error:
            self._tell(Result(job, "failed", error=describe(error), cause=error))
            return None
        self.expected += work.expected
        begun = _Open(job, work, len(work.tasks()))
        self.at_work.append(begun)
        self._show()
        return begun

    def _work(self, job: Job) -> _Whole | Segmented:
        sources = manager().sources
        if not os.path.exists(job.input) and not sources.named(str(job.input)):
            raise SourceError(f"there is no file {job.input}")
        expected, work, taken = 1, None, set(sources.options(str(job.input)))
        if taken >= SEGMENTABLE or "describe" in taken:
            with open_source(job.input, **{"describe": True} if "describe" in taken else {}) as source:
                sink = self._sink(job)
                most = sink.most_frames(source.info)
                expected = (source.info.frames or 0) if most is None else most
                if self.on_begin:
                    self.on_begin(job, [*source.warnings, *sink.losses(source.info)])
                if taken >= SEGMENTABLE and most is None:
                    work = segmented(job, source, self.settings, self.options)
        return work or _Whole(job, self.settings, self.options, expected)

    def _sink(self, job: Job) -> Sink:
        known = manager().sinks.options(str(job.output))
        return open_sink(job.output, **{name: value for name, value in self.options.items() if name in known})

    # -- taking back --

    def painted(self, task: Task, frames: int) -> None:
        if begun := self.out.get(task.output):
            begun.out[task.output] = frames
            self._show()

    def done(self, task: Task, outcome: Report | Exception) -> None:
        begun = self.out.pop(task.output)
        del begun.out[task.output]
        if isinstance(outcome, Stopped):
            return
        try:
            if isinstance(outcome, Exception):
                raise outcome
            with interrupted_later():  # a segment that is done is to be known of
                begun.work.took(task, outcome)
                begun.left -= 1
        except Exception as error:
            begun.error = begun.error or error
        if not begun.out and (begun.error or not begun.left):
            self._over(begun)
        self._show()

    def _over(self, begun: _Open) -> None:
        """Nothing of this job is out any more: it is done, or has failed."""
        try:
            if begun.error:
                raise begun.error
            begun.work.finish(partial(self._joined, begun.work))
        except Exception as error:
            self._close(begun, "failed", error)
        else:
            self._close(begun, "done")

    def leave(self) -> list[str]:
        """Let go of what is not over, and of what was never begun; a note for each part that was kept."""
        notes = []
        for begun in {id(begun): begun for begun in self.at_work}.values():
            if note := self._close(begun, "failed" if begun.error else "stopped", begun.error):
                notes.append(note)
        for job in self.jobs:
            if job.output not in self.results:
                self._tell(Result(job, "stopped"))
        for job in self.jobs:  # not before: an empty folder may be one that others are about to write in
            if self.results[job.output].state in ("failed", "stopped"):
                clear_folder(job)
        return notes

    def _close(
        self, begun: _Open, state: Literal["done", "failed", "stopped"], error: Exception | None = None
    ) -> str | None:
        self.at_work.remove(begun)
        work, job, note = begun.work, begun.job, None
        result = Result(job, state, work.frames, work.seconds, warnings=work.warnings, cause=error)
        if state != "done":
            result.kept, note = work.leave()
            if work.complete and not error:  # the interrupt came a moment later
                result.state = "done"
                result.frames = work.frames or sum(begun.out.values())
                if isinstance(work, _Whole) and begun.left and not is_picture(str(job.input)):
                    result.warnings.append(NOT_COMPARED)
        if error:
            segment = (
                re.escape(str(JobFolder(job.output).path)) + r"[/\\]\d+(\.\d{4})?\.\w+"
            )  # nobody named it that
            text = re.sub(segment, lambda _: str(job.output), describe(error))
            result.error = "; ".join([text, *([note] if note else [])])
        self.expected += work.frames - work.expected if state == "done" else 0
        self.frames += work.frames
        self._tell(result)
        return note

    # -- telling --

    def _tell(self, result: Result) -> None:
        self.results[result.job.output] = result
        self.states[result.state] += 1
        if self.on_result:
            self.on_result(result)
        self._show()

    def _joined(self, work: _Whole | Segmented, frames: int) -> None:
        if time.monotonic() - self.shown > PACE:
            self.shown = time.monotonic()
            self._show((frames, work.frames))

    def _show(self, joined: tuple[int, int] | None = None) -> None:
        if not self.on_progress:
            return
        painted = sum(begun.work.frames + sum(begun.out.values()) for begun in self.at_work)
        self.on_progress(
            Progress(
                self.frames + painted,
                round(self.expected * len(self.jobs) / max(1, self.begun)) or None,
                len(self.jobs),
                self.states["done"],
                self.states["failed"],
                self.states["skipped"],
                joined,
            )
        )


def is_picture(target: str) -> bool:
    """Whether `target` is a picture, as far as its name tells."""
    sources = manager().sources
    try:
        return not sources.named(target) and not set(sources.options(target)) >= SEGMENTABLE
    except NstfilterError:
        return True  # an input that fails at once


def describe(error: Exception) -> str:
    """One line for an error that was thought of, the whole traceback for any other."""
    notes = getattr(error, "__notes__", [])
    if isinstance(error, NstfilterError):
        return "; ".join([str(error), *notes])
    return "".join(traceback.format_exception(error)).rstrip()
