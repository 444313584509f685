"""The frames of a source as a live run wants them: at their time, stamped, and on and on if it breaks off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from nstfilter.live.mailbox import Clock, Switch
from nstfilter.streams import Frame, Source

# seconds until what broke off is tried again; doubled each time, up to the second number
BACK_OFF = (0.5, 5.0)
# seconds behind its time at which a source is no longer hurried
LATE = 1.0

log = logging.getLogger("nstfilter")


class Capture:
    """Reads `source` until `halted`. A live one that fails or ends is opened again until it is back, which
    `say` is told; any other is paced by its timestamps, and ends when it ends."""

    def __init__(self, source: Source, clock: Clock, halted: Switch, say: Callable[[str], None]) -> None:
        self.source = source
        self.live = source.info.live
        self.lost = False  # whether it broke off and is not back
        self.warnings: list[str] = []
        self._clock, self._halted, self._say = clock, halted, say

    def frames(self) -> Iterator[Frame]:
        """Raises what a source raises that cannot be opened again."""
        wait = BACK_OFF[0]
        while True:
            reopen = self.source.reopen if self.live else None
            why = "it gives no more frames"
            try:
                for frame in self.source if self.live else self._paced():
                    if self._halted.on:
                        return
                    if self.lost:
                        self._say("the camera is back")
                        self.lost, wait = False, BACK_OFF[0]
                    if frame.captured is None:
                        frame.captured = self._clock.now()
                    yield frame
            except BaseException as error:  # SystemExit too: a plugin's thread must not die unseen
                if not reopen:
                    raise
                log.debug("the source broke off", exc_info=error)
                why = str(error) or type(error).__name__
            if not reopen or self._halted.on:
                return
            if not self.lost:
                self.lost = True
                self._say(f"the camera broke off: {why}; trying again until it is back")
            self.close()
            while True:
                if self._halted.wait(wait):
                    return
                wait = min(2 * wait, BACK_OFF[1])
                try:
                    self.source = reopen()
                    break
                except BaseException as error:
                    log.debug("the source cannot be opened again", exc_info=error)
            self.source.reopen = self.source.reopen or reopen

    def close(self) -> None:
        """Safe to call twice, and from another thread than the reader's."""
        if not self.source.closed:
            self.warnings += self.source.warnings
            self.source.close()

    def _paced(self) -> Iterator[Frame]:
        begun = None
        for frame in self.source:
            due = float(frame.pts * self.source.info.time_base)
            now = self._clock.now()
            if begun is None or now - begun - due > LATE:
                begun = now - due
            if self._halted.wait(begun + due - now):
                return
            frame.captured = self._clock.now()
            yield frame
