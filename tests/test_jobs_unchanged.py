"""An input that changes under a render."""

from __future__ import annotations

import os

import numpy as np
import pytest

from nstfilter.errors import SourceError
from nstfilter.jobs import unchanged
from nstfilter.jobs.unchanged import InputState, WatchedSource
from nstfilter.testing import MemorySource


@pytest.fixture
def path(tmp_path):
    (tmp_path / "in.bin").write_bytes(b"one")
    return tmp_path / "in.bin"


def test_the_same_content_is_the_same_file(path):
    state = InputState.of(path)
    state.check(path)
    os.utime(path, (1, 1))
    state.check(path)


@pytest.mark.parametrize("content", [b"two", b"longer", None])
def test_other_content_is_noticed(path, content):
    state = InputState.of(path)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    os.utime(path.parent, (1, 1))
    with pytest.raises(SourceError, match=r"in\.bin was replaced or changed while it was rendered"):
        state.check(path)


@pytest.mark.parametrize("pace", [0.0, 1000.0])
def test_frames_end_with_an_error_and_not_as_if_all_had_come(path, monkeypatch, pace):
    monkeypatch.setattr(unchanged, "PACE", pace)
    source = WatchedSource(MemorySource([np.zeros((4, 4, 3), np.uint8)] * 5), path, InputState.of(path))
    frames = iter(source)
    next(frames)
    path.write_bytes(b"another film")
    with pytest.raises(SourceError):
        list(frames)


def test_one_frame_alone_is_of_the_same_file_too(path):
    source = WatchedSource(MemorySource([np.zeros((4, 4, 3), np.uint8)] * 5), path, InputState.of(path))
    path.write_bytes(b"another film")
    with pytest.raises(SourceError):
        next(iter(source))


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        InputState.of(tmp_path / "nothing")
