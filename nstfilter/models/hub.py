"""Any model of TensorFlow Hub that paints one picture in the style of another, Magenta's first of all.

https://tfhub.dev/google/magenta/arbitrary-image-stylization-v1-256/2, after Ghiasi et al. 2017 (arXiv
1705.06830). It is called as `model(content, style)`, both float32 RGB in [0, 1]; here it is cut in two, so
that a style is looked at once and not on every frame.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.errors import ModelError
from nstfilter.graphics.opencv import cv2
from nstfilter.models import allowed_threads
from nstfilter.models.embeddings import cache_folder
from nstfilter.models.graph import STYLE_SIZE, Network, load
from nstfilter.models.tensorflow import tf

# counts up when `HubModel.embed` prepares a picture in another way, so that old embeddings are not met again
_PREPARATION = 1
# the transformer halves its picture twice and rounds up; at a quarter it still reflects at its edges, so it
# needs some pixels to reflect
_MULTIPLE = 4
_SMALLEST = 32


class HubModel:
    """The SavedModel in `folder`, as a `StyleModel`.

    `mixes` is False for a model in which no small tensor carries the style. Its embedding is then the
    prepared style picture, and every frame pays for the whole network.

    `threads` bounds the processor cores used, by default as NSTFILTER_THREADS says; it holds for the whole
    process, and only when TensorFlow has not computed anything before. Raises `ModelError` when `folder`
    holds no such model.
    """

    def __init__(self, folder: Path, *, name: str = "magenta", threads: int | None = None) -> None:
        if not (folder / "saved_model.pb").is_file():
            raise ModelError(f"{folder} is not a SavedModel: it has no saved_model.pb")
        if threads := allowed_threads(threads):
            with contextlib.suppress(RuntimeError):  # TensorFlow is running already
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        self.name = name
        self.fingerprint = fingerprint(folder)
        network = load(folder, cache_folder() / "graphs" / f"{self.fingerprint}.npz")
        self.mixes = network.cut
        self._embed, self._stylize = _trace(network)
        self.embedding_shape = tuple(self._embed.structured_outputs.shape)

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """The embedding of a style picture: float32, for Magenta 100 numbers.

        `picture` is HxWx3 BGR uint8. Its middle square is brought to 256x256, the size that the network
        was trained for: a picture squeezed into a square would have squeezed brush strokes.
        """
        embedding: np.ndarray = self._embed(_square(picture)).numpy()
        return embedding

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The painted frame; both are HxWx3 BGR uint8 of the same size.

        The frame is extended by reflection on the right and below to a size that the network keeps, and
        the result is cropped. Raises `ModelError` for an embedding of another model's shape.
        """
        if embedding.shape != self.embedding_shape:
            raise ModelError(
                f"an embedding of shape {embedding.shape} was not made by {self.name}; "
                f"expected {self.embedding_shape}"
            )
        height, width = frame.shape[:2]
        below, right = (_extended(side) - side for side in (height, width))
        if below or right:
            frame = cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        painted = self._stylize(frame, embedding).numpy()[:height, :width]
        if out is None:
            return np.ascontiguousarray(painted)
        np.copyto(out, painted)
        return out


def fingerprint(folder: Path) -> str:
    """A short hash of everything that decides what the SavedModel in `folder` computes."""
    total = hashlib.sha256(f"preparation {_PREPARATION}".encode())
    for path in [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]:
        with path.open("rb") as file:
            total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def _trace(network: Network) -> tuple[Any, Any]:
    """`embed` and `stylize` on uint8 BGR pictures of no batch: traced once, for all sizes."""

    # autograph would rewrite the source of all that is called, for control flow that is not there
    @tf.function(autograph=False, input_signature=[tf.TensorSpec([STYLE_SIZE, STYLE_SIZE, 3], tf.uint8)])
    def embed(picture):  # type: ignore[no-untyped-def]
        bottleneck = network.embed(_to_network(picture))
        return tf.reshape(bottleneck, [-1]) if network.cut else bottleneck[0]

    concrete = embed.get_concrete_function()
    embedding_shape = concrete.structured_outputs.shape

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec(embedding_shape)],
    )
    def stylize(frame, embedding):  # type: ignore[no-untyped-def]
        painted = network.stylize(_to_network(frame), tf.reshape(embedding, network.shape))[0]
        return tf.saturate_cast(tf.round(tf.reverse(painted, [-1]) * 255), tf.uint8)

    return concrete, stylize.get_concrete_function()


def _to_network(picture: tf.Tensor) -> tf.Tensor:
    """HxWx3 BGR uint8 -> 1xHxWx3 RGB float32 in [0, 1]."""
    return tf.reverse(tf.cast(picture, tf.float32), [-1])[tf.newaxis] / 255


def _square(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    interpolation = cv2.INTER_AREA if side > STYLE_SIZE else cv2.INTER_LINEAR
    return cv2.resize(middle, (STYLE_SIZE, STYLE_SIZE), interpolation=interpolation)


def _extended(side: int) -> int:
    return max(_SMALLEST, -(-side // _MULTIPLE) * _MULTIPLE)
