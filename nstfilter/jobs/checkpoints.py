"""What is kept of a segment while it is still being painted, so that a kill costs seconds of work.

A segment of a slow model takes minutes. So its frames go into one file after the other, each closed once it
holds `EVERY` seconds of work; what is painted anew after a kill is what came after the last of them. In the
end they become the segment's file. A segment that is done sooner has one file from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nstfilter.files import file_hash, write_file
from nstfilter.jobs.job_file import CHECKPOINT
from nstfilter.streams import Change, Frame, JoiningSink, Sink, StreamInfo, added_up

EVERY = 20.0  # seconds of work


class Checkpoint(BaseModel):
    """Stands beside a file that holds the next `frames` of a segment, in a file of the same name that ends in
    .json. The frame with the pts `end` comes next; None: the segment is painted to its end. `changes` are
    those of `warnings` that are a `Change`."""

    model_config = ConfigDict(extra="forbid")

    end: int | None
    frames: Annotated[int, Field(ge=1)]
    seconds: float
    hash: str
    warnings: list[str] = []
    changes: list[str] = []


def checkpoints(segment: Path) -> list[tuple[Path, Checkpoint]]:
    """Those there are of the file `segment`, in order; files that do not follow on them are removed."""
    found: list[tuple[Path, Checkpoint]] = []
    while _read(path := _path(segment, len(found))) and (not found or found[-1][1].end is not None):
        checkpoint = _read(path)
        assert checkpoint
        found.append((path, checkpoint))
    kept = {path.stem for path, _ in found}
    with suppress(OSError):
        for path in segment.parent.glob(f"{segment.stem}.*"):
            if CHECKPOINT.fullmatch(path.name) and path.stem not in kept:
                path.unlink()
    return found


def _path(segment: Path, number: int) -> Path:
    return segment.with_name(f"{segment.stem}.{number:04}{segment.suffix}")


def _read(path: Path) -> Checkpoint | None:
    try:
        checkpoint = Checkpoint.model_validate_json(path.with_suffix(".json").read_bytes())
        return checkpoint if file_hash(path) == checkpoint.hash else None
    except (OSError, ValidationError):
        return None


class CheckpointSink(Sink):
    """Writes a segment to `path` by way of checkpoints, after those that are there. `open_file` opens the
    sink for one file.

    `said` are the warnings of the source so far; its list may grow. They are kept with each checkpoint, after
    those of earlier runs, which are among this sink's `warnings`.
    """

    def __init__(self, path: Path, open_file: Callable[[Path], Sink]) -> None:
        super().__init__()
        self.path = path
        self.said: list[str] = []
        self._open_file = open_file
        self._done = checkpoints(path)
        for _, last in self._done[-1:]:  # it has those of all before it
            self.warnings += [Change(line) if line in last.changes else line for line in last.warnings]
        self._sink: Sink | None = None
        self._info: StreamInfo | None = None
        self._frames = 0
        self._since = time.monotonic()

    @property
    def end(self) -> int | None:
        """The pts to go on at; None where nothing is there, or all of it."""
        return self._done[-1][1].end if self._done else None

    @property
    def complete(self) -> bool:
        """Whether all frames are there, and only wait to be joined."""
        return bool(self._done) and self.end is None

    @property
    def frames(self) -> int:
        """Painted in earlier runs, and their `seconds` of work."""
        return sum(checkpoint.frames for _, checkpoint in self._done)

    @property
    def seconds(self) -> float:
        return sum(checkpoint.seconds for _, checkpoint in self._done)

    def _open(self, info: StreamInfo) -> None:
        self._info = info
        self._since = time.monotonic()

    def _write(self, frame: Frame) -> None:
        if self._sink and time.monotonic() - self._since > EVERY:
            self._finish(frame.pts)
        if self._sink is None:
            assert self._info
            self._sink = self._open_file(_path(self.path, len(self._done)))
            self._sink.open(self._info)
        self._sink.write(frame)
        self._frames += 1

    def _finish(self, end: int | None) -> None:
        """Close the file at hand and note down that it is whole."""
        assert self._sink
        self._sink.close()
        self.warnings += [line for line in self._sink.warnings if line not in self.warnings]
        path = _path(self.path, len(self._done))
        seconds = time.monotonic() - self._since
        warnings = added_up([*self.said, *self.warnings])
        noted = Checkpoint(
            end=end,
            frames=self._frames,
            seconds=seconds,
            hash=file_hash(path),
            warnings=warnings,
            changes=[line for line in warnings if isinstance(line, Change)],
        )
        write_file(path.with_suffix(".json"), noted.model_dump_json().encode())
        self._done.append((path, noted))
        self._sink, self._frames, self._since = None, 0, time.monotonic()

    def _close(self) -> None:
        assert self._info
        if self._sink and not self._done:  # the usual case: no checkpoint was needed
            self._sink.close()
            self.warnings += [line for line in self._sink.warnings if line not in self.warnings]
            _path(self.path, 0).replace(self.path)
            return
        if self._sink:
            self._finish(None)
        self.join(self._info)

    def join(self, info: StreamInfo) -> None:
        """Make the segment's file of its checkpoints."""
        whole = self._open_file(self.path)
        assert isinstance(whole, JoiningSink)
        whole.join(info, [path for path, _ in self._done])
        for path, _ in self._done:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)

    def _abort(self) -> None:
        if self._sink:
            self._sink.abort()
