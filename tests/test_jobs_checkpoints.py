"""What is kept of a segment in work; with real videos in test_jobs_run.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nstfilter.jobs import checkpoints
from nstfilter.jobs.checkpoints import CheckpointSink
from nstfilter.streams import Change, Frame, JoiningSink, StreamInfo

INFO = StreamInfo(4, 4)


class Notes(JoiningSink):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.lines = path, []

    def _open(self, info):
        pass

    def _write(self, frame):
        self.lines.append(f"{frame.pts}\n")

    def _close(self):
        self.path.write_text("".join(self.lines))

    def segment_format(self, info):
        return ".txt", {}

    def _join(self, info, segments):
        self.path.write_text("".join(path.read_text() for path in segments))


def write(sink, times):
    sink.open(INFO)
    for pts in times:
        sink.write(Frame(np.zeros((4, 4, 3), np.uint8), pts))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "00001.txt"


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_what_is_quickly_done_has_one_file(path):
    sink = CheckpointSink(path, Notes)
    write(sink, range(5))
    sink.close()
    assert names(path) == ["00001.txt"]
    assert path.read_text() == "0\n1\n2\n3\n4\n"


def test_work_that_was_cut_off_is_gone_on_with(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    first = CheckpointSink(path, Notes)
    write(first, range(5))
    first.abort()  # as after an error; after a kill there is less
    assert "00001.txt" not in names(path)
    second = CheckpointSink(path, Notes)
    assert (second.end, second.frames, second.complete) == (4, 4, False)
    write(second, range(4, 7))
    second.close()
    assert names(path) == ["00001.txt"]
    assert path.read_text() == "0\n1\n2\n3\n4\n5\n6\n"


def test_killed_between_the_last_frame_and_the_join_all_is_there(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Notes, "_join", killed)
    sink = CheckpointSink(path, Notes)
    write(sink, range(3))
    with pytest.raises(KeyboardInterrupt):
        sink.close()
    monkeypatch.undo()
    again = CheckpointSink(path, Notes)
    assert again.complete
    assert again.frames == 3
    again.join(INFO)
    assert path.read_text() == "0\n1\n2\n"


def test_what_was_said_before_a_kill_is_not_forgotten(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    sink = CheckpointSink(path, Notes)
    sink.said = [Change("2 damaged frames were skipped"), "it is interlaced"]
    write(sink, range(2))
    del sink  # killed
    again = CheckpointSink(path, Notes)
    assert again.warnings == ["2 damaged frames were skipped", "it is interlaced"]
    assert [isinstance(line, Change) for line in again.warnings] == [True, False]
    write(again, range(1, 3))
    again.close()
    assert again.warnings == ["2 damaged frames were skipped", "it is interlaced"]


def test_what_was_said_before_a_kill_and_after_it_is_added_up(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    sink = CheckpointSink(path, Notes)
    sink.said = ["1 frame was skipped"]
    write(sink, range(2))
    sink.said[:] = ["2 frames were skipped"]
    sink.write(Frame(np.zeros((4, 4, 3), np.uint8), 2))
    del sink  # killed
    again = CheckpointSink(path, Notes)
    assert again.warnings == ["2 frames were skipped"]
    again.said = ["1 frame was skipped"]
    write(again, range(2, 5))
    assert CheckpointSink(path, Notes).warnings == ["3 frames were skipped"]


@pytest.mark.parametrize("spoil", ["00001.0001.txt", "00001.0001.json"])
def test_what_follows_on_something_damaged_is_dropped(path, monkeypatch, spoil):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    sink = CheckpointSink(path, Notes)
    write(sink, range(5))
    sink.abort()
    path.with_name("00001.txt.keep").touch()
    path.with_name(spoil).write_bytes(b"{}")
    assert CheckpointSink(path, Notes).end == 1
    assert names(path) == ["00001.0000.json", "00001.0000.txt", "00001.txt.keep"]
