from __future__ import annotations

import numpy as np
import pytest

from nstfilter.streams import Change, Frame, StreamInfo, added_up
from nstfilter.testing import MemorySink, MemorySource

IMAGE = np.zeros((2, 3, 3), np.uint8)


def test_a_sink_is_opened_once_written_to_and_closed_once():
    sink = MemorySink()
    with pytest.raises(ValueError, match="a new sink cannot be written to"):
        sink.write(Frame(IMAGE))
    sink.open(StreamInfo(3, 2))
    with pytest.raises(ValueError, match="cannot be opened again"):
        sink.open(StreamInfo(3, 2))
    sink.write(Frame(IMAGE))
    sink.close()
    sink.close()
    with pytest.raises(ValueError, match="a closed sink"):
        sink.write(Frame(IMAGE))
    assert sink.abort() is None
    assert sink.finished


def test_a_sink_whose_close_fails_can_still_be_aborted():
    class Full(MemorySink):
        def _close(self):
            raise OSError("disk full")

    sink = Full()
    sink.open(StreamInfo(3, 2))
    with pytest.raises(OSError, match="disk full"):
        sink.close()
    sink.abort()
    assert sink.state == "aborted"


def test_a_closed_source_gives_no_more_frames():
    source = MemorySource([IMAGE] * 5)
    seen = 0
    for _ in source:
        seen += 1
        if seen == 2:
            source.close()
            source.close()
    assert seen == 2


def test_a_source_closes_itself_behind_with():
    with MemorySource([IMAGE]) as source:
        assert not source.closed
    assert source.closed


def test_a_stream_without_a_rate_is_a_still_picture():
    assert StreamInfo(3, 2).still
    assert not StreamInfo(3, 2, live=True).still
    assert not MemorySource([IMAGE]).info.still


def test_warnings_of_parts_become_those_of_the_whole():
    lines = ["it is interlaced", Change("1 frame was skipped"), "2 frames were repaired"]
    whole = added_up([*lines, "1 frame was skipped", "it is interlaced", "3 frames were skipped", "10 bits"])
    assert whole == ["it is interlaced", "5 frames were skipped", "2 frames were repaired", "10 bits"]
    assert [isinstance(line, Change) for line in whole] == [False, True, False, False]
    assert added_up(lines) == lines
    assert added_up(["1 bus was missed", "0 frames were lost"]) == ["1 bus was missed", "0 frames were lost"]
