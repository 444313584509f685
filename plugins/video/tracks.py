"""What else a video file holds, and how each track gets into another container: as it is, or converted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.stream import Stream

from nstfilter.plugins.video.recipe import TAG

# statistics about the old file's bytes, which the muxer writes anew where it wants them, and how it was made
STALE_TAGS = (
    TAG,
    "BPS",
    "DURATION",
    "NUMBER_OF_",
    "_STATISTICS_",
    "encoder",
    "rotate",
    "ENCODER",
    "vendor_id",
)


class Track:
    """A track copied packet by packet, bit for bit."""

    _filter: BitStreamFilterContext | None = None

    def __init__(self, source: Any, container: OutputContainer) -> None:
        self.source = source  # PyAV's kinds of stream have no common type that could decode
        self.out = self._add(container)
        carry_tags(source, self.out)
        self._last: int | None = None

    def _add(self, container: OutputContainer) -> Any:
        context = self.source.codec_context
        if context.name == "aac" and not context.extradata:
            # broadcast AAC says before every packet what other containers say once
            self._filter = BitStreamFilterContext("aac_adtstoasc", self.source)
        return container.add_stream_from_template(self.source)

    def packets(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        """What to write for `packet`, which came from the source's track. Raises `av.FFmpegError` where it is
        damaged."""
        if self._filter is not None:
            time_base = packet.time_base
            (packet,) = self._filter.filter(packet)
            packet.time_base = time_base
        packet.stream = self.out
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is None or (self._last is not None and packet.dts < self._last):
            return []  # muxers refuse both; nothing can be played without a time, or before the past
        self._last = packet.dts
        return [packet]

    def finish(self) -> list[av.Packet[Any]]:
        """What is left to write once the source has ended."""
        return []


class Sound(Track):
    """A sound track decoded and encoded anew with `encoder`."""

    def __init__(self, source: Any, container: OutputContainer, encoder: str) -> None:
        self.encoder = encoder
        super().__init__(source, container)

    def _add(self, container: OutputContainer) -> Any:
        keeps = self.encoder == "aac" and self.source.codec_context.sample_rate == 44100
        rate = 44100 if keeps else 48000  # every encoder takes one of these
        out: Any = container.add_stream(self.encoder, rate=rate)
        channels = self.source.codec_context.channels
        out.codec_context.layout = {1: "mono", 6: "5.1"}.get(channels, "stereo")
        out.codec_context.bit_rate = 80_000 * out.codec_context.channels
        out.codec_context.time_base = out.time_base = Fraction(1, rate)
        return out

    def packets(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        return [coded for frame in packet.decode() for coded in self.out.encode(frame)]

    def finish(self) -> list[av.Packet[Any]]:
        return [coded for frame in [*self.source.decode(None), None] for coded in self.out.encode(frame)]


class Subtitles(Track):
    """A text subtitle track rewritten in another notation."""

    def __init__(self, source: Any, container: OutputContainer, encoder: str) -> None:
        self.encoder = encoder
        super().__init__(source, container)

    def _add(self, container: OutputContainer) -> Any:
        self.source.codec_context.open(strict=False)
        out: Any = container.add_stream(self.encoder)
        out.codec_context.subtitle_header = self.source.codec_context.subtitle_header
        out.codec_context.time_base = out.time_base = Fraction(1, 1000)
        return out

    def packets(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        text = self.source.codec_context.decode2(packet)
        if text is None or not len(text):
            return []
        coded = self.out.codec_context.encode_subtitle(text)
        coded.pts, coded.dts, coded.duration = packet.pts, packet.pts, packet.duration
        coded.time_base = packet.time_base
        return super().packets(coded)


def carry_tags(source: Stream, out: Stream) -> None:
    """Language, title and disposition (default, forced, ...) from one stream to another."""
    out.metadata.update({k: v for k, v in source.metadata.items() if not k.startswith(STALE_TAGS)})
    out.disposition = source.disposition
