"""A lesson: the loss falls, what is learned survives an interruption, and the dials do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from nstfilter.errors import ModelError, UsageError
from nstfilter.models import lesson, perceptual, taught
from nstfilter.models.lesson import Dials, Lesson
from nstfilter.models.pocket import WEIGHTS, PocketModel, load
from nstfilter.packs.reading import find_style, read_picture

pytestmark = pytest.mark.slow

CONTENT = np.kron(np.random.default_rng(0).integers(0, 256, (30, 40, 3)), np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> PocketModel:
    return PocketModel(precision="f32", threads=1)


@pytest.fixture
def begin(model, monkeypatch):
    monkeypatch.setattr(lesson, "CROP", 96)
    monkeypatch.setattr(lesson, "BATCH", 1)
    monkeypatch.setattr(perceptual, "STYLE_SIZE", 256)
    picture = read_picture(find_style("mosaic"))

    def begin(**options) -> Lesson:
        settings = {"dials": Dials(stroke=0.5), "seconds": 1000.0, "threads": 1} | options
        return Lesson(load(WEIGHTS), model.embed(picture), picture, [CONTENT], **settings)

    return begin


def test_it_begins_where_the_style_is_untaught_and_its_loss_falls(begin, model) -> None:
    pupil = begin()
    pupil._update = pupil._update_eagerly  # tracing a graph takes longer than all these steps
    z = model.embed(read_picture(find_style("mosaic")))
    np.testing.assert_allclose(pupil.vector, taught.base(load(WEIGHTS), z), rtol=1e-5, atol=1e-7)
    losses = [pupil.step() for _ in range(12)]
    assert np.mean(losses[-3:]) < 0.95 * losses[0]
    assert pupil.steps == 12
    assert 0 < pupil.spent < 1000
    assert not pupil.done
    pupil._seconds = pupil.spent
    assert pupil.done
    assert np.abs(model.stylize(CONTENT, pupil.vector).astype(int) - model.stylize(CONTENT, z)).mean() > 1


def test_colors_that_the_style_lacks_are_part_of_the_loss(begin) -> None:
    pupil = begin()
    frames = CONTENT[None, :96, :96]
    near = float(pupil._loss(frames))
    pupil._colors = np.full_like(pupil._colors, -1)  # as far from everything as can be
    assert float(pupil._loss(frames)) > near + lesson.PALETTE


def test_a_loss_that_is_no_number_ends_it(begin) -> None:
    pupil = begin()
    pupil._update = lambda batch, rate: np.float32("nan")
    with pytest.raises(ModelError, match=r"went astray at step 1: .* without --overwrite it goes on"):
        pupil.step()


@pytest.mark.slow
def test_it_goes_on_where_it_was_interrupted(begin) -> None:
    first = begin()
    for _ in range(3):
        first.step()
    again = begin(progress=first.progress)
    assert again.steps == 3
    np.testing.assert_allclose(again.vector, first.vector, rtol=1e-6, atol=1e-8)
    for name in ("first", "second"):
        np.testing.assert_array_equal(getattr(again.progress, name), getattr(first.progress, name))
    again.step()
    moved = np.abs(again.vector - first.vector).max()
    assert 0 < moved < 0.05  # a step, and no leap: the moments are those of before


def test_dials_out_of_range_are_refused() -> None:
    for wrong in ({"stroke": 3}, {"stroke": 0.1}, {"content": -0.1}, {"content": 1.5}):
        with pytest.raises(UsageError, match="expected a number from"):
            Dials(**wrong)
    assert Dials(content=1).content_weight == pytest.approx(64 * Dials(content=0).content_weight)


def test_without_a_picture_there_is_nothing_to_practice_on(model) -> None:
    with pytest.raises(UsageError, match="no picture"):
        Lesson(load(WEIGHTS), model.embed(CONTENT), CONTENT, [], dials=Dials(), seconds=1)
