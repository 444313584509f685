"""Style embeddings, computed once: kept in memory, then on disk.

A cache entry is one .npy file named after the model's fingerprint and the picture's hash. Entries appear
whole or not at all, so processes may share the folder; one that cannot be read is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs

from nstfilter.files import NewFile
from nstfilter.models import StyleModel


def cache_folder() -> Path:
    """Where nstfilter keeps what it can make again; NSTFILTER_CACHE_DIR moves it."""
    return Path(
        os.environ.get("NSTFILTER_CACHE_DIR") or platformdirs.user_cache_dir("nstfilter", appauthor=False)
    )


def picture_hash(picture: np.ndarray) -> str:
    shape = repr((picture.shape, picture.dtype.str)).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(picture).tobytes()).hexdigest()[:32]


class EmbeddingCache:
    """`folder` is where entries live on disk; by default in the user's cache folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "embeddings"
        self._memory: dict[str, np.ndarray] = {}

    def get(self, model: StyleModel, picture: str, read: Callable[[], np.ndarray]) -> np.ndarray:
        """The embedding, by `model`, of the picture whose hash is `picture`; `read` gives the picture
        (HxWx3 BGR uint8) and is called only when nobody has embedded it before. The answer is read-only."""
        key = f"{model.fingerprint}-{picture}"
        if key not in self._memory:
            path = self.folder / f"{key}.npy"
            embedding = _load(path)
            if embedding is None:
                embedding = model.embed(read()).copy()
                _save(path, embedding)
            embedding.flags.writeable = False  # many share it
            self._memory[key] = embedding
        return self._memory[key]


def _load(path: Path) -> np.ndarray | None:
    try:
        with path.open("rb") as file:
            embedding: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except Exception:
        # a damaged header fails in many ways (tokenize.TokenError, MemoryError), all the same to us
        return None
    usable = embedding.dtype == np.float32 and embedding.size > 0 and bool(np.isfinite(embedding).all())
    return embedding if usable else None


def _save(path: Path, embedding: np.ndarray) -> None:
    # a cache that cannot be written (full disk, read-only home) costs time, not the picture
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with NewFile(path) as file:
            np.save(file, embedding, allow_pickle=False)
