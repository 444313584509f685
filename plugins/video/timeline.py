"""From a file's own timestamps to continuous ones that begin near zero, the same for all its tracks.

A broadcast or a camera's recording may begin at any time of day, and transport streams that were joined, cut
or recorded through a fault jump, back or far ahead. Players close such gaps, and so do we.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags

from nstfilter.plugins.video.container import open_container

FAR = 10  # seconds; a file that begins no later than this begins when it does, but for transport streams
# seconds from one packet to the next of its track: outside of these, the clock was set anew. FFmpeg's own
# limits, in `ffmpeg -dts_delta_threshold` and beside it.
BACK, AHEAD = Fraction(-1, 10), Fraction(10)

OTHERS = -1  # stands for the tracks that are not read through, such as subtitles


@dataclass(slots=True)
class _Epoch:
    """What lies between two jumps of the clock: when it begins and ends, in seconds of its own."""

    begin: Fraction
    end: Fraction

    def has(self, time: Fraction) -> bool:
        return self.begin - AHEAD < time < self.end + AHEAD


@dataclass(slots=True)
class _Track:
    """How far the scan is with one track. `doubt` is a packet that jumped, until the next one shows whether
    the clock did or only this packet's timestamp is wrong."""

    epoch: int
    next: Fraction
    doubt: tuple[int, Fraction, Fraction] | None = None
    joints: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Timeline:
    """What is added to the timestamps of a file, in seconds.

    `shifts`  one for each stretch between two jumps; just one where there is no jump
    `joints`  by track, in which byte of the file which stretch begins: (position, number of the stretch)
    `wrong`   positions of packets whose timestamp means nothing, by track
    `end`     of the last stretch, on the continuous clock; None where that is not known
    """

    shifts: tuple[Fraction, ...] = (Fraction(0),)
    joints: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    wrong: frozenset[tuple[int, int]] = frozenset()
    end: Fraction | None = None

    @property
    def broken(self) -> bool:
        """Whether there is a jump, so that no place can be found by its time."""
        return len(self.shifts) > 1

    def at(self, track: int, position: int) -> Fraction:
        """What is added at a byte of the file."""
        joints = self.joints.get(track) or self.joints.get(OTHERS)
        if not joints:
            return self.shifts[0]
        before = bisect_right(joints, (position, len(self.shifts)))
        return self.shifts[joints[before - 1][1] if before else 0]


class Clock:
    """Puts the packets of one reading of a file on the clock of its `timeline`."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._positions = _Positions()

    def apply(self, packet: av.Packet[Any]) -> None:
        """Set the packet's timestamps anew; one that means nothing is taken away."""
        index, position = packet.stream.index, self._positions.of(packet)
        if (index, position) in self.timeline.wrong:
            packet.pts = packet.dts = None
            return
        shift = self.timeline.at(index, position)
        if shift:
            ticks = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks


class _Positions:
    """Where packets are in the file: several may lie in one place, and only the first of them says so."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def of(self, packet: av.Packet[Any]) -> int:
        index = packet.stream.index
        if packet.pos is not None:
            self._last[index] = packet.pos
        return self._last.get(index, 0)


def timeline_of(path: Path, container: InputContainer) -> Timeline:
    """The timeline of the file at `path`, which `container` has open. One in whose format clocks may jump is
    read through once, without being decoded; that is done once in a process."""
    if container.format.flags & Flags.ts_discont.value and path.is_file():
        about = path.stat()
        return _scanned(path.resolve(), about.st_size, about.st_mtime_ns)
    if container.start_time is None:
        return Timeline()
    start = Fraction(container.start_time, av.time_base)
    pictures = [stream.start_time or 0 for stream in container.streams.video]
    return Timeline((-start if start > FAR or min(pictures, default=0) < 0 else Fraction(0),))


@lru_cache(maxsize=16)
def _scanned(path: Path, size: int, changed: int) -> Timeline:
    epochs: list[_Epoch] = []
    tracks: dict[int, _Track] = {}
    wrong: set[tuple[int, int]] = set()
    with open_container(path) as container:
        timed = [stream for stream in container.streams if stream.type in ("video", "audio")]
        positions = _Positions()
        for packet in _readable(container, timed):
            _take(packet, positions.of(packet), epochs, tracks, wrong)
    if not epochs:
        return Timeline()
    shifts = [-epochs[0].begin]
    for before, epoch in pairwise(epochs):
        shifts.append(before.end + shifts[-1] - epoch.begin)
    joints = {index: track.joints for index, track in tracks.items() if track.joints}
    earliest: dict[int, int] = {}
    for where, number in (joint for track in joints.values() for joint in track):
        earliest[number] = min(where, earliest.get(number, where))
    if earliest:
        joints[OTHERS] = sorted((where, number) for number, where in earliest.items())
    return Timeline(tuple(shifts), joints, frozenset(wrong), epochs[-1].end + shifts[-1])


def _readable(container: InputContainer, streams: list[Any]) -> Iterable[av.Packet[Any]]:
    for _ in range(64):  # reading goes on behind a damaged place
        try:
            for packet in container.demux(streams):
                if packet.size and packet.dts is not None and packet.pts is not None:
                    yield packet
            return
        except av.FFmpegError:
            continue


def _take(
    packet: av.Packet[Any],
    position: int,
    epochs: list[_Epoch],
    tracks: dict[int, _Track],
    wrong: set[tuple[int, int]],
) -> None:
    index, dts = packet.stream.index, packet.dts * packet.time_base
    begin = packet.pts * packet.time_base
    end = begin + (packet.duration or 0) * packet.time_base
    track = tracks.get(index)
    if track is None:
        if not epochs:
            epochs.append(_Epoch(begin, end))
        track = tracks[index] = _Track(len(epochs) - 1, dts)
    elif abs(begin - dts) > AHEAD:  # no picture waits that long to be shown
        wrong.add((index, position))
        return
    elif not BACK < dts - track.next < AHEAD:
        if track.doubt is None or not BACK < dts - track.doubt[1] < AHEAD:
            if track.doubt:
                wrong.add((index, track.doubt[0]))
            track.doubt = position, dts, begin
            return
        where, _, first = track.doubt  # two in a row: the clock did jump
        track.doubt = None
        later = range(track.epoch + 1, len(epochs))
        track.epoch = next((number for number in later if epochs[number].has(first)), len(epochs))
        if track.epoch == len(epochs):
            epochs.append(_Epoch(first, end))
        track.joints.append((where, track.epoch))
        epochs[track.epoch].begin = min(epochs[track.epoch].begin, first)
    elif track.doubt:
        wrong.add((index, track.doubt[0]))
        track.doubt = None
    epoch = epochs[track.epoch]
    epoch.begin, epoch.end = min(epoch.begin, begin), max(epoch.end, end)
    track.next = dts + (packet.duration or 0) * packet.time_base
