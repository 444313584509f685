from __future__ import annotations

import itertools
import random

import pytest

from nstfilter.live.governor import SIZES, Governor


class Machine:
    """Paints at a cost that grows with the size; `cost(size)` is in seconds."""

    def __init__(self, governor, cost, jitter=0.0):
        self.governor, self.cost, self.jitter = governor, cost, jitter
        self.random, self.now, self.sizes = random.Random(0), 0.0, []

    def run(self, seconds, rate=30):
        until = self.now + seconds
        while self.now < until:
            size = self.governor.size
            taken = self.cost(size) * (1 + self.jitter * self.random.uniform(-1, 1))
            self.now += max(taken, 1 / rate)
            self.sizes.append(self.governor.observe(taken, self.now))
        return self

    @property
    def changes(self):
        return [b for a, b in zip(self.sizes, self.sizes[1:], strict=False) if a != b]


def square(at_480):
    return lambda size: at_480 * (size / 480) ** 2


def with_a_base(at_480):
    return lambda size: 0.3 * at_480 + 0.7 * at_480 * (size / 480) ** 2


@pytest.mark.parametrize("cost", [square, with_a_base])
@pytest.mark.parametrize("at_480", [0.010, 0.025, 0.040, 0.070, 0.150])
def test_it_settles_on_about_the_largest_size_that_holds_the_rate(cost, at_480):
    machine = Machine(Governor(30, 160), cost(at_480), jitter=0.1).run(600)
    settled = machine.sizes[-3000:]
    assert len(set(settled)) == 1
    size = settled[0]
    assert machine.cost(size) <= 1 / 30 or size == SIZES[-1]
    if size != SIZES[0]:
        larger = SIZES[SIZES.index(size) - 1]
        assert machine.cost(larger) > 0.7 / 30
    assert len(machine.changes) <= 8


def test_it_goes_down_within_a_second_and_at_once_as_far_as_needed():
    machine = Machine(Governor(30, 160), square(0.1)).run(1.5)
    assert len(machine.changes) == 1
    assert machine.cost(machine.governor.size) <= 1 / 30


def test_it_goes_up_again_when_the_machine_is_free():
    machine = Machine(Governor(30, 160), square(0.1)).run(20)
    assert machine.governor.size < 300
    machine.cost = square(0.015)
    machine.run(200)
    assert machine.governor.size == 480


@pytest.mark.parametrize("threshold", [0.0255, 0.0265, 0.0275, 0.0317])
def test_it_never_oscillates(threshold):
    """A machine whose cost jumps between two sizes tempts it to try the larger again and again: each time it
    waits twice as long, so that an hour sees a few tries of ten seconds, and no more."""
    machine = Machine(Governor(30), lambda size: 0.020 if size <= 336 else threshold + 0.02).run(3600)
    assert len(machine.changes) <= 2 * 20
    quiet = machine.sizes[-8000:]
    assert sum(a != b for a, b in itertools.pairwise(quiet)) <= 2
    assert machine.sizes.count(336) > 0.94 * len(machine.sizes)


def test_a_hiccup_changes_nothing():
    machine = Machine(Governor(30), square(0.025)).run(10)
    for _ in range(3):
        machine.governor.observe(0.5, machine.now)
        machine.run(2)
    assert machine.changes == []


def test_the_first_frames_at_a_size_compile_and_do_not_count():
    governor = Governor(30)
    for now in range(2):
        governor.observe(2.0, float(now))
    for frame in range(60):
        assert governor.observe(0.025, 2 + frame / 30) == 480


def test_frames_that_were_not_painted_do_not_count():
    machine = Machine(Governor(30), square(0.1)).run(10)
    size = machine.governor.size
    for frame in range(900):
        assert machine.governor.observe(0.0002, machine.now + frame / 30) == size


def test_sizes_beyond_the_frames_own_are_one():
    governor = Governor(30)
    governor.limit(360)
    assert governor.sizes == [360, 336, 288]
    assert governor.size == 360
    governor.limit(360)
    assert governor.sizes[0] == 360
    governor.limit(100)
    assert governor.sizes == [288]  # such a frame is painted as it is
    assert Machine(governor, square(10.0)).run(100).governor.size == 288


def test_a_larger_frame_has_all_sizes_down_to_the_floor():
    governor = Governor(30, floor=200)
    governor.limit(720)
    assert governor.sizes == [480, 432, 384, 336, 288, 240, 200]


@pytest.mark.parametrize(("share", "stays"), [(0.93, True), (0.97, False)])
def test_a_frame_may_take_nearly_its_time_and_no_more(share, stays):
    """A little over budget is over: new pictures would be late for good."""
    machine = Machine(Governor(30), lambda size: share / 30 * (size / 480)).run(30)
    assert (machine.sizes[-1] == 480) == stays


def test_below_the_floor_pictures_come_less_often_and_no_smaller():
    machine = Machine(Governor(30), square(0.4)).run(120)
    assert set(machine.sizes[-200:]) == {288}


@pytest.mark.parametrize("seed", range(5))
def test_on_a_loaded_machine_changes_are_at_least_ten_seconds_apart(seed):
    """Another program takes half of the machine now and then; only the first choice may be quicker."""
    governor = Governor(30)
    busy, now, changes = random.Random(seed), 0.0, []
    load, until = 1.0, 0.0
    while now < 300:
        if now > until:
            load, until = busy.choice([1.0, 1.3, 2.0]), now + busy.uniform(0.5, 6)
        before = governor.size
        taken = 0.03 * (before / 480) ** 1.7 * load * busy.uniform(0.8, 1.3)
        now += max(taken, 1 / 30)
        if governor.observe(taken, now) != before:
            changes.append(now)
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(changes))


def test_under_a_steady_load_it_settles():
    machine = Machine(Governor(30), square(0.047), jitter=0.3).run(120)
    assert len(machine.changes) <= 3


def test_it_says_when_time_is_short():
    governor = Governor(30)
    assert not governor.short
    now = 0.0
    for _ in range(30):
        now += 1 / 30
        governor.observe(0.05, now)
    assert governor.short
