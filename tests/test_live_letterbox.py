from __future__ import annotations

import numpy as np
import pytest

from nstfilter.live.letterbox import Letterbox


def test_nothing_is_done_where_sizes_agree():
    image = np.full((48, 64, 3), 9, np.uint8)
    assert Letterbox(64, 48)(image) is image


@pytest.mark.parametrize("size", [(64, 48), (640, 360), (1280, 720), (333, 111), (1, 1), (7, 900)])
@pytest.mark.parametrize("frame", [(64, 48), (1280, 720), (48, 64), (17, 31), (1, 1)])
def test_the_result_has_the_frames_size_and_the_picture_its_proportions(size, frame):
    fit = Letterbox(*frame)
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    scaled, placed = fit.scaled(image), fit(image)
    assert placed.shape == (frame[1], frame[0], 3)
    height, width = scaled.shape[:2]
    assert height == frame[1] or width == frame[0]
    scale = min(frame[0] / size[0], frame[1] / size[1])
    assert abs(width - size[0] * scale) <= 1
    assert abs(height - size[1] * scale) <= 1
    assert (placed == 200).all(axis=2).sum() == width * height


def test_bars_are_black_and_the_picture_lies_in_the_middle():
    placed = Letterbox(100, 60)(np.full((60, 40, 3), 255, np.uint8))
    assert not placed[:, :30].any()
    assert not placed[:, 70:].any()
    assert placed[:, 30:70].all()
    placed = Letterbox(40, 100)(np.full((60, 40, 3), 255, np.uint8))
    assert not placed[:20].any()
    assert not placed[80:].any()


def test_what_is_made_smaller_is_averaged():
    """Every other row black and white: gray when halved, and not one of the two."""
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[::2] = 255
    assert np.ptp(Letterbox(64, 48)(stripes)) <= 1


def test_a_circle_stays_one():
    y, x = np.mgrid[0:240, 0:320]
    disc = np.repeat(((x - 160) ** 2 + (y - 120) ** 2 < 80**2)[..., None] * np.uint8(255), 3, axis=2)
    rows, columns = np.nonzero(Letterbox(1280, 720)(disc)[..., 0] > 127)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1)
    assert (rows.mean(), columns.mean()) == pytest.approx((361, 641), abs=1)
