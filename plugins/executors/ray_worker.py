"""What runs on the machines of a Ray cluster."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import ray

from nstfilter.jobs.task import Task
from nstfilter.jobs.work import attempt, portable
from nstfilter.pipeline import Report


def our_version() -> str:
    return version("nstfilter")


def missing(files: Sequence[tuple[Path, int]], folder: Path) -> Path | None:
    """The first of `files`, given with their sizes in bytes, that has another size on this machine or is not
    there; `folder` if this machine cannot write there; else None."""
    for path, size in files:
        try:
            if not path.is_dir() and path.stat().st_size != size:
                return path
        except OSError:
            return path
    return None if os.access(folder, os.W_OK) else folder


class Worker:
    """A Ray actor. Ray calls `perform` in one thread, and `frames` and `stop` in another meanwhile."""

    def __init__(self, environ: dict[str, str], uses_gpu: bool) -> None:
        os.environ.update(environ)
        if not uses_gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # else it would use those of other workers
        self._stop = threading.Event()
        self._frames = 0

    def ready(self) -> None:
        """Returns at once, which shows that the actor has started."""

    def perform(self, task: Task) -> Report | Exception:
        self._frames = 0
        from nstfilter.graphics.opencv import cv2

        # OpenCV would start a thread for every core, in every worker
        cv2.setNumThreads(task.settings.threads or 1)
        return portable(attempt(task, on_frame=self._count, stop=self._stop))

    def _count(self, frames: int) -> None:
        self._frames = frames

    @ray.method(concurrency_group="control")
    def frames(self) -> int:
        """How many frames of the current task are painted so far."""
        return self._frames

    @ray.method(concurrency_group="control")
    def stop(self) -> None:
        """Make `perform` give up the current task."""
        self._stop.set()
