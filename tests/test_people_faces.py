from __future__ import annotations

import cv2
import numpy as np
import pytest

from nstfilter.people.faces import faces


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
