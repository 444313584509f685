"""Refining: the losses fall, sizes stay, and what is too large is said in one line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nstfilter.errors import ModelError, UsageError
from nstfilter.models import perceptual, refining
from nstfilter.models.pocket import PocketModel
from nstfilter.models.refining import RefiningModel
from nstfilter.models.tensorflow import tf
from nstfilter.packs.reading import find_style, read_picture

pytestmark = pytest.mark.slow

PHOTO = np.kron(np.random.default_rng(0).integers(0, 256, (9, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
PICTURE = read_picture(find_style("mosaic"))


@pytest.fixture(scope="module")
def model() -> Iterator[RefiningModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceptual, "STYLE_SIZE", 128)
        tf.config.run_functions_eagerly(True)  # tracing a graph takes longer than these few steps
        yield RefiningModel([(PICTURE, 1.0)], steps=5, threads=1)
        tf.config.run_functions_eagerly(False)


def test_a_painting_comes_nearer_to_its_style(model) -> None:
    z, steps = model.embed(PICTURE), []
    model.on_step = steps.append
    out = np.empty_like(PHOTO)
    assert model.stylize(PHOTO, z, out=out) is out
    painted = PocketModel(threads=1).stylize(PHOTO, z)
    assert 2 < np.abs(out.astype(float) - painted).mean() < 30
    before, after = model.refined.style
    assert after < 0.95 * before
    assert steps == list(range(1, 6))


@pytest.mark.parametrize("shape", [(1, 1, 3), (50, 131, 3)])
def test_sizes_that_the_eye_does_not_take_are_as_good(model, shape, monkeypatch) -> None:
    monkeypatch.setattr(refining, "LARGEST", 5000)  # the second is refined at a smaller size
    monkeypatch.setattr(model, "steps", 1)
    frame = np.full(shape, 90, np.uint8)
    assert model.stylize(frame, model.embed(PICTURE)).shape == shape


def test_a_mix_is_refined_towards_all_of_its_styles(model) -> None:
    other = read_picture(find_style("wave"))
    mixed = RefiningModel([(PICTURE, 0.25), (other, 0.75)], steps=1)
    alone = RefiningModel([(other, 1.0)], steps=1)
    for one, two, both in zip(model._wanted, alone._wanted, mixed._wanted, strict=True):
        np.testing.assert_allclose(0.25 * one + 0.75 * two, both, rtol=1e-5)


def test_what_cannot_be_refined_is_refused(model) -> None:
    z = model.embed(PICTURE)
    with pytest.raises(ModelError, match="--size of at most"):
        model.stylize(PHOTO, z, statistics=model.measure(PHOTO[None], z))
    with pytest.raises(UsageError, match="from 1 to 10000"):
        RefiningModel([(PICTURE, 1.0)], steps=0)
