"""Fakes for live runs: a clock, a camera and a microphone that can be unplugged, a device that can fail."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from nstfilter.errors import SinkError, SourceError
from nstfilter.live.mailbox import Clock
from nstfilter.streams import Closed, Frame, Microphone, Sink, SoundInfo, Source, StreamInfo


class FakeClock(Clock):
    """A clock for live runs that stands still until every thread of the run waits, and then jumps to the
    earliest moment that one of them waits for. Hours of a run take moments, and no thread is ever late.

    Threads of the run are those started after the clock was made whose names begin with "nstfilter-live",
    and the thread that made the clock, which must call `Live.run`. Events from outside, such as a camera that
    is unplugged, are scheduled with `at`.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.time = 0.0
        # of each thread that waits: what it waits for, until when, and where it sleeps
        self.waits: dict[int, tuple[Callable[[], bool], float, threading.Condition]] = {}
        self.planned: list[tuple[float, Callable[[], object]]] = []
        self.maker = threading.get_ident()
        self.others = set(threading.enumerate())

    def now(self) -> float:
        return self.time

    def condition(self) -> FakeCondition:
        return FakeCondition(self)

    def at(self, time: float, call: Callable[[], object]) -> None:
        """Call `call`, which must not wait, at `time` seconds."""
        self.planned = sorted([*self.planned, (time, call)], key=lambda plan: plan[0])

    def sleep(self, seconds: float) -> None:
        self.condition().wait_for(lambda: False, seconds)

    def leap(self) -> None:
        """Jump to the next moment if every thread waits for a later one. Called with `lock` held."""
        threads = set(threading.enumerate()) - self.others
        counted = {self.maker, *(t.ident or 0 for t in threads if t.name.startswith("nstfilter-live"))}
        waits = [self.waits.get(ident) for ident in counted]
        if any(wait is None or wait[0]() or wait[1] <= self.time for wait in waits):
            return
        following = min([*(wait[1] for wait in filter(None, waits)), *(time for time, _ in self.planned)])
        if following == math.inf:
            raise RuntimeError("every thread waits for another")
        self.time = following
        while self.planned and self.planned[0][0] <= self.time:
            self.planned.pop(0)[1]()
        self.wake()

    def wake(self) -> None:
        """Wake the threads that have waited long enough. Called with `lock` held."""
        for predicate, until, sleep in self.waits.values():
            if until <= self.time or predicate():
                sleep.notify()


class FakeCondition:
    """A condition variable of a `FakeClock`; all of them share its lock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def __enter__(self) -> None:
        self.clock.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.clock.lock.release()

    def notify_all(self) -> None:
        self.clock.wake()

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        clock = self.clock
        with clock.lock:
            until = math.inf if timeout is None else clock.time + timeout
            me, sleep = threading.get_ident(), threading.Condition(clock.lock)
            while not predicate() and clock.time < until:
                clock.waits[me] = predicate, until, sleep
                before = clock.time
                clock.leap()
                if clock.time == before:
                    sleep.wait(0.02)  # the end of a thread notifies nobody
            clock.waits.pop(me, None)
            return predicate()


@dataclass
class Socket:
    """What a `FakeCamera` and its successors, made by `reopen`, have in common."""

    plugged: bool = True
    stalled: bool = False
    number: int = 0  # of frames given
    opened: int = 0


class FakeCamera(Source):
    """A live source of `rate` frames a second. Every pixel of frame N is 100 + N % 100.

    From `unplug` until `plug`, reading and opening it raise `SourceError`; from `stall` until `resume` it
    gives no frame.
    """

    def __init__(
        self,
        clock: FakeClock,
        size: tuple[int, int] = (64, 48),
        rate: Fraction = Fraction(30),
        socket: Socket | None = None,
    ) -> None:
        super().__init__()
        self.socket = socket or Socket()
        if not self.socket.plugged:
            raise SourceError("there is no camera")
        self.socket.opened += 1
        self.clock, self.condition = clock, clock.condition()
        self.info = StreamInfo(*size, 1 / rate, rate, live=True)
        self.reopen = lambda: FakeCamera(clock, size, rate, self.socket)

    def unplug(self) -> None:
        self.socket.plugged = False

    def plug(self) -> None:
        self.socket.plugged = True

    def stall(self) -> None:
        self.socket.stalled = True

    def resume(self) -> None:
        self.socket.stalled = False

    def _frames(self) -> Iterator[Frame]:
        period = float(self.info.time_base)
        while True:
            self.condition.wait_for(lambda: self.closed, period)
            self.condition.wait_for(lambda: self.closed or not (self.socket.stalled and self.socket.plugged))
            if self.closed:
                return
            if not self.socket.plugged:
                raise SourceError("the camera was unplugged")
            image = np.full((self.info.height, self.info.width, 3), 100 + self.socket.number % 100, np.uint8)
            yield Frame(image, self.socket.number, 1, captured=self.clock.now())
            self.socket.number += 1

    def _close(self) -> None:
        with self.condition:
            self.condition.notify_all()


class FakeMicrophone(Microphone):
    """Blocks of `block` seconds. `hear` gives the samples, N float32, at so many moments of the clock, in
    seconds; every channel has the same. The card's clock is `off` by that share, so that a second has more
    than `info.rate` samples. From `unplug` until `plug`, reading and opening it raise `SourceError`."""

    name = "a fake microphone"

    def __init__(
        self,
        clock: FakeClock,
        hear: Callable[[np.ndarray], np.ndarray],
        info: SoundInfo = SoundInfo(),  # noqa: B008  (it is frozen)
        off: float = 0.0,
        block: float = 0.02,
        socket: Socket | None = None,
    ) -> None:
        super().__init__()
        self.socket = socket or Socket()
        if not self.socket.plugged:
            raise SourceError("there is no microphone")
        self.socket.opened += 1
        self.clock, self.condition, self.hear, self.info = clock, clock.condition(), hear, info
        self.off, self.block = off, block
        self.reopen = lambda: FakeMicrophone(clock, hear, info, off, block, self.socket)

    def unplug(self) -> None:
        self.socket.plugged = False

    def plug(self) -> None:
        self.socket.plugged = True

    def _blocks(self) -> Iterator[tuple[np.ndarray, float]]:
        count = round(self.block * self.info.rate)
        seconds = count / (self.info.rate * (1 + self.off))
        begun, number = self.clock.now(), 0
        while True:
            captured = begun + number * seconds
            number += 1
            until = begun + number * seconds
            self.condition.wait_for(lambda: self.closed, until - self.clock.now())
            if self.closed:
                return
            if not self.socket.plugged:
                raise SourceError("the microphone was unplugged")
            heard = self.hear(captured + np.arange(count) * (seconds / count))
            yield np.repeat(np.asarray(heard, np.float32)[:, None], self.info.channels, axis=1), captured

    def _close(self) -> None:
        with self.condition:
            self.condition.notify_all()


@dataclass
class Device:
    """What a `FakeDevice` and its successors have in common: `frames`, the `times` at which each was written,
    and how often it was opened and finished."""

    frames: list[Frame] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    broken: bool = False
    hung: bool = False
    left: bool = False
    opened: int = 0
    finished: int = 0


class FakeDevice(Sink):
    """A sink that takes `seconds` for a frame. `write` raises `SinkError` from `break_off` until `mend`, does
    not return from `hang` until `mend`, and raises `Closed` after `leave`, as if its user had closed it."""

    def __init__(self, clock: FakeClock, seconds: float = 0.0, device: Device | None = None) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds
        self.device = device or Device()
        self.reopen = lambda: FakeDevice(clock, seconds, self.device)

    @property
    def frames(self) -> list[Frame]:
        return self.device.frames

    def break_off(self) -> None:
        self.device.broken = True

    def hang(self) -> None:
        self.device.hung = True

    def mend(self) -> None:
        self.device.broken = self.device.hung = False

    def leave(self) -> None:
        self.device.left = True

    def _open(self, info: StreamInfo) -> None:
        if self.device.broken:
            raise SinkError("there is no device")
        self.info = info
        self.device.opened += 1

    def _write(self, frame: Frame) -> None:
        if self.seconds:
            self.clock.sleep(self.seconds)
        self.clock.condition().wait_for(lambda: not self.device.hung)
        if self.device.left:
            raise Closed
        if self.device.broken:
            raise SinkError("the device is gone")
        self.device.frames.append(frame)
        self.device.times.append(self.clock.now())

    def _close(self) -> None:
        self.device.finished += 1
