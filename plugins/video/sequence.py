"""Numbered pictures as a video, and a video as numbered pictures: `frames/%05d.png`."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.manager import open_sink
from nstfilter.plugins.video.container import open_container, origin_of
from nstfilter.plugins.video.source import VideoSource
from nstfilter.plugins.video.tracks import Piped
from nstfilter.streams import Change, Frame, Sink, StreamInfo

PATTERN = re.compile(r"([^%]*)%(?:0(\d))?d([^%]*)")
RATE, SLOWEST, FASTEST = 25.0, 0.001, 1000


class SequenceSource(VideoSource):
    """The pictures of a folder whose names differ in a number, in its order, `rate` of them a second. They
    begin with the lowest number there is. Raises `SourceError` where one is missing in between."""

    def __init__(self, pattern: str, rate: float = RATE) -> None:
        if not SLOWEST <= rate <= FASTEST:
            raise UsageError(f"rate is {rate:g}; expected pictures a second, from {SLOWEST} to {FASTEST}")
        self._rate = Fraction(rate).limit_denominator(1001)
        self._numbers = numbers(Path(pattern))
        super().__init__(pattern)
        details = {**self.info.details, "numbered": self.path}
        self.info = replace(self.info, frames=len(self._numbers), origin=None, details=details)

    def _open(self) -> av.container.InputContainer:
        if not self._numbers:
            raise SourceError(f"there is no picture {self.path}; expected names with numbers in them")
        first, last = self._numbers[0], self._numbers[-1]
        if len(self._numbers) <= last - first:
            gap = next(n for n, number in enumerate(self._numbers, first) if n != number)
            raise SourceError(
                f"{_named(self.path, gap)} is missing; numbers from {first} to {last} are there otherwise"
            )
        options = {"framerate": str(self._rate), "start_number": str(first), "protocol_whitelist": "file"}
        try:
            return av.open(f"file:{self.path}", format="image2", options=options)
        except av.FFmpegError as error:
            raise SourceError(
                f"{_named(self.path, first)} cannot be read: {error.strerror or error}"
            ) from error

    def span(self) -> None:
        return None


class SequenceSink(Sink):
    """Writes each frame as a picture, numbered from 1. Pictures that are written stay, also after `abort`."""

    def __init__(self, pattern: str, *, overwrite: bool = False, **options: Any) -> None:
        super().__init__()
        self.path, self.overwrite, self.options = Path(pattern), overwrite, options
        self._count = 0

    def losses(self, info: StreamInfo) -> list[str]:
        piped = info.details.get("piped")
        sound = isinstance(piped, Piped) and any(stream.type == "audio" for stream in piped.streams)
        if (origin := origin_of(info)) and origin.is_file():
            with open_container(origin) as container:
                sound = bool(container.streams.audio)
        return [Change("its sound is not kept: pictures have none")] if sound else []

    def _open(self, info: StreamInfo) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot make the folder {folder}: {error.strerror}") from error
        if not self.overwrite and (there := numbers(self.path)):
            raise SinkError(
                f"{_named(self.path, there[0])} exists; choose another folder, or allow overwriting"
            )
        pictures = info.details.get("numbered")
        if isinstance(pictures, Path) and self._hits(pictures):
            raise UsageError(f"{self.path} is the input itself; choose another folder")
        # the origin tells who may read the pictures
        self._info = replace(info, rate=None, frames=1, live=False, details={})
        self.warnings += self.losses(info)

    def _write(self, frame: Frame) -> None:
        self._count += 1
        sink = open_sink(_named(self.path, self._count), overwrite=self.overwrite, **self.options)
        sink.open(self._info)
        try:
            sink.write(Frame(frame.image))
            sink.close()
        except BaseException:
            sink.abort()
            raise
        self.warnings += [line for line in sink.warnings if line not in self.warnings]

    def _hits(self, pictures: Path) -> bool:
        """Whether a result would have the name of one of `pictures`."""
        if not self.path.parent.samefile(pictures.parent):
            return False
        names = {pictures.name % number for number in numbers(pictures)}
        return any(self.path.name % number in names for number in range(1, len(names) + 1))

    def _close(self) -> None:
        pass

    def _abort(self) -> Path | None:
        return self.path.parent if self._count else None


def numbers(pattern: Path) -> list[int]:
    """Those of the pictures there are, in order."""
    match = PATTERN.fullmatch(pattern.name)
    if not match:
        raise UsageError(f"{pattern} names no numbered pictures; write a number's place as %05d")
    before, width, after = match.groups()
    digits = rf"\d{{{width},}}" if width else r"\d+"
    name = re.compile(re.escape(before) + f"({digits})" + re.escape(after))
    try:
        found = [name.fullmatch(entry) for entry in os.listdir(pattern.parent)]
    except OSError:
        return []
    return sorted(int(match[1]) for match in found if match)


def _named(pattern: Path, number: int) -> Path:
    return pattern.with_name(pattern.name % number)
