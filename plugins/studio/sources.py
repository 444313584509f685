"""What the run sees through, for pages: cameras by name, the demo, and videos that pages have sent."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstfilter.errors import NstfilterError, SinkError, SourceError, UsageError, bare_address
from nstfilter.files import put_in_place
from nstfilter.manager import manager
from nstfilter.plugins.studio.scratch import Scratch
from nstfilter.plugins.studio.uploads import check_room, data_folder, plain_name
from nstfilter.streams import Frame, Source

if TYPE_CHECKING:
    from nstfilter.live.session import Session

# how the name of a source that is a file begins, and how many of those are kept
FILE, MAX_COUNT = "file:", 12
# what a page calls the source that the run began with, where that is an address: it may hold a password
FIRST = "first"
# seconds until a video that cannot be read is tried again
RETRY = 1.0

log = logging.getLogger("nstfilter")


class LoopedFile(Source):
    """A video, over and over: a run that is steered from a page ends neither with it nor because it is
    damaged.

    `open_file`  opens it anew, for each round
    `say`        is told why it cannot be read; that is tried again until another source is chosen
    """

    def __init__(self, open_file: Callable[[], Source], say: Callable[[str], None]) -> None:
        super().__init__()
        self._open_file, self._say = open_file, say
        self._file = open_file()
        self._ended = threading.Event()
        self.info = replace(self._file.info, frames=None)

    def _frames(self) -> Iterator[Frame]:
        begin, failed, rate = 0, False, self.info.rate
        usual = max(1, round(1 / (rate * self.info.time_base))) if rate else 1
        while not self.closed:
            end, first = begin, None
            try:
                for frame in self._file:
                    first = frame.pts if first is None else first
                    frame.pts += begin - first
                    end = max(end, frame.pts + (frame.duration or usual))
                    yield frame
                if end == begin and not self.closed:
                    raise SourceError("there is no picture in it")
                failed = False
                self._again()
            except Exception as error:
                if not failed:
                    log.debug("the video cannot be read", exc_info=error)
                    self._say(f"the video cannot be read: {error}; trying again")
                failed = True
                self._ended.wait(RETRY)
                with contextlib.suppress(Exception):
                    self._again()
            begin = end

    def _again(self) -> None:
        self.warnings = self.warnings or self._file.warnings  # those of one round
        self._file.close()
        self._file = self._open_file()
        if self.closed:  # meanwhile, and whoever closed it did not know this file
            self._file.close()

    def _close(self) -> None:
        self._ended.set()
        self._file.close()


class SentVideos:
    """Videos that pages sent to be seen through, each under its own name in `folder`, until the user deletes
    them. Any thread may call any method."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or data_folder() / "sources"
        self.scratch = Scratch(self.folder)
        self.scratch.clear()
        self._naming = threading.Lock()

    def names(self) -> list[str]:
        """The newest first."""
        found: list[tuple[float, str]] = []
        for path in self.folder.glob("[!.]*"):
            with contextlib.suppress(OSError):  # deleted just now
                found.append((path.stat().st_mtime, path.name))
        return [name for _, name in sorted(found, reverse=True)]

    def path(self, name: str) -> Path:
        """Raises `UsageError` for what is not among `names`."""
        if name not in self.names():
            raise UsageError("there is no such file")
        return self.folder / name

    def check(self, name: str, size: int) -> None:
        """Raises `UsageError` for a file of no known kind, `SinkError` where there is no room for it."""
        if not manager().sources.claims(name):
            raise UsageError(f"{name} is no video that can be read")
        if len(self.names()) >= MAX_COUNT:
            raise SinkError(f"there are {MAX_COUNT} videos already; delete one first")
        check_room(self.folder, size)

    def add(self, upload: Path, name: str) -> str:
        """Keep the file `upload`, which lies in `scratch`, and return the name it has got."""
        stem, suffix = os.path.splitext(plain_name(name, "video"))
        for number in range(1, 1000):
            path = self.folder / f"{stem}{'' if number == 1 else f'-{number}'}{suffix}"
            try:
                with self._naming:
                    put_in_place(upload, path, overwrite=False)
                return path.name
            except FileExistsError:
                continue
            except OSError as error:
                raise SinkError(f"the video cannot be kept: {error.strerror}") from error
        raise SinkError("there are too many videos of that name")

    def remove(self, name: str) -> None:
        """Raises `UsageError`, `SinkError`."""
        try:
            self.path(name).unlink(missing_ok=True)
        except OSError as error:
            raise SinkError(f"{name} cannot be deleted: {error.strerror}") from error


def shown(name: str) -> str:
    """What a page calls a source or an output: the file's name without its folder, and of an address the host
    alone, for the rest may be a password or a key."""
    if re.match(r"[\w.+:-]+://", name):
        scheme, _, rest = bare_address(name).partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"
    return re.split(r"[/\\]", name.removeprefix(FILE))[-1] or name


def list_sources(session: Session, videos: SentVideos) -> list[dict[str, Any]]:
    """What the run can see through, on or off: what it began with, the cameras by name, the demo, and the
    videos that were sent."""
    from nstfilter.plugins.cameras import cameras
    from nstfilter.plugins.virtual_cameras import LABEL

    found = []
    for camera in cameras():
        if camera.name == LABEL:  # which shows what we paint ourselves
            continue
        on = session.source in (f"webcam:{camera.index}", "webcam")
        busy = f"in use by {camera.busy_with}" if camera.busy_with and not on else ""
        problem = "you may not open it" if camera.denied else busy
        found.append({"name": f"webcam:{camera.index}", "title": camera.name, "problem": problem})
    found.append({"name": "demo", "title": "Demo", "problem": ""})
    found += [{"name": FILE + name, "title": name, "problem": ""} for name in videos.names()]
    if session.first_source not in {one["name"] for one in found}:
        found.insert(0, {"name": session.first_source, "title": shown(session.first_source), "problem": ""})
    for one in found:
        one["on"] = one["name"] == session.source
        if "://" in one["name"]:
            one["name"] = FIRST
    return found


def switch_source(session: Session, videos: SentVideos, name: str) -> None:
    """Go on with the source called `name`, one of `list_sources`: a page names no files. Raises `UsageError`
    and what opening it raises; the run then goes on with the source it has."""
    if name not in {one["name"] for one in list_sources(session, videos)}:
        raise UsageError(f"{name!r} is not a source of this run")
    if not name.startswith(FILE):
        session.switch_source(session.first_source if name == FIRST else name)
        return
    path = videos.path(name.removeprefix(FILE))

    def say(line: str) -> None:
        session.say(line.replace(str(path), path.name))

    try:
        session.switch_source(name, lambda: LoopedFile(lambda: session.open_source(str(path)), say))
    except NstfilterError as error:
        raise SourceError(str(error).replace(str(path), path.name)) from None


def remove_video(session: Session, videos: SentVideos, name: str) -> None:
    """Delete a video that was sent. Raises `UsageError` for one that the run sees through."""
    name = name.removeprefix(FILE)
    if session.source == FILE + name:
        raise UsageError("the run sees through it; choose another source first")
    videos.remove(name)
