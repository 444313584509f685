from __future__ import annotations

import numpy as np
import pytest

from nstfilter.people.backdrop import LARGEST, Backdrop

ROOM, SKIN = np.array([200, 30, 30], np.uint8), np.array([120, 150, 210], np.uint8)


def frame(height=90, width=160):
    image = np.full((height, width, 3), ROOM)
    image[:, : width // 2] = SKIN
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return image, mask


def test_people_stand_before_an_even_wall():
    image, mask = frame()
    out = Backdrop.wall().behind(image, mask)
    assert np.array_equal(out[:, :80], image[:, :80])
    assert len(np.unique(out[:, 80:].reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(out[0, -1], ROOM)


def test_a_picture_is_cropped_not_squeezed_to_the_frame():
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 100:300] = 255
    out = Backdrop(picture).behind(frame()[0], np.zeros((90, 160), np.uint8))
    assert out.min() == 255  # 178 of its 400 columns fit, and those are the middle ones
    wide = Backdrop(picture).behind(np.zeros((100, 400, 3), np.uint8), np.zeros((100, 400), np.uint8))
    assert np.array_equal(wide, picture)


def test_another_frame_size_has_its_own_crop():
    backdrop = Backdrop(np.full((10, 10, 3), 7, np.uint8))
    for shape in ((90, 160), (161, 33)):
        assert (backdrop.behind(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)) == 7).all()


def test_nothing_can_be_read_in_a_blurred_room():
    image, mask = frame(360, 640)
    image[::4, 320:] = 255  # letters, or as fine
    out = Backdrop(None).behind(image, mask)
    assert out[:, 330:].reshape(-1, 3).std(axis=0).max() < 6
    assert image[:, 330:].reshape(-1, 3).std(axis=0).max() > 50


def test_no_shine_of_people_stands_in_the_blurred_room():
    image, mask = frame(360, 640)
    out = Backdrop(None).behind(image, mask)
    assert np.abs(out[:, 322:].astype(int) - ROOM).max() <= 3


def test_a_room_full_of_people_can_be_blurred():
    image, _ = frame()
    out = Backdrop(None).behind(image, np.full(image.shape[:2], 255, np.uint8))
    assert np.array_equal(out, image)


@pytest.mark.parametrize("shape", [(3000, 100), (100, 9000)])
def test_a_huge_picture_is_kept_small(shape):
    assert max(Backdrop(np.zeros((*shape, 3), np.uint8)).picture.shape) == LARGEST
