"""The panel as a sink: it shows each frame to the pages that are open, and serves them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from nstfilter.errors import SinkError
from nstfilter.streams import Frame, Sink, StreamInfo

if TYPE_CHECKING:
    from nstfilter.live.session import Session
    from nstfilter.plugins.studio.osc import Osc
    from nstfilter.plugins.studio.server import Server
    from nstfilter.plugins.studio.studio import Studio

# the first port that is tried, and how many after it
PORT, TRIES = 8450, 20


class PanelSink(Sink):
    """Serves the page while the run lasts. Closing a page ends nothing. The page is the user's own: while
    others see the privacy card, it shows the painting that goes on behind it.

    `session`  the run that the page steers
    `host`     the address to listen at; one other than 127.0.0.1 lets other devices in, with the token
    `port`     None for the first free one from 8450 on
    `osc`      where to listen for Open Sound Control
    """

    audience = "user"

    def __init__(
        self,
        session: Session,
        host: str = "127.0.0.1",
        port: int | None = None,
        osc: tuple[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.session, self.host, self.port, self._osc_at = session, host, port, osc
        self.osc: Osc | None = None
        self.server: Server | None = None
        self.studio: Studio | None = None

    def _open(self, info: StreamInfo) -> None:
        from nstfilter.plugins.studio.access import load_token
        from nstfilter.plugins.studio.studio import Studio

        self.studio = Studio(self.session)
        if self._osc_at:
            from nstfilter.plugins.studio.osc import Osc

            self.osc = Osc(self.studio, *self._osc_at)
        try:
            self.server = self._serve(self.studio, load_token())
            self.server.osc = self.osc
            self.server.start()
            self.studio.gallery.start()
            self.studio.renders.start()
            if self.osc:
                self.osc.start()
            self.session.listen(self._tell)
            self.session.on_address(self.server.address)
        except BaseException:
            self._close()
            raise

    def _serve(self, studio: Studio, token: str) -> Server:
        from nstfilter.plugins.studio.server import Server

        if self.port is not None:
            return Server(studio, token, self.host, self.port)
        for port in range(PORT, PORT + TRIES):
            with contextlib.suppress(SinkError):
                return Server(studio, token, self.host, port)
        return Server(studio, token, self.host, 0)

    def _tell(self, message: str) -> None:
        """What the run says is seen on every page, as the answer to a key is."""
        if self.server:
            self.server.tell({"type": "message", "level": "info", "text": message})

    def _write(self, frame: Frame) -> None:
        assert self.studio
        self.studio.show(frame.image)

    def _close(self) -> None:
        """Ask every thread to end. None is waited for: a model may be at work, and the run must end now."""
        for part in (self.osc, self.server):
            if part:
                part.stop()
        if self.studio:
            self.studio.gallery.stop()
            self.studio.renders.stop()

    def _abort(self) -> Path | None:
        self._close()
        return None
