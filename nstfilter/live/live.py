"""Live: from a camera to a call, a window and a recording at once, at a steady rate, whatever fails.

    capture -> filter -> a tick at the fixed rate -> every sink, each in a thread of its own

Between any two of them lies one frame, the newest; nothing queues. Where there is no new picture the last one
is repeated, and when there has been none for a while a card takes its place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from nstfilter.frames import as_bgr
from nstfilter.live import privacy_card
from nstfilter.live.capture import Capture
from nstfilter.live.governor import Governor
from nstfilter.live.letterbox import Crop, Letterbox
from nstfilter.live.mailbox import Clock, Mailbox, Switch, ThreadGroup
from nstfilter.live.painter import PaintedFrame, Painter
from nstfilter.live.sink_worker import SinkWorker
from nstfilter.live.sound import Listener, SoundReader
from nstfilter.live.stats import Counters, Figures, SinkStats
from nstfilter.live.ticker import STEPS, Ticker
from nstfilter.streams import Frame, Microphone, Sink, Source, StreamInfo

# seconds that the last picture is held when no new one comes
HOLD = 1.0
# seconds that `stop` may take; files that are still being finished are waited for longer
STOP, FINISH = 0.3, 60.0
# seconds between two looks at what comes from outside: `stop`, and on Windows Ctrl-C
LOOK = 0.05
# seconds between two counts of the figures for the overlay
COUNT = 0.25
# seconds, in which plain frames are recorded at the times they came
PLAIN_TIME_BASE = Fraction(1, 90_000)

log = logging.getLogger("nstfilter")


class Live:
    """One live run. `run` blocks until it ends; everything else may be called from any thread.

        live = Live(open_source("webcam"), paint, [open_sink("virtualcam")])
        live.run()

    `source`    open; a live one that breaks off is opened again, any other is paced by its timestamps
    `filter`    BGR uint8 frame in, BGR uint8 frame out, same size
    `sinks`     not yet open
    `size`      (width, height) of what is put out; default: that of the part taken of the source's
    `fill`      cut off what does not fit into that size, rather than put bars beside it. A filter with a
                `fit`, "letterbox" or "fill", is asked before each frame
    `crop`      take this part of the source's frames
    `rate`      frames a second of what is put out
    `governor`  sets `filter.size` so that the rate is held
    `card`      what is shown when the camera is away or painting fails: a text, or a picture that fills the
                frame (HxWx3 BGR uint8). A filter with a true `card_shown` has it shown to others
    `record`    a sink that gets every plain frame, letterboxed as the painted ones are, at the time it came
    `microphone`  open; heard by sinks that take sound, delayed as the picture is. One that breaks off is
                opened again. A filter with a true `muted` or `card_shown` has silence recorded
    `overlay`   gives the lines that `Frame.overlay` carries, of the latest figures
    `say`       is told, in a line each, what breaks off and what comes back; default: the log
    `on_frame`  is called with the number of frames painted so far

    `info` is what is put out: its size, its rate, its time base.
    """

    def __init__(
        self,
        source: Source,
        filter: Callable[[np.ndarray], np.ndarray],
        sinks: Sequence[Sink],
        *,
        size: tuple[int, int] | None = None,
        rate: Fraction | float = Fraction(30),
        governor: Governor | None = None,
        card: str | np.ndarray = privacy_card.TEXT,
        fill: bool = False,
        crop: Crop | None = None,
        record: Sink | None = None,
        microphone: Microphone | None = None,
        overlay: Callable[[Figures], Sequence[str]] | None = None,
        say: Callable[[str], None] | None = None,
        on_frame: Callable[[int], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.overlay, self.on_frame = overlay, on_frame
        self.say = say or log.warning
        whole = np.broadcast_to(np.uint8(0), (source.info.height, source.info.width, 3))
        height, width = (size[1], size[0]) if size else (crop(whole) if crop else whole).shape[:2]
        self._rate = Fraction(rate)
        self.info = StreamInfo(width, height, 1 / self._rate / STEPS, self._rate, live=True)
        self._letterbox = Letterbox(width, height, fill=fill, crop=crop)
        self._card = PaintedFrame(privacy_card.draw(width, height, card), None)
        self._clock = clock or Clock()
        self._main = self._clock.condition()
        self._halted = Switch(self._clock.condition())
        self._source = Capture(source, self._clock, self._halted, self.say)
        self._painter = Painter(filter, self._letterbox, governor, self._clock, self.say)
        self._listener = (
            Listener(microphone, self._clock, self._halted, self.say, self._silenced) if microphone else None
        )
        self._captured: Mailbox[Frame] = Mailbox(self._clock.condition())
        self._painted: Mailbox[PaintedFrame] = Mailbox(self._clock.condition())
        self._workers = [self._sink_worker(sink) for sink in sinks]
        self._recorders = [self._sink_worker(record, plain=True)] if record else []
        self._ended: dict[str, SinkStats] = {}  # sinks that were added and have ended, by name
        self._said: list[str] = []  # their warnings
        self._left: list[Path] = []  # and finished parts
        self._threads = ThreadGroup(self._main)
        self._endless = not sinks
        self._stop: threading.Event | None = None
        self._opened = self._stopping = self._over = False
        self._picture: PaintedFrame | None = None  # the latest put out
        self._hanging = False
        self._seen = 0.0  # when a frame was last captured
        self._counters = Counters()
        self._figures: Figures | None = None
        self._counted = float("-inf")

    @property
    def filtering(self) -> float:
        """Seconds spent inside the filter."""
        return self._painter.seconds

    @property
    def on_air(self) -> bool:
        """Whether others see what is put out now: a sink for them is open."""
        return any(worker.sink.audience == "others" and not worker.done for worker in self._workers)

    @property
    def hidden(self) -> bool:
        """Whether others see the card because the user wants it: the filter's `card_shown`."""
        return bool(getattr(self._painter.filter, "card_shown", False))

    @property
    def source_state(self) -> str:
        """ "open", "silent" (no frame for a second) or "lost" (being opened again)."""
        if self._source.lost:
            return "lost"
        return "silent" if self._silent(self._clock.now()) else "open"

    @property
    def warnings(self) -> list[str]:
        """What the source and the sinks had to say, a line each."""
        own = [*self._source.warnings, *self._said]
        return own + [line for worker in self._every() for line in worker.warnings]

    @property
    def kept(self) -> list[Path]:
        """Finished parts of recordings that failed, each beside the name it was to have."""
        return self._left + [path for worker in self._every() for path in worker.kept]

    def run(self, *, stop: threading.Event | None = None) -> Figures:
        """Paint until a source that is not live ends, `stop` is called or set, Ctrl-C is pressed, or every
        sink was closed by its user. Sinks are then closed: recordings appear under their final names.

        Raises what a source raises that cannot be opened again, what a sink raises when it is first opened,
        and, once all is over, what a sink failed with for good.
        """
        self._stop = stop
        self._seen = self._clock.now()
        try:
            self._open()
            if self._painter.governor:
                self._painter.prepared = False
                self._threads.start(self._prepare)
            for target in (self._capture, self._paint, self._put_out):
                self._threads.start(target)
            if self._listener:
                self._threads.start(self._listener.listen)
            while not self._ending():
                self._serve()
        except KeyboardInterrupt:
            pass
        finally:
            self._wind_up()
            self._figures = self._count(lately=False)
            self._over = True
        for error in [self._threads.error, *(worker.error for worker in self._every())]:
            if error:
                raise error
        return self._figures

    def stop(self) -> None:
        """End the run, from any thread or a signal handler; returns at once, and `run` within half a second,
        but for the time that its sinks need to finish, as a recording does."""
        self._stopping = True  # and no more: a signal handler must not wait for a lock

    def figures(self) -> Figures:
        """How the run is doing lately; once it is over, how it went."""
        return self._figures if self._over and self._figures else self._count(lately=True)

    def switch(self, source: Source) -> None:
        """Go on with `source` (open) in place of the one there is, which is closed. Frames of another size
        are letterboxed. May be called from any thread."""
        self._source.switch(source)

    @property
    def sinks(self) -> list[Sink]:
        """The sinks that are written to, as they were given; not those that have ended or are ending."""
        return [one.given for one in self._workers if not one.done and not one.mailbox.ended]

    def add(self, sink: Sink, *, plain: bool = False) -> None:
        """Begin to write to `sink` (not yet open) as well; where that fails, it is said. Once the run ends it
        is left as it is. With `plain` it gets the plain frames, as the one called `record` does."""
        worker = self._sink_worker(sink, plain=plain)
        with self._main:
            if self._halted.on:
                return
            self._forget()
            if plain:
                self._recorders = [*self._recorders, worker]
            else:
                self._workers = [*self._workers, worker]
        if not sink.main_thread:
            self._threads.start(self._attend, worker)

    def remove(self, sink: Sink) -> bool:
        """Close `sink`, soon: what it made appears under its final name. Returns whether there will be any:
        a sink that has got no frame yet makes nothing."""
        for worker in self._every():
            if worker.given is sink:
                begun = worker.begun
                worker.end()
                return begun
        return False

    def _forget(self) -> None:
        """Let go of the sinks that have ended, and keep what is to be told of them: in a day there may be
        thousands, one for each program that looked at a stream."""
        for worker in [one for one in self._every() if one.done and one.error is None]:
            stats = worker.figures(lately=False)
            if before := self._ended.get(worker.name):
                counts = ("written", "dropped", "retries")
                sums = {name: getattr(before, name) + getattr(stats, name) for name in counts}
                stats = replace(stats, **sums)
            self._ended[worker.name] = stats
            self._said += worker.warnings
            self._left += worker.kept
            self._workers = [one for one in self._workers if one is not worker]
            self._recorders = [one for one in self._recorders if one is not worker]

    def state(self, sink: Sink) -> str | None:
        """How `sink`, as it was given to the run, is doing: a state of `SinkStats`; None for a stranger."""
        return next((worker.state for worker in self._every() if worker.given is sink), None)

    def snapshot(self) -> np.ndarray | None:
        """The latest picture that others saw, HxWx3 BGR uint8; None before the first."""
        picture = self._picture
        return None if picture is None else self._public(picture).image.copy()

    # the thread that called run

    def _open(self) -> None:
        """Open every sink in its own thread. Raises what one of them raises."""
        for worker in self._every():
            if not worker.sink.main_thread:
                self._threads.start(self._attend, worker)
        for worker in self._every():
            if worker.sink.main_thread:
                self._begin(worker)
        opening = lambda: any(worker.state == "opening" for worker in self._every())  # noqa: E731
        while opening() and not self._ending():
            with self._main:
                self._main.wait_for(lambda: not opening(), LOOK)
        for worker in self._every():
            if worker.error:
                raise worker.error
        self._opened = True

    def _serve(self) -> None:
        """Wait a little for frames, and serve the sinks that belong to this thread."""
        mine = [worker for worker in self._every() if worker.sink.main_thread and not worker.done]
        with self._main:
            self._main.wait_for(lambda: self._stopping or any(worker.mailbox.full for worker in mine), LOOK)
        for worker in mine:
            if worker.state == "opening":
                self._begin(worker)
            elif frame := worker.mailbox.take(0):
                worker.write(frame)
            elif worker.mailbox.ended:
                worker.close()

    def _wind_up(self) -> None:
        self._halted.set()
        for mailbox in (self._captured, self._painted):
            mailbox.end(drop=True)
        with self._main:  # whom `add` may be about to lengthen
            workers = self._every()
        for worker in workers:
            worker.end()
            if worker.sink.main_thread:
                worker.serve()
        if not self._threads.gone(STOP / 2):
            # a read that waits for a camera ends when that is closed
            self._threads.start(self._source.close)
            if self._listener:
                self._threads.start(self._listener.close)
            self._threads.gone(STOP / 2)
        finish_by = self._clock.now() + FINISH
        while (now := self._clock.now()) < finish_by and any(
            worker.at_work(now) for worker in self._every() if worker.sink.audience == "file"
        ):
            self._threads.gone(LOOK)
        if self._threads.gone(0):
            self._source.close()
            if self._listener:
                self._listener.close()
        for worker in self._every():
            worker.leave()
        for thread in list(self._threads.threads):  # one may be ending just now
            log.warning("%s is still busy and was left behind", thread.name)

    def _ending(self) -> bool:
        if self._stop and self._stop.is_set():
            self._stopping = True
        closed = not self._endless and all(worker.done for worker in self._workers)
        return self._stopping or closed or self._threads.error is not None

    # all other threads

    def _attend(self, worker: SinkWorker) -> None:
        self._begin(worker)
        worker.serve()

    def _begin(self, worker: SinkWorker) -> None:
        worker.open()
        if worker.error and self._opened:
            self.say(f"{worker.name}: {worker.error}")
            worker.error = None  # said, and no reason to end
        with self._main:
            self._main.notify_all()

    def _capture(self) -> None:
        try:
            for frame in self._source.frames():
                self._seen = self._clock.now()
                self._counters.captures.add(self._seen)
                self._captured.put(frame)
                if self._recorders and frame.captured is not None:
                    pts = int(frame.captured / PLAIN_TIME_BASE)
                    for recorder in self._recorders:
                        recorder.offer(Frame(frame.image, pts, captured=frame.captured))
        finally:
            self._source.close()
            self._captured.end()

    def _paint(self) -> None:
        while frame := self._captured.take():
            if picture := self._painter(frame):
                self._painted.put(picture)
                self._counters.painted += 1
                if self.on_frame:
                    self.on_frame(self._counters.painted)
            else:
                self._counters.failed += 1
        self._painted.end()

    def _prepare(self) -> None:
        """Compile every size that the governor may choose, before painting needs it."""
        assert self._painter.governor
        info, prepare = self._source.source.info, getattr(self._painter.filter, "prepare", None)
        try:
            height, width, _ = self._letterbox.scaled(np.zeros((info.height, info.width, 3), np.uint8)).shape
            for size in list(self._painter.governor.sizes):
                if prepare and not self._halted.on:
                    prepare(height, width, size)
        except Exception:
            log.warning("sizes could not be compiled ahead", exc_info=True)
        finally:
            self._painter.prepared = True

    def _put_out(self) -> None:
        """A frame at every tick. One whose new picture is not there yet waits for it half a tick's time, so
        that of a camera as fast as the ticks no picture is lost or repeated for being a little late."""
        newest = self._painted.take(HOLD)
        self._counters.begun = self._clock.now()
        ticker = Ticker(self._rate, self._counters.begun)
        begun = round(self._counters.begun / self.info.time_base)  # the clock's time, for the sound
        while not self._halted.on and (newest or not self._painted.ended):
            now = self._clock.now()
            hanging = self._hangs()
            if newest:
                self._picture = newest
                self._counters.shows.add(now)
                ticker.arrived(newest.made)
            elif self._picture is None or self._painter.failing or hanging or self._silent(now):
                self._picture = self._card
            self._offer(begun + ticker.pts, now)
            self._counters.skipped += ticker.advance(self._clock.now())
            if self._halted.wait(ticker.due - self._clock.now()):
                break
            newest = self._painted.take(ticker.due + 0.5 / float(self._rate) - self._clock.now())
        self._counters.ended = self._clock.now()
        self._stopping = True

    def _silenced(self) -> bool:
        return self.hidden or bool(getattr(self._painter.filter, "muted", False))

    def _silent(self, now: float) -> bool:
        return self._source.live and now - self._seen > HOLD

    def _hangs(self) -> bool:
        """Whether painting hangs; what begins and ends is said."""
        if self._painter.hanging != self._hanging:
            self._hanging = not self._hanging
            self.say(
                "painting hangs; a card is shown until it goes on" if self._hanging else "painting goes on"
            )
        return self._hanging

    def _offer(self, pts: int, now: float) -> None:
        """Hand the picture to every sink."""
        assert self._picture is not None
        self._counters.ticks += 1
        if now - self._counted > COUNT:
            self._counted, self._figures = now, self._count(lately=True)
            for worker in self._every():
                worker.look(now)
        lines: tuple[str, ...] = ()
        try:
            if self.overlay and self._figures:
                lines = tuple(self.overlay(self._figures))
        except Exception:
            log.exception("the overlay failed, and the run goes on without it")
            self.overlay = None
        picture = self._picture
        seen = self._public(picture)
        public = Frame(seen.image, pts, STEPS, seen.captured, lines)
        private = Frame(
            picture.image if picture.private is None else picture.private, pts, STEPS, picture.captured, lines
        )
        for worker in self._workers:
            worker.offer(private if worker.sink.audience == "user" else public)

    def _public(self, picture: PaintedFrame) -> PaintedFrame:
        """What others see: the card also in place of a picture that was painted behind it and is still the
        latest when the card goes."""
        return self._card if self.hidden or picture.hidden else picture

    def _sink_worker(self, sink: Sink, *, plain: bool = False) -> SinkWorker:
        heard = self._listener.ring if self._listener and sink.takes_sound else None
        return SinkWorker(
            sink,
            replace(
                self.info,
                time_base=PLAIN_TIME_BASE if plain else self.info.time_base,
                sound=heard.info if heard else None,
            ),
            self._clock,
            self.say,
            condition=self._main if sink.main_thread else None,
            shape=(lambda image: self._letterbox(as_bgr(image)[0])) if plain else None,
            sound=SoundReader(heard, self._clock) if heard else None,
        )

    def _every(self) -> list[SinkWorker]:
        return [*self._workers, *self._recorders]

    def _count(self, *, lately: bool) -> Figures:
        ended = list(self._ended.values())
        return self._counters.figures(
            self._clock.now(),
            [*ended, *(worker.figures(lately=lately) for worker in self._every())],
            [worker.latencies for worker in self._workers],
            dropped=self._captured.dropped + self._painted.dropped,
            size=getattr(self._painter.filter, "size", None),
            lately=lately,
        )
