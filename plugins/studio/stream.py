"""/stream.mjpg as a sink of the live run."""

from __future__ import annotations

from nstfilter.plugins.studio.preview import Preview
from nstfilter.streams import Frame, Sink, StreamInfo


class StreamSink(Sink):
    """What readers of /stream.mjpg get: they are others, and see what others see."""

    name = "stream"
    audience = "others"

    def __init__(self) -> None:
        super().__init__()
        self.preview = Preview()

    def _open(self, info: StreamInfo) -> None: ...

    def _write(self, frame: Frame) -> None:
        self.preview.show(frame.image, lambda: None)

    def _close(self) -> None:
        self.preview = Preview()  # the run remembers its sinks, and need not remember their pictures
