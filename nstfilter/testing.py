"""Fakes, for our own tests and for those of plugin authors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from nstfilter.streams import Frame, Sink, Source, StreamInfo


class FakeModel:
    """A model with no network: an embedding is its picture's mean colour, and painting mixes it in by half.

    `embedded` counts the calls of `embed`. Fast, exact and linear, so tests can work results out by hand.
    """

    name = "fake"
    fingerprint = "fa4e"

    def __init__(self, *, mixes: bool = True) -> None:
        self.mixes = mixes
        self.embedded = 0

    def embed(self, picture: np.ndarray) -> np.ndarray:
        self.embedded += 1
        return picture.reshape(-1, 3).mean(axis=0).astype(np.float32)

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        painted = np.rint((frame.astype(np.float32) + embedding) / 2).astype(np.uint8)
        if out is None:
            return painted
        np.copyto(out, painted)
        return out


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
