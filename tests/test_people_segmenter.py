from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from nstfilter.errors import FrameError, ModelError, UsageError
from nstfilter.people.segmenter import PIXELS, PersonSegmenter, input_size, shrunk
from nstfilter.testing import check_segmenter


@pytest.fixture(scope="module")
def segmenter():
    return PersonSegmenter(threads=1)


def test_it_keeps_the_contract(segmenter):
    check_segmenter(segmenter)
    assert not (segmenter.find(np.full((90, 160, 3), 128, np.uint8)) > 127).any()


@pytest.mark.slow
def test_people_are_found_where_the_teacher_finds_them(segmenter, shared):
    """The index of the photographs has how much of each the teacher marks. These were not learned from."""
    with open(shared / "data/people/index.csv", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])[::10][:40]
    apart = []
    for row in rows:
        mask = segmenter(cv2.imread(str(shared / "data/people" / row["file"])))
        apart.append(abs((mask > 127).mean() - float(row["mask_share"])))
    assert np.median(apart) < 0.04
    assert np.mean(apart) < 0.07


@pytest.mark.slow
def test_there_is_nobody_in_empty_rooms(segmenter, shared):
    rooms = sorted((shared / "data/backgrounds").glob("*.jpg"))[::10]
    assert np.mean([(segmenter(cv2.imread(str(room))) > 127).mean() for room in rooms]) < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (101, 57), (720, 1280)])
def test_the_mask_has_the_frames_size(segmenter, shape):
    frame = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    mask = segmenter(frame)
    assert mask.shape == shape
    assert mask.dtype == np.uint8


@pytest.mark.slow
def test_both_engines_find_the_same(segmenter):
    pytest.importorskip("tensorflow")
    frame = np.random.default_rng(2).integers(0, 256, (24, 32, 3), np.uint8)
    frame = cv2.resize(frame, (256, 192), interpolation=cv2.INTER_CUBIC)
    other = PersonSegmenter(engine="tensorflow")
    exact = PersonSegmenter(threads=1, precision="f32")
    assert np.abs(exact.find(frame).astype(int) - other.find(frame)).max() <= 1
    assert np.abs(segmenter.find(frame).astype(int) - other.find(frame)).mean() < 2


@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720), (480, 640), (500, 500), (1, 4000), (4000, 1)])
def test_the_network_sees_about_as_many_pixels_whatever_the_shape(shape):
    height, width = input_size(*shape)
    assert height % 32 == width % 32 == 0
    assert 0.7 < height * width / PIXELS < 1.4
    if max(shape) < 3 * min(shape):
        assert width / height == pytest.approx(shape[1] / shape[0], rel=0.15)


def test_every_pixel_counts_when_a_frame_is_shrunk():
    frame = np.zeros((1080, 1920, 3), np.uint8)
    frame[::2] = 200
    assert np.abs(shrunk(frame, (160, 288)).astype(int) - 100).max() <= 10


@pytest.mark.parametrize("frame", [None, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_frame_is_refused(segmenter, frame):
    with pytest.raises(FrameError, match="expected uint8 of shape HxWx3"):
        segmenter(frame)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    np.savez(tmp_path / "people.npz", **{"stem.weight": np.zeros((1, 2, 3), np.float16)})
    with pytest.raises(ModelError, match="the people model's weights"):
        PersonSegmenter(weights=tmp_path / "people.npz")


def test_an_engine_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="no engine is called"):
        PersonSegmenter(engine="steam")
