"""The frames of a source as a live run wants them: at their time, stamped, and on and on if it breaks off."""

from __future__ import annotations

import logging
import threading
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
        self._next: Source | None = None
        self._switching, self._leaving = threading.Lock(), threading.Lock()

    def switch(self, source: Source) -> None:
        """Go on with `source`, which is open, in place of the one there is, which is closed. From any
        thread."""
        with self._switching:
            unused, self._next = self._next, source
            leaving = self.source
        if unused:
            unused.close()
        leaving.close()  # which ends a read that waits

    def _switched(self) -> bool:
        """Whether another source has taken the place of the one there was."""
        with self._switching:
            if self._next is None:
                return False
            self._leave()
            self.source, self._next = self._next, None
            self.live, self.lost = self.source.info.live, False
            return True

    def _leave(self) -> None:
        """Close the source there is, if nobody has. From any thread; its warnings are taken once."""
        with self._leaving:
            self.warnings += self.source.warnings
            self.source.warnings = []
        self.source.close()

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
                    if self._next is not None:
                        break
                    if self.lost:
                        self._say("the camera is back")
                        self.lost, wait = False, BACK_OFF[0]
                    if frame.captured is None:
                        frame.captured = self._clock.now()
                    yield frame
            except GeneratorExit:  # nobody takes frames any more
                raise
            except BaseException as error:  # SystemExit too: a plugin's thread must not die unseen
                if not reopen and self._next is None:
                    raise
                log.debug("the source broke off", exc_info=error)
                why = str(error) or type(error).__name__
            if not self._halted.on and self._switched():
                wait = BACK_OFF[0]
                continue
            if not reopen or self._halted.on:
                return
            if not self.lost:
                self.lost = True
                self._say(f"the camera broke off: {why}; trying again until it is back")
            self._leave()
            while True:
                if self._halted.wait(wait):
                    return
                if self._switched():
                    wait, reopen = BACK_OFF[0], None
                    break
                wait = min(2 * wait, BACK_OFF[1])
                try:
                    self.source = reopen()
                    break
                except BaseException as error:
                    log.debug("the source cannot be opened again", exc_info=error)
            if reopen:
                self.source.reopen = self.source.reopen or reopen

    def close(self) -> None:
        """Safe to call twice, and from another thread than the reader's."""
        with self._switching:
            unused, self._next = self._next, None
        if unused:
            unused.close()
        self._leave()

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
