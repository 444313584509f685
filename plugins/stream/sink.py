"""H.264 to a network, as broadcasts want it: a constant bitrate, a key frame every two seconds."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any

import av

from nstfilter.errors import SinkError
from nstfilter.frames import as_bgr
from nstfilter.plugins.stream.address import missing, reason, shown
from nstfilter.streams import Frame, Sink, StreamInfo

# bits for a pixel of a frame: 4 Mb/s at 1280x720 and 30 a second, as platforms ask for
BITS = 0.15
# seconds between two key frames: what platforms ask for at most
KEY = 2
# seconds without an answer after which the peer counts as gone
PATIENCE = 5
RATE = Fraction(30)


class StreamSink(Sink):
    """Frames to `address`, as H.264 in `container`, an FFmpeg format. There is no sound in it."""

    audience = "others"

    def __init__(self, address: str, container: str, bitrate: int | None = None) -> None:
        super().__init__()
        self.address, self.format, self.bitrate = address, container, bitrate
        self.name = shown(address)

    def _open(self, info: StreamInfo) -> None:
        if info.width % 2 or info.height % 2:
            even = f"{info.width // 2 * 2}x{info.height // 2 * 2}"
            raise SinkError(
                f"a stream cannot be {info.width}x{info.height}; expected even numbers: --output-size {even}"
            )
        rate = info.rate or RATE
        bits = self.bitrate or round(BITS * info.width * info.height * float(rate))
        options = {"rw_timeout": str(PATIENCE * 1_000_000)}
        try:
            self._container: Any = av.open(
                self.address, "w", format=self.format, container_options=options, timeout=PATIENCE
            )
            self._stream: Any = self._container.add_stream("libx264", rate=rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = info.width, info.height, "yuv420p"
            self._stream.bit_rate = bits
            self._stream.codec_context.time_base = info.time_base
            self._stream.codec_context.gop_size = round(KEY * rate)
            self._stream.options = {
                "preset": "superfast",
                "tune": "zerolatency",
                "maxrate": str(bits),
                "bufsize": str(2 * bits),
            }
            self._container.start_encoding()
        except av.ProtocolNotFoundError:
            instead = f"nstfilter live --to - | ffmpeg -i - -c copy -f {self.format} '{self.name}'"
            raise SinkError(missing(self.name, instead)) from None
        except (av.FFmpegError, OSError) as error:
            if hasattr(self, "_container"):
                self._let_go()
            raise SinkError(f"{self.name} cannot be reached: {reason(error)}") from None

    def _write(self, frame: Frame) -> None:
        picture = av.VideoFrame.from_ndarray(as_bgr(frame.image)[0], format="bgr24")
        picture.pts, picture.time_base = frame.pts, self._stream.codec_context.time_base
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise SinkError(f"{self.name} broke off: {reason(error)}") from None

    def _close(self) -> None:
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise SinkError(f"{self.name} broke off at the end: {reason(error)}") from None

    def _abort(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()
