"""Video from a network, decoded as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from nstfilter.errors import SourceError
from nstfilter.plugins.stream.address import missing, reason, shown
from nstfilter.streams import Frame, Source, StreamInfo

# seconds to wait for a connection, and for more data
PATIENCE = (5.0, 5.0)
# frames a second where the stream does not say
RATE = Fraction(30)
# RTSP over TCP: with UDP, lost packets are gray blocks; and nothing is kept back
OPTIONS = {"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay"}


class StreamSource(Source):
    """The video at `address`, as FFmpeg reads it. One with an end, as a file on a web server, is no live one,
    and is paced by its timestamps; a live one that breaks off is opened again by the run."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._name = shown(address)
        self._releasing = threading.Lock()
        self._reading = False
        try:
            self._container: Any = av.open(address, timeout=PATIENCE, options=OPTIONS)
        except av.ProtocolNotFoundError:
            instead = f"ffmpeg -i '{self._name}' -c copy -f matroska - | nstfilter live --from -"
            raise SourceError(missing(self._name, instead)) from None
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._name} cannot be opened: {reason(error)}") from None
        try:
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "SLICE"  # frame threads keep frames back
            self._first = next(self._container.decode(self._stream))
        except (IndexError, StopIteration, av.FFmpegError):
            self._container.close()
            raise SourceError(f"{self._name} gives no video") from None
        live = not self._container.duration
        self.info = StreamInfo(
            self._first.width,
            self._first.height,
            Fraction(1, 1_000_000) if live else self._stream.time_base,
            self._stream.average_rate or RATE,
            live=live,
        )

    def _frames(self) -> Iterator[Frame]:
        with self._releasing:
            if self.closed:
                return
            self._reading = True
        last, begun = -1, None
        try:
            for frame in self._decoded():
                if self.closed:
                    return
                now = time.monotonic()
                begun = now if begun is None else begun
                live_pts = round((now - begun) / self.info.time_base)
                last = max(last + 1, live_pts if self.info.live or frame.pts is None else frame.pts)
                captured = now if self.info.live else None
                yield Frame(frame.to_ndarray(format="bgr24"), last, captured=captured)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._name} broke off: {reason(error)}") from None
        finally:
            self._container.close()

    def _decoded(self) -> Iterator[Any]:
        yield self._first
        self._first = None
        yield from self._container.decode(self._stream)

    def _close(self) -> None:
        """A reader may be inside FFmpeg, which must not be closed under it: it closes what it reads."""
        with self._releasing:
            if not self._reading:
                self._container.close()
