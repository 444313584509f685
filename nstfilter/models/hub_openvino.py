"""A Hub model's network in OpenVINO: converted from TensorFlow once, then read without it."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nstfilter.files import NewFile
from nstfilter.models.engines import Engine, Graph, core
from nstfilter.models.openvino import ov

# the largest difference to TensorFlow's picture, in levels of 255, at which a conversion is trusted
CLOSE = 2


class NotConvertedError(Exception):
    """OpenVINO cannot take a network, or paints another picture with it than TensorFlow."""


class HubInOpenVINO:
    """As `HubInTensorFlow`. The converted graphs are kept beside the frozen one; `name`, the SavedModel's
    fingerprint, tells them from others that `engine` holds. Raises `NotConvertedError` and `ModelError`.
    """

    def __init__(self, folder: Path, frozen: Path, name: str, engine: Engine) -> None:
        self._name, self._engine = name, engine
        cached = frozen.with_suffix(".openvino.npz")
        self._graphs = _read(cached) or _converted(folder, frozen, cached, name, engine)
        self.cut = self._graphs.cut
        self.embedding_shape = tuple(self._graphs.embedding.outputs[0].shape)
        frame, embedding = _test_inputs(self.embedding_shape)
        self._target = engine.choose(name, lambda: self._graphs.at(*frame.shape[:2]), frame, embedding)
        self.device, self.precision = self._target

    def embed(self, picture: np.ndarray) -> np.ndarray:
        return self._engine.graph((self._name, "embed"), lambda: self._graphs.embedding)(picture)[0]

    def prepare(self, height: int, width: int, abreast: bool = False) -> Graph:
        return self._engine.graph(
            (self._name, "paint", height, width),
            lambda: self._graphs.at(height, width),
            pixels=height * width,
            target=self._target,
            abreast=abreast,
        )

    def paint(self, frame: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        return self.prepare(*frame.shape[:2])(frame, embedding)[0]

    def begin(self, frame: np.ndarray, embedding: np.ndarray) -> Callable[[], np.ndarray]:
        height, width = frame.shape[:2]
        finish = self.prepare(height, width, abreast=True).begin(frame, embedding)
        return lambda: finish()[0]


class _Graphs(NamedTuple):
    embedding: Any  # openvino.Model, 256x256x3 uint8 -> float32
    painting: Any  # openvino.Model, HxWx3 uint8 and the embedding -> HxWx3 uint8, H and W still open
    cut: bool

    def at(self, height: int, width: int) -> Any:
        """The painting graph for frames of one size."""
        model = self.painting.clone()
        model.reshape({0: [height, width, 3]})
        return model


def _converted(folder: Path, frozen: Path, cached: Path, name: str, engine: Engine) -> _Graphs:
    from nstfilter.models.hub_tensorflow import HubInTensorFlow

    network = HubInTensorFlow(folder, frozen, None)
    try:
        embedding, painting = (ov.convert_model(part) for part in (network.embedding, network.painting))
        embedding.reshape(list(network.embedding.inputs[0].shape))
        graphs = _Graphs(embedding, painting, network.cut)
        frame, z = _test_inputs(network.embedding_shape)
        painted = engine.graph((name, "test"), lambda: graphs.at(*frame.shape[:2]))(frame, z)[0]
    except Exception as error:  # whatever an operation that OpenVINO does not know makes it raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        raise NotConvertedError(f"OpenVINO cannot take the network of {folder} ({reason})") from error
    difference = np.abs(painted.astype(int) - network.paint(frame, z)).max()
    if difference > CLOSE:
        raise NotConvertedError(
            f"OpenVINO paints another picture than TensorFlow with the network of {folder}: levels differ by "
            f"up to {difference}, expected at most {CLOSE}"
        )
    _write(cached, graphs)
    return graphs


def _test_inputs(embedding_shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A small frame with every hue, and any embedding."""
    y, x = np.mgrid[0:64, 0:96]
    frame = np.stack([x * 2, y * 4, (x * y) % 256], axis=-1).astype(np.uint8)
    return frame, np.random.default_rng(0).random(embedding_shape, np.float32)


def _read(cached: Path) -> _Graphs | None:
    """The graphs kept in a file; None when it is missing or damaged."""
    try:
        with np.load(cached, allow_pickle=False) as file:
            embedding, painting = (
                core().read_model(file[f"{name}.xml"].tobytes(), ov.Tensor(file[f"{name}.bin"]))
                for name in ("embedding", "painting")
            )
            return _Graphs(embedding, painting, bool(file["cut"]))
    except (OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile):
        return None


def _write(cached: Path, graphs: _Graphs) -> None:
    """Keep the graphs in a file, which appears whole or not at all. One that cannot be written costs time,
    not the picture."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory() as folder:
        contents: dict[str, np.ndarray] = {"cut": np.array(graphs.cut)}
        for name, model in (("embedding", graphs.embedding), ("painting", graphs.painting)):
            ov.save_model(model, Path(folder) / f"{name}.xml", compress_to_fp16=False)
            for suffix in ("xml", "bin"):
                contents[f"{name}.{suffix}"] = np.fromfile(Path(folder) / f"{name}.{suffix}", np.uint8)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with NewFile(cached) as file:
            np.savez(file, **contents)  # type: ignore[arg-type]
