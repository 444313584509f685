"""One video stream made of the pictures of several files: packet by packet, or frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from nstfilter.errors import SinkError
from nstfilter.plugins.video.container import open_container
from nstfilter.streams import Frame

if TYPE_CHECKING:
    from nstfilter.plugins.video.encoder import Encoder


class Concat:
    """Takes the packets of `segments`, each a file with one video stream of the same codec and size, over
    into `stream`, which an encoder of that codec was to write. Raises `SinkError` for a file that is no
    such segment."""

    def __init__(self, stream: Any, segments: Sequence[Path]) -> None:
        self.stream = stream
        self.segments = segments
        with _opened(segments[0]) as first:
            (source,) = first.streams.video
            self._form = _form(source)
            # the encoder says what a container wants to know of its codec; how these very packets are to be
            # decoded, and that in this container's notation, they know better
            stream.codec_context.open(strict=False)
            stream.codec_context.extradata = source.codec_context.extradata

    def packets(self) -> Iterator[av.Packet[Any]]:
        """Every packet with the time it had in its segment."""
        for path in self.segments:
            with _opened(path) as segment:
                (source,) = segment.streams.video
                if _form(source) != self._form:
                    raise SinkError(
                        f"{path} does not fit to {self.segments[0]}: they were encoded in different ways, "
                        "perhaps by different versions of FFmpeg"
                    )
                end = (source.start_time or 0) + source.duration if source.duration else None
                for packet, after in _with_next(segment.demux(source)):
                    if end is not None and packet.dts is not None:
                        # where times are exact they know better: FFmpeg makes durations of VP9 up
                        until = after.dts if after and after.dts is not None else end
                        packet.duration = max(0, until - packet.dts)
                    packet.stream = self.stream
                    yield packet


def encoded_anew(encoder: Encoder, time_base: Fraction, segments: Sequence[Path]) -> Iterator[av.Packet[Any]]:
    """The packets that `encoder` makes of all frames of `segments`, with their times in `time_base`. Raises
    `SinkError` for a file that cannot be read."""
    last: Frame | None = None
    for path in segments:
        with _opened(path) as segment:
            for decoded in segment.decode(video=0):
                ticks = (decoded.time_base or time_base) / time_base
                pixels = "bgra" if decoded.format.name == "bgra" else "bgr24"
                duration = round(decoded.duration * ticks) if decoded.duration else None
                frame = Frame(decoded.to_ndarray(format=pixels), round((decoded.pts or 0) * ticks), duration)
                if last:
                    yield from encoder.encode(replace(last, duration=frame.pts - last.pts))
                last = frame
    if last:
        yield from encoder.encode(last)
    yield from encoder.finish()


def _with_next(
    packets: Iterator[av.Packet[Any]],
) -> Iterator[tuple[av.Packet[Any], av.Packet[Any] | None]]:
    """Each packet that is not empty with the one after it."""
    last = None
    for packet in packets:
        if packet.size:
            if last:
                yield last, packet
            last = packet
    if last:
        yield last, None


def _opened(path: Path) -> av.container.InputContainer:
    try:
        return open_container(path)
    except (OSError, av.FFmpegError) as error:
        raise SinkError(f"{path} cannot be read: {error.strerror or error}") from error


def _form(stream: av.VideoStream) -> tuple[Any, ...]:
    """What all segments must have in common: how to decode them is said once for all."""
    context = stream.codec_context
    return context.name, context.width, context.height, context.pix_fmt, context.extradata, stream.time_base
