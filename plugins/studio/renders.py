"""Files that pages send to be painted: a queue, worked on by the jobs machinery, that survives a restart.

Each file has a folder of its own: what was sent, what became of it, and `render.json`. Nothing is deleted but
by the user.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from nstfilter.errors import NstfilterError, SinkError, UsageError
from nstfilter.files import NewFile
from nstfilter.filter import StyleFilter, as_bgr
from nstfilter.jobs.planning import Job
from nstfilter.jobs.recipe import Recipe
from nstfilter.jobs.run import Progress, Result, render_all
from nstfilter.jobs.task import Settings
from nstfilter.jobs.work import filter_for, room_of
from nstfilter.manager import manager, open_executor, open_source
from nstfilter.packs.reading import parse_style
from nstfilter.plugins.studio.preview import jpeg
from nstfilter.plugins.studio.uploads import data_folder, plain_name

State = Literal["waiting", "painting", "paused", "done", "failed"]
# files in the queue, done ones too; bytes of one; bytes that stay free on the disk
MAX_COUNT, MAX_FILE, SPARE = 100, 8_000_000_000, 500_000_000
# pixels of the pictures before and after
SIDE = 1280

log = logging.getLogger("nstfilter")


@dataclass
class Render:
    """A file to paint. `values` is the look, as `Studio.values`; `style` what people call it."""

    key: str
    name: str
    result: str
    style: str
    values: dict[str, Any]
    state: State = "waiting"
    frames: int = 0
    total: int | None = None
    seconds: float = 0.0
    error: str = ""
    warnings: list[str] = field(default_factory=list)
    made: float = 0.0


class Renders:
    """The queue in `folder`. One thread of the lowest priority paints, one file after the other.

    Any thread may call any method. Where another process has the queue, files can be added, and are painted
    there or when it ends.

    `model`      what `open_model` understands
    `on_change`  is called, in any thread, when something has changed
    """

    def __init__(
        self, model: str, folder: Path | None = None, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.model, self.on_change = model, on_change
        self.folder = folder or data_folder() / "renders"
        self.all: dict[str, Render] = {}
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._stop = threading.Event()  # the render at work
        self._at_work: str | None = None
        self._load()

    def facts(self) -> list[dict[str, Any]]:
        """For pages: the newest first."""
        with self._lock:
            renders = sorted(self.all.values(), key=lambda one: one.made, reverse=True)
        return [
            {name: value for name, value in dataclasses.asdict(one).items() if name != "values"}
            for one in renders
        ]

    def check(self, name: str, size: int) -> None:
        """Raises `UsageError` for a file of no known kind, `SinkError` where there is no room for it."""
        if not manager().sources.claims(name) or not manager().sinks.claims(name):
            raise UsageError(f"{name} is no picture or video that can be painted")
        if len(self.all) >= MAX_COUNT:
            raise SinkError(f"there are {MAX_COUNT} files in the list; remove some that are done")
        self.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free < size + SPARE:
            raise SinkError("there is too little room on the disk for this file")

    def new_folder(self) -> Path:
        """Where a file may be received; `add` takes it from there."""
        path = self.folder / f".{secrets.token_hex(8)}"
        path.mkdir(parents=True)
        return path

    def add(self, folder: Path, name: str, style: str, values: dict[str, Any]) -> Render:
        """Queue the file `upload` in `folder`, one that `new_folder` gave, to be painted with this look."""
        name = plain_name(name)
        stem, suffix = os.path.splitext(name)
        label = re.sub(r"[^\w-]+", "-", style).strip("-")[:60] or "painted"
        key = folder.name[1:]
        render = Render(key, name, f"{stem}-{label}{suffix}", style, values, made=time.time())
        os.replace(folder / "upload", folder / name)
        with self._lock:
            self._save(render, folder)
            os.replace(folder, self.folder / key)
            self.all[key] = render
        self._changed()
        return render

    def get(self, key: str) -> Render:
        """Raises `UsageError`."""
        with self._lock:
            if key not in self.all:
                raise UsageError("there is no such file")
            return self.all[key]

    def pause(self, key: str) -> None:
        """Stop painting it; what is done is kept."""
        self._set(self.get(key), "paused", only=("waiting", "painting"))

    def resume(self, key: str) -> None:
        """Go on with one that is paused, or try one that failed again."""
        self._set(self.get(key), "waiting", only=("paused", "failed"))

    def remove(self, key: str) -> None:
        """Delete the file, its result, and what there is of one that is not done."""
        render = self.get(key)
        with self._lock:
            del self.all[key]
            if self._at_work == key:
                self._stop.set()
        end = time.monotonic() + 20
        while self._at_work == key and time.monotonic() < end:
            time.sleep(0.02)
        shutil.rmtree(self.folder / render.key, ignore_errors=True)
        self._changed()

    def input(self, key: str) -> Path:
        render = self.get(key)
        return self.folder / render.key / render.name

    def output(self, key: str) -> Path:
        """The result. Raises `UsageError` while there is none."""
        render = self.get(key)
        if render.state != "done":
            raise UsageError("it is not painted yet")
        return self.folder / render.key / render.result

    def still(self, key: str, after: bool) -> bytes:
        """The first picture of the file, or of its result, as a JPEG."""
        with open_source(self.output(key) if after else self.input(key)) as source:
            for frame in source:
                return jpeg(as_bgr(frame.image)[0], SIDE, 88)
        raise UsageError("there is no picture in it")

    def start(self) -> None:
        thread = threading.Thread(target=self._run, name="nstfilter-studio-renders", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Let the work rest, after the frame that is painted; the next run goes on with it."""
        self._ending.set()
        self._stop.set()
        self._wake.set()

    # the queue on the disk

    def _load(self) -> None:
        for path in self.folder.glob("*/render.json"):
            try:
                render = Render(**json.loads(path.read_text("utf-8")))
                if render.key != path.parent.name or not isinstance(render.values, dict):
                    continue
            except (OSError, ValueError, TypeError):
                continue
            self.all.setdefault(render.key, render)

    def _save(self, render: Render, folder: Path | None = None) -> None:
        try:
            with NewFile((folder or self.folder / render.key) / "render.json") as file:
                file.write(json.dumps(dataclasses.asdict(render), indent=1).encode())
        except OSError as error:
            raise SinkError(f"the queue cannot be kept in {self.folder}: {error.strerror}") from error

    def _set(self, render: Render, state: State, *, only: tuple[State, ...]) -> None:
        with self._lock:
            if render.state not in only:
                return
            if self._at_work == render.key:
                self._stop.set()
            render.state, render.error = state, ""
            self._save(render)
        self._changed()

    def _changed(self) -> None:
        self._wake.set()
        self.on_change()

    # the thread that paints

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # this thread's own, and that of those it starts
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        while not self._ending.is_set():
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:  # another process works on the queue
                self._ending.wait(2)
        else:
            return
        try:
            with self._lock:
                self._load()
                for left in self.all.values():
                    if left.state == "painting":  # by a process that ended
                        left.state = "waiting"
            while not self._ending.is_set():
                self._wake.clear()
                if render := self._next():
                    self._paint(render)
                else:
                    self._wake.wait(5)
        finally:
            lock.release()

    def _next(self) -> Render | None:
        with self._lock:
            waiting = [one for one in self.all.values() if one.state == "waiting"]
            if not waiting:
                return None
            render = min(waiting, key=lambda one: one.made)
            render.state, self._at_work = "painting", render.key
            self._stop.clear()
            if self._ending.is_set():
                self._stop.set()
            return render

    def _paint(self, render: Render) -> None:
        begun = time.monotonic()
        result: Result | None = None
        error = ""
        try:
            self._save(render)
            self.on_change()
            folder = self.folder / render.key
            settings, recipe = self._settings(render)
            with open_executor("local") as executor:
                (result,) = render_all(
                    [Job(folder / render.name, folder / render.result)],
                    settings,
                    executor,
                    overwrite=True,
                    options={"recipe": recipe},
                    on_progress=lambda progress: self._progress(render, progress),
                    stop=self._stop,
                )
        except NstfilterError as failure:
            error = str(failure)
        except Exception as failure:
            log.exception("%s could not be painted", render.name)
            error = f"it could not be painted ({type(failure).__name__})"
        with self._lock:
            self._at_work = None
            render.seconds += time.monotonic() - begun
            if result and result.state == "failed":
                log.debug("%s could not be painted: %s", render.name, result.error)
                known = isinstance(result.cause, NstfilterError)
                error = (
                    (result.error or "")
                    if known
                    else f"it could not be painted ({type(result.cause).__name__})"
                )
            if error:
                render.state, render.error = (
                    "failed",
                    error.replace(str(self.folder / render.key) + os.sep, ""),
                )
            elif result and result.state in ("done", "skipped"):
                render.state, render.frames, render.warnings = "done", result.frames, result.warnings
            elif render.state == "painting":
                render.state = "waiting"  # stopped by the end of the run
            if render.key in self.all:
                with contextlib.suppress(SinkError):
                    self._save(render)
        self.on_change()

    def _settings(self, render: Render) -> tuple[Settings, str]:
        """What the jobs machinery is given for this look, and the recipe that the result carries."""
        names = {one.name for one in dataclasses.fields(Settings)} - {"style", "model", "threads"}
        dials = {name: value for name, value in render.values.items() if name in names}
        mix = parse_style(render.values["style"])
        paint = StyleFilter(mix, model=self.model, threads=1, **dials)
        look = paint.embedding
        settings = Settings(
            str(mix), look.tobytes(), look.shape, self.model, **dials, threads=1, **room_of(paint)
        )
        filter_for(settings, paint)
        return settings, Recipe.of(settings, paint.model.fingerprint).to_json()

    def _progress(self, render: Render, progress: Progress) -> None:
        render.frames, render.total = progress.frames, progress.total
