from __future__ import annotations

import numpy as np
import pytest

from nstfilter.live.privacy_card import INK, draw


def writing(card):
    """Where there is writing: the rows and columns of the bright pixels."""
    return np.nonzero(card.min(axis=2) > 120)


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (360, 640), (1920, 200), (160, 90)])
@pytest.mark.parametrize(
    "text", ["Back in a moment", "One line\nand another that is quite a bit longer than it"]
)
def test_the_writing_lies_whole_in_the_middle(size, text):
    card = draw(*size, text)
    assert card.shape == (size[1], size[0], 3)
    assert card.dtype == np.uint8
    rows, columns = writing(card)
    left, right = columns.min(), size[0] - 1 - columns.max()
    above, below = rows.min(), size[1] - 1 - rows.max()
    assert left > 0.04 * size[0]
    assert above > 0
    assert below > 0
    assert left == pytest.approx(right, abs=0.03 * size[0] + 2)
    assert above == pytest.approx(below, abs=0.08 * size[1] + 2)


def test_other_words_are_another_card():
    assert not np.array_equal(draw(640, 360, "Back soon"), draw(640, 360, "Lunch"))
    assert np.array_equal(draw(640, 360, "Lunch"), draw(640, 360, "Lunch"))


def test_without_words_it_is_calm_and_dark_and_never_black():
    card = draw(320, 180, "")
    assert card.max() < 90
    assert card.min() > 10
    assert np.abs(np.diff(card.astype(int), axis=1)).max() <= 3


def test_it_can_be_tiny():
    for size in [(1, 1), (2, 3), (16, 9)]:
        assert draw(*size, "Back in a moment").shape == (size[1], size[0], 3)


def test_the_ink_is_light():
    assert min(INK) > 200
    assert draw(1280, 720).max() > 200


def test_a_picture_fills_the_card_in_proportion():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, 40:60] = 255
    card = draw(160, 90, picture)
    assert card.shape == (90, 160, 3)
    assert (card[:, 72:88] > 200).all()
    assert not card[:, :50].any()
