"""Snapshots and recordings: where they lie, and that nothing is ever overwritten."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from nstfilter.cli.takes import Takes
from nstfilter.errors import SinkError
from nstfilter.style import parse_style

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


class FakeLive:
    """A run that only keeps which sinks it was given; the real one is in test_cli_live.py."""

    def __init__(self):
        self.picture, self.sinks = PICTURE, []

    def snapshot(self):
        return self.picture

    def add(self, sink):
        self.sinks.append(sink)

    def remove(self, sink):
        self.sinks.remove(sink)


@pytest.fixture
def takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20260102-030405")
    controls = SimpleNamespace(style=parse_style("wave:0.7+mosaic:0.3"), recording=False)
    return Takes(FakeLive(), controls)


def files():
    return sorted(path.name for path in Path().iterdir() if path.is_file())


def test_a_snapshot_is_the_picture_itself(takes):
    assert takes.snapshot() == "snapshot: wave+mosaic-20260102-030405.png"
    assert np.array_equal(cv2.imread("wave+mosaic-20260102-030405.png"), PICTURE)
    assert takes.files == [Path("wave+mosaic-20260102-030405.png")]


def test_names_that_are_taken_are_left_alone(takes):
    Path("wave+mosaic-20260102-030405.png").write_text("another's")
    takes.snapshot()
    takes.snapshot()
    assert [str(path) for path in takes.files] == [
        "wave+mosaic-20260102-030405-2.png",
        "wave+mosaic-20260102-030405-3.png",
    ]
    assert Path("wave+mosaic-20260102-030405.png").read_text() == "another's"


def test_before_the_first_picture_there_is_no_snapshot(takes):
    takes.live.picture = None
    with pytest.raises(SinkError, match="no picture yet"):
        takes.snapshot()
    assert files() == []


def test_where_it_cannot_be_kept_that_is_an_error_and_nothing_is_left(takes, tmp_path):
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SinkError):
        takes.snapshot()
    assert takes.files == []


def test_a_recording_is_begun_and_ended_by_the_same_key(takes):
    assert takes.record() == "recording to wave+mosaic-20260102-030405.mp4"
    assert takes.controls.recording
    (sink,) = takes.live.sinks
    assert sink.path == Path("wave+mosaic-20260102-030405.mp4")
    assert takes.record() == "recording ends: wave+mosaic-20260102-030405.mp4"
    assert not takes.controls.recording
    assert takes.live.sinks == []
    # the first is still being finished: the next has another name
    assert takes.record() == "recording to wave+mosaic-20260102-030405-2.mp4"
    assert takes.files == [], "neither is there yet"


def test_a_style_without_a_name_is_a_painting(takes):
    takes.controls.style = None
    assert "painting-2026" in takes.snapshot()
