"""Tiling, with a model that sees a neighborhood and normalizes, as real ones do."""

from __future__ import annotations

import cv2
import numpy as np

from nstfilter.models import tiles
from nstfilter.testing import FakeModel


class Normalizing(FakeModel):
    """Subtracts the mean it was given, or the frame's own, blurs, and sees cells of 4x4 pixels."""

    def __init__(self):
        super().__init__()
        self.shapes = set()

    def measure(self, patches, embedding):
        return patches.mean()

    def stylize(self, frame, embedding, *, out=None, statistics=None):
        self.shapes.add(frame.shape)
        mean = frame.mean() if statistics is None else statistics
        blurred = cv2.GaussianBlur(frame, (0, 0), 4).astype(np.float32)
        rows, columns = (np.arange(side) % 4 for side in frame.shape[:2])
        cells = (4 * rows[:, None] + columns)[..., None]
        return np.clip(np.rint(blurred - mean + 110 + cells), 0, 255).astype(np.uint8)


def gradient(height, width):
    across = np.linspace(0, 255, width, dtype=np.float32)
    down = np.linspace(0, 255, height, dtype=np.float32)[:, None]
    noise = np.random.default_rng(5).normal(0, 20, (height, width)).astype(np.float32)
    return np.clip(np.dstack([across + down * 0, across * 0 + down, noise + 128]), 0, 255).astype(np.uint8)


def test_tiles_meet_without_a_seam(monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 256)
    monkeypatch.setattr(tiles, "OVERLAP", 32)
    image, model = gradient(700, 1131), Normalizing()
    whole = model.stylize(image, None, statistics=tiles._patches(image).mean())
    assert np.array_equal(tiles.stylize_in_tiles(model, image, None), whole)


def test_the_model_meets_one_shape_where_the_picture_allows(monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 256)
    monkeypatch.setattr(tiles, "OVERLAP", 32)
    model = Normalizing()
    tiles.stylize_in_tiles(model, gradient(700, 1131), None)
    assert {tuple(-(-side // 4) * 4 for side in shape[:2]) for shape in model.shapes} == {(320, 320)}


def test_statistics_are_those_of_the_whole_picture():
    image = gradient(2100, 3000)
    assert abs(tiles._patches(image).mean() - image.mean()) < 2


def test_a_long_thin_picture_is_tiled_too():
    image = gradient(40, 9000)
    assert tiles.stylize_in_tiles(Normalizing(), image, None).shape == image.shape
