"""Ticks against cameras whose clocks go a little differently."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from nstfilter.live.ticker import BENT, STEPS, Ticker


def ticked(rate, camera, seconds=60, jitter=0.0, phase=0.013):
    """Times of the ticks, their numbers, and which picture of a camera of `camera` a second each showed; as
    in `Live`, a tick whose picture is not there yet waits for it for half a tick."""
    generator = random.Random(0)
    ready = [phase + n / camera + generator.uniform(0, jitter) for n in range(int(seconds * camera))]
    ticker = Ticker(Fraction(rate), 0.0)
    times, numbers, shown, at = [], [], [], -1
    while ticker.due < seconds - 1:
        now, latest = ticker.due, at
        if ready[at + 1] <= ticker.due + 0.5 / rate:
            now = max(now, ready[at + 1])
            while ready[at + 1] <= now:
                at += 1
        if at != latest:
            ticker.arrived(ready[at])
        times.append(now)
        numbers.append(ticker.pts / STEPS)
        shown.append(at)
        ticker.advance(now)
    return np.array(times), np.array(numbers), np.array(shown)


@pytest.mark.parametrize("camera", [30.0, 29.97, 30.03, 29.7, 30.2])
@pytest.mark.parametrize("phase", [0.0, 0.009, 0.02, 0.03])
def test_ticks_follow_a_camera_of_nearly_their_rate(camera, phase):
    times, numbers, shown = ticked(30, camera, phase=phase, jitter=0.002)
    settled = len(times) // 3
    assert np.ptp(np.diff(times[settled:])) < 0.003
    assert set(np.diff(shown[settled:])) == {1}, "each picture is shown once"
    assert np.abs(numbers / 30 - times)[settled:].max() < 0.003, "pts stays the time"
    assert (np.diff(numbers) > 0).all()


@pytest.mark.parametrize("camera", [15.0, 60.0, 59.94, 10.01])
def test_ticks_follow_multiples_and_fractions(camera):
    times, _, shown = ticked(30, camera, jitter=0.002)
    settled = len(times) // 2
    assert np.ptp(np.diff(times[settled:])) < 0.003
    if camera > 30:
        assert (np.diff(shown[settled:]) == 2).mean() > 0.9
    else:
        assert len(set(np.diff(shown[settled:]))) == 2


@pytest.mark.parametrize("camera", [25.0, 24.0, 20.0])
def test_other_rates_leave_the_ticks_as_they_are(camera):
    times, numbers, _ = ticked(30, camera)
    assert np.abs(numbers / 30 - times).max() < 0.5 / 30 + 1e-6
    assert len(times) == pytest.approx(59 * 30, abs=2)


def test_the_interval_is_bent_by_little():
    times, _, _ = ticked(30, 30.0, phase=0.02)
    assert np.abs(np.diff(times[40:]) * 30 - 1).max() <= BENT + 1e-6


def test_what_was_missed_is_told_and_the_latest_tick_is_next():
    ticker = Ticker(Fraction(10), 5.0)
    assert ticker.advance(5.02) == 0
    assert (ticker.due, ticker.pts) == (pytest.approx(5.1), STEPS)
    assert ticker.advance(5.47) == 2
    assert (ticker.due, ticker.pts) == (pytest.approx(5.4), 4 * STEPS)
