"""Losses that a painting is learned by: 0 where nothing differs, and the weave is told from strokes."""

from __future__ import annotations

import numpy as np
import pytest

from nstfilter.models import network
from nstfilter.models.perceptual import SECOND, TOLERANCE, Losses, palette, strangeness, weave
from nstfilter.models.pocket import WEIGHTS, load
from nstfilter.models.pocket_tensorflow import TensorFlowOps
from nstfilter.models.tensorflow import tf

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
ONE, OTHER = (np.kron(RANDOM.integers(0, 256, (1, 8, 12, 3)), np.ones((1, 8, 8, 1))) for _ in range(2))


@pytest.fixture(scope="module")
def see() -> Losses:
    return Losses()


def test_a_picture_is_no_way_from_itself_and_some_from_another(see) -> None:
    one, other = (tf.constant(picture, tf.float32) for picture in (ONE, OTHER))
    wanted, layout = see.grams(one), see.layout(one)
    assert [float(loss) for loss in see.losses(one, wanted, layout)] == pytest.approx([0, 0], abs=1e-5)
    style, content = (float(loss) for loss in see.losses(other, wanted, layout))
    assert style > 0.05
    assert content > 0.5
    style, content = (float(loss) for loss in see.losses(one[:, ::-1], wanted, layout))
    assert content > 10 * style  # upside down: much the same colors and edges, at other places


def test_a_second_eye_has_its_say_in_the_style_and_none_in_the_content(see) -> None:
    both = Losses(second=load(WEIGHTS))
    one, other = (tf.constant(picture, tf.float32) for picture in (ONE, OTHER))
    wanted = both.grams(one)
    assert [gram.shape[-1] for gram in wanted[-len(SECOND) :]] == [24, 32, 96]
    assert float(both.losses(one, wanted, both.layout(one))[0]) == pytest.approx(0, abs=1e-5)
    first, content = see.losses(other, see.grams(one), see.layout(one))
    style, same = both.losses(other, wanted, both.layout(one))
    assert float(same) == pytest.approx(float(content), rel=1e-5)
    maps = [network.look(TensorFlowOps(), load(WEIGHTS), x, 4) for x in (one, other)]
    further = []
    for stage in SECOND:
        a, b = (m[stage].numpy().reshape(-1, m[stage].shape[-1]) for m in maps)
        a, b = a.T @ a / len(a), b.T @ b / len(b)
        further.append(np.abs(a - b).sum() / np.abs(a).sum())
    count = len(wanted) - len(SECOND)
    assert float(style) == pytest.approx((count * float(first) + sum(further)) / len(wanted), rel=1e-3)


def test_a_weave_costs_and_strokes_do_not() -> None:
    cell = RANDOM.normal(0, 0.02, (4, 4, 3))
    woven = np.tile(cell, (40, 50, 1))
    strokes = RANDOM.normal(0, 0.02, woven.shape)
    powers = [float(weave(tf.constant(0.5 + p[None], tf.float32))) for p in (woven, strokes)]
    assert powers[0] == pytest.approx((cell - cell.mean((0, 1))).var((0, 1)).mean(), rel=0.01)
    assert powers[1] < 0.05 * powers[0]


def test_colors_of_the_style_cost_nothing_and_others_do() -> None:
    pink, gold, turquoise = (180, 105, 255), (55, 175, 212), (208, 224, 64)
    style = np.empty((200, 300, 3), np.uint8)
    style[::2], style[1::2] = pink, gold
    style[:, 150:] = pink
    style[100:] = gold
    colors = palette(style)
    frame = np.full((1, 64, 64, 3), pink, np.float32)
    frame[:, 32:] = gold
    assert float(strangeness(tf.constant(frame / 255), colors)) == pytest.approx(0, abs=1e-3)
    frame[:, :16, :16] = turquoise
    nearest = min(np.linalg.norm(np.subtract(turquoise, color)) for color in (pink, gold)) / 255
    strange = float(strangeness(tf.constant(frame / 255), colors))
    assert strange == pytest.approx((nearest - TOLERANCE) / 16, rel=0.2)


def test_a_picture_of_one_color_has_a_palette() -> None:
    colors = palette(np.full((30, 900, 3), (10, 100, 200), np.uint8))
    assert np.abs(colors * 255 - (10, 100, 200)).max() < 1
