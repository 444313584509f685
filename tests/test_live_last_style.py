"""The style last used is found again, and nothing breaks where it cannot be kept."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from nstfilter.live.last_style import last_style, remember
from nstfilter.packs.reading import parse_style


@pytest.fixture
def state(tmp_path):
    return tmp_path / "user-state"


def test_there_is_none_at_first():
    assert last_style() is None


@pytest.mark.parametrize("text", ["mosaic", "atelier/wave", "wave:0.75+mosaic:0.25"])
def test_what_is_remembered_is_meant_again(state, text):
    remember(parse_style(text))
    assert parse_style(last_style()) == parse_style(text)
    assert [path.name for path in state.iterdir()] == ["style"]


def test_a_picture_is_found_from_another_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cv2.imwrite("quilt + lace.png", np.zeros((9, 9, 3), np.uint8))
    mix = parse_style("quilt + lace.png:0.5+mosaic:0.5")
    remember(mix)
    monkeypatch.chdir(tmp_path)
    assert parse_style(last_style()) == mix


def test_the_latest_counts():
    remember(parse_style("wave"))
    remember(parse_style("mosaic"))
    assert last_style() == parse_style("mosaic").spelled


def test_a_damaged_or_empty_memory_is_none(state):
    state.mkdir()
    (state / "style").write_bytes(b"\xff\xfe")
    assert last_style() is None
    (state / "style").write_text(" \n")
    assert last_style() is None


def test_where_nothing_can_be_kept_nothing_breaks(state):
    state.write_text("a file where the folder would be")
    remember(parse_style("wave"))
    assert last_style() is None


def test_a_write_that_fails_leaves_the_last_one(state, monkeypatch):
    remember(parse_style("wave"))

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    remember(parse_style("mosaic"))
    assert last_style() == "atelier/wave"
    assert [path.name for path in state.iterdir()] == ["style"]
