"""Reads a video file frame by frame, believing the frames and not the header."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.codec import Capabilities
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, VideoReformatter

from nstfilter.errors import SourceError
from nstfilter.plugins.video import recipe as video_recipe
from nstfilter.plugins.video.chroma import bgr_from, chroma_location
from nstfilter.plugins.video.container import (
    file_end,
    find_end,
    find_span,
    has_alpha,
    open_container,
    warn_once,
)
from nstfilter.plugins.video.orientation import UPRIGHT, orientation, turned
from nstfilter.plugins.video.timeline import Clock, timeline_of
from nstfilter.plugins.video.tracks import described, tags_of
from nstfilter.streams import Change, Frame, Source, StreamInfo

# the matrices swscale knows, by their numbers in ITU-T H.273
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
RGB, UNTAGGED = 0, 2
HDR = {ColorTrc.SMPTE2084.value: "PQ", ColorTrc.ARIB_STD_B67.value: "HLG"}
TONE_MAP = "zscale=t=linear:npl=100,tonemap=hable:desat=0,zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p"

# FFmpeg's own decoders of these give the picture alone; the transparency is a second stream within
TRANSPARENT = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

IMPATIENCE = 64  # failed reads in a row, after which the rest of a file is given up
DECODING_THREADS = 4
FASTEST = Fraction(1000)  # frames a second; a header that claims more means something else


def usual_color(width: int, height: int) -> dict[str, int]:
    """How a video of this size is meant that does not say: BT.709 from HD upwards, BT.601 below.

    The numbers are those of ITU-T H.273, the names those of FFmpeg's codec context.
    """
    tag = 1 if width >= 1280 or height >= 720 else 6
    return {"colorspace": tag, "color_primaries": tag, "color_trc": tag, "color_range": ColorRange.MPEG.value}


class VideoSource(Source):
    """The first real video stream of a file, as BGR uint8 frames with the stream's own timestamps.

    Frames are BGR, or BGRA where the stream has transparency (not premultiplied); deeper ones are dithered
    to 8 bits. `info.details` carries `video_index` (which stream it is), its `codec`, `bits` a channel and
    whether it has `alpha`, `color` (H.273 tags for the output, by FFmpeg's names), `chroma_location` where it
    has less chroma than luma, `sample_aspect_ratio`, `tracks` (what messages call all else: sound, subtitles,
    cover art), how many `chapters` and which `tags` there are, and `recipe` (a string, or None). Raises
    `SourceError` when the file is missing or nothing in it decodes.
    """

    _whole = True  # and not a part of the file

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self._lock = threading.Lock()
        self._reformatter = VideoReformatter()
        self._counts: dict[str, str] = {}  # lines in `warnings`
        self._container = self._open()
        try:
            self._timeline = timeline_of(self.path, self._container)
            self._stream = self._choose_stream()
            self._decoded = self._decode()
            self._ahead = next(self._decoded, None)
            if self._ahead is None:
                raise SourceError(
                    f"no frame of {self.path} can be decoded: it is empty, damaged or encrypted; "
                    "check that it plays, or export it again"
                )
            self._describe(self._ahead)
        except BaseException:
            self.closed = True
            self._container.close()
            raise

    # -- opening --

    def _open(self) -> av.container.InputContainer:
        if os.path.isdir(self.path):
            raise SourceError(f"{self.path} is a folder, not a video file; give the file itself")
        if not os.path.exists(self.path):
            raise SourceError(f"there is no file {self.path}; check the name")
        if self.path.is_file() and self.path.stat().st_size == 0:
            raise SourceError(f"{self.path} is empty (0 bytes); copy or download it again")
        try:
            return open_container(self.path)
        except PermissionError as error:
            raise SourceError(f"{self.path} may not be read: permission denied") from error
        except av.FFmpegError as error:
            with self.path.open("rb") as file:
                if file.read(12)[4:8] == b"ftyp":
                    raise SourceError(
                        f"{self.path} has no readable index (moov): its recording or download was cut short; "
                        "copy it again, or repair it with a tool such as untrunc"
                    ) from error
            raise SourceError(
                f"{self.path} is not a video FFmpeg can read ({error.strerror or error}); "
                "it may be damaged, or another kind of file under this name"
            ) from error

    def _choose_stream(self) -> av.VideoStream:
        pictures = Disposition.attached_pic | Disposition.timed_thumbnails
        videos = [s for s in self._container.streams.video if not s.disposition & pictures]
        if not videos:
            kinds = {"cover art" if s.type == "video" else s.type for s in self._container.streams}
            held = f"only {' and '.join(sorted(kinds))}" if kinds else "nothing at all"
            raise SourceError(f"{self.path} holds no video, {held}; give a file with a picture")
        stream = videos[0]
        if stream.codec_context is None:
            raise SourceError(
                f"no decoder is available for the video in {self.path}; convert it to H.264 first"
            )
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(DECODING_THREADS, os.cpu_count() or 1)
        return stream

    def _describe(self, first: av.VideoFrame) -> None:
        stream = self._stream
        if first.color_trc in HDR:
            raise SourceError(
                f"{self.path} is HDR ({HDR[first.color_trc]}), which needs tone mapping first: "
                f'ffmpeg -i "{self.path}" -vf {TONE_MAP} -c:a copy "{self.path.stem}-sdr.mp4"'
            )
        self._bits = max(component.bits for component in first.format.components)
        self._alpha = any(component.is_alpha for component in first.format.components)
        if first.format.name == "bgra" and self._stream.codec_context.name == "gif":
            self._alpha = bool((first.to_ndarray()[..., 3] < 128).any())
        self._pixels = ("bgra64le" if self._alpha else "bgr48le") if self._bits > 8 else "bgr24"
        if self._alpha and self._bits <= 8:
            self._pixels = "bgra"
        if self._bits > 8:
            self.warnings.append(f"its {self._bits} bits a channel are painted in 8, dithered")
        if first.interlaced_frame:
            self.warnings.append("the video is interlaced; its fields are kept woven together")
        if len(self._container.streams.video) > 1:
            others = [s for s in self._container.streams.video if s is not stream]
            if any(not s.disposition & Disposition.attached_pic for s in others):
                self.warnings.append(f"there are several video streams; number {stream.index} is used")

        self._size = first.width, first.height
        orient = orientation(first)
        if orient is None:
            self.warnings.append(
                Change("it asks for a rotation that is no quarter turn; that is not applied")
            )
        self._orientation = orient or UPRIGHT
        transposed = self._orientation[0]
        width, height = reversed(self._size) if transposed else self._size
        self._usual = usual_color(width, height)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        time_base = stream.time_base or Fraction(1, 1000)
        rate = self._believable_rate(time_base)
        self._step = max(1, round(1 / (rate * time_base)))
        self.info = StreamInfo(
            width=width,
            height=height,
            time_base=time_base,
            rate=rate,
            frames=self._expected_frames(rate, time_base),
            origin=self.path,
            details={
                "video_index": stream.index,
                "color": self._color(first),
                "sample_aspect_ratio": 1 / aspect if transposed else aspect,
                "codec": stream.codec_context.codec.canonical_name,
                "bits": self._bits,
                "alpha": self._alpha,
                **self._chroma(first),
                **({"loop": _loop(self.path)} if self._container.format.name == "gif" else {}),
                "tracks": [d for s in self._container.streams if s is not stream and (d := described(s))],
                "chapters": len(self._container.chapters()),
                "tags": tags_of(self._container),
                "recipe": video_recipe.find(self.path, self._container),
            },
        )

    def _believable_rate(self, time_base: Fraction) -> Fraction:
        """What the header says, if that could be: some say 0, or the clock's ticks."""
        stream = self._stream
        for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
            if rate and 0 < rate <= min(FASTEST, 1 / time_base):
                return rate
        return Fraction(25)

    def _expected_frames(self, rate: Fraction, time_base: Fraction) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        end = find_end(self._container, self._stream, self._timeline)
        if end is None:
            return None
        begin = (self._ahead.pts or 0) if self._ahead else 0
        return max(1, round((end - begin) * time_base * rate))

    def _color(self, frame: av.VideoFrame) -> dict[str, int]:
        """The tags the output should carry: the input's own, or what such a video usually means."""
        if frame.colorspace not in MATRICES:
            return dict(self._usual)
        return {
            "colorspace": frame.colorspace,
            "color_primaries": frame.color_primaries,
            "color_trc": frame.color_trc,
            "color_range": frame.color_range or ColorRange.MPEG.value,
        }

    def _chroma(self, frame: av.VideoFrame) -> dict[str, str | None]:
        if not any(component.is_chroma for component in frame.format.components):
            return {}  # the sink puts its chroma where it usually lies
        return {"chroma_location": chroma_location(frame, self._stream.codec_context.codec.canonical_name)}

    @property
    def untimed(self) -> bool:
        """Whether the timestamps are not to be trusted."""
        return self._container.format.name == "avi"

    def span(self) -> tuple[int, int] | None:
        if self._ahead is None:
            return None
        first = self._ahead.pts or 0
        span, self.seekable = find_span(self.path, self._stream.index, first, self._timeline)
        return span

    # -- reading --

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        failures, clock = 0, Clock(self._timeline)
        while failures < IMPATIENCE:
            try:
                for packet in self._demux():
                    failures = 0
                    if packet.size:
                        clock.apply(packet)
                    yield packet
                return
            except av.FFmpegError:
                failures += 1
        self.warnings.append(Change("the end of the file could not be read"))
        yield None

    def _demux(self) -> Iterator[av.Packet[Any]]:
        return self._container.demux(self._stream)

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        """Every frame that decodes, in the order of showing, each with a pts."""
        # Frames come out in another order than packets go in. Where they have no pts (raw streams), or one
        # not to be trusted (AVI knows only the order of decoding), the k-th frame shown gets the k-th time.
        untimed = self.untimed
        decode, delay = self._decoder(), self._delay()
        times: list[int] = []
        packets = frames = filled = skipped = repaired = 0
        last: int | None = None
        decoding: deque[av.Packet[Any]] = deque(maxlen=delay + 1)
        self._forget_counts()
        for packet in self._packets():
            if packet is not None and packet.size:
                packets += not packet.is_discard
                decoding.append(packet)
                if packet.dts is not None:
                    heappush(times, packet.dts)
            try:
                decoded = decode(packet)
            except av.EOFError:
                continue
            except av.FFmpegError:
                damaged = decoding[0] if packet is not None and packet.size else None
                if damaged is None or self._is_own(damaged.pts):
                    skipped += 1
                    self._counted(skipped, "damaged frame", "skipped")
                if damaged is not None and damaged.dts in times:
                    times.remove(damaged.dts)
                    heapify(times)
                continue
            for frame in decoded:
                time = heappop(times) if times else None
                if frame.pts is None or untimed:
                    made_up = time is None or (last is not None and time <= last)
                    if made_up:
                        time = 0 if last is None else last + self._step
                    frame.pts = time
                    if made_up and self._is_own(time):
                        filled += 1
                        self._counted(filled, "frame", "without a timestamp; the frame rate stood in")
                last = frame.pts
                frames += 1
                if frame.is_corrupt and self._is_own(frame.pts):
                    repaired += 1
                    self._counted(repaired, "damaged frame", "kept, repaired as far as possible")
                yield frame
        if self._whole and (skipped or repaired):
            missing = max(packets, self._stream.frames) - frames
            if missing > skipped:
                self._counted(missing, "damaged frame", "skipped")
        self._compare_with_header(last)

    def _is_own(self, pts: int | None) -> bool:
        """Whether what happens to a frame is counted here, and not in another segment."""
        return True

    def _counted(self, number: int, what: str, fate: str) -> None:
        """Say how often something has happened so far, in the place of the line with the last number."""
        line = f"{number} {what} was {fate}" if number == 1 else f"{number} {what}s were {fate}"
        line = Change(line) if fate == "skipped" else line
        before = self._counts.get(fate)
        if before in self.warnings:
            self.warnings[self.warnings.index(before)] = line
        else:
            self.warnings.append(line)
        self._counts[fate] = line

    def _forget_counts(self) -> None:
        """Decoding starts at another place."""
        for line in self._counts.values():
            self.warnings.remove(line)
        self._counts.clear()

    def _decoder(self) -> Callable[[av.Packet[Any] | None], list[av.VideoFrame]]:
        """What decodes packets; a new one each time, since it remembers what came before."""
        if library := self._library():
            with suppress(ValueError, av.FFmpegError):  # a build without it leaves the picture opaque
                context: Any = av.CodecContext.create(library, "r")
                return context.decode
        return self._stream.decode

    def _library(self) -> str | None:
        name = TRANSPARENT.get(self._stream.codec_context.codec.canonical_name)
        return name if name and has_alpha(self._stream) else None

    def _delay(self) -> int:
        """How many packets later the decoder tells of a damaged one: where each thread has a frame of its
        own, when its turn comes again."""
        context = self._stream.codec_context
        threaded = context.codec.capabilities & Capabilities.frame_threads
        return context.thread_count - 1 if threaded and not self._library() else 0

    def _compare_with_header(self, last: int | None) -> None:
        """Matroska and its like do not count their frames: only the clock tells that the end is missing. A
        GIF has neither, and ends with a semicolon."""
        if self._container.format.name == "gif" and self.path.is_file():
            with self.path.open("rb") as file:
                file.seek(-min(64, self.path.stat().st_size), os.SEEK_END)
                if not file.read().rstrip(b"\0").endswith(b";"):
                    self.warnings.append(Change("the file is cut short: its last frames are missing"))
        promised = file_end(self._container)
        if self._stream.duration or not promised or last is None:
            return
        end = float((last + self._step) * self.info.time_base)
        whole = float(promised + self._timeline.shifts[0])
        if whole - end > 1:
            self.warnings.append(
                f"the picture ends at {end:.1f} s, the file at {whole:.1f} s: it may have been cut short"
            )

    def _next_frame(self) -> Frame | None:
        decoded = self._ahead
        if decoded is None:
            return None
        self._ahead = next(self._decoded, None)
        pts, duration = decoded.pts or 0, decoded.duration or None
        if (
            self._ahead is not None
        ):  # MP4 notes how long until the next decoding, which may be another frame's
            duration = max(0, (self._ahead.pts or 0) - pts) or duration
        if (decoded.width, decoded.height) != self._size:
            change = f"{decoded.width}x{decoded.height}"
            size = f"{self._size[0]}x{self._size[1]}"
            warn_once(self.warnings, f"the picture changes to {change} on the way; it is scaled to {size}")
        return Frame(self._image(decoded), pts, duration)

    def _image(self, decoded: av.VideoFrame) -> np.ndarray:
        if decoded.colorspace != RGB:
            if decoded.colorspace not in MATRICES:
                decoded.colorspace = self._usual["colorspace"]
            if decoded.color_range == ColorRange.UNSPECIFIED:
                decoded.color_range = ColorRange.MPEG
        width, height = self._size
        image = bgr_from(decoded, width, height, self._pixels, self._reformatter)
        if image.dtype == np.uint16:
            image = dithered(image)
        if any(self._orientation):
            image = turned(image, *self._orientation)
        return image

    def _frames(self) -> Iterator[Frame]:
        while True:
            with self._lock:  # close() waits for the frame being decoded: FFmpeg would not survive it
                frame = None if self.closed else self._next_frame()
            if frame is None:
                return
            yield frame

    def _close(self) -> None:
        with self._lock:
            self._decoded.close()
            self._container.close()


# Bayer's ordered dither, 8x8, in 256ths: the same on every frame, so that nothing flickers
BAYER = np.array([[0]])
for _ in range(3):
    BAYER = np.block([[4 * BAYER, 4 * BAYER + 2], [4 * BAYER + 3, 4 * BAYER + 1]])
BAYER = (4 * BAYER + 2).astype(np.uint16)[..., None]


def dithered(image: np.ndarray) -> np.ndarray:
    """HxWxC uint16 as uint8: what lies between two levels becomes a fine pattern of both, not a band."""
    height, width = image.shape[:2]
    pattern = np.tile(BAYER, (-(-height // 8), -(-width // 8), 1))[:height, :width]
    level = image - (image >> 8)  # 0 to 65280, so that white stays white
    level += pattern
    return (level >> 8).astype(np.uint8)


def _loop(path: Path) -> int:
    """How often a GIF starts over: 0 without end, -1 never. FFmpeg does not tell."""
    from PIL import Image

    with suppress(Exception), Image.open(path) as picture:
        return int(picture.info.get("loop", -1))
    return 0
