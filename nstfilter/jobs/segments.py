"""A long video rendered in segments: the tasks, the files they leave, and the join at the end."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nstfilter.errors import SourceError, UsageError
from nstfilter.files import file_hash
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.jobs.job_file import JobFile, JobFolder, SegmentState, content_hash
from nstfilter.jobs.planning import Job
from nstfilter.jobs.recipe import MAX_EMBEDDING
from nstfilter.jobs.task import Segment, Settings, Task
from nstfilter.jobs.unchanged import InputState
from nstfilter.jobs.work import filter_for
from nstfilter.manager import manager, open_sink
from nstfilter.pipeline import Report
from nstfilter.stability import warm_up
from nstfilter.streams import Change, JoiningSink, Source, StreamInfo, added_up

SECONDS = 10.0
# of a segment, at most, are frames that only warm the filter up: calmer videos have longer segments
WARMING = 1 / 40
NOT_COMPARED = Change("the result was not compared with its input to the end")


def segmented(job: Job, source: Source, settings: Settings, options: dict[str, Any]) -> Segmented | None:
    """The work on `job` in segments, as far as it has come; None where it is too short for that, or its
    source or sink cannot do it. `source` is open. Raises `SinkError` where another process is at it or it was
    begun as something else, and what opening the sink raises."""
    begins = borders(source, settings.stability)
    sinks = manager().sinks
    if not begins or sinks.named(str(job.output)):
        return None
    known = sinks.options(str(job.output))
    sink = open_sink(job.output, **{name: value for name, value in options.items() if name in known})
    form = sink.segment_format(source.info) if isinstance(sink, JoiningSink) else None
    if form is None:
        return None
    assert isinstance(sink, JoiningSink)
    overwrite, recipe = bool(options.get("overwrite")), "recipe" in options
    return Segmented(job, source.info, begins, settings, sink, *form, overwrite=overwrite, recipe=recipe)


def borders(source: Source, stability: float) -> list[int]:
    """Where segments begin, in units of the time base of `source`; nowhere where it has no span."""
    info, span = source.info, source.span()
    if span is None or not info.rate:
        return []
    seconds = max(SECONDS, warm_up(stability) / WARMING / float(info.rate))
    step = max(1, round(seconds / info.time_base))
    begin, end = span
    if not source.seekable:
        return [begin]
    count = max(1, round((end - begin) / step))  # the last may be half as long again
    return [begin + step * n for n in range(count)]


class Segmented:
    """A job in segments. Holds the job's folder until `finish` or `leave`."""

    def __init__(
        self,
        job: Job,
        info: StreamInfo,
        borders: list[int],
        settings: Settings,
        sink: JoiningSink,
        suffix: str,
        options: dict[str, Any],
        *,
        overwrite: bool,
        recipe: bool,
    ) -> None:
        self.input, self.info, self.settings, self.sink = job.input, info, settings, sink
        self.options = {**options, "overwrite": True}
        self.expected = info.frames or 0
        self.warnings: list[str] = []
        self.folder = JobFolder(job.output)
        self._concluded = False
        self.state = InputState.of(job.input)
        fresh = JobFile(
            input=job.input.name,
            output=job.output.name,
            made_of=_made_of(self.state, settings, options, borders),
            suffix=suffix,
            segments=[
                SegmentState(begin=b, end=e) for b, e in zip(borders, [*borders[1:], None], strict=True)
            ],
            recipe=recipe,
        )
        self.folder.acquire()
        try:
            self.file = self._taken_up(fresh, overwrite)
            # of work that was begun otherwise nothing is used, not even checkpoints
            self.folder.sweep(None if self.file is fresh else self.file)
            self.folder.write(self.file)
            self._frames = sum(segment.frames or 0 for segment in self.file.segments)
        except BaseException:
            self.folder.release()
            raise

    def _taken_up(self, fresh: JobFile, overwrite: bool) -> JobFile:
        """What there is of this job, or where there is nothing, `fresh`."""
        try:
            there = self.folder.read()
        except ValueError as damage:
            self.warnings.append(f"{damage}; all is rendered anew")
            return fresh
        if there is None:
            return fresh
        if changes := differences(there.made_of, fresh.made_of):
            if not overwrite:
                raise UsageError(
                    f"{self.folder.output} was begun otherwise: {'; '.join(changes)}; go on as it was begun, "
                    "or start over with --overwrite"
                )
            self.warnings.append(f"started over: {'; '.join(changes)}")
            return fresh
        for number in self.folder.verify(there):
            self.warnings.append(
                f"segment {number + 1} of {len(there.segments)} was damaged and is made again"
            )
        there.recipe = fresh.recipe
        for segment in there.segments:
            segment.warnings = [
                Change(line) if line in segment.changes else line for line in segment.warnings
            ]
        return there

    @property
    def frames(self) -> int:
        """Painted so far."""
        return self._frames

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.file.segments)

    def tasks(self) -> list[Task]:
        """One for every segment that is not done."""
        return [
            Task(
                self.input,
                self.folder.segment_file(self.file, number),
                self.settings,
                Segment(segment.begin, segment.end),
                self.options,
                self.state,
            )
            for number, segment in enumerate(self.file.segments)
            if segment.frames is None
        ]

    def took(self, task: Task, report: Report) -> None:
        """A task is done: note it down. Raises `SinkError`."""
        assert task.segment
        segment = next(s for s in self.file.segments if s.begin == task.segment.begin)
        segment.hash = file_hash(task.output) if report.frames else None
        segment.frames, segment.seconds = report.frames, report.seconds
        self._frames += report.frames
        segment.warnings = added_up(report.warnings)
        segment.changes = [line for line in segment.warnings if isinstance(line, Change)]
        self.folder.write(self.file)

    def finish(self, on_joined: Callable[[int], None]) -> None:
        """Join the segments and clear them away. Raises `SinkError`."""
        if content_hash(self.input) != self.state.hash:
            raise SourceError(f"{self.input} was replaced while it was rendered; start over with --overwrite")
        numbers = (n for n, segment in enumerate(self.file.segments) if segment.hash)
        self.sink.on_joined = on_joined
        self.sink.join(self.info, [self.folder.segment_file(self.file, number) for number in numbers])
        self._conclude()

    def _conclude(self) -> None:
        with interrupted_later():
            said = (line for segment in self.file.segments for line in segment.warnings)
            self.warnings += added_up([*said, *self.sink.warnings])
            self.folder.remove()
            self.folder.release()
            self._concluded = True

    @property
    def complete(self) -> bool:
        """Whether the result has its name."""
        return self.sink.state == "closed"

    def leave(self) -> tuple[Path | None, str | None]:
        """Let go, and say where what is done is kept, and how to go on."""
        if self._concluded:
            return None, None
        if self.complete:  # the interrupt came a moment later
            self._conclude()
            self.warnings.append(NOT_COMPARED)
            return None, None
        self.folder.sweep(self.file)
        done, of = self.file.done, len(self.file.segments)
        begun = self.folder.begun(self.file)
        if not done and not begun:
            self.folder.remove()
        self.folder.release()
        if not done and not begun:
            return None, None
        what = (
            f"{done} of {of} segments of {self.folder.output} are"
            if done
            else (f"the beginning of {self.folder.output} is")
        )
        return self.folder.path, f"{what} done and kept; the same command goes on"


CALLED = {
    "input": "the input's contents",
    "embedding": "what the style's picture shows",
    "fingerprint": "the model's weights",
    "keep_colors": "keep-colors",
    "room": "what the background shows",
    "masks": "what finds people",
    "borders": "where segments begin",
    "version": "nstfilter's version",
}
STANDS_FOR = {"style": "embedding", "model": "fingerprint", "background": "room", "segmenter": "masks"}
UNREADABLE = ("input", "embedding", "fingerprint", "room", "masks", "borders")


def _made_of(
    input: InputState, settings: Settings, options: dict[str, Any], borders: list[int]
) -> dict[str, Any]:
    """All that the segments depend on. Not the number of threads and not the device: sums in another order
    differ by less than the eye sees, and to be refused for it would be worse."""
    paint = filter_for(settings)
    return {
        "input": input.hash,
        "style": settings.style,
        "embedding": _written(settings.embedding),
        "model": settings.model,
        "fingerprint": paint.model.fingerprint,
        "strength": settings.strength,
        "keep_colors": settings.keep_colors,
        "size": settings.size,
        "stability": settings.stability,
        "area": settings.area,
        "background": settings.background,
        "room": hashlib.sha256(settings.room).hexdigest() if settings.room else settings.background,
        "feather": settings.feather,
        "face": settings.face,
        "segmenter": settings.segmenter,
        "masks": paint.segmenter_fingerprint,
        **{name: value for name, value in options.items() if name != "overwrite"},
        "borders": f"{len(borders)} from {borders[0]}"
        + (f" by {borders[1] - borders[0]}" if borders[1:] else ""),
        "version": version("nstfilter"),
    }


def _written(embedding: bytes) -> str:
    """An embedding as it is kept in the job file: that of a taught style, of half a megabyte, as its hash."""
    if len(embedding) > MAX_EMBEDDING:
        return f"sha256 {hashlib.sha256(embedding).hexdigest()}"
    return base64.b64encode(embedding).decode()


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What has changed, a few words each. Another name for the same is no change."""
    changed = {name for name in {**before, **now} if before.get(name) != now.get(name)}
    for name, thing in STANDS_FOR.items():
        if thing not in changed:
            changed.discard(name)
        elif name in changed:
            changed.remove(thing)  # its name says it better
    lines = []
    for name in (name for name in {**before, **now} if name in changed):
        called = CALLED.get(name, name)
        was_is = "changed" if name in UNREADABLE else f"was {before.get(name)}, is {now.get(name)}"
        lines.append(f"{called} {was_is}")
    return lines
