from __future__ import annotations

import itertools
import threading
from functools import partial

import cv2
import numpy as np
import pytest

from nstfilter.errors import UsageError
from nstfilter.filter import StyleFilter
from nstfilter.stability import FADE, Stabilizer
from nstfilter.testing import FakeModel

HEIGHT, WIDTH = 120, 160


def scene(seed, shift=0):
    """A soft random picture, moved to the right by `shift` pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH + 40, 3), np.uint8)
    soft = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 5), None, 0, 255, cv2.NORM_MINMAX)
    return np.ascontiguousarray(soft[:, 20 - shift : 20 - shift + WIDTH])


def strokes(frame, seed):
    """A painting that flickers: the frame under strokes that are new in every frame."""
    noise = np.random.default_rng(seed).normal(0, 25, frame.shape)
    return np.clip(frame + cv2.GaussianBlur(noise, (0, 0), 1.5) * 5, 0, 255).astype(np.uint8)


def change(one, other):
    return float(np.abs(one.astype(int) - other)[20:-20, 20:-20].mean())


def run(stability, frames):
    calm = Stabilizer()
    return [calm(frame, partial(strokes, frame, index), stability) for index, frame in enumerate(frames)]


def test_more_stability_is_calmer():
    frames = [scene(1)] * 6
    changes = [
        change(painted[-2], painted[-1]) for painted in (run(dial, frames) for dial in (0, 0.4, 0.7, 1))
    ]
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 0.4 * changes[0]


def test_without_stability_frames_are_as_the_model_painted_them():
    frames = [scene(1)] * 3
    for index, painted in enumerate(run(0, frames)):
        assert np.array_equal(painted, strokes(frames[index], index))


def test_paint_moves_with_the_picture():
    frames = [scene(1, shift) for shift in range(0, 12, 2)]
    painted = run(1, frames)
    moved = np.roll(painted[-2], 2, axis=1)
    assert change(moved, painted[-1]) < 0.5 * change(painted[-2], painted[-1])


def test_a_cut_starts_afresh():
    frames = [scene(1)] * 4 + [scene(2)]
    painted = run(1, frames)
    assert change(painted[-1], strokes(frames[-1], 4)) < 6


def test_nothing_drifts():
    """After many frames the mean color is still that of the model's own painting."""
    frames = [scene(1, shift % 7) for shift in range(40)]
    painted = run(1, frames)
    assert abs(painted[-1].mean() - strokes(frames[-1], 39).mean()) < 3


def test_contrast_is_kept():
    """Mixing strokes that are new in every frame takes 0.3 of their contrast when it is not given back."""
    frames = [scene(1)] * 10
    sharpness = [
        np.abs(cv2.Laplacian(run(dial, frames)[-1], cv2.CV_32F)[20:-20, 20:-20]).mean() for dial in (0, 1)
    ]
    assert sharpness[1] > 0.85 * sharpness[0]


def test_a_cut_leaves_nothing_behind():
    """Also not where a part of the picture, such as a channel's logo, is the same on both sides of it."""
    after = scene(2)
    after[:, :30] = scene(1)[:, :30]
    painted = run(1, [scene(1)] * 4 + [after])
    assert np.array_equal(painted[-1], strokes(after, 4))


def test_a_painting_that_changes_is_not_held_up():
    """Such as when the style changes: the input alone would not tell."""
    calm, frame = Stabilizer(), scene(1)
    dark, bright = frame // 4, 255 - frame // 4
    half = dark.copy()
    half[:, WIDTH // 2 :] = bright[:, WIDTH // 2 :]
    for painted in (dark, dark, half):
        result = calm(frame, painted.copy, 1)
    assert change(result[:, : WIDTH // 2], half[:, : WIDTH // 2]) < 1
    assert change(result[:, WIDTH // 2 :], half[:, WIDTH // 2 :]) < 3


def test_while_the_style_changes_less_is_carried():
    frame, styles = scene(1), [np.float32([number]) for number in range(2)]
    before, after = strokes(frame, 4), strokes(frame, 5)

    def shown(*painted_with):
        calm = Stabilizer()
        for painted, style in zip((before, before, after), painted_with, strict=True):
            result = calm(frame, painted.copy, 0.8, style)
        return change(result, after)

    same = shown(styles[0], styles[0], styles[0])
    assert 0 < shown(styles[0], styles[0], styles[1]) < 0.7 * same
    assert shown(styles[0], styles[1], styles[1].copy()) == same  # the change is over


def test_what_goes_wrong_beside_the_painting_is_raised(monkeypatch):
    calm, frame = Stabilizer(), scene(1)
    calm(frame, frame.copy, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Stabilizer, "_carry", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            calm(frame, frame.copy, 1)
    with pytest.raises(KeyError):
        calm(frame, lambda: {}["painting"], 1)
    assert calm(frame, frame.copy, 1).shape == frame.shape


def test_one_thread_serves_all():
    for _ in range(3):
        run(1, [scene(1)] * 3)
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("stability")]) == 1


def test_another_picture_of_another_size_is_a_cut_and_a_reset_another_stream():
    calm = Stabilizer()
    calm(scene(1), partial(strokes, scene(1), 1), 1)
    small = scene(1)[:60]
    assert np.array_equal(calm(small, partial(strokes, small, 2), 1), strokes(small, 2))
    calm.reset()
    assert np.array_equal(calm(small, partial(strokes, small, 3), 1), strokes(small, 3))


@pytest.mark.parametrize("stability", [0.3, 0.8])
@pytest.mark.parametrize("scale", [0.6, 1.5])
def test_another_size_of_the_same_picture_fades_in_evenly(stability, scale):
    """As when the governor changes the network's size: the painting there is another, by 20 gray levels on
    average, and no step from one frame to the next may be seen."""
    one, calm = scene(1), Stabilizer()
    other = cv2.resize(one, None, fx=scale, fy=scale)
    old, new = cv2.convertScaleAbs(one, alpha=0.7), cv2.convertScaleAbs(other, alpha=0.9)
    for _ in range(3):
        shown = [calm(one, old.copy, stability)]
    for _ in range(2 * FADE):
        painted = calm(other, new.copy, stability)
        shown.append(cv2.resize(painted, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    steps = [change(before, after) for before, after in itertools.pairwise(shown)]
    assert change(shown[0], shown[-1]) > 18
    assert max(steps) < 3
    assert np.abs(painted.astype(int) - new).max() <= 2


class Sized(FakeModel):
    """Paints brighter where the network works at a larger size, by a third of its height."""

    def stylize(self, frame, embedding, *, out=None):
        return cv2.add(super().stylize(frame, embedding), np.full(3, frame.shape[0] // 3, float))


@pytest.mark.parametrize("stability", [0.0, 0.8])
@pytest.mark.parametrize(("before", "after"), [(112, 64), (64, 112)])
def test_a_still_picture_changes_evenly_when_the_size_does(stability, before, after):
    still = scene(1)
    paint = StyleFilter(scene(9), model=Sized(), stability=stability, size=before)
    shown = [paint(still) for _ in range(4)][-1:]
    paint.size = after
    shown += [paint(still) for _ in range(2 * FADE)]
    steps = [change(one, two) for one, two in itertools.pairwise(shown)]
    assert change(shown[0], shown[-1]) > 10
    assert max(steps) < 2 * change(shown[0], shown[-1]) / FADE
    alone = StyleFilter(scene(9), model=Sized(), stability=0.0, size=after)(still)
    assert change(shown[-1], alone) < (0.01 if stability == 0 else 3)


def test_where_the_picture_moves_the_new_size_is_seen_at_once():
    still = scene(1)
    moved = still.copy()
    moved[:, WIDTH // 2 :] = 255 - moved[:, WIDTH // 2 :]
    paint = StyleFilter(scene(9), model=Sized(), stability=0.0, size=112)
    last = paint(still)
    paint.size = 64
    paint(still)
    shown = paint(moved)
    alone = StyleFilter(scene(9), model=Sized(), stability=0.0, size=64)(moved)
    left, right = np.s_[:, : WIDTH // 3], np.s_[:, 2 * WIDTH // 3 :]
    assert change(shown[left], last[left]) < 4
    assert change(shown[right], alone[right]) < 2


def test_another_stream_of_another_size_does_not_fade():
    paint = StyleFilter(scene(9), model=Sized(), stability=0.0, size=112)
    paint(scene(1))
    paint.reset()
    paint.size = 64
    alone = StyleFilter(scene(9), model=Sized(), stability=0.0, size=64)(scene(2))
    assert np.array_equal(paint(scene(2)), alone)


def test_the_filter_fades_between_sizes_and_starts_afresh_with_another_frame():
    paint = StyleFilter(scene(9), model=FakeModel(), stability=0.8)
    last = paint(scene(1))
    paint.size = 64
    steps = [last, *(paint(scene(1)) for _ in range(2 * FADE))]
    assert max(change(one, two) for one, two in itertools.pairwise(steps)) < 3
    resets = []
    paint.reset = lambda: resets.append(1)
    paint(np.ascontiguousarray(scene(1)[:100]))
    paint(np.ascontiguousarray(scene(1)[:100]))
    assert len(resets) == 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (17, 31), (33, 47)])
def test_tiny_and_odd_sizes(shape):
    calm = Stabilizer()
    for seed in range(3):
        frame = np.ascontiguousarray(np.resize(scene(1), (*shape, 3)))
        assert calm(frame, partial(strokes, frame, seed), 1).shape == frame.shape


def test_the_filter_has_the_dial():
    paint = StyleFilter(scene(9), model=FakeModel(), stability=0.9)
    assert paint(scene(1)).shape == (HEIGHT, WIDTH, 3)
    paint.reset()
    with pytest.raises(UsageError, match="expected a number from 0 to 1"):
        paint.stability = 2


def test_what_becomes_of_a_result_does_not_reach_the_next_frame():
    kept, drawn = (StyleFilter(scene(9), model=FakeModel(), stability=1) for _ in range(2))
    for shift in range(4):
        expected, result = kept(scene(1, shift)), drawn(scene(1, shift))
        assert np.array_equal(expected, result)
        result[:] = 0
