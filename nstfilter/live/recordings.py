"""Snapshots and recordings that are asked for in mid-run."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from nstfilter.errors import SinkError
from nstfilter.live.controls import Controls
from nstfilter.live.live import Live
from nstfilter.manager import open_sink
from nstfilter.streams import Frame, Sink, StreamInfo


class Recordings:
    """What the keys for snapshot and record make: files in the current folder, under names nobody has.

    `encoding`    options of the video sink for recordings
    `made`        the files of all recordings and snapshots, those under way too
    `with_plain`  whether the next recording comes with that of the plain camera: NAME-plain.mp4 beside it
    """

    def __init__(self, live: Live, controls: Controls, encoding: dict[str, Any] | None = None) -> None:
        self.live = live
        self.controls = controls
        self.encoding = encoding or {}
        self.with_plain = False
        self.made: list[Path] = []
        self._recording: list[tuple[Sink, Path]] = []  # the painted one first
        controls.is_recording = lambda: self.recording

    @property
    def recording(self) -> bool:
        """Whether a recording begun here is being written; not once its file could not be opened or failed
        for good."""
        if not self._recording:
            return False
        return self.live.state(self._recording[0][0]) in ("opening", "open", "stuck", "lost")

    @property
    def recording_plain(self) -> bool:
        """Whether the plain camera is recorded as well."""
        return self.recording and len(self._recording) > 1

    @property
    def files(self) -> list[Path]:
        """Those of `made` that are there, under their final names."""
        return [path for path in self.made if path.exists()]

    def snapshot(self) -> str:
        """Keep the latest picture. Raises `SinkError` before the first, or where it cannot be kept."""
        picture = self.live.snapshot()
        if picture is None:
            raise SinkError("there is no picture yet")
        path = self._free(".png")
        sink = open_sink(path)
        sink.open(StreamInfo(picture.shape[1], picture.shape[0], frames=1))
        try:
            sink.write(Frame(picture))
            sink.close()
        except BaseException:
            sink.abort()
            raise
        self.made.append(path)
        return f"snapshot: {path}"

    def record(self) -> str:
        """Begin a recording, or end the one being made. Raises `SinkError` where none can be begun."""
        was_recording = self.recording
        ended, self._recording = self._recording, []
        # the plain one too where the painted one has failed
        made = [(sink, path) for sink, path in ended if self.live.remove(sink)]
        if was_recording:
            return f"recording ends: {_listed(made)}" if made else "recording ends before its first frame"
        path = self._free(".mp4")
        paths = [path, path.with_name(f"{path.stem}-plain.mp4")] if self.with_plain else [path]
        begun = [(open_sink(one, **self.encoding), one) for one in paths]
        for sink, one in begun:
            self.live.add(sink, plain=one != path)
            self.made.append(one)
        self._recording = begun
        return f"recording to {_listed(begun)}"

    def _free(self, suffix: str) -> Path:
        """STYLE-DATE-TIME, with a number where that or its plain companion is taken."""
        style = self.controls.style
        label = "+".join(part.name for part, _ in style.parts)[:100] if style else "painting"
        stem = f"{label}-{time.strftime('%Y%m%d-%H%M%S')}"
        for number in itertools.count(1):
            path = Path(f"{stem}{'' if number == 1 else f'-{number}'}{suffix}")
            names = {path, path.with_name(f"{path.stem}-plain{suffix}")}
            if not any(name.exists() or name in self.made for name in names):
                return path
        raise AssertionError("numbers do not end")


def _listed(recorded: list[tuple[Sink, Path]]) -> str:
    return " and ".join(str(path) for _, path in recorded)
