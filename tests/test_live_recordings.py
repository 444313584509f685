"""Snapshots and recordings: where they lie, and that nothing is ever overwritten."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from nstfilter.errors import SinkError
from nstfilter.live.recordings import Recordings
from nstfilter.packs.reading import parse_style

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


class FakeLive:
    """A run that only keeps which sinks it was given; the real one is in test_cli_live.py."""

    def __init__(self):
        self.picture, self.sinks, self.states, self.plain, self.begun = PICTURE, [], {}, [], True

    def snapshot(self):
        return self.picture

    def add(self, sink, *, plain=False):
        self.sinks.append(sink)
        self.plain += [sink] if plain else []

    def remove(self, sink):
        self.sinks.remove(sink)
        return self.begun

    def state(self, sink):
        return self.states.get(sink, "open") if sink in self.sinks else None


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20260102-030405")
    controls = SimpleNamespace(style=parse_style("wave:0.7+mosaic:0.3"))
    return Recordings(FakeLive(), controls)


def files():
    return sorted(path.name for path in Path().iterdir() if path.is_file())


def test_a_snapshot_is_the_picture_itself(recordings):
    assert recordings.snapshot() == "snapshot: wave+mosaic-20260102-030405.png"
    assert np.array_equal(cv2.imread("wave+mosaic-20260102-030405.png"), PICTURE)
    assert recordings.files == [Path("wave+mosaic-20260102-030405.png")]


def test_names_that_are_taken_are_left_alone(recordings):
    Path("wave+mosaic-20260102-030405.png").write_text("another's")
    recordings.snapshot()
    recordings.snapshot()
    assert [str(path) for path in recordings.files] == [
        "wave+mosaic-20260102-030405-2.png",
        "wave+mosaic-20260102-030405-3.png",
    ]
    assert Path("wave+mosaic-20260102-030405.png").read_text() == "another's"


def test_before_the_first_picture_there_is_no_snapshot(recordings):
    recordings.live.picture = None
    with pytest.raises(SinkError, match="no picture yet"):
        recordings.snapshot()
    assert files() == []


def test_where_it_cannot_be_kept_that_is_an_error_and_nothing_is_left(recordings, tmp_path):
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SinkError):
        recordings.snapshot()
    assert recordings.files == []


def test_a_recording_is_begun_and_ended_by_the_same_key(recordings):
    assert recordings.record() == "recording to wave+mosaic-20260102-030405.mp4"
    assert recordings.recording
    assert recordings.controls.is_recording()
    (sink,) = recordings.live.sinks
    assert sink.path == Path("wave+mosaic-20260102-030405.mp4")
    assert recordings.record() == "recording ends: wave+mosaic-20260102-030405.mp4"
    assert not recordings.controls.is_recording()
    assert recordings.live.sinks == []
    # the first is still being finished: the next has another name
    assert recordings.record() == "recording to wave+mosaic-20260102-030405-2.mp4"
    assert recordings.files == [], "neither is there yet"


def test_a_recording_comes_with_that_of_the_plain_camera(recordings):
    Path("wave+mosaic-20260102-030405-plain.mp4").write_text("another's")
    recordings.with_plain = True
    stem = "wave+mosaic-20260102-030405-2"
    assert recordings.record() == f"recording to {stem}.mp4 and {stem}-plain.mp4"
    assert recordings.recording_plain
    assert recordings.live.plain == [recordings.live.sinks[1]]
    recordings.with_plain = False  # counts from the next one on
    assert recordings.recording_plain
    assert recordings.record() == f"recording ends: {stem}.mp4 and {stem}-plain.mp4"
    assert recordings.live.sinks == []
    recordings.record()
    assert not recordings.recording_plain


def test_that_of_the_plain_camera_ends_where_the_painting_failed(recordings):
    recordings.with_plain = True
    recordings.record()
    recordings.live.states[recordings.live.sinks[0]] = "failed"
    recordings.record()
    assert len(recordings.live.sinks) == 2  # the two that were begun now
    assert recordings.recording


def test_a_recording_that_ends_before_its_first_frame_is_not_called_one(recordings):
    recordings.live.begun = False
    recordings.record()
    assert recordings.record() == "recording ends before its first frame"


def test_a_recording_that_cannot_be_begun_is_none_and_the_key_begins_another(recordings):
    recordings.record()
    recordings.live.states[recordings.live.sinks[0]] = "failed"
    assert not recordings.controls.is_recording()
    assert recordings.record().startswith("recording to")
    assert recordings.controls.is_recording()


def test_a_recording_is_encoded_as_asked_for(recordings):
    recordings.encoding = {"codec": "hevc", "crf": 9}
    recordings.record()
    (sink,) = recordings.live.sinks
    assert (sink.codec, sink.crf) == ("hevc", 9)


def test_a_style_without_a_name_is_a_painting(recordings):
    recordings.controls.style = None
    assert "painting-2026" in recordings.snapshot()
