"""How a live run is doing, in numbers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

# what "lately" means: so many latencies, and for rates so many seconds, but after so many a guess is made
RECENT, LATELY, LEAST = 150, 2.0, 0.5


@dataclass(frozen=True, slots=True)
class SinkStats:
    """How one sink of a live run is doing.

    `state`     opening, open, stuck (a write, or opening it again, has not come back for two seconds), lost
                (failed, and tried again), closing, closed, or failed (not tried again)
    `written`   frames it took, repeated ones too
    `dropped`   frames it was too slow for or that came while it was lost: `written` and `dropped` together
                are what it was offered
    `retries`   how often it was opened again
    `rate`      frames it took a second
    `p50`, `p95`  latency in seconds, from a picture's capture to the end of its first write; None before
    """

    name: str
    state: str
    written: int
    dropped: int
    retries: int
    p50: float | None
    p95: float | None
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """How a live run is doing: lately while it runs, over the whole run once it is over.

    `seconds`   since its first picture was put out, until it was to end
    `rate`      new pictures put out a second
    `latency`   median and 95th percentile, in seconds, from capture to the end of each sink's write; None
                before the first
    `size`      the shorter side the network works at; None where the filter does not say
    `captured`  frames the source gave: each was `shown` or `dropped`, but for the few still under way
    `painted`   frames that went through the filter
    `dropped`   frames never shown, because a newer one was there first or the filter failed on them
    `ticks`     frames put out, at the run's fixed rate: `shown` new pictures and `repeated` ones or cards
    `camera`    frames the source gave a second
    `skipped`   moments of the fixed rate that went by without a frame: the machine was too busy
    """

    seconds: float
    rate: float
    latency: tuple[float, float] | None
    size: int | None
    captured: int
    painted: int
    shown: int
    dropped: int
    ticks: int
    repeated: int
    skipped: int
    sinks: tuple[SinkStats, ...]
    camera: float = 0.0


class Latencies:
    """The latest few latencies as they are, and all of them by the millisecond: a long run takes no more
    memory than a short one."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.all: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.recent.append(seconds)
        self.all[round(seconds * 1000)] += 1


class Rate:
    """How often something happens: `count` in all, and how often a second lately. One thread counts."""

    def __init__(self) -> None:
        self.count = 0
        self._at: deque[float] = deque(maxlen=1000)

    def add(self, now: float) -> None:
        self.count += 1
        self._at.append(now)

    def lately(self, now: float) -> float:
        """A second, by the intervals of the last LATELY seconds; 0 before there are some to go by."""
        recent = [at for at in self._at.copy() if now - at <= LATELY]
        if len(recent) < 3 or now - recent[0] < LEAST:
            return 0.0
        # up to now where it has stopped
        span = max(recent[-1] - recent[0], (now - recent[0]) * (len(recent) - 1) / len(recent))
        return (len(recent) - 1) / span

    def per_second(self, now: float, begun: float | None, *, lately: bool) -> float:
        """A second, lately or since `begun`."""
        if lately:
            return self.lately(now)
        return self.count / (now - begun) if begun is not None and now > begun else 0.0


def percentiles(latencies: list[Latencies], *, lately: bool) -> tuple[float, float] | None:
    """The median and the 95th percentile of several latencies taken together, in seconds."""
    counts: Counter[float] = Counter()
    for one in latencies:
        if lately:
            counts.update(list(one.recent))
        else:
            counts.update({ms / 1000: count for ms, count in one.all.copy().items()})
    if not counts:
        return None
    return _percentile(counts, 0.5), _percentile(counts, 0.95)


def _percentile(counts: Counter[float], part: float) -> float:
    left = part * counts.total()
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            break
    return value


class Counters:
    """What a run counts. Each number is written by one thread only."""

    def __init__(self) -> None:
        self.painted = self.failed = self.ticks = self.skipped = 0
        self.captures, self.shows = Rate(), Rate()
        self.begun: float | None = None
        self.ended: float | None = None

    def figures(
        self,
        now: float,
        sinks: Iterable[SinkStats],
        latencies: list[Latencies],
        *,
        dropped: int,
        size: int | None,
        lately: bool,
    ) -> Figures:
        """`dropped` are the frames that were replaced by newer ones."""
        now = now if self.ended is None else self.ended
        seconds = 0.0 if self.begun is None else now - self.begun
        return Figures(
            seconds=seconds,
            rate=self.shows.per_second(now, self.begun, lately=lately),
            latency=percentiles(latencies, lately=lately),
            size=size,
            captured=self.captures.count,
            painted=self.painted,
            shown=self.shows.count,
            dropped=dropped + self.failed,
            ticks=self.ticks,
            repeated=self.ticks - self.shows.count,
            skipped=self.skipped,
            sinks=tuple(sinks),
            camera=self.captures.per_second(now, self.begun, lately=lately),
        )
