from __future__ import annotations

import numpy as np

from nstfilter.people.blend import Blend


def test_it_mixes_as_floating_point_does_and_exactly_where_the_mask_is_full_or_empty():
    rng, blend = np.random.default_rng(0), Blend()
    for shape in ((40, 60), (7, 3), (40, 60)):
        front, back = (rng.integers(0, 256, (*shape, 3), np.uint8) for _ in range(2))
        mask = rng.choice(np.array([0, 1, 90, 254, 255], np.uint8), shape)
        before = front.copy(), back.copy()
        result = blend(front, back, mask)
        share = mask[..., None] / 255
        assert np.abs(result - (share * front + (1 - share) * back)).max() <= 1
        assert np.array_equal(result[mask == 255], front[mask == 255])
        assert np.array_equal(result[mask == 0], back[mask == 0])
        assert np.array_equal(front, before[0])
        assert np.array_equal(back, before[1])


def test_a_result_is_not_written_to_again():
    blend, mask = Blend(), np.full((4, 4), 255, np.uint8)
    first = blend(np.full((4, 4, 3), 9, np.uint8), np.zeros((4, 4, 3), np.uint8), mask)
    blend(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), mask)
    assert (first == 9).all()
