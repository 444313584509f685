"""When frames are put out: at a fixed rate, in step with a camera of nearly that rate."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

# how far, as a share of a tick, the interval may be bent, and how far the camera's may be from a multiple
BENT = 0.02
# which multiples and fractions are followed
MULTIPLES = 4
# pictures that are to be there before a rate can be told, and of which the latest ones' arrival counts
ENOUGH, ARRIVALS = 24, 16
# seconds before its tick that a picture may arrive
EARLY = 0.004
# units of `pts` in a tick
STEPS = 100
# the share of the distance that is made up for with each tick
GAIN = 0.1


class Ticker:
    """Ticks `1 / rate` seconds apart, from `begun` on. Where pictures come at nearly the same rate, at a
    multiple or a fraction of it, ticks drift by at most 2 per cent until pictures arrive just before theirs:
    none then waits, comes too late, or is shown for two ticks because two clocks disagree a little.

    `due`  the time of the tick
    """

    def __init__(self, rate: Fraction, begun: float) -> None:
        self.due = self._begun = begun
        self._period = 1 / float(rate)
        self._made: deque[float] = deque(maxlen=64)
        self._leads: deque[float] = deque(maxlen=ARRIVALS)

    def arrived(self, made: float) -> None:
        """The picture for this tick was ready at `made`."""
        self._made.append(made)
        self._leads.append(self.due - made)

    def advance(self, now: float) -> int:
        """On to the next tick, or to the latest that is not past. Returns how many went by unused."""
        due = self.due + self._period + self._bend()
        missed = max(0, int((now - due) / self._period))
        self.due = due + missed * self._period
        return missed

    @property
    def pts(self) -> int:
        """The time of the tick since `begun`, in units of `1 / rate / STEPS` seconds; it grows with each."""
        return round((self.due - self._begun) / self._period * STEPS)

    def _bend(self) -> float:
        ratio = self._ratio()
        times = max(ratio, 1 / ratio) if ratio > 0 else 0.0
        whole = round(times)
        if not (1 <= whole <= MULTIPLES and abs(times - whole) < BENT * whole):
            return 0.0
        lead = sorted(self._leads)[1]  # the one that was latest may be an accident
        away = -lead if lead < 0 else min(0.0, EARLY - lead)
        interval = ratio / whole if ratio > 0.75 else ratio * whole  # what the camera's makes of a tick
        change = self._period * max(-BENT, min(BENT, interval - 1 + GAIN * away / self._period))
        drift = change - self._period * (interval - 1)
        for index in range(len(self._leads)):  # what they would be with the next tick
            self._leads[index] += drift
        return change

    def _ratio(self) -> float:
        """Ticks a picture; 0 while there are too few to tell."""
        if len(self._made) < ENOUGH:
            return 0.0
        return (self._made[-1] - self._made[0]) / (len(self._made) - 1) / self._period
