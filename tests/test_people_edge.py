from __future__ import annotations

import cv2
import numpy as np
import pytest

from nstfilter.people.edge import GUIDE, EdgeFilter, guide


def disc(height, width, radius):
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - height * 0.52, x - width * 0.47) < radius


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (240, 320)])
def test_the_edge_of_a_small_mask_moves_onto_that_of_the_frame(height, width):
    inside = disc(height, width, height * 0.3)
    noise = np.random.default_rng(0).integers(-12, 13, (height, width))
    gray = (np.where(inside, 170, 70) + noise).astype(np.uint8)
    small = cv2.resize(inside.astype(np.uint8) * 255, (96, 54), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1)
    plain = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    refined = EdgeFilter()(gray, small, (height, width))
    errors = [np.abs(mask / 255 - inside).mean() for mask in (plain, refined)]
    assert errors[1] < 0.5 * errors[0]
    assert np.mean((refined > 127) != inside) < 0.004


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_of_nobody_or_of_nothing_but_people_stays_as_it_is(value):
    gray = np.random.default_rng(1).integers(0, 256, (90, 160), np.uint8)
    refined = EdgeFilter()(gray, np.full((18, 32), value, np.uint8), (90, 160))
    assert refined.shape == (90, 160)
    assert np.abs(refined.astype(int) - value).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3)])
def test_the_smallest_frames_have_masks(shape):
    assert EdgeFilter()(np.full(shape, 9, np.uint8), np.full((5, 4), 255, np.uint8), shape).shape == shape


@pytest.mark.parametrize("shape", [(720, 1280), (1279, 721), (639, 640), (1, 5000), (4000, 6000)])
def test_what_masks_are_fitted_to_is_never_larger_than_it_has_to_be(shape):
    small = guide(np.zeros((*shape, 3), np.uint8))
    assert min(GUIDE, max(shape)) <= max(small.shape) < 2 * GUIDE
