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
    `encoding` are options of the video sink for recordings."""

    def __init__(self, live: Live, controls: Controls, encoding: dict[str, Any] | None = None) -> None:
        self.live = live
        self.controls = controls
        self.encoding = encoding or {}
        self._made: list[Path] = []
        self._recording: tuple[Sink, Path] | None = None
        controls.is_recording = lambda: self.recording

    @property
    def recording(self) -> bool:
        """Whether a recording begun here is being written; not once its file could not be opened or failed
        for good."""
        if self._recording is None:
            return False
        return self.live.state(self._recording[0]) in ("opening", "open", "stuck", "lost")

    @property
    def files(self) -> list[Path]:
        """Those that are there, under their final names."""
        return [path for path in self._made if path.exists()]

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
        self._made.append(path)
        return f"snapshot: {path}"

    def record(self) -> str:
        """Begin a recording, or end the one being made. Raises `SinkError` where none can be begun."""
        if self._recording is None or not self.recording:
            path = self._free(".mp4")
            sink = open_sink(path, **self.encoding)
            self.live.add(sink)
            self._made.append(path)
            self._recording = sink, path
            return f"recording to {path}"
        (sink, path), self._recording = self._recording, None
        self.live.remove(sink)
        return f"recording ends: {path}"

    def _free(self, suffix: str) -> Path:
        """STYLE-DATE-TIME, with a number where that is taken."""
        style = self.controls.style
        label = "+".join(part.name for part, _ in style.parts)[:100] if style else "painting"
        stem = f"{label}-{time.strftime('%Y%m%d-%H%M%S')}"
        for number in itertools.count(1):
            path = Path(f"{stem}{'' if number == 1 else f'-{number}'}{suffix}")
            if not path.exists() and path not in self._made:
                return path
        raise AssertionError("numbers do not end")
