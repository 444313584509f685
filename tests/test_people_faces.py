from __future__ import annotations

import cv2
import numpy as np
import pytest

from nstfilter.people.faces import Faces, faces


def people(*heads, shape=(160, 288)):
    """Head and shoulders, each as (x, y, radius) of the head."""
    mask = np.zeros(shape, np.uint8)
    for x, y, radius in heads:
        cv2.ellipse(mask, (x, y), (round(0.85 * radius), radius), 0, 0, 360, 255, -1)
        cv2.rectangle(mask, (x - radius // 3, y), (x + radius // 3, y + 2 * radius), 255, -1)
        cv2.ellipse(mask, (x, y + 4 * radius), (round(2.2 * radius), round(2.4 * radius)), 0, 0, 360, 255, -1)
    return mask


@pytest.mark.parametrize("heads", [[(144, 50, 26)], [(80, 60, 20), (210, 45, 24)], [(60, 30, 10)]])
def test_there_is_an_oval_in_every_head(heads):
    found = faces(people(*heads), (160, 288))
    inside = np.zeros((160, 288), np.uint8)
    for x, y, radius in heads:
        assert found[y, x] > 230
        assert found[min(y + 4 * radius, 159), x] < 25, "not in the chest"
        cv2.circle(inside, (x, y), round(1.7 * radius), 255, -1)
    assert found[inside == 0].max() < 40


def test_the_ovals_are_as_large_as_the_frame():
    assert faces(people((144, 50, 26)), (720, 1280)).shape == (720, 1280)


@pytest.mark.parametrize("mask", [people(), people((10, 10, 1)), np.full((1, 1), 255, np.uint8)])
def test_where_nobody_is_there_is_no_face(mask):
    assert faces(mask, (36, 64)).max() < 12


@pytest.mark.parametrize("head", [(144, 40, 22), (90, 60, 24), (40, 50, 20)])
def test_a_broad_shoulder_is_no_face(head):
    x, y, radius = head
    mask = people(head)
    cv2.rectangle(mask, (x - int(3.2 * radius), y + 2 * radius), (x + int(3.2 * radius), 160), 255, -1)
    found = faces(mask, (160, 288))
    assert found[y, x] > 230
    cv2.circle(found, (x, y), round(1.7 * radius), 0, -1)
    assert found.max() < 40


def test_a_face_that_fills_the_frame_is_one():
    mask = np.full((160, 288), 255, np.uint8)
    mask[:10] = 0
    assert faces(mask, (160, 288)).max() > 230


def test_a_face_does_not_jump_with_the_largest_circle_of_its_head():
    follow, before, jumps = Faces(), None, []
    for k in range(12):
        mask = people((144, 50, 26))
        cv2.circle(mask, (144, 50 + 8 * (k % 2)), 27, 255, -1)
        ovals = [faces(mask, (160, 288)), follow(mask, (160, 288), follow=k > 0)]
        if before is not None:
            jumps.append([cv2.absdiff(*pair).mean() for pair in zip(before, ovals, strict=True)])
        before = ovals
    alone, followed = np.mean(jumps[4:], axis=0)
    assert followed < 0.4 * alone


def test_a_face_that_moves_is_followed_one_that_comes_and_goes_fades_and_a_new_stream_begins_at_once():
    follow, shape = Faces(), (160, 288)
    for x in range(60, 200, 4):
        ovals = follow(people((x, 50, 26)), shape, follow=x > 60)
        assert ovals[50, x] > 230
    fading = [int(follow(people(), shape, follow=True).max()) for _ in range(4)]
    assert 255 > fading[0] > fading[1] > fading[3] == 0
    assert 0 < follow(people((90, 50, 26)), shape, follow=True).max() < 255
    assert np.array_equal(
        follow(people((200, 50, 26)), shape, follow=False), faces(people((200, 50, 26)), shape)
    )
