"""One sink of a live run: it gets the newest frame, and when it fails it is opened again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from nstfilter.live.capture import BACK_OFF
from nstfilter.live.mailbox import Clock, Condition, Mailbox
from nstfilter.live.sound import SoundReader
from nstfilter.live.stats import Latencies, Rate, SinkStats, percentiles
from nstfilter.streams import Closed, Frame, Sink, StreamInfo

# seconds after which a write that does not come back is spoken of
STUCK = 2.0

log = logging.getLogger("nstfilter")


class SinkWorker:
    """`sink`, with a mailbox before it. `open`, `serve` and all they call run in one thread, `offer`,
    `end`, `look` and `figures` in any.

    `shape`, where given, makes the image it writes of the one it is offered; `sound` what is heard with it,
    by the clock's time, which `pts` counts from 0 then. Sinks count from the first frame they get: a
    recording begun later starts at 0 too.
    """

    def __init__(
        self,
        sink: Sink,
        info: StreamInfo,
        clock: Clock,
        say: Callable[[str], None],
        *,
        condition: Condition | None = None,
        shape: Callable[[np.ndarray], np.ndarray] | None = None,
        sound: SoundReader | None = None,
    ) -> None:
        self.given = self.sink = sink  # the latter is another once it was opened again
        self.name = getattr(sink, "name", None) or type(sink).__name__.removesuffix("Sink").lower()
        self.state = "opening"
        self.error: BaseException | None = None
        self.kept: list[Path] = []  # finished parts of what failed
        self.latencies = Latencies()
        self.warnings: list[str] = []
        self.mailbox: Mailbox[Frame] = Mailbox(condition or clock.condition())
        self._info, self._clock, self._say, self._shape, self._sound = info, clock, say, shape, sound
        self._writes = Rate()
        self._begun: float | None = None  # when it was open for the first time
        self._dropped = self._retries = 0
        self._first: int | None = None
        self._captured: float | None = None
        self._lost: BaseException | None = None  # why it broke off, until it is back
        self._broken = False  # whether `sink` is of no use and has to be opened again
        self._wait = BACK_OFF[0]
        self._retry_at = 0.0
        self._busy_since: float | None = None

    @property
    def done(self) -> bool:
        return self.state in ("closed", "failed")

    def offer(self, frame: Frame) -> None:
        if not self.done and self.state != "opening":
            self.mailbox.put(frame)

    @property
    def begun(self) -> bool:
        """Whether it has got a frame."""
        return bool(self._writes.count or self.mailbox.full or self._busy_since is not None)

    def end(self) -> None:
        """Let it finish with the frame it has."""
        self.mailbox.end()

    def leave(self) -> None:
        """The run is over and this is still busy: what had broken off will not be back."""
        if not self.done:
            self.error = self.error or self._lost

    def open(self) -> None:
        """For the first time. What goes wrong is left in `error`."""
        self._busy_since = self._clock.now()
        try:
            self.sink.open(self._info)
            self.state, self._begun = "open", self._clock.now()
        except BaseException as error:
            self.state, self.error = "failed", error
        self._busy_since = None

    def serve(self) -> None:
        """Write what is offered, and close when there will be nothing more."""
        while not self.done and (frame := self.mailbox.take()):
            self.write(frame)
        self.close()

    def write(self, frame: Frame) -> None:
        if self._broken and not self._reopened():
            self._dropped += 1
            return
        self._busy_since = self._clock.now()
        try:
            if self._first is None:
                self._first = frame.pts
            image = self._shape(frame.image) if self._shape else frame.image
            time = float(frame.pts * self._info.time_base)
            sound = self._sound.until(time, frame.captured) if self._sound else None
            self.sink.write(replace(frame, image=image, pts=frame.pts - self._first, sound=sound))
        except Closed:
            self._dropped += 1
            self.close()
        except BaseException as error:
            self._dropped += 1
            self._lose(error)
        else:
            self._writes.add(self._clock.now())
            if frame.captured is not None and frame.captured != self._captured:
                self._captured = frame.captured
                self.latencies.add(self._clock.now() - frame.captured)
            if self._lost or self.state == "stuck":
                self._wait, self.state, self._lost = BACK_OFF[0], "open", None
                self._say(f"{self.name} is back")
        finally:
            self._busy_since = None

    def close(self) -> None:
        """Finish: what was recorded appears under its final name, unless it is not one frame."""
        self.mailbox.end(drop=True)
        if self.done:
            return
        if self._broken:  # for good, then: it was said when it broke off
            self.state, self.error = "failed", self._lost
            return
        self.state = "closing"
        try:
            if self._writes.count:
                self.sink.close()
            else:
                self.sink.abort()
                if self.sink.audience == "file":
                    self._say(f"{self.name}: no frame came, and nothing is written")
            self._collect()  # first, for the run lets go of what is closed
            self.state = "closed"
        except BaseException as error:
            self._abort()
            self._fail(error)

    def at_work(self, now: float) -> bool:
        """Whether it will finish, as far as one can tell: a write that does not come back never will."""
        since = self._busy_since
        return not self.done and (since is None or now - since <= STUCK)

    def look(self, now: float) -> None:
        """Notice a write, or an opening again, that does not come back."""
        if self.state in ("open", "lost") and not self.at_work(now):
            self.state = "stuck"
            self._say(f"{self.name} has taken no frame for {STUCK:.0f} seconds; the others go on")

    def figures(self, *, lately: bool) -> SinkStats:
        p50, p95 = percentiles([self.latencies], lately=lately) or (None, None)
        dropped = self._dropped + self.mailbox.dropped
        rate = self._writes.per_second(self._clock.now(), self._begun, lately=lately)
        return SinkStats(self.name, self.state, self._writes.count, dropped, self._retries, p50, p95, rate)

    def _collect(self) -> None:
        self.warnings += self.sink.warnings

    def _abort(self) -> None:
        """Abort the sink, and say which part of its result is kept."""
        kept = None
        try:
            kept = self.sink.abort()
        except BaseException:
            log.debug("%s could not be cleared away", self.name, exc_info=True)
        self._collect()
        if kept:
            self.kept.append(kept)
            self._say(f"the finished part is kept in {kept}")

    def _lose(self, error: BaseException) -> None:
        """Give up this sink, and plan to open it again."""
        self._abort()
        if self.sink.reopen is None:
            self._fail(error)
            return
        if self._lost is None:
            log.debug("%s failed", self.name, exc_info=error)
            self._say(f"{self.name}: {error}; trying again until it is back")
        self.state, self._lost, self._broken = "lost", error, True
        self._plan()

    def _plan(self) -> None:
        self._retry_at = self._clock.now() + self._wait
        self._wait = min(2 * self._wait, BACK_OFF[1])

    def _reopened(self) -> bool:
        """Whether it is open again, now that a frame is there for it."""
        if self._clock.now() < self._retry_at or self.sink.reopen is None:
            return False
        self._retries += 1
        self._busy_since = self._clock.now()
        try:
            sink = self.sink.reopen()
            sink.open(self._info)
        except BaseException as error:
            log.debug("%s cannot be opened again", self.name, exc_info=error)
            self.state = "lost"
            self._plan()
            return False
        finally:
            self._busy_since = None
        sink.reopen = sink.reopen or self.sink.reopen
        self.sink, self.state, self._first, self._broken = sink, "open", None, False
        if self._sound:
            self._sound.restart()
        return True

    def _fail(self, error: BaseException) -> None:
        self.state, self.error = "failed", error
        self._say(f"{self.name}: {error}")
