from __future__ import annotations

import pytest

from nstfilter.live.stats import RECENT, Counters, Latencies, Rate, percentiles


def test_the_percentiles_are_those_of_all_latencies_taken_together():
    one, other = Latencies(), Latencies()
    for ms in range(1, 81):
        one.add(ms / 1000)
    for ms in range(81, 101):
        other.add(ms / 1000)
    for lately in (True, False):
        assert percentiles([one, other], lately=lately) == pytest.approx((0.050, 0.095))
    assert percentiles([Latencies()], lately=True) is None


def test_lately_forgets_and_the_whole_run_does_not_grow():
    latencies = Latencies()
    for _ in range(10_000):
        latencies.add(0.5)
    for _ in range(RECENT):
        latencies.add(0.010)
    assert percentiles([latencies], lately=True) == (0.010, 0.010)
    assert percentiles([latencies], lately=False) == (0.5, 0.5)
    assert len(latencies.all) == 2


def count(tally, now, *, lately=True):
    return tally.figures(now, [], [], dropped=2, size=240, lately=lately)


def test_the_rate_is_that_of_the_last_two_seconds_or_of_the_whole_run():
    tally = Counters()
    assert count(tally, 5.0).rate == 0
    tally.begun = 5.0
    for frame in range(100):
        tally.shows.add(5.0 + frame / 10)
    for frame in range(60):
        tally.shows.add(15.0 + frame / 30)
    assert count(tally, 17.0).rate == pytest.approx(30, abs=0.5)
    assert count(tally, 17.0, lately=False).rate == pytest.approx(160 / 12)


def test_what_failed_is_dropped_and_what_is_not_new_is_repeated():
    tally = Counters()
    tally.failed, tally.ticks = 3, 30
    tally.captures.count = 20
    for _ in range(15):
        tally.shows.add(1.0)
    figures = count(tally, 2.0)
    assert (figures.dropped, figures.repeated, figures.shown, figures.size) == (5, 15, 15, 240)


def test_a_rate_is_told_once_there_is_something_to_go_by():
    """The first two frames lie microseconds apart, and do not make 44579 a second."""
    rate = Rate()
    for at in (5.0, 5.00002, 5.00005):
        rate.add(at)
        assert rate.lately(at) == 0
    for frame in range(60):
        rate.add(6 + frame / 30)
    assert rate.lately(8) == pytest.approx(30, rel=0.02)
    assert rate.lately(9) == pytest.approx(15, rel=0.1)
    assert rate.lately(12) == 0
