"""Reads the weights of the networks in the package."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from nstfilter.errors import ModelError
from nstfilter.models.network import Weights


def read_weights(path: Path, shapes: dict[str, tuple[int, ...]], name: str) -> Weights:
    """The arrays of `shapes` from an .npz file, as float32. An array `x` of whole numbers is multiplied with
    `x.step`, one number for each output channel. Raises `ModelError`, which calls the network `name`, when
    the file cannot be read or its arrays are missing, of another shape, or not finite."""
    what = f"the {name} model's weights {path}"
    try:
        with np.load(path, allow_pickle=False) as file:
            weights = {key: file[key].astype(np.float32) for key in file.files}
            for key in [key for key in weights if key.endswith(".step")]:
                step, whole = weights.pop(key), key.removesuffix(".step")
                weights[whole] = weights[whole] * step.reshape(-1, *(1,) * (weights[whole].ndim - 1))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"cannot read {what}: {error}; reinstall nstfilter") from error
    for key, shape in shapes.items():
        if key not in weights:
            raise ModelError(f"{what} lack {key!r}; reinstall nstfilter")
        if weights[key].shape != shape:
            raise ModelError(
                f"{what}: {key!r} has shape {weights[key].shape}, expected {shape}; reinstall nstfilter"
            )
        if not np.isfinite(weights[key]).all():
            raise ModelError(f"{what}: {key!r} holds NaN or infinity; reinstall nstfilter")
    return weights
