"""Notices that an input was replaced or written to while it was rendered."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nstfilter.errors import SourceError
from nstfilter.jobs.job_file import content_hash
from nstfilter.streams import Frame, Source

PACE = 1.0  # seconds between two looks at the file


@dataclass(frozen=True, slots=True)
class InputState:
    """A file's size in bytes, the time of its last change in nanoseconds, and its `content_hash`."""

    size: int
    changed: int
    hash: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Raises `SourceError` where the file cannot be read."""
        try:
            about = path.stat()
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
        return cls(about.st_size, about.st_mtime_ns, content_hash(path))

    def check(self, path: Path) -> None:
        """Raises `SourceError` unless `path` holds what it held. Another time alone is no change."""
        try:
            about = path.stat()
            same = (about.st_size, about.st_mtime_ns) == (self.size, self.changed)
            same = same or (about.st_size == self.size and content_hash(path) == self.hash)
        except (OSError, SourceError):
            same = False
        if not same:
            raise SourceError(
                f"{path} was replaced or changed while it was rendered; leave it alone and start over"
            )


class WatchedSource(Source):
    """The frames of `source`, for as long as the file at `path` is what it was, which is looked at with the
    first frame, every `PACE` seconds, and at the end; else raises `SourceError`."""

    def __init__(self, source: Source, path: Path, state: InputState) -> None:
        super().__init__()
        self.source, self.path, self.state = source, path, state
        self.info, self.warnings = source.info, source.warnings

    def _frames(self) -> Iterator[Frame]:
        looked = -math.inf  # often one frame is all that is asked for
        for frame in self.source:
            if time.monotonic() - looked > PACE:
                self.state.check(self.path)
                looked = time.monotonic()
            yield frame
        self.state.check(self.path)

    def _close(self) -> None:
        self.source.close()
