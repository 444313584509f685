from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from nstfilter.errors import SourceError
from nstfilter.manager import open_sink, open_source
from nstfilter.streams import Frame, StreamInfo
from nstfilter.testing import FakeModel, MemorySink, MemorySource, check_model, check_sink, check_source


def images(count=3):
    return [np.full((4, 6, 3), index, np.uint8) for index in range(count)]


def test_the_fake_model_can_be_worked_out_by_hand():
    model = FakeModel()
    embedding = model.embed(np.full((2, 2, 3), (10, 20, 30), np.uint8))
    assert embedding.tolist() == [10, 20, 30]
    painted = model.stylize(np.full((1, 1, 3), 100, np.uint8), embedding)
    assert painted.tolist() == [[[55, 60, 65]]]
    assert model.embedded == 1


def test_the_memory_source_describes_itself_and_fails_at_its_end():
    source = MemorySource(images(), rate=Fraction(24), error=SourceError("the cable is out"))
    info = source.info
    assert (info.width, info.height, info.time_base, info.rate, info.frames) == (6, 4, Fraction(1, 24), 24, 3)
    frames = iter(source)
    assert [next(frames).pts for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="cable"):
        next(frames)
    assert MemorySource(images(1), rate=None).info.still


def test_the_memory_sink_tells_a_closed_run_from_an_aborted_one():
    closed, aborted = MemorySink(), MemorySink()
    for sink in (closed, aborted):
        sink.open(StreamInfo(6, 4))
        sink.write(Frame(images()[0]))
    closed.close()
    aborted.abort()
    assert (closed.finished, aborted.finished) == (True, False)


def test_the_fakes_keep_the_contracts():
    check_model(FakeModel())
    check_model(FakeModel(mixes=False))
    check_source(MemorySource(images()))
    check_source(MemorySource(images(1), rate=None))


class Wide(FakeModel):
    def stylize(self, frame, embedding, *, out=None):
        return np.zeros((frame.shape[0], frame.shape[1] + 1, 3), np.uint8)


class Floating(FakeModel):
    def stylize(self, frame, embedding, *, out=None):
        return frame / 255


class InPlace(FakeModel):
    def stylize(self, frame, embedding, *, out=None):
        frame[:] = 0
        return frame


class Deaf(FakeModel):
    def stylize(self, frame, embedding, *, out=None):
        return super().stylize(frame, embedding)


class Moody(FakeModel):
    def embed(self, picture):
        return super().embed(picture) + self.embedded


class OneHand(FakeModel):
    """Paints what it was asked for last."""

    def begin(self, frame, embedding):
        self.latest = frame
        return lambda: self.stylize(self.latest, embedding)


class Doubled(FakeModel):
    def embed(self, picture):
        return super().embed(picture).astype(np.float64)


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        (object(), "has name"),
        (Wide(), "was painted as"),
        (Floating(), "is uint8, not float64"),
        (InPlace(), "not written to"),
        (Deaf(), "returns the `out`"),
        (Moody(), "always has the same embedding"),
        (Doubled(), "is float32, not float64"),
        (OneHand(), "what is begun is painted the same"),
    ],
)
def test_a_model_that_breaks_its_contract_is_told(model, rule):
    with pytest.raises(AssertionError, match=rule):
        check_model(model)


def with_info(source, **changes):
    source.info = replace(source.info, **changes)
    return source


class Stuttering(MemorySource):
    def _frames(self):
        for image in self.images:
            yield Frame(image, pts=0)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (MemorySource([image.astype(np.float32) for image in images()]), "is uint8, not float32"),
        (MemorySource([np.zeros((4, 6, 2), np.uint8)]), "HxWx3 or HxWx4"),
        (with_info(MemorySource(images()), width=8), "and info says"),
        (with_info(MemorySource(images()), live=True), "when it was captured"),
        (with_info(MemorySource(images()), rate=None), "a still picture is one frame"),
        (Stuttering(images()), "pts grows"),
        (MemorySource([]), "at least one frame"),
    ],
)
def test_a_source_that_breaks_its_contract_is_told(source, rule):
    with pytest.raises(AssertionError, match=rule):
        check_source(source)


class FileSink(MemorySink):
    """Right, but for what the tests below change."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def _close(self):
        self.path.write_text("result")


class Hasty(FileSink):
    def _open(self, info):
        self.path.write_text("")


class Littering(FileSink):
    def _close(self):
        super()._close()
        self.path.with_suffix(".partial").write_text("")


class Stubborn(FileSink):
    def _abort(self):
        self.path.write_text("")


class Leaving(FileSink):
    def _abort(self):
        self.path.with_suffix(".partial").write_text("")


class Forgetful(FileSink):
    def _close(self):
        pass


@pytest.mark.parametrize(
    ("sink", "rule"),
    [
        (Hasty, "before close"),
        (Littering, "nothing beside its result"),
        (Stubborn, "nothing under the final name"),
        (Leaving, "nothing but the part it returns"),
        (Forgetful, "lies under its final name"),
    ],
)
def test_a_sink_that_breaks_its_contract_is_told(sink, rule, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    path = folder / "result.txt"
    with pytest.raises(AssertionError, match=rule):
        check_sink(lambda: sink(path), path)


def test_a_right_sink_passes_and_the_folder_is_empty_after(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    check_sink(lambda: FileSink(folder / "result.txt"), folder / "result.txt")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("name", "count"), [("out.png", 1), ("out.jpg", 1), ("out.mp4", 3)])
def test_our_own_sinks_and_sources_keep_the_contracts(name, count, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    path = folder / name
    check_sink(lambda: open_sink(path), path, frames=count)
    sink = open_sink(path)
    sink.open(StreamInfo(64, 48, Fraction(1, 25), Fraction(25), count))
    for index in range(count):
        sink.write(Frame(np.full((48, 64, 3), 80 * index, np.uint8), pts=index, duration=1))
    sink.close()
    check_source(open_source(path))
