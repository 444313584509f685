"""Taught styles: weights of pocket's transformer for one style alone.

In memory a taught style is a vector, float32 [SIZE]: every kernel and bias of the transformer, then the
scales and the shifts of its normalized layers. The vector takes the place of an embedding, so that a mix of
styles is a weighted mean of vectors, and a glide from one style to another moves along the line between two
(tried: networks that were taught from the same weights mix evenly).

On disk it is an .npz beside the style's picture, for RGB frames with values in [0, 1] as in pocket.npz, with
the recipe it was taught with. Kernels are whole numbers from -127 to 127 with a step for each output channel,
which moves a painting by less than one of 255 on average; the rest is float16, as in earlier versions all is.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nstfilter.errors import StyleError
from nstfilter.files import file_hash
from nstfilter.models import network
from nstfilter.models.network import HALF, STYLED, Weights

PAINTER = {
    key: shape for key, shape in network.shapes().items() if not key.startswith(("style", "stage", "answer"))
}
"""The arrays of the transformer, in the order in which they lie in a vector, and their shapes."""
SIZE = sum(math.prod(shape) for shape in PAINTER.values()) + 2 * sum(STYLED)
LARGEST_FILE = 1_000_000
"""In bytes, also unpacked: what is larger was not written here, and is not read. Packs come from strangers,
and a few kB may unpack to gigabytes."""
LARGEST_RECIPE = 10_000
KEPT = 48
"""Styles of which the vectors are kept in memory, half a megabyte each."""
DAMAGE = (
    ValueError,
    TypeError,
    AttributeError,  # an entry that is no array is given as bytes
    KeyError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged .npz may raise."""


class Taught(NamedTuple):
    """A taught style: its vector, float32 [SIZE], and how it was taught, as plain JSON values."""

    vector: np.ndarray
    recipe: dict[str, Any]


def split(vector: np.ndarray) -> tuple[Weights, np.ndarray]:
    """The arrays of a vector, as views of it, and its scales and shifts, [2 * sum(STYLED)]."""
    arrays, at = {}, 0
    for key, shape in PAINTER.items():
        end = at + math.prod(shape)
        arrays[key] = vector[at:end].reshape(shape)
        at = end
    return arrays, vector[at:]


def join(arrays: Weights, both: np.ndarray) -> np.ndarray:
    """The inverse of `split`."""
    return np.concatenate([*(arrays[key].ravel() for key in PAINTER), both]).astype(np.float32)


def base(weights: Weights, embedding: np.ndarray) -> np.ndarray:
    """The vector of a style that is not taught: pocket's own kernels with the style's scales and shifts."""
    return join(weights, network.styled(weights, embedding))


def for_frames(arrays: Weights) -> Weights:
    """The transformer's arrays, as they lie in files for RGB in [0, 1], made for BGR in [0, 255]."""
    arrays = _colors_turned(arrays)
    return arrays | {"front0.weight": arrays["front0.weight"] / np.float32(255)}


def for_file(arrays: Weights) -> Weights:
    """The inverse of `for_frames`."""
    arrays = _colors_turned(arrays)
    return arrays | {"front0.weight": arrays["front0.weight"] * np.float32(255)}


def _colors_turned(arrays: Weights) -> Weights:
    turned = {key: arrays[key] for key in PAINTER}
    first, last = turned["front0.weight"], turned["out.weight"]
    turned["front0.weight"] = first.reshape(len(first), 16, 3, 3, 3)[:, :, ::-1].reshape(first.shape)
    turned["out.weight"] = last.reshape(4, 3, HALF, 3, 3)[:, ::-1].reshape(last.shape)
    return turned


def dump(vector: np.ndarray, recipe: dict[str, Any]) -> bytes:
    """The contents of a taught style's file, about 110 kB."""
    arrays, both = split(vector)
    stored: dict[str, Any] = {}
    for key, array in for_file(arrays).items():
        if array.ndim == 1:
            stored[key] = array.astype(np.float16)
            continue
        step = np.abs(array).reshape(len(array), -1).max(1) / 127
        step = np.where(step > 0, step, 1).astype(np.float32)
        stored[key] = np.rint(array / step[:, None, None, None]).astype(np.int8)
        stored[f"{key}.step"] = step
    stored |= {
        "recipe": np.frombuffer(json.dumps(recipe).encode(), np.uint8),
        "style": both.astype(np.float16),
    }
    file = io.BytesIO()
    np.savez_compressed(file, **stored)
    return file.getvalue()


def read(path: Path) -> Taught:
    """The taught style in a file. Raises `StyleError` for what is no such file."""
    remedy = "teach the style again with: nstfilter styles teach --overwrite"
    try:
        if os.path.getsize(path) > LARGEST_FILE:
            raise StyleError(f"{path} is no taught style: it is over {LARGEST_FILE // 1000} kB; {remedy}")
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LARGEST_FILE:
            raise StyleError(f"{path} is no taught style: it unpacks to {unpacked // 1000} kB; {remedy}")
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in ("recipe", "style", *PAINTER)}
            steps = {
                key: file[f"{key}.step"].astype(np.float32) for key in PAINTER if f"{key}.step" in file.files
            }
        recipe = json.loads(found.pop("recipe").tobytes()[:LARGEST_RECIPE].decode())
        both = found.pop("style").astype(np.float32)
        arrays = {key: found[key].astype(np.float32) for key in PAINTER}
    except OSError as error:
        raise StyleError(f"{path} cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise StyleError(f"{path} is no taught style, or damaged: {error}; {remedy}") from None
    if (
        {key: array.shape for key, array in arrays.items()} != PAINTER
        or both.shape != (2 * sum(STYLED),)
        or any(step.shape != PAINTER[key][:1] for key, step in steps.items())
    ):
        raise StyleError(f"{path} was taught to another network than this version has; {remedy}")
    for key, step in steps.items():
        arrays[key] *= step.reshape(-1, *(1,) * (arrays[key].ndim - 1))
    vector = join(for_frames(arrays), both)
    if not np.isfinite(vector).all() or not isinstance(recipe, dict):
        raise StyleError(f"{path} is damaged; {remedy}")
    return Taught(vector, recipe)


def check_picture(found: Taught, path: Path, picture: Path) -> None:
    """Raises `StyleError` where the file `path`, read as `found`, was taught to another picture than the one
    at `picture`: photo.jpg and photo.png share one name for what is taught, and a picture may be replaced.
    A recipe that does not say which picture it was is believed."""
    if found.recipe.get("picture", own := short_hash(picture)) != own:
        raise StyleError(
            f"{path} was taught to another picture than {picture.name}; rename one of the two, or teach this "
            "one with: nstfilter styles teach --overwrite"
        )


def vector(path: Path, picture: Path) -> np.ndarray:
    """The vector in the file `path`, taught to the picture at `picture`; read-only. Kept in memory, as it is
    asked for when somebody clicks on a style, until one of the two files changes. Raises `StyleError`."""
    return _vector(path, picture, _version(path), _version(picture))


@lru_cache(KEPT)
def _vector(path: Path, picture: Path, *versions: object) -> np.ndarray:
    found = read(path)
    check_picture(found, path, picture)
    found.vector.flags.writeable = False  # many share it
    return found.vector


def _version(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None  # whoever reads it says why
    return found.st_mtime_ns, found.st_size, found.st_ino


def short_hash(path: Path) -> str:
    """The beginning of a file's SHA-256, as recipes have it. Raises `StyleError`."""
    try:
        return file_hash(path)[:32]
    except OSError as error:
        raise StyleError(f"{path} cannot be read: {error.strerror}") from None
