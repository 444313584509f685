"""What a style model is: it turns a style picture into numbers once, and a frame into a painting many times.

Models take and give BGR uint8; colour order and float conversion are theirs alone.
"""

from __future__ import annotations

import os
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


def spare_threads() -> int:
    """How many threads live use takes where nobody says: all processors we may use but one, which is left to
    the camera, the call and whoever else is there; at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, processors - 1)


@runtime_checkable
class StyleModel(Protocol):
    """The contract of every model.

    `name`          what the user called it
    `fingerprint`   a short hex string that changes whenever the same picture would get another embedding
    `mixes`         whether a weighted mean of two embeddings is an embedding
    """

    name: str
    fingerprint: str
    mixes: bool

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """The embedding, float32 of any one fixed shape, of a style picture: HxWx3 BGR uint8, any size."""
        ...

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The painted frame. `frame` is C-contiguous HxWx3 BGR uint8 of any size from 1x1 up; the result has
        the same shape and dtype, and is `out` when that is given."""
        ...


@runtime_checkable
class TilingModel(StyleModel, Protocol):
    """A model whose normalisation statistics can be taken beforehand, so that the tiles of a picture too
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
        """As `StyleModel.stylize`, normalised with `statistics` in place of the frame's own."""
        ...
