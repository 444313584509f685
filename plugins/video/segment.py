"""A stretch of a video file, exact to the frame: the same pictures, times and durations as in the whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import av

from nstfilter.plugins.video.container import EXACT, find_end
from nstfilter.plugins.video.source import VideoSource
from nstfilter.streams import Frame


class VideoSegment(VideoSource):
    """The frames of a file with `begin` <= pts < `end`, after the last `pre_roll` frames before them; None
    for `end` is the end of the file. `info.frames` is 0 where there is none.

    Decoding starts at a key frame, and the start is checked: the first picture to come out must be the key
    frame's own. Where it is not (a picture that refreshes bit by bit, a cut that hides the key frame, an
    index that lies), decoding starts farther back, in the end at the file's beginning.
    """

    _whole = False

    def __init__(self, path: str | os.PathLike[str], begin: int, end: int | None, pre_roll: int) -> None:
        self._begin: int | None = None  # where that is not the file's beginning
        self._end = end
        self._reached_key = True  # what comes before the first key frame is not decoded
        self._key_pts: int | None = None
        self._from = -(
            1 << 62
        )  # decoding starts at a key frame from here on, where the file is read up to it
        super().__init__(path)
        try:
            first = self._enter(begin, pre_roll)
        except BaseException:
            self.close()
            raise
        if first is None or self._is_past(first):
            frames = 0
        else:
            length = (end or find_end(self._container, self._stream, self._timeline) or first) - first
            frames = max(1, round(length * self.info.time_base * (self.info.rate or 25)))
        self.info = replace(self.info, frames=frames)

    def _is_past(self, pts: int) -> bool:
        return self._end is not None and pts >= self._end

    def _is_own(self, pts: int | None) -> bool:
        return pts is None or not (self._is_past(pts) or (self._begin is not None and pts < self._begin))

    # -- getting there --

    def _enter(self, begin: int, pre_roll: int) -> int | None:
        """Go to `pre_roll` frames before `begin`; returns when the first frame from `begin` on is shown."""
        assert self._ahead is not None
        first = self._ahead.pts or 0
        if begin <= first:
            return first
        self._begin = begin
        back, second = pre_roll * self._step, max(1, round(1 / self.info.time_base))
        entered = False
        while not entered:
            self._decoded.close()
            at_start = begin - back <= first or not self._seek(begin - back)
            if at_start:
                self._container.close()
                self._container = self._open()
                self._stream = self._choose_stream()
            self._reached_key, self._key_pts = at_start, None
            self._decoded = self._decode()
            waiting, found, sound = self._approach(begin, pre_roll)
            entered = at_start or (sound and len(waiting) == pre_roll)
            back = 2 * back + second
        self._decoded = _after([*waiting, *([found] if found else [])], self._decoded)
        self._ahead = next(self._decoded, None)
        return found.pts if found else None

    def _seek(self, time: int) -> bool:
        if self._container.format.name.partition(",")[0] not in EXACT:
            return False
        if self._timeline.broken:  # FFmpeg looks times up in files whose clock it takes to run straight on
            self._container.close()
            self._container = self._open()
            self._stream = self._choose_stream()
            self._from = time
            return True
        try:
            shift = round(self._timeline.shifts[0] / self.info.time_base)
            self._container.seek(time - shift, stream=self._stream)
        except av.FFmpegError:
            return False
        return True

    def _approach(self, begin: int, pre_roll: int) -> tuple[deque[av.VideoFrame], av.VideoFrame | None, bool]:
        """Decode up to `begin`: the last `pre_roll` frames before it, the first one from there on, and
        whether decoding started well."""
        waiting: deque[av.VideoFrame] = deque(maxlen=pre_roll)
        sound = False
        for frame in self._decoded:
            pts = frame.pts or 0
            if self._key_pts is not None and not sound:
                if pts < self._key_pts:
                    continue  # an open GOP: it leans on pictures from before the key frame
                if pts > min(self._key_pts, begin) or frame.is_corrupt:
                    return waiting, frame, False
                sound = True
            if pts >= begin:
                return waiting, frame, sound
            waiting.append(frame)
        return waiting, None, sound

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        for packet in super()._packets():
            if not self._reached_key and packet is not None:
                if not packet.is_keyframe or packet.pts is None or packet.pts < self._from:
                    continue
                self._reached_key, self._key_pts = True, packet.pts
            yield packet

    # -- and reading on --

    def _next_frame(self) -> Frame | None:
        if self._ahead is None or self._is_past(self._ahead.pts or 0):
            self._decoded.close()  # now, so that its warnings are there when the last frame is
            return None
        return super()._next_frame()


def _after(
    waiting: Iterable[av.VideoFrame], rest: Generator[av.VideoFrame, None, None]
) -> Generator[av.VideoFrame, None, None]:
    yield from waiting
    yield from rest
