"""Files that pages send to be painted: a queue, worked on by the jobs machinery, that survives a restart.

Each file has a folder of its own: what was sent, what became of it, and `render.json`. Nothing is deleted but
by the user. Every process of the user shares the queue: what counts is on the disk, and is changed under a
lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from nstfilter.errors import NstfilterError, SinkError, UsageError
from nstfilter.files import NewFile
from nstfilter.filter import StyleFilter
from nstfilter.frames import as_bgr
from nstfilter.jobs.planning import Job
from nstfilter.jobs.recipe import Recipe
from nstfilter.jobs.run import Progress, Result, render_all
from nstfilter.jobs.task import Settings
from nstfilter.jobs.work import filter_for, room_of
from nstfilter.manager import manager, open_executor, open_source
from nstfilter.packs.reading import parse_style
from nstfilter.plugins.studio.preview import jpeg
from nstfilter.plugins.studio.scratch import Scratch
from nstfilter.plugins.studio.uploads import check_room, data_folder, plain_name

# "removed": the user wants it gone, and whoever paints it deletes it
State = Literal["waiting", "painting", "paused", "done", "failed", "removed"]
# files in the queue, done ones too; bytes of one
MAX_COUNT, MAX_FILE = 100, 8_000_000_000
# pixels of the pictures before and after
SIDE = 1280
# seconds between two looks at what other processes have changed; that one may take to change something
LOOK, PATIENCE = 1.0, 10.0

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

    Any thread may call any method. Where another process has begun to paint, this one paints once that ends.

    `model`  what `open_model` understands
    """

    def __init__(self, model: str, folder: Path | None = None) -> None:
        self.model = model
        self.folder = folder or data_folder() / "renders"
        self._scratch = Scratch(self.folder)
        self.all: dict[str, Render] = {}  # as they are on the disk; frames and total may be ahead of it
        self._seen: dict[str, tuple[int, int]] = {}  # which version of the file was read
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._stop = threading.Event()  # the render at work
        self._at_work: str | None = None
        self._read_at = 0.0
        self._read()

    def facts(self) -> list[dict[str, Any]]:
        """For pages: the newest first."""
        renders = [one for one in list(self.all.values()) if one.state != "removed"]
        return [
            {name: value for name, value in dataclasses.asdict(one).items() if name != "values"}
            for one in sorted(renders, key=lambda one: one.made, reverse=True)
        ]

    def check(self, name: str, size: int) -> None:
        """Raises `UsageError` for a file of no known kind, `SinkError` where there is no room for it."""
        if not manager().sources.claims(name) or not manager().sinks.claims(name):
            raise UsageError(f"{name} is no picture or video that can be painted")
        if len(self.all) >= MAX_COUNT:
            raise SinkError(f"there are {MAX_COUNT} files in the list; remove some that are done")
        check_room(self.folder, size)

    def new_folder(self) -> Path:
        """Where a file may be received; `add` takes it from there. Raises `SinkError`."""
        try:
            path = self._scratch.new()
            path.mkdir()
        except OSError as error:
            raise SinkError(f"the queue cannot be kept in {self.folder}: {error.strerror}") from error
        return path

    def add(self, folder: Path, name: str, style: str, values: dict[str, Any]) -> Render:
        """Queue the file `upload` in `folder`, one that `new_folder` gave, to be painted with this look."""
        name = plain_name(name)
        stem, suffix = os.path.splitext(name)
        label = re.sub(r"[^\w-]+", "-", style).strip("-")[:60] or "painted"
        key = folder.name
        render = Render(key, name, f"{stem}-{label}{suffix}", style, values, made=time.time())
        os.replace(folder / "upload", folder / name)
        with self._changing():
            if len(self.all) >= MAX_COUNT:
                raise SinkError(f"there are {MAX_COUNT} files in the list; remove some that are done")
            self._save(render, folder)
            os.replace(folder, self.folder / key)
            self.all[key] = render
        self._wake.set()
        return render

    def get(self, key: str) -> Render:
        """Raises `UsageError`."""
        render = self.all.get(key)
        if render is None or render.state == "removed":
            raise UsageError("there is no such file")
        return render

    def pause(self, key: str) -> None:
        """Stop painting it; what is done is kept."""
        self._set(key, "paused", only=("waiting", "painting"))

    def resume(self, key: str) -> None:
        """Go on with one that is paused, or try one that failed again."""
        self._set(key, "waiting", only=("paused", "failed"))

    def remove(self, key: str) -> None:
        """Delete the file, its result, and what there is of one that is not done; where it is being painted,
        once that has stopped."""
        with self._changing():
            render = self.get(key)
            if render.state != "painting":
                self._delete(key)
                return
            render.state = "removed"
            if self._at_work == key:
                self._stop.set()
                with contextlib.suppress(SinkError):  # it may be to make room that it is removed
                    self._save(render)
            else:
                self._save(render)

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

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else changes the queue meanwhile, and `all` is what is on the disk. Raises `SinkError`."""
        with self._lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / ".change", timeout=PATIENCE):
                    self._read()
                    yield
            except Timeout:
                raise SinkError("another nstfilter holds the queue; try again, or end it") from None
            except OSError as error:
                raise SinkError(f"the queue cannot be kept in {self.folder}: {error.strerror}") from error

    def _read(self) -> None:
        """Take over what other processes have changed."""
        self._read_at = time.monotonic()
        with self._lock:
            found = set()
            for path in self.folder.glob("[!.]*/render.json"):
                key = path.parent.name
                try:
                    version = _version(path)
                    if self._seen.get(key) != version:
                        render = Render(**json.loads(path.read_text("utf-8")))
                        if render.key != key or not isinstance(render.values, dict):
                            continue
                        self.all[key], self._seen[key] = render, version
                except (OSError, ValueError, TypeError):
                    continue
                found.add(key)
            for key in set(self.all) - found:
                del self.all[key]
                self._seen.pop(key, None)
            at_work = self._at_work
            if at_work and (at_work not in self.all or self.all[at_work].state != "painting"):
                self._stop.set()

    def _save(self, render: Render, folder: Path | None = None) -> None:
        path = (folder or self.folder / render.key) / "render.json"
        try:
            with NewFile(path) as file:
                file.write(json.dumps(dataclasses.asdict(render), indent=1).encode())
            self._seen[render.key] = _version(path)
        except OSError as error:
            raise SinkError(f"the queue cannot be kept in {self.folder}: {error.strerror}") from error

    def _set(self, key: str, state: State, *, only: tuple[State, ...]) -> None:
        with self._changing():
            render = self.get(key)
            if render.state not in only:
                return
            render.state, render.error = state, ""
            self._save(render)
            if self._at_work == key:
                self._stop.set()
        self._wake.set()

    def _delete(self, key: str) -> None:
        """Out of the queue at once, whatever becomes of the files."""
        gone = self._scratch.new()
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.folder / key, gone)
        self.all.pop(key, None)
        self._seen.pop(key, None)
        shutil.rmtree(gone, ignore_errors=True)

    # the thread that paints

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # this thread's own, and that of those it starts
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        self._scratch.clear()
        lock = FileLock(self.folder / ".lock")
        while not self._ending.is_set():
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with lock.acquire(timeout=0):
                    self._take_over()
                    while not self._ending.is_set():
                        self._wake.clear()
                        if render := self._next():
                            self._paint(render)
                        else:
                            self._wake.wait(LOOK)
            except Timeout:  # another process paints
                self._read()
                self._ending.wait(LOOK)
            except Exception:
                log.exception("the queue of files to paint rests for a while")
                self._ending.wait(5)
        self._scratch.close()

    def _take_over(self) -> None:
        """Put in order what a process that ended has left."""
        with self._changing():
            for left in list(self.all.values()):
                if left.state == "removed":
                    self._delete(left.key)
                elif left.state == "painting":
                    left.state = "waiting"
                    self._save(left)

    def _next(self) -> Render | None:
        self._read()
        if not any(one.state == "waiting" for one in list(self.all.values())):
            return None
        with self._changing():
            waiting = [one for one in self.all.values() if one.state == "waiting"]
            if not waiting:
                return None
            render = min(waiting, key=lambda one: one.made)
            render.state = "painting"
            self._save(render)
            self._at_work = render.key
            self._stop.clear()
            if self._ending.is_set():
                self._stop.set()
            return render

    def _paint(self, render: Render) -> None:
        begun = time.monotonic()
        result: Result | None = None
        error = ""
        try:
            folder = self.folder / render.key
            settings, recipe = self._settings(render)
            with open_executor("local") as executor:
                (result,) = render_all(
                    [Job(folder / render.name, folder / render.result)],
                    settings,
                    executor,
                    overwrite=True,
                    options={"recipe": recipe},
                    on_progress=lambda progress: self._progress(render.key, progress),
                    stop=self._stop,
                )
        except NstfilterError as failure:
            error = str(failure)
        except Exception as failure:
            log.exception("%s could not be painted", render.name)
            error = f"it could not be painted ({type(failure).__name__})"
        if result and result.state == "failed":
            log.debug("%s could not be painted: %s", render.name, result.error)
            known = isinstance(result.cause, NstfilterError)
            error = (
                (result.error or "") if known else f"it could not be painted ({type(result.cause).__name__})"
            )
        try:
            self._finish(render.key, result, error, time.monotonic() - begun)
        finally:
            self._at_work = None

    def _finish(self, key: str, result: Result | None, error: str, seconds: float) -> None:
        """Write down how it went, unless the user wants otherwise meanwhile."""
        with self._changing():
            render = self.all.get(key)
            if render is None:
                return
            if render.state == "removed":
                self._delete(key)
                return
            render.seconds += seconds
            if error:
                render.state = "failed"
                render.error = error.replace(str(self.folder / key) + os.sep, "")
            elif result and result.state in ("done", "skipped"):
                render.state, render.frames, render.warnings = "done", result.frames, result.warnings
            elif render.state == "painting":
                render.state = "waiting"  # stopped by the end of the run
            self._save(render)

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
        return settings, Recipe.of(settings, paint.model.fingerprint, paint.segmenter_fingerprint).to_json()

    def _progress(self, key: str, progress: Progress) -> None:
        if time.monotonic() - self._read_at > LOOK:
            self._read()  # another process may have paused it
        if render := self.all.get(key):
            render.frames, render.total = progress.frames, progress.total


def _version(path: Path) -> tuple[int, int]:
    """Differs between two files that were put at `path` one after the other."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns
