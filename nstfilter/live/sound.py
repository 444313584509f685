"""The sound of a live run, in step with its picture.

    microphone -> SoundRing, on the machine's clock -> a SoundReader for each recording

The clock of a sound card is off by up to some hundred parts in a million, which is a second in an hour. So
its samples are not counted on for the time: each block says when it was captured, and is resampled to where
the machine's clock has it. Nothing adds up, and whatever is missing is silence of its own length.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from statistics import median

import numpy as np

from nstfilter.live.capture import BACK_OFF
from nstfilter.live.mailbox import Clock, Switch
from nstfilter.streams import Microphone, SoundInfo

# seconds of sound that are kept for recordings that fall behind
KEPT = 20.0
# seconds after which sound that has not come is silence
LATE = 1.0
# seconds between a block and the end of the one before, above which something was lost between the two
GAP = 0.04
# hertz up to which the loop follows the times of blocks, and for how many blocks it follows faster at first;
# and how far a card's clock may be off, as a share
LOOP, FIRST_LOOP, FIRST, OFF = 0.05, 0.5, 100, 0.01
# samples on either side that a resampled one is made of, and places between two that are told apart
TAPS, PHASES = 8, 512
# seconds that a picture's latency may differ from the sound's delay, how many pictures it is the median of,
# and the seconds of the crossfade where the delay is changed
UNEQUAL, PICTURES, FADE = 0.012, 15, 0.01

log = logging.getLogger("nstfilter")


class SoundRing:
    """The last seconds of sound, a sample for each `1 / info.rate` seconds of the machine's clock. Sample N
    was heard at `N / info.rate`. One thread calls `add`; any may read.

    `heard`  the number of the sample after the last one that is there
    """

    def __init__(self, info: SoundInfo) -> None:
        self.info = info
        self.heard = 0
        self._ring = np.zeros((round(KEPT * info.rate), info.channels), np.float32)
        self._lock = threading.Lock()
        self._kernels = _kernels()
        self._silent_until = -math.inf
        self._break_off()

    def _break_off(self) -> None:
        """What comes next does not follow what came last."""
        self._due: float | None = None  # when the first sample of the next block is heard, by the loop
        self._step = 0.0  # seconds from one sample of the card to the next
        self._blocks = 0
        self._tail = np.zeros((2 * TAPS, self.info.channels), np.float32)

    def add(self, samples: np.ndarray, captured: float, rate: int, now: float, *, silent: bool) -> None:
        """Take a block of NxC float32, the first of which was heard at `captured`, from a card of `rate`
        samples a second. Everything heard before a moment at which it was `silent` is silence.

        When each block really began is told by a delay-locked loop (F. Adriaensen, Using a DLL to filter
        time, 2005): times that programs are told jitter by milliseconds, the card's clock does not.
        """
        count = len(samples)
        if silent:
            self._silent_until = now
        if not count:
            return
        if self._due is None or abs(captured - self._due) > GAP:
            self._break_off()
            self._due, self._step = captured, 1 / rate
        begin, error = self._due, captured - self._due
        self._blocks += 1
        omega = 2 * math.pi * (FIRST_LOOP if self._blocks < FIRST else LOOP) * count / rate
        omega = min(omega, 0.5)
        self._due = begin + count * self._step + math.sqrt(2) * omega * error
        self._step += omega**2 * error / count
        self._step = min(max(self._step, (1 - OFF) / rate), (1 + OFF) / rate)
        step = (self._due - begin) / count
        source = np.concatenate([self._tail, _channels(samples, self.info.channels)])
        self._tail = source[-2 * TAPS :]
        # the last samples wait for the next block: resampling looks ahead
        first = max(self.heard, math.ceil((begin - TAPS * step) * self.info.rate))
        end = math.ceil((self._due - TAPS * step) * self.info.rate)
        if end <= first:
            return
        numbers = np.arange(first, end)
        block = _resampled(source, (numbers / self.info.rate - begin) / step + 2 * TAPS, self._kernels)
        block[numbers < self._silent_until * self.info.rate] = 0
        with self._lock:
            missing = min(first - self.heard, len(self._ring))
            self._put(first - missing, np.zeros((missing, self.info.channels), np.float32))
            self._put(first, block)
            self.heard = end

    def _put(self, first: int, block: np.ndarray) -> None:
        self._ring[np.arange(first, first + len(block)) % len(self._ring)] = block

    def read(self, first: int, count: int) -> np.ndarray:
        """The samples `first` and following, `count` x C float32; silence where there are none."""
        numbers = np.arange(first, first + count)
        with self._lock:
            block = self._ring[numbers % len(self._ring)]
            block[(numbers >= self.heard) | (numbers < self.heard - len(self._ring))] = 0
        return block


class SoundReader:
    """What a recording hears. One thread calls it.

    Sound is delayed as the picture is, which is painted first: by the median of what the last pictures took.
    """

    def __init__(self, ring: SoundRing, clock: Clock) -> None:
        self._ring, self._clock = ring, clock
        self._delays: deque[float] = deque(maxlen=PICTURES)
        self._captured: float | None = None
        self.restart()

    def restart(self) -> None:
        """The recording begins with the next frame."""
        self._begun: float | None = None
        self._given = self._at = 0

    def until(self, time: float, captured: float | None) -> np.ndarray | None:
        """What is to be recorded after what was given before, up to the frame that is put out at `time` and
        was captured at `captured` (None: it is a card): Nx`channels` float32. Sound that may still come is
        left for the next call, as are more than KEPT seconds: the camera that is recorded may have been away
        for hours. None where there is nothing."""
        rate, now = self._ring.info.rate, self._clock.now()
        if captured is not None and captured != self._captured:
            self._captured = captured
            self._delays.append(min(max(0.0, time - captured), KEPT / 2))
        if self._begun is None:
            self._begun, self._delay = time, self._latency()
            self._at = round((time - self._delay) * rate)
        there = max(self._ring.heard, round((now - LATE) * rate))
        count = min(round((time - self._begun) * rate) - self._given, there - self._at, round(KEPT * rate))
        fade = round(FADE * rate)
        if count < fade:
            return None
        block = self._ring.read(self._at, count)
        latency = self._latency()
        moved = self._at + round((self._delay - latency) * rate)
        if abs(latency - self._delay) > UNEQUAL and moved + count <= there:
            weight = np.linspace(0, 1, fade, dtype=np.float32)[:, None]
            other = self._ring.read(moved, count)
            other[:fade] = block[:fade] * (1 - weight) + other[:fade] * weight
            self._at, self._delay, block = moved, latency, other
        self._at += count
        self._given += count
        return block

    def _latency(self) -> float:
        return median(self._delays) if self._delays else 0.0


class Listener:
    """Keeps `ring` filled from `microphone`, which is opened again whenever it breaks off, until `halted`.
    `say` is told; `silent` tells whether nothing is to be heard now."""

    def __init__(
        self,
        microphone: Microphone,
        clock: Clock,
        halted: Switch,
        say: Callable[[str], None],
        silent: Callable[[], bool],
    ) -> None:
        self.ring = SoundRing(microphone.info)
        self.lost = False  # whether it broke off and is not back
        self._microphone = microphone
        self._clock, self._halted, self._say, self._silent = clock, halted, say, silent

    def listen(self) -> None:
        wait = BACK_OFF[0]
        while True:
            why = "it gives no more sound"
            try:
                for samples, captured in self._microphone:
                    if self._halted.on:
                        break
                    if self.lost:
                        self._say("the microphone is back")
                        self.lost, wait = False, BACK_OFF[0]
                    now, rate = self._clock.now(), self._microphone.info.rate
                    self.ring.add(samples, captured, rate, now, silent=self._silent())
            except BaseException as error:  # SystemExit too: a plugin's thread must not die unseen
                log.debug("the microphone broke off", exc_info=error)
                why = str(error) or type(error).__name__
            self.close()
            reopen = self._microphone.reopen
            if self._halted.on:
                return
            if not self.lost:
                self.lost = True
                until = " until it is back" if reopen else ""
                self._say(f"the microphone broke off: {why}; recordings are silent{until}")
            if not reopen:
                return
            while not self._reopened(reopen):
                if self._halted.wait(wait):
                    return
                wait = min(2 * wait, BACK_OFF[1])

    def _reopened(self, reopen: Callable[[], Microphone]) -> bool:
        try:
            microphone = reopen()
        except BaseException as error:
            log.debug("the microphone cannot be opened again", exc_info=error)
            return False
        microphone.reopen = microphone.reopen or reopen
        self._microphone = microphone
        return True

    def close(self) -> None:
        """From any thread; safe to call twice. A read that waits then ends."""
        try:
            self._microphone.close()
        except Exception:
            log.debug("the microphone cannot be closed", exc_info=True)


def _channels(samples: np.ndarray, wanted: int) -> np.ndarray:
    """`samples` with as many channels as are wanted: a microphone may come back with others."""
    samples = samples.astype(np.float32, copy=False).reshape(len(samples), -1)
    there = samples.shape[1]
    if there == wanted:
        return samples
    return np.repeat(samples.mean(axis=1, keepdims=True), wanted, axis=1)


def _kernels() -> np.ndarray:
    """Windowed sincs, PHASES + 1 x 2 * TAPS, for places from one sample to the next."""
    away = np.arange(1 - TAPS, TAPS + 1) - np.linspace(0, 1, PHASES + 1)[:, None]
    kernels = np.sinc(away) * np.cos(np.pi / 2 * away / (TAPS + 0.5)) ** 2
    return np.asarray(kernels / kernels.sum(axis=1, keepdims=True), np.float32)


def _resampled(source: np.ndarray, places: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """`source`, NxC, at `places` between its samples."""
    near = np.lib.stride_tricks.sliding_window_view(source, 2 * TAPS, axis=0)
    whole = np.floor(places).astype(np.int64)
    phase = np.rint((places - whole) * PHASES).astype(np.int64)
    near = near[np.clip(whole + 1 - TAPS, 0, len(near) - 1)]
    return np.asarray(np.einsum("nt,nct->nc", kernels[phase], near), np.float32)
