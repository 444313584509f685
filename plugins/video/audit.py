"""Compares a finished video with the one it was made from: whatever was lost or changed, a line each.

Both files are read through packet by packet and not decoded, which takes about a second for each gigabyte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from nstfilter.plugins.video.container import has_alpha, open_container
from nstfilter.plugins.video.timeline import Clock, Timeline, timeline_of
from nstfilter.plugins.video.tracks import QUICKTIME_LANGUAGES, called, tags_of
from nstfilter.streams import Change

# seconds that may lie between two times that should be the same: the ticks of Matroska, and more for sound,
# whose encoders work in blocks of up to a tenth of a second
TICK, BLOCK = Fraction(21, 10_000), Fraction(12, 100)
FLAGS = {"default": Disposition.default, "forced": Disposition.forced}
UNSPECIFIED = 2  # in ITU-T H.273, as 0 is


@dataclass(slots=True)
class _Packets:
    """When the packets of a track that are shown begin, in order, and when the last of them ends."""

    begins: list[Fraction] = field(default_factory=list)
    ends: list[Fraction] = field(default_factory=list)
    untimed: int = 0
    hidden: int = 0

    def __len__(self) -> int:
        return len(self.begins) + self.untimed


def audit(
    origin: Path, result: Path, replaced: int, carried: Mapping[int, int], *, alpha: bool
) -> list[Change]:
    """What `result` lacks of `origin`, or has otherwise. Its first video stream stands for number `replaced`
    of the origin, and others by their numbers as in `carried`; `alpha` says whether that stream is
    transparent in places. Raises `av.FFmpegError` or `OSError` for a
    file that cannot be read."""
    with open_container(origin) as before, open_container(result) as after:
        was = _read(before, timeline_of(origin, before))
        now = _read(after, Timeline())
        pictures = [s for s in after.streams.video if not s.disposition & Disposition.attached_pic]
        old, new = before.streams[replaced], pictures[0]
        lines = _picture(old, new, was[replaced], now[new.index], alpha)
        start, begun = _first(was[replaced]), _first(now[new.index])
        for index, number in carried.items():
            one, other = before.streams[index], after.streams[number]
            lines += track_losses(one, other)
            lines += [
                f"{called(one)}: {line}"
                for line in _times(one, was[index], now[number], start, begun, one.name == other.name)
            ]
        lines += file_losses(before, after.metadata, len(after.chapters()))
    return [Change(line) for line in lines]


def _read(container: InputContainer, timeline: Timeline) -> dict[int, _Packets]:
    found = {stream.index: _Packets() for stream in container.streams}
    clock = Clock(timeline)
    failures = 0
    while failures < 64:  # reading goes on behind a damaged place
        try:
            for packet in container.demux():
                if packet.size and _is_shown(packet):
                    clock.apply(packet)
                    _note(packet, found[packet.stream.index])
                elif packet.size:
                    found[packet.stream.index].hidden += 1
            break
        except av.FFmpegError:
            failures += 1
    for packets in found.values():
        packets.begins.sort()
        packets.ends.sort()
    return found


def _is_shown(packet: av.Packet[Any]) -> bool:
    if packet.is_discard:
        return False
    context = packet.stream.codec_context
    name = context.name if context is not None else ""
    if name == "vp8":
        return bool(bytes(packet)[0] & 0x10)  # some pictures are never shown
    if name == "mov_text":
        return packet.size > 2  # the time between two cues
    return not (name == "mpeg4" and packet.size < 8)  # the place of a frame that came with the one before it


def _note(packet: av.Packet[Any], packets: _Packets) -> None:
    if packet.pts is None:
        packets.untimed += 1
        return
    begin = packet.pts * packet.time_base
    packets.begins.append(begin)
    packets.ends.append(begin + (packet.duration or 0) * packet.time_base)


def _first(packets: _Packets) -> Fraction:
    return packets.begins[0] if packets.begins else Fraction(0)


def _picture(old: Any, new: Any, was: _Packets, now: _Packets, alpha: bool) -> list[str]:
    lines = []
    promised = len(was)
    if "mov" in old.container.format.name:  # others' headers may say anything
        promised = max(promised, (old.frames or 0) - was.hidden)
    if len(now) != promised:
        lines.append(f"{len(now)} of {promised} frames are in the result")
    elif len(now) == len(was) and not (was.untimed or now.untimed or old.container.format.name == "avi"):
        tick = max(TICK, new.time_base)
        shift = _first(now) - _first(was)
        moved = max((abs(b - a - shift) for a, b in zip(was.begins, now.begins, strict=True)), default=0)
        if moved > tick:
            lines.append(f"frames are shown up to {float(moved) * 1000:.0f} ms earlier or later")
    one, other = old.codec_context, new.codec_context
    for name in ("color_primaries", "color_trc", "colorspace"):
        a, b = getattr(one, name), getattr(other, name)
        if a not in (0, UNSPECIFIED) and b != a:
            lines.append(f"{name} is {b} in the result, was {a} (by ITU-T H.273)")
    losses = picture_losses(bits_of(one.pix_fmt), bits_of(other.pix_fmt), alpha and not has_alpha(new))
    return [f"picture: {line}" for line in lines] + losses


def picture_losses(bits: int, left: int, alpha: bool) -> list[str]:
    """Of a picture with so many `bits` a channel, of which so many are `left`; `alpha` says whether its
    transparency is not."""
    lines = []
    if bits > left:
        lines.append(f"picture: {bits} bits a channel are {left} in the result")
    if alpha:
        lines.append("picture: its transparency is not in the result")
    return lines


def bits_of(pixels: str | None) -> int:
    """Of the deepest channel of a pixel format."""
    return (
        max((component.bits for component in av.VideoFormat(pixels).components), default=8) if pixels else 8
    )


def track_losses(one: Any, other: Any) -> list[str]:
    """What the track `one` has by its header and its result, `other`, has not."""
    lines = []
    if one.type == "audio":
        a, b = one.codec_context, other.codec_context
        if a.channels != b.channels:
            lines.append(f"{a.channels} channels are {b.channels} in the result")
    language, now = ((stream.metadata.get("language") or "und") for stream in (one, other))
    if QUICKTIME_LANGUAGES.get(language, language) != QUICKTIME_LANGUAGES.get(now, now):
        lines.append(f"its language is {now} in the result, was {language}")
    title = one.metadata.get("title")
    if title and title not in (other.metadata.get("title"), other.metadata.get("handler_name")):
        lines.append(f"its title {title!r} is not in the result")
    lines += [
        f"it is no longer marked {name}"
        for name, flag in FLAGS.items()
        if one.disposition & flag and not other.disposition & flag
    ]
    return [f"{called(one)}: {line}" for line in lines]


def _times(
    stream: Any, was: _Packets, now: _Packets, start: Fraction, begun: Fraction, copied: bool
) -> list[str]:
    """`start` and `begun` are when the pictures begin: all else is counted from there."""
    if not was.begins:
        return []
    if not now.begins:
        return ["nothing of it is in the result"]
    what = "cues" if stream.type == "subtitle" else "packets"
    if (copied or what == "cues") and len(now) < len(was):
        return [f"{len(now)} of {len(was)} {what} are in the result"]
    if what == "cues":
        edges = [
            (a - start, b - begun)
            for before, after in ((was.begins, now.begins), (was.ends, now.ends))
            for a, b in zip(before, after, strict=False)
        ]
        moved = max(abs(a - b) for a, b in edges)
        return [f"cues are up to {float(moved) * 1000:.0f} ms off"] if moved > TICK + stream.time_base else []
    late = (now.begins[0] - begun) - (was.begins[0] - start)
    lines = []
    if abs(late) > BLOCK:
        lines.append(f"it begins {float(abs(late)):.2f} s {'later' if late > 0 else 'earlier'}")
    lost = (was.ends[-1] - was.begins[0]) - (now.ends[-1] - now.begins[0])
    if lost > 2 * BLOCK:
        lines.append(f"its length is {float(lost):.2f} s less")
    return lines


def file_losses(before: InputContainer, tags: Mapping[str, str], kept: int | None) -> list[str]:
    """What the file `before` has and its result has not, which has these tags and has `kept` so many
    chapters; None where that is not known."""
    lines = []
    chapters = len(before.chapters())
    if kept is not None and kept < chapters:
        lines.append(f"{kept} of {chapters} chapters are in the result")
    names = {name.lower() for name in tags}
    lost = [name for name in tags_of(before) if name.lower() not in names]
    if lost:
        lines.append(f"tags that are not in the result: {', '.join(lost[:10])}")
    return lines
