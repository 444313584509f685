"""Opens a container with FFmpeg, and asks what its header says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from nstfilter.plugins.video.timeline import Timeline
    from nstfilter.streams import StreamInfo

# formats whose frames have the same times wherever reading begins, by FFmpeg's first name for them; MPEG
# program streams and AVI do not, and others were not tried
EXACT = frozenset({"asf", "flv", "gif", "matroska", "mov", "mpegts", "nut"})
# seconds between key frames, beyond which a place costs more to find than is won by finding it
FARTHEST_KEY = 60


def warn_once(warnings: list[str], line: str) -> None:
    if line not in warnings:
        warnings.append(line)


def open_container(path: Path) -> av.container.InputContainer:
    """FFmpeg's view of a local file. The prefix keeps a colon in its name from being taken for a protocol,
    and the whitelist keeps a playlist in disguise from opening anything else."""
    return av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")


def find_span(path: Path, index: int, first: int, timeline: Timeline) -> tuple[tuple[int, int] | None, bool]:
    """When stream `index` of a file begins (its first frame is shown at `first`) and should end, in its own
    units on the clock of `timeline`, None where it can be read only once; and whether a place in its middle
    is found by its time, or only by reading up to it."""
    if not path.is_file():
        return None, False
    with open_container(path) as container:
        stream: Any = container.streams[index]
        end = find_end(container, stream, timeline)
        known = container.format.name.partition(",")[0] in EXACT
        if end is None or end <= first:
            return (first, first + 1), False
        if not known or timeline.broken:
            return (first, end), False
        shift = round(timeline.shifts[0] / stream.time_base)
        first, end = first - shift, end - shift
        middle = (first + end) // 2
        key = _key_before(middle, container, stream, first)
        near = key is not None and (middle - key) * stream.time_base <= FARTHEST_KEY
        return (first + shift, end + shift), near


def _key_before(time: int, container: av.container.InputContainer, stream: Any, first: int) -> int | None:
    """When the last key frame before `time` that can be gone to is shown."""
    back, second = 0, max(1, round(1 / stream.time_base))
    while time - back >= first:
        try:
            container.seek(time - back, stream=stream)
            key = next((packet for packet in container.demux(stream) if packet.is_keyframe), None)
        except av.FFmpegError:
            return None
        if key is None or key.pts is None or key.pts <= time:
            return key.pts if key else None
        back = 2 * back + second  # some formats are entered anywhere, and the next key frame may be far
    return None


def find_end(container: av.container.InputContainer, stream: Any, timeline: Timeline) -> int | None:
    """When the stream ends by the header, in its own units on the clock of `timeline`."""
    if timeline.end is not None:
        return int(timeline.end / stream.time_base)
    shift = round(timeline.shifts[0] / stream.time_base) if stream.time_base else 0
    if stream.duration:
        return (stream.start_time or 0) + stream.duration + shift
    end = file_end(container)
    return int(end / stream.time_base) + shift if end and stream.time_base else None


def file_end(container: av.container.InputContainer) -> Fraction | None:
    """When the file ends by its header, in seconds on its own clock."""
    if not container.duration:
        return None
    # what Matroska calls a duration is when the last thing ends
    start = 0 if "matroska" in container.format.name else container.start_time or 0
    return Fraction(start + container.duration, av.time_base)


def origin_of(info: StreamInfo) -> Path | None:
    """The file whose tracks and tags belong to the stream; an animated picture has none."""
    return None if info.details.get("animated") else info.origin


def has_alpha(stream: Any) -> bool:
    """Whether a video stream is transparent in places, by its pixel format or, VP8 and VP9, by its tag."""
    if stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1":
        return True
    pixels = stream.codec_context.pix_fmt
    return bool(pixels) and any(c.is_alpha for c in av.VideoFormat(pixels).components)
