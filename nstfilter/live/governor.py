"""Holds the wanted frame rate by changing the size that the network works at, seldom and in steps."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from statistics import median

from nstfilter.parameters import PARAMETERS

SIZES = (480, 432, 384, 336, 288, 240, 192, 160)
# a frame may take so much of a frame's time; a larger size is tried when it is expected to take so much.
# Between the two nothing is changed
BUDGET, ROOM = 0.95, 0.8
# what takes less was not painted: the plain picture
NOTHING = 0.05
# the first frames at a new size do not count, for caches are cold; then so many are needed, and so many count
WARM_UP, ENOUGH, LATEST = 2, 10, 120
# seconds between two changes, but for the very first: each is seen
INTERVAL = 10.0
# seconds of calm before a larger size is tried; doubled for each size that proved too much, up to the second
CALM = (10.0, 600.0)


class Governor:
    """Chooses the size for each next frame from the times of those before.

    `rate` is the wanted number of frames a second. `sizes` are the shorter sides to choose from, in pixels,
    largest first: those of SIZES down to `floor`. On a machine too slow for the last of them new pictures
    come less often. A frame's cost is taken to grow with the size to the power of 1.5: the network's does
    with the square, but what is done at the frame's own size stays.

    It goes down when the median of the last frames is over budget, at once as far as needed; up, one step at
    a time, only after a calm while. A size that proved too much is left alone for twice as long as before: on
    an unchanging machine it settles.
    """

    def __init__(self, rate: float | Fraction, floor: int = PARAMETERS["floor"].default) -> None:
        self.frame_time = 1 / float(rate)
        self.sizes = [*(size for size in SIZES if size > floor), floor]
        self.size = self.sizes[0]
        self._calm: dict[int, float] = {}
        self._since, self._seen, self._changed = 0.0, 0, False
        self._times: deque[float] = deque(maxlen=LATEST)

    def limit(self, side: int) -> None:
        """Frames have a shorter side of `side` pixels: larger sizes would all be the same."""
        smaller = [size for size in self.sizes if size < side]
        if len(smaller) < len(self.sizes):
            self.sizes = [side, *smaller] if smaller else self.sizes[-1:]
        self.size = min(self.size, self.sizes[0])

    @property
    def short(self) -> bool:
        """Whether the largest size takes too long."""
        return self.size < self.sizes[0]

    def observe(self, seconds: float, now: float) -> int:
        """The size for the next frame; the last one took `seconds`, and it is `now` (seconds, any origin)."""
        if seconds < NOTHING * self.frame_time:
            return self.size
        self._seen += 1
        if self._seen <= WARM_UP:
            self._since = now
            return self.size
        self._times.append(seconds)
        if len(self._times) < ENOUGH or (self._changed and now - self._since < INTERVAL):
            return self.size
        cost = median(self._times)
        at = self.sizes.index(self.size)
        if cost > BUDGET * self.frame_time:
            self._calm[self.size] = min(2 * self._calm.get(self.size, CALM[0]), CALM[1])
            smaller = self.sizes[at + 1 :] or self.sizes[-1:]
            fitting = [size for size in smaller if self._expected(cost, size) <= ROOM * self.frame_time]
            self._change(fitting[0] if fitting else smaller[-1], now)
        elif at > 0:
            larger = self.sizes[at - 1]
            calm = now - self._since >= self._calm.get(larger, CALM[0])
            if calm and self._expected(cost, larger) <= ROOM * self.frame_time:
                self._change(larger, now)
        return self.size

    def _expected(self, cost: float, size: int) -> float:
        return cost * (size / self.size) ** 1.5

    def _change(self, size: int, now: float) -> None:
        if size != self.size:
            self.size, self._changed = size, True
            self._since, self._seen = now, 0
            self._times.clear()
