from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from nstfilter.people.calm import Calm

SHAPE = (96, 160)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scene(seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (12, 20), np.uint8)
    return cv2.resize(small, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)


def person(left=50, width=50):
    mask = np.zeros(SHAPE, np.uint8)
    mask[20:, left : left + width] = 255
    return mask


def changes(masks):
    return np.mean([np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(masks)])


def test_a_mask_that_flickers_on_a_still_frame_is_calmed(rng):
    calm, given, got = Calm(), [], []
    for _ in range(12):
        given.append(np.clip(person() * 0.8 + rng.normal(25, 20, SHAPE), 0, 255).astype(np.uint8))
        got.append(calm(scene(), given[-1], 0.8))
    assert changes(got[4:]) < 0.4 * changes(given[4:])
    assert np.array_equal(got[0], given[0])


def test_who_comes_in_shows_within_three_frames():
    calm, empty = Calm(), scene()
    for _ in range(5):
        calm(empty, np.zeros(SHAPE, np.uint8), 0.8)
    inside = np.where(person() > 0, 255 - empty, empty)
    masks = [calm(inside, person(), 0.8) for _ in range(3)]
    assert masks[2][person() > 0].mean() > 240


def test_a_mask_that_changes_where_the_picture_does_not_blinks_little_and_shows_within_a_second():
    calm = Calm()
    for _ in range(10):
        calm(scene(), np.zeros(SHAPE, np.uint8), 0.8)
    masks = [calm(scene(), person(), 0.8) for _ in range(30)]
    assert masks[0][50, 70] < 40
    assert masks[29][50, 70] > 220


def test_a_first_mask_that_was_wrong_is_soon_forgotten():
    calm = Calm()
    masks = [calm(scene(), mask, 0.8) for mask in (person(0), person(), person(), person(), person())]
    assert masks[4][50, 20] < 60
    assert masks[4][50, 70] > 200


def test_the_mask_moves_with_what_it_lies_on():
    calm, wide = Calm(), cv2.resize(scene(3), (240, 96))
    for step in range(4):
        calm(np.ascontiguousarray(wide[:, 3 * step : 3 * step + 160]), person(60 - 3 * step), 0.8)
    # nothing is found any more: what is carried lies where the person has moved to
    carried = calm(np.ascontiguousarray(wide[:, 12:172]), np.zeros(SHAPE, np.uint8), 1.0)
    assert carried[50, 49] > 90
    assert carried[50, 100] < 40


def test_a_cut_starts_afresh():
    calm = Calm()
    calm(scene(1), person(), 1.0)
    assert np.array_equal(calm(255 - scene(1), person(10), 1.0), person(10))


def test_a_cut_from_dark_to_dark_starts_afresh():
    """Most of the picture is as black as before; what was a person in it is none."""
    calm, shots = Calm(), []
    for seed, left in ((1, 20), (2, 110)):
        shots.append(np.zeros(SHAPE, np.uint8))
        shots[-1][20:60, left : left + 30] = 60 + scene(seed)[20:60, left : left + 30] // 2
    for _ in range(5):
        calm(shots[0], person(0, 60), 0.8)
    assert np.array_equal(calm(shots[1], person(100), 0.8), person(100))


def test_an_edge_does_not_tremble_with_noise(rng):
    calm, sharp = Calm(), cv2.GaussianBlur(person(), (0, 0), 2)
    masks = []
    for _ in range(8):
        noisy = np.clip(scene() + rng.normal(0, 3, SHAPE), 0, 255).astype(np.uint8)
        masks.append(calm(noisy, sharp, 0.8))
    assert changes(masks) == 0


def test_another_size_and_a_reset_start_afresh():
    calm = Calm()
    calm(scene(), person(), 1.0)
    empty = np.zeros(SHAPE, np.uint8)
    assert not calm(scene()[:64, :96].copy(), empty[:64, :96].copy(), 1.0).any()
    calm(scene(), person(), 1.0)
    calm.reset()
    assert not calm(scene(), empty, 1.0).any()


def test_no_calm_is_the_mask_itself(rng):
    calm = Calm()
    for _ in range(3):
        mask = rng.integers(0, 256, SHAPE, np.uint8)
        assert np.array_equal(calm(scene(), mask, 0.0), mask)
