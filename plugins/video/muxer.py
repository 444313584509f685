"""Packets in, a file out: one video stream together with everything else its origin holds.

Nothing is gathered up first: the origin's packets are written as the video reaches their time, so memory
stays flat and what is on disk plays at any moment, also after the process was killed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import OutputContainer
from av.stream import Discard, Disposition, Stream

from nstfilter.errors import SinkError
from nstfilter.plugins.video import recipe as video_recipe
from nstfilter.plugins.video.boxes import hide_tracks
from nstfilter.plugins.video.container import open_container, warn_once
from nstfilter.plugins.video.timeline import Clock, Timeline, timeline_of
from nstfilter.plugins.video.tracks import (
    QUICKTIME_LANGUAGES,
    MovText,
    Piped,
    Sound,
    Subtitles,
    Track,
    called,
    carry_tags,
    is_stale,
)
from nstfilter.streams import Change, StreamInfo

# an MP4 is written in fragments, and turned into an ordinary one at the end; delay_moov keeps sound in step
FRAGMENTS = {
    "movflags": "hybrid_fragmented+delay_moov",
    "frag_duration": "1000000",
}

RUN_UP = Fraction(1, 20)  # seconds of sound, for decoders that need what came before


@dataclass(frozen=True, slots=True)
class Container:
    """A file format: what FFmpeg calls it, the video codecs it takes (the usual one first), and what sound
    and text subtitles become where it cannot take them as they are."""

    format: str
    codecs: tuple[str, ...]
    sound: str | None = None
    subtitles: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def sound_for(self, codec: str) -> str | None:
        """The encoder of sound beside a video of `codec`: one without loss beside such a video."""
        return "flac" if codec == "ffv1" else self.sound

    @property
    def chapters(self) -> bool:
        """Whether there is room for chapters and tags."""
        return self.format != "gif"

    @property
    def alpha(self) -> bool:
        """Whether there is room for transparency, given a codec that keeps it."""
        return self.format != "mp4"

    def kept(self, info: StreamInfo) -> StreamInfo:
        """What of a stream there is room for."""
        return info if self.alpha else replace(info, details={**info.details, "alpha": False})


CONTAINERS = {
    ".mp4": Container("mp4", ("h264", "hevc", "av1", "vp9"), "aac", "mov_text", FRAGMENTS),
    ".m4v": Container("mp4", ("h264", "hevc", "av1", "vp9"), "aac", "mov_text", FRAGMENTS),
    ".mov": Container("mov", ("h264", "hevc", "prores"), "aac", "mov_text", FRAGMENTS),
    ".mkv": Container(
        "matroska",
        ("h264", "hevc", "av1", "vp9", "prores", "ffv1"),
        "libopus",
        "subrip",
        {"cluster_time_limit": "1000"},
    ),
    ".webm": Container("webm", ("vp9", "av1"), "libopus", "webvtt", {"cluster_time_limit": "1000"}),
    ".gif": Container("gif", ("gif",)),
}
# what a segment of a video is kept in until all are joined: formats with exact times, where there is one
SEGMENT_SUFFIXES = {
    "h264": ".mp4",
    "hevc": ".mp4",
    "av1": ".mp4",
    "vp9": ".mp4",
    "prores": ".mov",
    "ffv1": ".mkv",
    "gif": ".mkv",  # as frames without loss: a GIF is encoded when all are there
}


class Muxer:
    """Writes a container into `file`, an open binary file that can seek.

    Add the video stream to `container`, let `adopt` add the rest, `start`, `write` every packet, then
    `finish`; until then, `origin` is what was adopted, open. `warnings` gets a line for whatever is converted
    or left out. `recipe` is put where the format has a place for it; `loop` is how often a GIF starts over,
    0 without end and -1 never.
    """

    def __init__(
        self,
        file: BinaryIO,
        kind: Container,
        time_base: Fraction,
        warnings: list[str],
        recipe: str | None = None,
        loop: object = None,
    ) -> None:
        self.kind = kind
        self.warnings = warnings
        self._file = file
        self._recipe = recipe
        self._options = {"flush_packets": "1", "max_interleave_delta": "1", **kind.options}
        if kind.format == "gif" and isinstance(loop, int):
            self._options["loop"] = str(loop)
        if kind.format in ("mp4", "mov"):
            ticks = time_base.denominator
            self._options["video_track_timescale"] = str(ticks)
            # a track's beginning is noted in the movie's ticks, of which there are usually 1000 a second
            self._options["movie_timescale"] = str(ticks * ceil(1000 / ticks))
        self.container = self._new_container(file)
        self._clock = Clock(Timeline())
        self.origin: av.container.InputContainer | None = None
        self._tracks: dict[int, Track | MovText] = {}
        self._covers: list[tuple[av.Packet[Any], Stream]] = []
        self._rest: Iterator[av.Packet[Any]] = iter(())
        self._pending: av.Packet[Any] | None = None
        self._reached = Fraction(0)

    def _new_container(self, file: BinaryIO) -> OutputContainer:
        return av.open(file, "w", format=self.kind.format, container_options=self._options)

    # -- what the origin holds --

    def adopt(self, origin: Path, replaced: object, video: av.VideoStream) -> None:
        """Take over tags, chapters and every stream of `origin` but the one that `video` replaces: number
        `replaced`, or the first that is a video."""
        try:
            self.origin = open_container(origin)
        except (OSError, av.FFmpegError) as error:
            raise SinkError(f"{origin} cannot be opened again for its sound and tags: {error}") from error
        source = self.origin
        self._clock = Clock(timeline_of(origin, source))
        if self.kind.chapters:
            self.container.metadata.update({k: v for k, v in source.metadata.items() if not is_stale(k)})
            if chapters := source.chapters():
                self.container.set_chapters([self._shifted(chapter) for chapter in chapters])
        if replaced is None:
            replaced = next((stream.index for stream in source.streams.video), None)
        takeable = self.container.supported_codecs
        for stream in sorted(source.streams, key=_is_file):  # tracks are numbered before them
            if stream.index == replaced:
                carry_tags(stream, video)
            else:
                self._adopt_stream(origin, stream, takeable)
        wanted = [self.origin.streams[index] for index in self._tracks]
        for stream in source.streams:
            if stream not in wanted:
                stream.discard = Discard.all
        if wanted:
            self._rest = source.demux(wanted)

    def adopt_piped(self, piped: Piped, video: av.VideoStream) -> None:
        """As `adopt`, of what comes through a pipe: tracks that the format takes as they are."""
        self.container.metadata.update({k: v for k, v in piped.tags.items() if not is_stale(k)})
        carry_tags(piped.video, video)
        for stream in piped.streams:
            context = stream.codec_context
            if (
                context is not None
                and context.name in self.container.supported_codecs
                and self._fits(None, stream)
            ):
                self._tracks[stream.index] = self._timed(Track(stream, self.container))
            else:
                self._left_out(stream, context.name if context is not None else "unknown")
        self._rest = piped

    def _shifted(self, chapter: Any) -> Any:
        ticks = round(self._clock.timeline.shifts[0] / chapter["time_base"])
        begin, end = (max(0, chapter[edge] + ticks) for edge in ("start", "end"))
        return {**chapter, "start": begin, "end": end}

    def _adopt_stream(self, origin: Path, stream: Stream, takeable: set[str]) -> None:
        context = stream.codec_context
        codec = context.name if context is not None else getattr(stream, "name", None) or "unknown"
        if stream.type == "video" and stream.disposition & Disposition.attached_pic:
            self._adopt_cover(origin, stream)
        elif stream.type == "attachment" and self.kind.format == "matroska":
            self.container.add_stream_from_template(stream)
        elif codec == "bin_data" and self.kind.chapters:
            pass  # how MP4 keeps the names of chapters, which are carried as chapters
        elif stream.type not in ("audio", "subtitle") or context is None:
            self._left_out(stream, codec)
        elif codec in takeable and self._fits(origin, stream):
            self._tracks[stream.index] = self._timed(Track(stream, self.container))
        elif stream.type == "audio" and self.kind.sound:
            self._tracks[stream.index] = Sound(stream, self.container, self.kind.sound)
            self._converted(stream, codec, self.kind.sound)
        elif stream.type == "subtitle" and self.kind.subtitles and context.codec.text_sub:
            self._tracks[stream.index] = self._timed(Subtitles(stream, self.container, self.kind.subtitles))
            self._converted(stream, codec, self.kind.subtitles)
        else:
            self._left_out(stream, codec)

    def _timed(self, track: Track) -> Track | MovText:
        return MovText(track) if track.out.name == "mov_text" else track

    def _fits(self, origin: Path | None, stream: Stream) -> bool:
        """Whether the container takes the stream as it is: FFmpeg's tables promise more than it keeps (FLAC
        in MOV, some PCM in MP4), so the first packets are tried; of a pipe, which has no `origin` to read
        them from, only the header is."""
        trial = io.BytesIO()
        container = self._new_container(trial)
        with open_container(origin) if origin else nullcontext() as again:
            try:
                track = Track(again.streams[stream.index] if again else stream, container)
                container.start_encoding()
                if again and stream.type == "audio":  # subtitles may be hours apart
                    for packet in islice(again.demux(track.source), 4):
                        container.mux(track.packets(packet) if packet.size else [])
                container.close()
            except (av.FFmpegError, ValueError):
                trial.close()
                container.close()
                return False
        return True

    def _adopt_cover(self, origin: Path, stream: Stream) -> None:
        if self.kind.format not in ("mp4", "matroska") or stream.codec_context is None:
            self._left_out(stream, "cover art")
            return
        with open_container(origin) as again:
            packet = next(again.demux(again.streams[stream.index]))
        if self.kind.format == "matroska":
            kind = {"mjpeg": "jpeg"}.get(stream.codec_context.name, stream.codec_context.name)
            name = "cover.jpg" if kind == "jpeg" else f"cover.{kind}"
            self.container.add_attachment(name, f"image/{kind}", bytes(packet))
        else:
            out = self.container.add_stream_from_template(stream)
            carry_tags(stream, out)
            out.disposition = Disposition.attached_pic  # with any other beside it, FFmpeg makes it a track
            self._covers.append((packet, out))

    def _converted(self, stream: Stream, codec: str, target: str) -> None:
        line = f"{called(stream)} is converted from {codec} to {target.removeprefix('lib')}"
        self.warnings.append(Change(line))

    def _left_out(self, stream: Stream, codec: str) -> None:
        line = f"{called(stream)} ({codec}) is left out: it does not go into {self.kind.format}"
        self.warnings.append(Change(line))

    @property
    def carried(self) -> dict[int, int]:
        """Which stream of the origin is which of the result, but for the video and the cover."""
        return {index: track.out.index for index, track in self._tracks.items()}

    # -- writing --

    def start(self) -> None:
        """Write the header; the streams are settled from here on."""
        if self.kind.format in ("mp4", "mov"):
            for stream in self.container.streams:
                if title := stream.metadata.get("title"):
                    stream.metadata["handler_name"] = title  # what these formats have in its place
        if self.kind.format == "mov":
            for stream in self.container.streams:
                language = stream.metadata.get("language", "")
                stream.metadata["language"] = QUICKTIME_LANGUAGES.get(language, language)
        if self._recipe:
            self.container.metadata.update(video_recipe.tags(self.kind.format, self._recipe))
        with _priorities_kept():
            self.container.start_encoding()
        for packet, out in self._covers:
            packet.stream = out
            packet.pts = packet.dts = 0
            self.container.mux(packet)

    def write(self, packet: av.Packet[Any]) -> None:
        """Write a packet of the video, after whatever of the origin comes before it."""
        self._copy_until(_seconds(packet))
        self._reached = max(self._reached, Fraction(packet.pts or 0) * packet.time_base)
        self.container.mux(packet)

    def finish(self, whole: bool = True) -> None:
        """Write what is left of the origin's tracks (unless `whole` is False: then only as far as the video
        has come) and the index, and let go of the origin. The file stays open."""
        self._copy_until(None if whole else self._reached)
        if isinstance(self._rest, Piped):
            self.warnings += [
                Change(f"{called(t.source)}: {t.dropped} packets with a time before the last are left out")
                for t in self._tracks.values()
                if t.dropped
            ]
        for track in self._tracks.values():
            with self._forgiving(track):
                self.container.mux(track.finish())
        self.container.close()
        if self._covers:  # beside each, FFmpeg writes a track with nothing in it where there are fragments
            hide_tracks(self._file, [out.index for _, out in self._covers])
        if self._recipe:
            video_recipe.append(self._file, self.kind.format, self._recipe)
        self._release()

    def abandon(self) -> None:
        """Let go without writing anything more. The file must have been closed before."""
        self.container.close()
        self._release()

    def _release(self) -> None:
        if self.origin is not None:
            self._rest = iter(())
            self._pending = None
            self._tracks.clear()
            self.origin.close()
            self.origin = None

    def _copy_until(self, limit: Fraction | None) -> None:
        while (packet := self._next_packet()) is not None:
            if limit is not None and _seconds(packet) >= limit:
                return
            self._pending = None
            track = self._tracks.get(packet.stream.index)
            if track is None or self._cut_away(packet):  # a pipe gives all that it has
                continue
            with self._forgiving(track):
                self.container.mux(track.packets(packet))

    def _cut_away(self, packet: av.Packet[Any]) -> bool:
        """Whether an edit list hides the packet, and the format written has no such list. A decoder's run-up
        stays."""
        if not packet.is_discard or self.kind.format in ("mp4", "mov"):
            return False
        return ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base < -RUN_UP

    @contextmanager
    def _forgiving(self, track: Track | MovText) -> Iterator[None]:
        """Damage in another track is no reason to lose the video; a failing disk is."""
        try:
            yield
        except OSError:
            raise
        except av.FFmpegError:
            line = f"{called(track.source)} has damaged places, which are left out"
            warn_once(self.warnings, Change(line))

    def _next_packet(self) -> av.Packet[Any] | None:
        """The origin's next packet, which stays next until it is taken."""
        while self._pending is None:
            try:
                packet = next(self._rest, None)
            except av.FFmpegError:
                self.warnings.append(Change("the sound and subtitles could not be read to their end"))
                self._rest, packet = iter(()), None
            if packet is None:
                return None
            if packet.size:  # the last ones are empty
                self._clock.apply(packet)
                self._pending = packet
        return self._pending


def _is_file(stream: Stream) -> bool:
    """Whether this is no track, but a picture or a font that lies in the file."""
    return stream.type == "attachment" or bool(stream.disposition & Disposition.attached_pic)


def _seconds(packet: av.Packet[Any]) -> Fraction:
    """When a packet's turn is; at once where it does not say."""
    time = packet.dts if packet.dts is not None else packet.pts
    return (Fraction(time) * packet.time_base) if time is not None else Fraction(-1)


@contextmanager
def _priorities_kept() -> Iterator[None]:
    """While an encoder is opened: threads keep their priority. SVT-AV1, used by root as in a container, gives
    its own threads and the one that opens it real-time priority for good, and all else stands still."""
    if not hasattr(os, "sched_setscheduler"):  # Linux has it
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            for thread in os.listdir("/proc/self/task"):
                with suppress(OSError):  # it has ended
                    if os.sched_getscheduler(int(thread)) == os.SCHED_FIFO:
                        os.sched_setscheduler(int(thread), policy, priority)
