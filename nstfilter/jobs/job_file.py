"""The state of an unfinished render: a hidden folder beside its output, with the files of the segments that
are done and a job file that says what they were made of.

The folder can be moved together with the output: the one path in it, of a style's picture, is for the command
that `nstfilter jobs show` prints.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nstfilter.errors import SinkError, SourceError
from nstfilter.files import LONGEST_NAME, file_hash, write_file

FORMAT = 1
ENDING = ".nstfilter"
SAMPLE, SAMPLES = 1 << 20, 64
PATIENCE = 0.3  # seconds
CHECKPOINT = re.compile(r"(\d+)\.\d{4}\.[^.]+")  # names of files in the folder: see checkpoints.py


class SegmentState(BaseModel):
    """One stretch of the video, in units of its time base. `frames` is None until it is done; `hash`, that of
    its segment, stays None where there was no frame in it. `seconds` is the work that went into it; `changes`
    are those of its `warnings` that are a `Change`."""

    model_config = ConfigDict(extra="forbid")

    begin: int
    end: int | None
    frames: Annotated[int, Field(ge=0)] | None = None
    hash: str | None = None
    seconds: float = 0.0
    warnings: list[str] = []
    changes: list[str] = []


class JobFile(BaseModel):
    """What a render is made of, and how far it has come.

    `input`, `output`  the files' names, for people
    `made_of`          everything that decides what the frames look like
    `suffix`           of the segments' names
    `recipe`           whether the output is to carry its recipe
    """

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    input: str
    output: str
    made_of: dict[str, Any]
    suffix: str
    segments: list[SegmentState]
    recipe: bool = True

    @property
    def done(self) -> int:
        """How many segments are."""
        return sum(segment.frames is not None for segment in self.segments)


class JobFolder:
    """The folder in which `output` comes to be. Raises `SinkError` where it cannot be written."""

    def __init__(self, output: Path) -> None:
        name = os.fsencode(f".{output.name}")[: LONGEST_NAME - len(ENDING)]
        if len(name) < len(os.fsencode(output.name)) + 1:  # two long names may begin alike
            short = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16].encode()
            name = name[:-17] + b"~" + short
        self.path = output.with_name(os.fsdecode(name) + ENDING)
        self.output = output
        self._lock = FileLock(self.path / "lock")

    @classmethod
    def below(cls, root: Path) -> Iterator[JobFolder]:
        """Those there are below a folder. The `output` of one whose name was too long is as it was cut."""
        for parent, names, _ in os.walk(root):
            # a folder that is called just .nstfilter belongs to no output, and may be anybody's
            ours = sorted(n for n in names if n.startswith(".") and n.endswith(ENDING) and n != ENDING)
            names[:] = sorted(set(names) - set(ours))
            for name in ours:
                folder = cls(Path(parent, name[1 : -len(ENDING)]))
                folder.path = Path(parent, name)
                folder._lock = FileLock(folder.path / "lock")
                with suppress(ValueError, SinkError):
                    if job := folder.read():
                        folder.output = Path(parent, job.output)
                yield folder

    # -- who may write --

    def acquire(self) -> None:
        """Keep others out until `release`, or until this process ends, however it does. Waits a moment for
        one who only asks whether the folder is `busy`."""
        with self._explained():
            while True:
                self.path.mkdir(exist_ok=True)
                try:
                    self._lock.acquire(timeout=PATIENCE, poll_interval=0.02)
                except Timeout:
                    raise SinkError(
                        f"{self.output} is being rendered by another process; wait for it, or name another "
                        "output"
                    ) from None
                except FileNotFoundError:
                    continue  # the folder was removed after it was made
                if self._holds_what_is_there():
                    return
                self._lock.release()  # of a folder that its owner has removed meanwhile

    def _holds_what_is_there(self) -> bool:
        """Whether the lock is that of the folder which is at this path now."""
        try:
            return (self.path / "lock").exists() and _same_file(self._lock, self.path / "lock")
        except OSError:
            return False

    @property
    def busy(self) -> bool:
        """Whether another process has the folder. Asking changes nothing there."""
        if not (self.path / "lock").exists():
            return False
        try:
            with self._lock.acquire(timeout=0):
                return False
        except (Timeout, OSError):
            return True

    def release(self) -> None:
        """Let others in. A folder with nothing in it is removed before, while nobody else can have it."""
        with suppress(OSError):
            if os.name == "posix" and all(path.name == "lock" for path in self.path.iterdir()):
                self.remove()
        self._lock.release()

    # -- the job file --

    @property
    def file(self) -> Path:
        return self.path / "job.json"

    def read(self) -> JobFile | None:
        """None where there is none. Raises `ValueError` for one that is damaged, `SinkError` for one that a
        later version has written."""
        try:
            text = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SinkError(f"{self.file} cannot be read: {error.strerror}") from error
        try:
            job = JobFile.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(f"{self.file} is damaged") from error
        if job.format > FORMAT:
            raise SinkError(f"{self.file} is of a later nstfilter; go on with that, or remove {self.path}")
        return job

    def write(self, job: JobFile) -> None:
        """Put `job` in the place of what was there, whole or not at all, and for good."""
        with self._explained():
            write_file(self.file, job.model_dump_json(indent=1).encode())

    # -- the segments --

    def segment_file(self, job: JobFile, number: int) -> Path:
        return self.path / f"{number + 1:05}{job.suffix}"

    def verify(self, job: JobFile) -> list[int]:
        """Mark as not done the segments whose files have changed or are gone; returns their numbers."""
        spoiled = []
        for number, segment in enumerate(job.segments):
            if segment.hash is not None and _hash_or_none(self.segment_file(job, number)) != segment.hash:
                job.segments[number] = SegmentState(begin=segment.begin, end=segment.end)
                spoiled.append(number)
        return spoiled

    def sweep(self, job: JobFile | None) -> None:
        """Remove what no job file knows of: segments that were begun, or finished a moment before a kill."""
        kept = {self.file.name, "lock"}
        if job:
            kept |= {self.segment_file(job, n).name for n, segment in enumerate(job.segments) if segment.hash}
            kept |= {path.name for path in self._checkpoints(job)}
        with suppress(OSError):
            for path in self.path.iterdir():
                if path.name not in kept:
                    path.unlink()

    def begun(self, job: JobFile) -> bool:
        """Whether there is work on segments that are not done."""
        return any(path.suffix == ".json" for path in self._checkpoints(job))

    def _checkpoints(self, job: JobFile) -> list[Path]:
        """Files that belong to segments which are not done; which of them are whole is seen when the work
        goes on."""
        waiting = {self.segment_file(job, n).stem for n, s in enumerate(job.segments) if s.frames is None}
        try:
            found = [(path, CHECKPOINT.fullmatch(path.name)) for path in self.path.iterdir()]
        except OSError:  # somebody has removed the folder: nothing is there
            return []
        return [path for path, match in found if match and match[1] in waiting]

    def remove(self) -> None:
        """Everything. The job is over, or begins anew."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = "the disk is full; make room and start again" if full else error.strerror
            raise SinkError(f"{self.output} could not be worked on: {reason}") from error


def content_hash(path: Path) -> str:
    """Tells one input from another: its size, and 64 samples of a megabyte, the first and the last among
    them; of a file that is no larger than that, all of it. Raises `SourceError`.

    A day's recording need not be read twice for it. What is encoded anew differs everywhere, and what is cut
    or tagged anew differs at an end or in its size. The time of the last change says nothing: a copy to
    another disk has a new one.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest = hashlib.sha256(str(size).encode())
            if size <= SAMPLE * SAMPLES:
                places = list(range(0, size, SAMPLE))
            else:
                places = [(size - SAMPLE) * n // (SAMPLES - 1) for n in range(SAMPLES)]
            for place in places:
                file.seek(place)
                digest.update(file.read(SAMPLE))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _same_file(lock: FileLock, path: Path) -> bool:
    held = lock._context.lock_file_fd  # type: ignore[attr-defined]
    return held is not None and os.path.samestat(os.fstat(held), path.stat())


def _hash_or_none(path: Path) -> str | None:
    try:
        return file_hash(path)
    except OSError:
        return None
