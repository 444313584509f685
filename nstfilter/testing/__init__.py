"""Fakes and contract checks, for our own tests and those of plugin authors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.models import AheadModel, StyleModel
from nstfilter.people import Segmenter
from nstfilter.streams import Frame, JoiningSink, Sink, Source, StreamInfo


class FakeModel:
    """A model without a network: an embedding is the mean color of its picture (float32, BGR), and a painted
    frame is the mean of frame and embedding. Fast, exact and linear, so that results can be computed by hand.

    `embedded` counts the calls of `embed`.
    """

    name = "fake"
    fingerprint = "fa4e"

    def __init__(self, *, mixes: bool = True) -> None:
        self.mixes = mixes
        self.embedded = 0

    def embed(self, picture: np.ndarray) -> np.ndarray:
        self.embedded += 1
        mean: np.ndarray = picture.reshape(-1, 3).mean(axis=0).astype(np.float32)
        return mean

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        painted: np.ndarray = np.rint((frame.astype(np.float32) + embedding) / 2).astype(np.uint8)
        if out is None:
            return painted
        np.copyto(out, painted)
        return out


class FakeSegmenter:
    """Finds a person in the left `share` of every frame, in a mask a quarter of its size. `instead`, where
    set, is called with the frame in place of that. `found` counts the calls."""

    name = "fake"
    fingerprint = "fa4e"

    def __init__(self, share: float = 0.5) -> None:
        self.share = share
        self.instead: Callable[[np.ndarray], Any] | None = None
        self.found = 0

    def find(self, frame: np.ndarray) -> np.ndarray:
        self.found += 1
        if self.instead:
            answer: np.ndarray = self.instead(frame)
            return answer
        height, width = (max(1, side // 4) for side in frame.shape[:2])
        mask = np.zeros((height, width), np.uint8)
        mask[:, : round(self.share * width)] = 255
        return mask


class MemorySource(Source):
    """Frames from a list of images; `error` is raised after the last one."""

    def __init__(
        self,
        images: Iterable[np.ndarray],
        *,
        rate: Fraction | None = Fraction(30),
        error: Exception | None = None,
    ) -> None:
        super().__init__()
        self.images = list(images)
        self.error = error
        height, width = self.images[0].shape[:2] if self.images else (1, 1)
        self.info = StreamInfo(width, height, 1 / rate if rate else Fraction(1, 30), rate, len(self.images))

    def _frames(self) -> Iterator[Frame]:
        for index, image in enumerate(self.images):
            yield Frame(image, pts=index, duration=1)
        if self.error:
            raise self.error


class MemorySink(Sink):
    """Keeps what it is given in `frames`; `finished` tells whether it was closed and not aborted.

    `error` is raised in place of taking frame number `fail_at`; `kept` is what `abort` returns.
    """

    def __init__(self, *, error: Exception | None = None, fail_at: int = 0, kept: Path | None = None) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.info: StreamInfo | None = None
        self.error = error
        self.fail_at = fail_at
        self.kept = kept
        self.finished = False

    def _open(self, info: StreamInfo) -> None:
        self.info = info

    def _write(self, frame: Frame) -> None:
        if self.error and len(self.frames) == self.fail_at:
            raise self.error
        self.frames.append(frame)

    def _close(self) -> None:
        self.finished = True

    def _abort(self) -> Path | None:
        return self.kept


def check_model(model: StyleModel) -> None:
    """Assert that `model` keeps the contract of `StyleModel`. It is asked to paint a few small frames."""
    _expect(isinstance(model, StyleModel), "a model has name, fingerprint, mixes, embed and stylize")
    pictures = [_noise(height, width) for height, width in ((96, 64), (70, 101))]
    embeddings = [model.embed(picture) for picture in pictures]
    for embedding in embeddings:
        _expect(embedding.dtype == np.float32, f"an embedding is float32, not {embedding.dtype}")
        _expect(np.isfinite(embedding).all(), "an embedding is finite")
    first, second = embeddings
    _expect(first.shape == second.shape, f"embeddings have one shape, not {first.shape} and {second.shape}")
    _expect(np.allclose(model.embed(pictures[0]), first), "a picture always has the same embedding")
    if model.mixes:
        first = (first + second) / 2
    for shape in ((1, 1), (3, 2), (37, 53), (64, 48)):
        frame = _noise(*shape)
        before = frame.copy()
        painted = model.stylize(frame, first)
        _expect(painted.dtype == np.uint8, f"a painted frame is uint8, not {painted.dtype}")
        _expect(painted.shape == frame.shape, f"a frame of {frame.shape} was painted as {painted.shape}")
        _expect(np.array_equal(frame, before), "the frame given is not written to")
        out = np.empty_like(frame)
        _expect(model.stylize(frame, first, out=out) is out, "stylize returns the `out` it was given")
        # threads may add up in another order
        _expect(np.allclose(out, painted, atol=1), "the same frame is painted the same, into `out` too")
        if isinstance(model, AheadModel):
            waiting = [model.begin(image, first) for image in (frame, 255 - frame)]
            begun, _ = (wait() for wait in waiting)
            same = begun.shape == painted.shape and np.allclose(begun, painted, atol=1)
            _expect(same, "what is begun is painted the same, with another frame begun after it")


def check_segmenter(segmenter: Segmenter) -> None:
    """Assert that `segmenter` keeps the contract of `Segmenter`."""
    _expect(isinstance(segmenter, Segmenter), "a segmenter has name, fingerprint and find")
    for shape in ((1, 1), (3, 200), (37, 53), (480, 270), (270, 480)):
        frame = _noise(*shape)
        before = frame.copy()
        mask = segmenter.find(frame)
        _expect(isinstance(mask, np.ndarray) and mask.dtype == np.uint8, "a mask is an array of uint8")
        _expect(mask.ndim == 2 and mask.size > 0, f"a mask has height and width, not the shape {mask.shape}")
        _expect(np.array_equal(frame, before), "the frame given is not written to")
        _expect(np.array_equal(segmenter.find(frame), mask), "the same frame has the same mask")


def check_source(source: Source) -> None:
    """Assert that `source`, just opened and not endless, keeps the contract of `Source`; it is read and
    closed."""
    _expect(isinstance(source, Source), f"a source is a Source, not a {type(source).__name__}")
    info, count, last = source.info, 0, None
    with source:
        for frame in source:
            image = frame.image
            _expect(image.dtype == np.uint8, f"a frame is uint8, not {image.dtype}")
            _expect(
                image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4)),
                f"a frame is HxW, HxWx3 or HxWx4, not {image.shape}",
            )
            _expect(
                image.shape[:2] == (info.height, info.width),
                f"a frame is {image.shape[:2]}, and info says {(info.height, info.width)}",
            )
            _expect(last is None or frame.pts > last, f"pts grows; {frame.pts} came after {last}")
            _expect(frame.duration is None or frame.duration > 0, "a duration is positive or None")
            _expect(not info.live or frame.captured is not None, "a live frame tells when it was captured")
            count, last = count + 1, frame.pts
    _expect(count > 0, "a source has at least one frame, or raises SourceError when it is opened")
    _expect(not info.still or count == 1, f"a still picture is one frame, and {count} came")
    source.close()
    _expect(not list(source), "a closed source gives no frames")


def check_segments(open: Callable[..., Source]) -> None:
    """Assert that what `open` gives for the options `begin`, `end` and `pre_roll` are the frames that it
    gives without them; the source must have a `span`."""
    with open() as source:
        info, span = source.info, source.span()
        whole = list(source)
    assert span is not None, "a source with parts has a span"
    begin, end = span
    _expect(begin == whole[0].pts, f"the span begins with the first frame, at {whole[0].pts} and not {begin}")
    # once between any two frames and once at their very times, with and without frames before
    for pre_roll, borders in (
        (0, [begin + (end - begin) * n // 7 for n in range(7)]),
        (5, [begin, *(frame.pts for frame in whole[3 :: max(1, len(whole) // 5)])]),
    ):
        for first, last in zip(borders, [*borders[1:], None], strict=True):
            before = [frame for frame in whole if frame.pts < first][-pre_roll:] if pre_roll else []
            inside = [frame for frame in whole if frame.pts >= first and (last is None or frame.pts < last)]
            with open(begin=first, end=last, pre_roll=pre_roll) as part:
                found = list(part)
            where = f"the part from {first} to {last} after {pre_roll} frames"
            _expect(
                bool(part.info.frames) == bool(inside), f"{where} has {part.info.frames} frames by its info"
            )
            same = replace(part.info, frames=None, details={}) == replace(info, frames=None, details={})
            _expect(same, f"{where} is {part.info}, the whole {info}")
            times = [frame.pts for frame in found]
            wanted = [frame.pts for frame in before + inside]
            _expect(times == wanted, f"{where} has frames at {times}, the whole at {wanted}")
            for one, other in zip(found, before + inside, strict=True):
                lengths = f"{where} shows {one.pts} for {one.duration}, the whole for {other.duration}"
                _expect(other.duration in (None, one.duration), lengths)
                equal = np.array_equal(one.image, other.image)
                _expect(equal, f"{where} has another picture at {one.pts} than the whole")


def check_sink(open: Callable[[], Sink], path: Path, *, frames: int = 3) -> None:
    """Assert that the sinks which `open` makes, all for the file `path`, keep the contract of `Sink`.

    They are given `frames` frames of 64x48. `path` is to be free at first, in a folder of its own, and is
    removed in the end.
    """

    def begin() -> Sink:
        sink = open()
        sink.open(StreamInfo(64, 48, Fraction(1, 25), Fraction(25) if frames > 1 else None, frames))
        for index in range(frames):
            sink.write(Frame(_noise(48, 64), pts=index, duration=1))
            _expect(not path.exists(), "nothing appears under the final name before close")
        return sink

    _expect(not path.exists(), f"{path} is free")
    kept = begin().abort()
    _expect(not path.exists(), "an aborted sink leaves nothing under the final name")
    if kept:
        kept.unlink()
    _expect(not list(path.parent.iterdir()), "an aborted sink leaves nothing but the part it returns")
    sink = begin()
    sink.close()
    _expect(path.is_file(), "a closed sink's result lies under its final name")
    _expect(list(path.parent.iterdir()) == [path], "a closed sink leaves nothing beside its result")
    sink.close()
    sink.abort()
    _expect(path.is_file(), "a result stays, whatever is called after close")
    path.unlink()


def check_joining(open: Callable[..., Sink], path: Path, read: Callable[[Path], Source]) -> None:
    """Assert that the sinks which `open(path, **options)` makes can be joined: `read` must find the same in a
    joined result as in one that was written in one go. `path` is as for `check_sink`."""
    info = StreamInfo(64, 48, Fraction(1, 25), Fraction(25), 9)
    frames = [Frame(_noise(48, 64), pts=10 + index, duration=1) for index in range(9)]

    def write(sink: Sink, some: Iterable[Frame]) -> None:
        sink.open(info)
        for frame in some:
            sink.write(frame)
        sink.close()

    def times() -> list[Fraction]:
        with read(path) as source:
            found = [frame.pts * source.info.time_base for frame in source]
        path.unlink()
        return found

    write(open(path), frames)
    wanted = times()
    final = open(path)
    _expect(isinstance(final, JoiningSink), f"a {type(final).__name__} joins segments")
    assert isinstance(final, JoiningSink)
    form = final.segment_format(info)
    _expect(form is not None, f"what goes into {path.name} can be joined")
    assert form
    suffix, options = form
    segments = [path.with_name(f"segment{number}{suffix}") for number in range(3)]
    for number in (2, 0, 1):
        write(open(segments[number], **options), frames[3 * number : 3 * number + 3])
    _expect(
        sorted(path.parent.iterdir()) == segments,
        "a segment is a file of its own, and leaves nothing beside it",
    )
    begun = open(path.with_name(f"begun{suffix}"), **options)
    begun.open(info)
    begun.write(frames[0])
    _expect(begun.abort() is None, "nothing is kept of a segment that is not whole")
    final.join(info, segments)
    _expect(
        sorted(path.parent.iterdir()) == sorted([path, *segments]),
        "joining leaves the segments and the result",
    )
    _expect(times() == wanted, "what is joined holds the same frames at the same times")
    for segment in segments:
        segment.unlink()


def _noise(height: int, width: int) -> np.ndarray:
    generator = np.random.default_rng(height * 1000 + width)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _expect(kept: bool, rule: str) -> None:
    if not kept:
        raise AssertionError(f"broken contract: {rule}")
