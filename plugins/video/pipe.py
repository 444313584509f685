"""Video from standard input and to standard output: `ffmpeg ... | nstfilter apply - -o - | mpv -`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import av

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.plugins.video.encoder import Encoder, check_crf
from nstfilter.plugins.video.muxer import Container, Muxer
from nstfilter.plugins.video.rehearsal import rehearse
from nstfilter.plugins.video.source import VideoSource
from nstfilter.plugins.video.timeline import Clock
from nstfilter.plugins.video.tracks import Piped, called
from nstfilter.streams import Change, Closed, Frame, Sink, StreamInfo

# what can be written where nobody can go back
FORMATS = {
    "mkv": Container(
        "matroska", ("h264", "hevc", "av1", "vp9", "ffv1"), options={"cluster_time_limit": "1000"}
    ),
    "y4m": Container("yuv4mpegpipe", ("raw",)),
}


PATIENCE = 0.5  # seconds


class _Pipe:
    """What FFmpeg reads from. It takes an error, and a Ctrl-C that comes while it waits, for no more than a
    damaged place: so it gets no more to read then, and what it was is raised by `raise_error`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: BaseException | None = None

    def read(self, size: int) -> bytes:
        if self._error:
            return b""
        try:
            return self._file.read1(size)  # type: ignore[attr-defined,no-any-return]
        except BaseException as error:
            self._error = error
            return b""

    def raise_error(self) -> None:
        if isinstance(self._error, OSError):
            raise SourceError(f"the pipe could not be read on: {self._error.strerror or self._error}")
        if self._error:
            raise self._error


class PipeSource(VideoSource):
    """The first video stream of what comes through `file`, which is read once and forwards. Its sound and
    subtitles are in `info.details` as "piped", for a sink that takes them as they come (see `Piped`)."""

    stalls = True

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._pipe = _Pipe(file or sys.stdin.buffer)
        self._piped: Piped | None = None
        super().__init__(Path("-"))
        self._pipe.raise_error()
        assert self._piped
        details = {**self.info.details, "piped": self._piped}
        self.info = replace(self.info, origin=None, details=details)
        for stream in self._container.streams:
            if stream not in (self._stream, *self._piped.streams):
                self.warnings.append(Change(f"{called(stream)} is left out: it does not go through a pipe"))

    def _open(self) -> av.container.InputContainer:
        try:
            return av.open(self._pipe, metadata_errors="replace")
        except av.FFmpegError as error:
            self._pipe.raise_error()
            raise SourceError(
                "what comes through the pipe is not a video FFmpeg can read from one; "
                "send Matroska (-f matroska) or raw video (-f yuv4mpegpipe)"
            ) from error

    def _demux(self) -> Iterator[av.Packet[Any]]:
        piped = self._piped = Piped(self._container, self._stream)
        clock = Clock(self._timeline)
        for packet in self._container.demux([self._stream, *piped.streams]):
            if packet.stream == self._stream:
                yield packet
            elif packet.size:
                clock.apply(packet)
                piped.put(packet)
        self._pipe.raise_error()

    def _frames(self) -> Iterator[Frame]:
        for frame in super()._frames():
            if self._piped and not self._piped.taken:
                self._piped.clear()
            yield frame

    def span(self) -> None:
        return None

    def _close(self) -> None:
        # the container is left to be closed with the last packet of it: a sink may hold some
        if self._lock.acquire(timeout=PATIENCE):  # else a thread waits in there for whoever writes
            try:
                self._decoded.close()
            finally:
                self._lock.release()


class PipeSink(Sink):
    """Writes Matroska or YUV4MPEG2 ("y4m", raw video) into `file` as the frames come. Raises `Closed` when
    nobody reads any more."""

    stalls = True

    def __init__(
        self,
        file: BinaryIO | None = None,
        *,
        format: str = "mkv",
        codec: str | None = None,
        crf: int | None = None,
    ) -> None:
        super().__init__()
        if format not in FORMATS:
            raise UsageError(f"a video through a pipe is {' or '.join(FORMATS)}, not {format}")
        self._file = file or sys.stdout.buffer
        self._kind = FORMATS[format]
        codecs = self._kind.codecs
        self.codec = codec or codecs[0]
        if self.codec not in codecs:
            raise UsageError(f"{format} through a pipe does not take {codec}; it takes {', '.join(codecs)}")
        check_crf(self.codec, crf)
        self.crf = crf

    def _open(self, info: StreamInfo) -> None:
        if info.still:
            raise SinkError("a video was to be written and the input is a single picture; say --to png")
        self._muxer = Muxer(self._file, self._kind, info.time_base, self.warnings)
        self._encoder = Encoder(self._muxer.container, self.codec, info, self.crf, self.warnings)
        piped = info.details.get("piped")
        if isinstance(piped, Piped):
            self._muxer.adopt_piped(piped, self._encoder.stream)
            piped.taken = True
        with _explained():
            self._muxer.start()

    def losses(self, info: StreamInfo) -> list[str]:
        return [*rehearse(self._kind, self.codec, info, self.crf)]

    def _write(self, frame: Frame) -> None:
        self._mux(self._encoder.encode(frame))

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        with _explained():
            for packet in packets:
                self._muxer.write(packet)

    def _close(self) -> None:
        self._mux(self._encoder.finish())
        with _explained():  # what is written may still be in a buffer
            self._muxer.finish()
            self._file.flush()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise Closed from None
    except (OSError, av.FFmpegError) as error:
        raise SinkError(f"the pipe could not be written on: {error.strerror or error}") from error
