"""A Hub model's network in TensorFlow: where OpenVINO has no wheel, and to convert it for OpenVINO from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.models.graph import STYLE_SIZE, Network, load
from nstfilter.models.tensorflow import tf


class HubInTensorFlow:
    """The SavedModel in `folder`, cut in two; `cached` is where its frozen graph is kept.

    `threads` holds for the whole process, and only when TensorFlow has not computed anything before. Frames
    are HxWx3 BGR uint8.
    """

    device, precision = "cpu", "f32"

    def __init__(self, folder: Path, cached: Path, threads: int | None) -> None:
        if threads:
            with contextlib.suppress(RuntimeError):  # TensorFlow is running already
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        network = load(folder, cached)
        self.cut = network.cut
        self.embedding, self.painting = _trace(network)
        self.embedding_shape = tuple(self.embedding.structured_outputs.shape)

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """256x256x3 -> the embedding, float32."""
        embedding: np.ndarray = self.embedding(picture).numpy()
        return embedding

    def prepare(self, height: int, width: int) -> None:
        """Nothing: one graph serves all sizes."""

    def paint(self, frame: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        """The painted frame, of the same size."""
        painted: np.ndarray = self.painting(frame, embedding).numpy()
        return painted

    def begin(self, frame: np.ndarray, embedding: np.ndarray) -> Callable[[], np.ndarray]:
        """Nothing: TensorFlow computes when it is asked for the result."""
        return lambda: self.paint(frame, embedding)


def _trace(network: Network) -> tuple[Any, Any]:
    """Concrete functions that embed and paint uint8 BGR pictures of no batch: traced once, for all sizes."""

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
