"""What else a video file holds, and how each track gets into another container: as it is, or converted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from nstfilter.plugins.video.recipe import TAG
from nstfilter.streams import SoundInfo

# statistics about the old file's bytes, which the muxer writes anew where it wants them, and how it was made
STALE_TAGS = (
    TAG,
    "ALPHA_MODE",
    "alpha_mode",
    "BPS",
    "DURATION",
    "NUMBER_OF_",
    "_STATISTICS_",
    "encoder",
    "rotate",
    "software",
    "ENCODER",
    "vendor_id",
)


# bits a second for each channel of encoded sound
BITS = 80_000
# by the number of channels, the layouts that an encoder takes; other numbers become stereo
LAYOUTS = {
    "aac": {1: "mono", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"},
    "libopus": {1: "mono", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"},
}
# QuickTime numbers its languages by Apple's list, in which FFmpeg finds some only by another code than the
# one ISO 639-2 prefers
QUICKTIME_LANGUAGES = {
    "bod": "tib",
    "deu": "ger",
    "ell": "gre",
    "fre": "fra",
    "hye": "arm",
    "isl": "ice",
    "kat": "geo",
    "mkd": "mac",
    "msa": "may",
    "mya": "bur",
    "nld": "dut",
    "rum": "ron",
    "slo": "slk",
    "sqi": "alb",
    "swe": "sve",
    "zho": "chi",
}


UNSET = ("creation_time", "1970-01-01")  # what FFmpeg makes of the zero that stands for no time in MP4


def is_stale(tag: str) -> bool:
    """Whether a tag is about the old file, and not about what it shows."""
    return tag.startswith((*STALE_TAGS, "major_brand", "minor_version", "compatible_brands"))


def called(stream: Stream) -> str:
    """What messages call a track."""
    language = stream.language
    name = {"audio": "sound", "subtitle": "subtitle"}.get(stream.type, stream.type)
    return f"{name} track {stream.index}" + (f" ({language})" if language and language != "und" else "")


def described(stream: Stream) -> str | None:
    """What messages call anything that lies in a file; None for the names of chapters, as MP4 keeps them."""
    context = stream.codec_context
    if "bin_data" in (getattr(stream, "name", None), context.name if context is not None else None):
        return None
    picture = stream.type == "video" and stream.disposition & Disposition.attached_pic
    return f"{called(stream)} (cover art)" if picture else called(stream)


def tags_of(container: InputContainer) -> list[str]:
    """The names of the tags that say something about what a file shows."""
    return sorted(
        name
        for name, value in container.metadata.items()
        if not is_stale(name) and (name, value[:10]) != UNSET
    )


class Track:
    """A track copied packet by packet, bit for bit."""

    _filter: BitStreamFilterContext | None = None
    dropped = 0  # packets

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
            self.dropped += 1
            return []  # muxers refuse both; nothing can be played without a time, or before the past
        self._last = packet.dts
        return [packet]

    def finish(self) -> list[av.Packet[Any]]:
        """What is left to write once the source has ended."""
        return []


class Piped(Iterator["av.Packet[Any]"]):
    """What comes through a pipe beside the picture `video`: the tracks `streams`, and `tags` of the whole.

    The source puts packets in as it comes to them, in its thread; the sink takes those that have come so far,
    in another. They are kept from the first one on, but thrown away once frames are read and no sink has
    said that it takes them.
    """

    def __init__(self, container: InputContainer, video: av.VideoStream) -> None:
        self.video = video
        self.streams = [s for s in container.streams if s.type in ("audio", "subtitle")]
        self.tags = dict(container.metadata)
        self.taken = False
        self._packets: deque[av.Packet[Any]] = deque()

    def put(self, packet: av.Packet[Any]) -> None:
        self._packets.append(packet)

    def __next__(self) -> av.Packet[Any]:
        try:
            return self._packets.popleft()
        except IndexError:
            raise StopIteration from None

    def clear(self) -> None:
        self._packets.clear()


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
        out.codec_context.layout = LAYOUTS[self.encoder].get(channels, "stereo")
        out.codec_context.bit_rate = BITS * out.codec_context.channels
        out.codec_context.time_base = out.time_base = Fraction(1, rate)
        return out

    def packets(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        return [coded for frame in packet.decode() for coded in self.out.encode(frame)]

    def finish(self) -> list[av.Packet[Any]]:
        return [coded for frame in [*self.source.decode(None), None] for coded in self.out.encode(frame)]


class LiveSound:
    """The sound of a live run, encoded with `encoder` as it comes: `info` says what it is."""

    def __init__(self, info: SoundInfo, container: OutputContainer, encoder: str) -> None:
        self._info = info
        rate = info.rate if encoder != "libopus" and info.rate in (44100, 48000) else 48000
        self._layout = "mono" if info.channels == 1 else "stereo"
        self.out: Any = container.add_stream(encoder, rate=rate)
        self.out.codec_context.layout = self._layout
        if encoder != "flac":
            self.out.codec_context.bit_rate = BITS * info.channels
        self.out.codec_context.time_base = self.out.time_base = Fraction(1, rate)
        self._count = 0

    def encode(self, samples: np.ndarray) -> list[av.Packet[Any]]:
        """The packets that are ready once `samples`, NxC float32, have gone in."""
        planes = np.ascontiguousarray(np.clip(samples, -1, 1).T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
        frame.sample_rate, frame.time_base = self._info.rate, Fraction(1, self._info.rate)
        frame.pts = self._count
        self._count += len(samples)
        return list(self.out.encode(frame))

    def finish(self) -> list[av.Packet[Any]]:
        """What the encoder still holds."""
        return list(self.out.encode(None)) if self._count else []


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


class MovText:
    """The subtitles that `track` gives, as a track of MP4 or MOV wants them: without a gap.

    Such a track is shown from one sample to the next, so that the time between two cues is an empty sample.
    FFmpeg adds those by itself, but wrongly where a fragment ends: cues came up to a second late, more with
    each. So they are written here, all at the end, when the times of all cues are known; text is small.
    """

    def __init__(self, track: Track) -> None:
        self.source, self.out = track.source, track.out
        self._track = track
        self._cues: list[av.Packet[Any]] = []

    @property
    def dropped(self) -> int:
        return self._track.dropped

    def packets(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        cues = self._track.packets(packet)
        self._cues += [cue for cue in cues if cue.size > len(EMPTY_CUE) and cue.pts is not None]
        return []

    def finish(self) -> list[av.Packet[Any]]:
        samples: list[av.Packet[Any]] = []
        end = Fraction(0)
        for cue, after in pairwise([*self._cues, None]):
            assert cue is not None
            begin = cue.pts * cue.time_base
            until = begin + (cue.duration or 0) * cue.time_base
            if after and (until == begin or until > after.pts * after.time_base):
                until = after.pts * after.time_base  # one cue at a time: the next takes its place
            if begin > end:
                samples.append(self._sample(EMPTY_CUE, end, begin))
            samples.append(self._sample(bytes(cue), begin, until))
            end = until
        self._cues.clear()
        return samples

    def _sample(self, text: bytes, begin: Fraction, end: Fraction) -> av.Packet[Any]:
        sample: av.Packet[Any] = av.Packet(text)
        sample.stream, sample.time_base = self.out, self.out.time_base
        sample.pts = sample.dts = round(begin / sample.time_base)
        sample.duration = round(end / sample.time_base) - sample.pts
        return sample


EMPTY_CUE = bytes(2)  # a length of zero


def carry_tags(source: Stream, out: Stream) -> None:
    """Language, title and disposition (default, forced, ...) from one stream to another."""
    out.metadata.update({k: v for k, v in source.metadata.items() if not k.startswith(STALE_TAGS)})
    out.disposition = source.disposition
