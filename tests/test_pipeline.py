from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from nstfilter.errors import FrameError, SinkError, SourceError
from nstfilter.filter import StyleFilter
from nstfilter.models.embeddings import EmbeddingCache
from nstfilter.pipeline import run
from nstfilter.testing import FakeModel, MemorySink, MemorySource


def frames(count):
    return [np.full((4, 6, 3), index, np.uint8) for index in range(count)]


def invert(image):
    return 255 - image


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind():
    before = set(threading.enumerate())
    yield
    assert not [t for t in threading.enumerate() if t not in before and t.name.startswith("nstfilter")]


def test_every_frame_reaches_every_sink_in_order_with_its_timestamp():
    sinks = [MemorySink(), MemorySink()]
    report = run(MemorySource(frames(50), rate=Fraction(25)), invert, sinks)
    for sink in sinks:
        assert [frame.image[0, 0, 0] for frame in sink.frames] == [255 - i for i in range(50)]
        assert [frame.pts for frame in sink.frames] == list(range(50))
        assert sink.finished
        assert sink.info.rate == 25
    assert report.frames == 50
    assert 0 < report.filtering <= report.seconds


@pytest.mark.parametrize(
    ("filter", "made"),
    [
        (lambda image: image / 255, r"float64 \(4, 6, 3\)"),
        (lambda image: image[:2], r"uint8 \(2, 6, 3\)"),
        (lambda image: np.dstack([image, image, image[..., :1]]), r"uint8 \(4, 6, 7\)"),
        (lambda image: image[None], r"uint8 \(1, 4, 6, 3\)"),
        (lambda image: image[..., None], r"uint8 \(4, 6, 3, 1\)"),
        (lambda image: None, r"NoneType \(\)"),
    ],
)
def test_a_filter_that_gives_no_frame_is_told_so(filter, made):
    sink = MemorySink()
    with pytest.raises(FrameError, match=rf"the filter made {made} of a frame; expected uint8 \(4, 6, 3\)"):
        run(MemorySource(frames(3)), filter, sink)
    assert not sink.finished


def test_the_parts_overlap():
    """The filter may not wait for the sink: it gets further frames while one is being written."""
    written, filtered_second = threading.Event(), threading.Event()

    class Waiting(MemorySink):
        def _write(self, frame):
            if not self.frames:
                assert filtered_second.wait(60), "the filter waited for the sink"
            super()._write(frame)
            written.set()

    def watching(image):
        if image[0, 0, 0] == 1:
            filtered_second.set()
        return image

    run(MemorySource(frames(3)), watching, Waiting())
    assert written.is_set()


def test_few_frames_wait_between_the_parts():
    read = []

    class Counting(MemorySource):
        def _frames(self):
            for frame in super()._frames():
                read.append(frame.pts)
                yield frame

    ahead = []

    def slow(image):
        threading.Event().wait(0.005)
        ahead.append(len(read) - int(image[0, 0, 0]))
        return image

    run(Counting(frames(60)), slow, MemorySink())
    assert max(ahead) <= 8


def test_a_source_that_fails_leaves_nothing_under_the_final_name(tmp_path):
    sink = MemorySink(kept=tmp_path / "part")
    with pytest.raises(SourceError, match="cable") as caught:
        run(MemorySource(frames(5), error=SourceError("the cable is out")), invert, sink)
    assert not sink.finished
    assert sink.state == "aborted"
    assert caught.value.__notes__ == [f"the finished part is kept in {tmp_path / 'part'}"]


@pytest.mark.parametrize("fail_at", [0, 30])
def test_a_sink_that_fails_ends_the_run_and_the_other_sinks(fail_at):
    good, bad = MemorySink(), MemorySink(error=SinkError("the disk is full"), fail_at=fail_at)
    source = MemorySource(frames(200))
    with pytest.raises(SinkError, match="disk is full"):
        run(source, invert, [good, bad])
    assert source.closed
    assert (good.state, bad.state) == ("aborted", "aborted")


def test_a_sink_that_fails_on_the_last_frame_is_noticed():
    with pytest.raises(SinkError):
        run(MemorySource(frames(3)), invert, MemorySink(error=SinkError("full"), fail_at=2))


def test_a_filter_that_fails_ends_the_run():
    sink, source = MemorySink(), MemorySource(frames(200))

    def failing(image):
        if image[0, 0, 0] == 20:
            raise ZeroDivisionError
        return image

    with pytest.raises(ZeroDivisionError):
        run(source, failing, sink)
    assert sink.state == "aborted"
    assert source.closed


def test_ctrl_c_keeps_the_finished_part(tmp_path):
    sink = MemorySink(kept=tmp_path / "part")

    def interrupted(image):
        if image[0, 0, 0] == 7:
            raise KeyboardInterrupt
        return image

    with pytest.raises(KeyboardInterrupt) as caught:
        run(MemorySource(frames(9)), interrupted, sink)
    assert "the finished part is kept" in caught.value.__notes__[0]


def test_a_sink_that_cannot_be_cleared_away_does_not_hide_the_first_error():
    class Stuck(MemorySink):
        def _abort(self):
            raise OSError("stuck")

    with pytest.raises(SourceError, match="first") as caught:
        run(MemorySource(frames(2), error=SourceError("first")), invert, Stuck())
    assert "stuck" in caught.value.__notes__[0]


def test_stopping_from_outside_finishes_what_was_done():
    stop, sink = threading.Event(), MemorySink()
    report = run(
        MemorySource(frames(200)), invert, sink, stop=stop, on_frame=lambda n: stop.set() if n == 10 else None
    )
    assert report.frames == 10
    assert len(sink.frames) == 10
    assert sink.finished


def test_warnings_of_all_parts_are_in_the_report():
    source, sink = MemorySource(frames(2)), MemorySink()
    source.warnings.append("three frames were damaged")
    sink.warnings.append("the subtitles were left out")
    assert run(source, invert, sink).warnings == ["three frames were damaged", "the subtitles were left out"]


def test_an_empty_source_makes_an_empty_run():
    sink = MemorySink()
    assert run(MemorySource([]), invert, sink).frames == 0
    assert sink.finished


def live(count):
    source = MemorySource(frames(count))
    source.info = replace(source.info, live=True)
    return source


def test_a_live_source_is_run_live():
    sink, done = MemorySink(), []
    report = run(live(30), invert, sink, on_frame=done.append)
    assert report.live
    assert report.live.captured == 30
    assert report.live.shown + report.live.dropped == 30
    assert report.frames == report.live.painted == len(done)
    assert sink.finished
    assert sink.info.live


def test_a_live_run_is_stopped_by_the_same_event():
    stop, sink = threading.Event(), MemorySink()
    source = live(30)
    source.reopen = lambda: live(30)  # it would never end

    def stopping(image):
        stop.set()
        return image

    report = run(source, stopping, sink, stop=stop)
    assert report.frames >= 1
    assert source.closed


@pytest.mark.parametrize(("size", "governed"), [(None, 288), (32, 32)])
def test_the_rate_is_held_where_the_size_is_free(size, governed):
    style = np.full((8, 8, 3), 90, np.uint8)
    paint = StyleFilter(style, model=FakeModel(), size=size)
    run(live(10), paint, MemorySink())
    # frames are smaller than any size the governor would choose
    assert paint.size == governed


class Ahead(FakeModel):
    """Writes down when it begins with a frame, and when it is asked for it."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def begin(self, frame, embedding):
        number = int(frame[0, 0, 0])
        self.calls.append(f"begin {number}")

        def finish():
            self.calls.append(f"finish {number}")
            return self.stylize(frame, embedding)

        return finish


def painting_ahead(tmp_path):
    model = Ahead()
    return model, StyleFilter(frames(1)[0], model=model, cache=EmbeddingCache(tmp_path))


def test_the_network_begins_with_the_next_frames_before_one_is_done(tmp_path):
    model, paint = painting_ahead(tmp_path)
    sink = MemorySink()
    run(MemorySource(frames(4)), paint, sink)
    painted = [frame.image for frame in sink.frames]
    order = ["begin 0", "begin 1", "begin 2", "finish 0", "begin 3", "finish 1", "finish 2", "finish 3"]
    assert model.calls == order
    assert all((one == paint(image)).all() for one, image in zip(painted, frames(4), strict=True))


def test_what_is_set_in_mid_run_holds_for_the_next_frame(tmp_path):
    model, paint = painting_ahead(tmp_path)
    blue = np.full((4, 6, 3), (200, 0, 0), np.uint8)

    def turn_blue(done):
        if done == 2:
            paint.style = blue

    sink = MemorySink()
    run(MemorySource(frames(5)), paint, sink, on_frame=turn_blue)
    before = StyleFilter(frames(1)[0], model=model, cache=EmbeddingCache(tmp_path))
    for number, frame in enumerate(sink.frames):
        expected = (before if number < 2 else paint)(frames(5)[number])
        assert (frame.image == expected).all()
    assert sorted(call for call in model.calls if call.startswith("finish")) == [
        f"finish {n}" for n in range(5)
    ]


@pytest.mark.parametrize("where", ["stop", "sink"])
def test_what_was_begun_is_waited_for_where_a_run_ends_early(tmp_path, where):
    model, paint = painting_ahead(tmp_path)
    stop = threading.Event()

    class Full(MemorySink):
        def _write(self, frame):
            raise SinkError("the disk is full")

    if where == "stop":
        run(MemorySource(frames(9)), paint, MemorySink(), on_frame=lambda _: stop.set(), stop=stop)
    else:
        with pytest.raises(SinkError):
            run(MemorySource(frames(9)), paint, Full())
    begun, finished = ([c.split()[1] for c in model.calls if c.startswith(w)] for w in ("begin", "finish"))
    assert begun
    assert begun == finished


@pytest.mark.parametrize(("why", "number"), [("alone", 1), ("faces", 3), ("large", 3)])
def test_not_everything_is_begun(tmp_path, monkeypatch, why, number):
    """One picture alone takes all threads; of people it is not known yet where they are; and three large
    frames take much memory."""
    model, paint = painting_ahead(tmp_path)
    if why == "faces":
        paint.face = 0.5
    elif why == "large":
        monkeypatch.setattr("nstfilter.filter.ONE_PIECE", 3 * 4 * 6 - 1)
    run(MemorySource(frames(number)), paint, MemorySink())
    assert model.calls == []
