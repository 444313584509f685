"""The measures, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nstfilter.score import Flicker, content_loss, gram, losses, style_loss, style_score

# two positions, two channels: at the first (1, 2), at the second (3, 4)
LAYER = np.array([[[1.0, 2.0], [3.0, 4.0]]])
ZERO = np.zeros_like(LAYER)


def test_the_style_score_is_the_share_of_the_way():
    content, style = np.array([0.0, 0.0]), np.array([3.0, 4.0])
    assert style_score(content, style, content) == 0
    assert style_score(content, style, style) == 1
    assert style_score(content, style, np.array([1.5, 2.0])) == pytest.approx(0.5)
    assert style_score(content, style, np.array([6.0, 8.0])) == pytest.approx(0), (
        "past the style is away from it"
    )
    with pytest.raises(ValueError, match="same embedding"):
        style_score(style, style, content)


def test_content_loss_is_half_the_squared_difference():
    assert content_loss(ZERO, LAYER) == 0.5 * (1 + 4 + 9 + 16)
    assert content_loss(LAYER, LAYER) == 0


def test_gram_is_the_inner_products_of_channels():
    # 1*1 + 3*3, 1*2 + 3*4, 2*2 + 4*4
    assert gram(LAYER).tolist() == [[10, 14], [14, 20]]


def test_style_loss_is_over_4_n2_m2():
    squares = 10**2 + 2 * 14**2 + 20**2
    assert style_loss(ZERO, LAYER) == pytest.approx(squares / (4 * 2**2 * 2**2))


def test_style_loss_does_not_see_where_things_are():
    assert style_loss(LAYER[:, ::-1], LAYER) == 0


def test_style_loss_of_a_tiled_style_is_none():
    assert style_loss(np.tile(LAYER, (2, 3, 1)), LAYER) == pytest.approx(0)


def test_the_total_weighs_content_and_style():
    found = losses(
        {"a": ZERO, "b": ZERO},
        {"a": ZERO, "b": LAYER},
        {"a": LAYER, "b": LAYER},
        content_layers=["b"],
        alpha=2,
        beta=10,
    )
    squares = 10**2 + 2 * 14**2 + 20**2
    assert found.content == {"b": 15}
    assert found.style == {"a": pytest.approx(squares / 64), "b": 0}
    assert found.total == pytest.approx(2 * 15 + 10 * (squares / 64) / 2)


def scene(shift):
    noise = np.random.default_rng(0).normal(128, 200, (90, 160, 3))
    import cv2

    soft = cv2.GaussianBlur(noise, (0, 0), 4)
    soft = (soft - soft.min()) / (soft.max() - soft.min()) * 255
    return np.ascontiguousarray(soft.astype(np.uint8)[:, 20 + shift : 140 + shift])


def test_a_still_picture_does_not_flicker():
    flicker = Flicker()
    for _ in range(3):
        flicker.add(scene(0), scene(0))
    assert flicker.mean == pytest.approx(0, abs=1e-3)
    assert len(flicker.errors) == 2


def test_paint_that_moves_along_hardly_flickers_and_paint_that_stays_does():
    moved, stayed = Flicker(), Flicker()
    for shift in (0, 3, 6):
        moved.add(scene(shift), 255 - scene(shift))
        stayed.add(scene(shift), 255 - scene(0))
    assert moved.mean < 0.3 * stayed.mean


def test_a_known_change_is_measured():
    flicker = Flicker()
    for value in (100, 151):
        flicker.add(scene(0), np.full((90, 120, 3), value, np.uint8))
    assert flicker.mean == pytest.approx(51 / 255)
