"""The contract of style models: `embed` turns a style picture into numbers once, `stylize` paints each frame.

Models take and give BGR uint8; color order and float conversion are theirs alone.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nstfilter.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "pocket"


def allowed_threads(threads: int | None) -> int | None:
    """How many threads a model may use: what was asked for, else the variable NSTFILTER_THREADS, else None
    for as many as its engine likes. Raises `UsageError` for what is no number from 1 up."""
    asked: int | str | None = threads if threads is not None else os.environ.get("NSTFILTER_THREADS") or None
    if asked is None:
        return None
    if not str(asked).isdecimal() or int(asked) < 1:
        origin = "threads" if threads is not None else "NSTFILTER_THREADS"
        raise UsageError(f"{origin} is {asked!r}; expected a whole number from 1 up")
    return int(asked)


ENGINES = ("openvino", "tensorflow")


def chosen_engine(engine: str | None, precision: str | None, device: str | None) -> str:
    """One of ENGINES: the one asked for, else OpenVINO where it is installed. Raises `UsageError` for an
    engine that there is not, or one that cannot do what is asked."""
    if engine not in (None, *ENGINES):
        raise UsageError(f"no engine is called {engine!r}; expected {' or '.join(ENGINES)}")
    if engine is None:
        engine = "openvino" if importlib.util.find_spec("openvino") else "tensorflow"
    if engine == "tensorflow":
        if precision not in (None, "f32"):
            raise UsageError(f"TensorFlow computes in f32 here, not in {precision}")
        if device not in (None, "cpu"):
            raise UsageError(f"TensorFlow computes on the cpu here, not on {device}")
    return engine


def spare_threads() -> int:
    """How many threads live use takes where nobody says: all processors we may use but one, which is left to
    the camera, the call and whoever else is there; at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, processors - 1)


@runtime_checkable
class StyleModel(Protocol):
    """The contract of every model. Color order and float conversion are the model's business.

    `name`          what the user called it
    `fingerprint`   a short hex string that changes whenever the same picture would get another embedding
    `mixes`         whether a weighted mean of two embeddings is an embedding
    """

    name: str
    fingerprint: str
    mixes: bool

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """The embedding of a style picture.

        `picture` is HxWx3 BGR uint8 of any size; the result is float32, always of the same shape, and belongs
        to the caller. Called once for each style, then the embedding is kept on disk. In a live run it is
        called in one thread while another is inside `stylize`. Raises `ModelError` or `StyleError`.
        """
        ...

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The painted frame.

        `frame` is C-contiguous HxWx3 BGR uint8 of any size from 1x1 up, and is not written to. The result has
        the same shape and dtype; it is `out` where that is given, and belongs to the caller. Called once a
        frame, by one thread at a time. Raises `ModelError`; a live run then shows the privacy card and calls
        again about once a second.
        """
        ...


@runtime_checkable
class TeachableModel(StyleModel, Protocol):
    """A model that can be taught a style of its own. A taught style has an embedding too, of another shape
    than a picture's; `mix` makes one of several, of either shape."""

    def taught(self, path: Path, picture: Path) -> np.ndarray:
        """The embedding, float32, that a file of `nstfilter styles teach` holds. Raises `StyleError`, also
        where it was taught to another picture than the style's own, at `picture`."""
        ...

    def mix(self, embeddings: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
        """The weighted mean of embeddings; shares are not negative and sum to 1."""
        ...


def mix_embeddings(
    model: StyleModel, embeddings: Sequence[np.ndarray], shares: Sequence[float]
) -> np.ndarray:
    """The weighted mean of `model`'s embeddings, float32; shares are not negative and sum to 1."""
    if isinstance(model, TeachableModel):
        return model.mix(embeddings, shares)
    import numpy as np

    first, *others = (z * np.float32(share) for z, share in zip(embeddings, shares, strict=True))
    return np.asarray(sum(others, first), np.float32)


@runtime_checkable
class PreparingModel(StyleModel, Protocol):
    """A model that compiles something for each frame size. Without `prepare` the first frame of a new size
    pays for that, about a tenth of a second."""

    def prepare(self, height: int, width: int) -> None:
        """Compile ahead what `stylize` needs for frames of this size; returns when that is done, at once
        where it was done before.

        Called from any thread, also while another one is in `stylize`, which must not wait for it. A live run
        prepares every size that its governor may choose, about eight; a model keeps at least so many.
        """
        ...


@runtime_checkable
class AheadModel(StyleModel, Protocol):
    """A model that can paint several frames at once, which uses a processor better than one after another."""

    def begin(self, frame: np.ndarray, embedding: np.ndarray) -> Callable[[], np.ndarray]:
        """Begin to paint: as `stylize`, but it returns at once, and what it returns waits for the painted
        frame. That is called once, in the same thread, and `frame` stays as it is until then.

        Called for frames of a video file, two of them ahead.
        """
        ...


@runtime_checkable
class TilingModel(StyleModel, Protocol):
    """A model whose normalization statistics can be taken beforehand, so that the tiles of a picture too
    large to be painted in one piece all get the same treatment."""

    def measure(self, patches: np.ndarray, embedding: np.ndarray) -> Any:
        """Statistics over `patches` (NxHxWx3 BGR uint8) taken together."""
        ...

    def stylize(
        self,
        frame: np.ndarray,
        embedding: np.ndarray,
        *,
        out: np.ndarray | None = None,
        statistics: Any = None,
    ) -> np.ndarray:
        """As `StyleModel.stylize`, normalized with `statistics` in place of the frame's own."""
        ...
