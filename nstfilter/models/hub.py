"""Any model of TensorFlow Hub that paints one picture in the style of another, Magenta's first of all.

https://tfhub.dev/google/magenta/arbitrary-image-stylization-v1-256/2, after Ghiasi et al. 2017 (arXiv
1705.06830). It is called as `model(content, style)`, both float32 RGB in [0, 1]; here it is cut in two, so
that a style is looked at once and not on every frame.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nstfilter.errors import ModelError
from nstfilter.files import file_hash
from nstfilter.graphics.opencv import cv2
from nstfilter.models import allowed_threads, chosen_engine
from nstfilter.models.embeddings import cache_folder

if TYPE_CHECKING:
    from nstfilter.models.hub_openvino import HubInOpenVINO
    from nstfilter.models.hub_tensorflow import HubInTensorFlow

# the size that style pictures are looked at
STYLE_SIZE = 256

# counts up when `HubModel.embed` prepares a picture in another way, so that old embeddings are not met again
_PREPARATION = 1
# the transformer halves its picture twice and rounds up; at a quarter it still reflects at its edges, so it
# needs some pixels to reflect
_MULTIPLE = 4
_SMALLEST = 32

log = logging.getLogger("nstfilter")


class HubModel:
    """The SavedModel in `folder`, as a `StyleModel`.

    threads    how many the engine may use; default: the variable NSTFILTER_THREADS, or the engine decides
    engine     "openvino" or "tensorflow"; default: OpenVINO where it is installed and takes the network
    precision  "f32" or "bf16"; default: bf16 where the processor has it and the picture stays the same
    device     "cpu", "gpu", "npu" or "auto", for OpenVINO; default: the CPU

    TensorFlow is needed to open a model for the first time; what OpenVINO needs of it is then in the cache.
    `mixes` is False for a model in which no small tensor carries the style. Its embedding is then the
    prepared style picture, and every frame pays for the whole network.

    Raises `ModelError` when `folder` holds no such model, `UsageError` for an unknown engine, precision or
    device. Several threads may call it; those that paint at the same size take turns.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "magenta",
        threads: int | None = None,
        engine: str | None = None,
        precision: str | None = None,
        device: str | None = None,
    ) -> None:
        if not (folder / "saved_model.pb").is_file():
            raise ModelError(f"{folder} is not a SavedModel: it has no saved_model.pb")
        threads = allowed_threads(threads)
        self.name = name
        self.fingerprint = fingerprint(folder)
        frozen = cache_folder() / "graphs" / f"{self.fingerprint}.npz"
        self.engine = chosen_engine(engine, precision, device)
        self._network: HubInOpenVINO | HubInTensorFlow
        if self.engine == "openvino":
            from nstfilter.models.engines import Engine
            from nstfilter.models.hub_openvino import HubInOpenVINO, NotConvertedError

            runner = Engine(threads=threads, precision=precision, device=device)
            try:
                self._network = HubInOpenVINO(folder, frozen, self.fingerprint, runner)
            except NotConvertedError as error:
                if engine:
                    raise ModelError(str(error)) from error
                log.warning("%s; it runs in TensorFlow", error)
                self.engine = "tensorflow"
        if self.engine == "tensorflow":
            from nstfilter.models.hub_tensorflow import HubInTensorFlow

            self._network = HubInTensorFlow(folder, frozen, threads)
        self.device, self.precision = self._network.device, self._network.precision
        self.mixes = self._network.cut
        self.embedding_shape = self._network.embedding_shape

    def prepare(self, height: int, width: int) -> None:
        """Compile what frames of this size need; see `PreparingModel.prepare`."""
        self._network.prepare(_extended(height), _extended(width))

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """The embedding of a style picture: float32, for Magenta 100 numbers.

        `picture` is HxWx3 BGR uint8. Its middle square is brought to 256x256, the size that the network
        was trained for: a picture squeezed into a square would have squeezed brush strokes.
        """
        return self._network.embed(_square(picture))

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The painted frame; both are HxWx3 BGR uint8 of the same size.

        The frame is extended by reflection on the right and below to a size that the network keeps, and
        the result is cropped. Raises `ModelError` for an embedding of another model's shape.
        """
        height, width = frame.shape[:2]
        painted = self._network.paint(self._extended(frame, embedding), embedding)[:height, :width]
        if out is None:
            return np.ascontiguousarray(painted)
        np.copyto(out, painted)
        return out

    def begin(self, frame: np.ndarray, embedding: np.ndarray) -> Callable[[], np.ndarray]:
        """Begin to paint; what it returns waits for the painted frame. See `AheadModel.begin`."""
        height, width = frame.shape[:2]
        finish = self._network.begin(self._extended(frame, embedding), embedding)
        return lambda: np.ascontiguousarray(finish()[:height, :width])

    def _extended(self, frame: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        if embedding.shape != self.embedding_shape:
            raise ModelError(
                f"an embedding of shape {embedding.shape} was not made by {self.name}; "
                f"expected {self.embedding_shape}"
            )
        below, right = (_extended(side) - side for side in frame.shape[:2])
        if below or right:
            frame = cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        return frame


def fingerprint(folder: Path) -> str:
    """A short hash of everything that decides what the SavedModel in `folder` computes."""
    total = hashlib.sha256(f"preparation {_PREPARATION}".encode())
    for path in [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]:
        total.update(path.name.encode() + bytes.fromhex(file_hash(path)))
    return total.hexdigest()[:16]


def _square(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    interpolation = cv2.INTER_AREA if side > STYLE_SIZE else cv2.INTER_LINEAR
    return cv2.resize(middle, (STYLE_SIZE, STYLE_SIZE), interpolation=interpolation)


def _extended(side: int) -> int:
    return max(_SMALLEST, -(-side // _MULTIPLE) * _MULTIPLE)
