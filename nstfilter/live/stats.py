"""How a live run is doing, in numbers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

# what "lately" means: so many latencies, and for the rate so many seconds
RECENT, LATELY = 150, 2.0


@dataclass(frozen=True, slots=True)
class SinkStats:
    """How one sink of a live run is doing.

    `state`     opening, open, stuck (a write has not come back for two seconds), lost (failed, and tried
                again), closed, or failed (not tried again)
    `written`   frames it took, repeated ones too
    `dropped`   frames it was too slow for or that came while it was lost: `written` and `dropped` together
                are what it was offered
    `retries`   how often it was opened again
    `p50`, `p95`  latency in seconds, from a picture's capture to the end of its first write; None before
    """

    name: str
    state: str
    written: int
    dropped: int
    retries: int
    p50: float | None
    p95: float | None


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


class Latencies:
    """The latest few latencies as they are, and all of them by the millisecond: a long run takes no more
    memory than a short one."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.all: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.recent.append(seconds)
        self.all[round(seconds * 1000)] += 1


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
        self.captured = self.painted = self.failed = self.shown = self.ticks = self.skipped = 0
        self.begun: float | None = None
        self.ended: float | None = None
        self._shown_at: deque[float] = deque(maxlen=1000)

    def show(self, now: float) -> None:
        self.shown += 1
        self._shown_at.append(now)

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
        shown, span = self.shown, seconds
        if lately and seconds > LATELY:
            shown, span = sum(now - at <= LATELY for at in self._shown_at.copy()), LATELY
        return Figures(
            seconds=seconds,
            rate=shown / span if span else 0.0,
            latency=percentiles(latencies, lately=lately),
            size=size,
            captured=self.captured,
            painted=self.painted,
            shown=self.shown,
            dropped=dropped + self.failed,
            ticks=self.ticks,
            repeated=self.ticks - self.shown,
            skipped=self.skipped,
            sinks=tuple(sinks),
        )
