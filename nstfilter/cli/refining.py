"""`nstfilter apply --refine`: pictures one after the other, each refined once it is painted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstfilter.errors import NstfilterError, UsageError
from nstfilter.jobs.task import Executor, Task

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from nstfilter.jobs.planning import Job
    from nstfilter.models.refining import Refined
    from nstfilter.packs.style import StyleMix
    from nstfilter.pipeline import Report


def check(work: Sequence[Job], *, direct: bool, model: str, background: Any) -> None:
    """Raises `UsageError` for what cannot be refined."""
    from nstfilter.jobs.run import is_picture

    if direct:
        raise UsageError("--refine is for pictures in files, not for pipes and numbered pictures")
    for job in work:
        if not is_picture(str(job.input)):
            raise UsageError(f"--refine is for pictures, and {job.input} is none; paint it without --refine")
        if frames := _animated(job):
            raise UsageError(
                f"--refine is for still pictures, and {job.input} is an animation of {frames} pictures, "
                "which would flicker; paint it without --refine, or make its first picture a .jpg"
            )
    if model != "pocket":
        raise UsageError("--refine begins with a painting by pocket; leave out --model")
    if background not in (None, "plain", "blur") and not os.path.isfile(background):
        raise UsageError(
            "--refine knows one style; leave out the one of the --background, or give it a picture"
        )


def _animated(job: Job) -> int | None:
    """How many pictures of an animation would be painted; None for one picture. One that cannot be read is
    left to be said in its turn."""
    from nstfilter.manager import manager, open_sink, open_source

    if "describe" not in manager().sources.options(str(job.input)):
        return None
    try:
        with open_source(job.input, describe=True) as source:
            info = source.info
    except NstfilterError:
        return None
    return None if info.still or open_sink(job.output).most_frames(info) else info.frames


class Refining(Executor):
    """Does the tasks one after the other, with the model `model` that refines towards `mix`.

    `refined`  the losses of each painting, before and after, by its output
    """

    def __init__(self, mix: StyleMix, steps: int, *, threads: int | None, device: str | None) -> None:
        from nstfilter.models.refining import RefiningModel
        from nstfilter.packs.reading import read_picture

        pictures = [(read_picture(style), share) for style, share in mix.parts]
        self.model = RefiningModel(pictures, steps=steps, threads=threads, device=device)
        self.refined: dict[Path, Refined] = {}

    def show(self, bars: Bars) -> None:
        """Show how far it is, beneath the bar of the pictures."""
        bar = bars.add_task("refining", total=self.model.steps, speed="steps")
        self.model.on_step = lambda step: bars.update(bar, completed=step)

    def run(
        self,
        tasks: Iterable[Task],
        *,
        on_frames: Callable[[Task, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[tuple[Task, Report | Exception]]:
        from nstfilter.jobs.work import attempt

        for task in tasks:
            if stop and stop.is_set():
                return
            self.model.refined = None  # of the one before; some are not painted, at strength 0
            outcome = attempt(task, stop=stop)
            if on_frames and not isinstance(outcome, Exception):
                on_frames(task, outcome.frames)
            if self.model.refined:
                self.refined[task.output] = self.model.refined
            yield task, outcome
