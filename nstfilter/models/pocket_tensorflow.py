"""The pocket network in TensorFlow: where OpenVINO has no wheel, and in tests to compare it with.

Frames are [n, h, w, 3] BGR uint8, scale and shift float32 [sum(CHANNELS)].
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nstfilter.models import network, taught
from nstfilter.models.network import CHANNELS, Statistics, Weights
from nstfilter.models.tensorflow import tf


class PocketInTensorFlow:
    """`threads` holds for the whole process, and only when TensorFlow has not computed anything before."""

    device, precision = "cpu", "f32"

    def __init__(self, weights: Weights, threads: int | None) -> None:
        if threads:
            with contextlib.suppress(RuntimeError):  # TensorFlow is running already
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        ops = TensorFlowOps()
        frames = tf.TensorSpec((None, None, None, 3), tf.uint8)
        vector = tf.TensorSpec((sum(CHANNELS),), tf.float32)
        kernels = {key: tf.TensorSpec(shape, tf.float32) for key, shape in taught.PAINTER.items()}
        signature = [frames, kernels, vector, vector]

        def statistics(frames: Any, weights: Any, scale: Any, shift: Any) -> Any:
            _, means, variances = network.paint(ops, weights, frames, scale, shift, False)
            return [tf.concat([tf.reshape(v, (-1,)) for v in x], 0) for x in (means, variances)]

        self._paint, self._paint_measured = (
            tf.function(
                lambda frames, weights, scale, shift, measured=measured: network.paint(
                    ops, weights, frames, scale, shift, measured
                )[0],
                input_signature=signature,
            )
            for measured in (False, True)
        )
        self._statistics = tf.function(statistics, input_signature=signature)
        self._encode = tf.function(
            lambda picture: network.encode(ops, weights, picture), input_signature=[frames]
        )

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Trace the network: one graph serves all shapes."""
        self._paint.get_concrete_function()

    def paint(
        self,
        frame: np.ndarray,
        weights: Weights,
        scale: np.ndarray,
        shift: np.ndarray,
        measured: bool,
        out: np.ndarray,
    ) -> np.ndarray:
        paint = self._paint_measured if measured else self._paint
        np.copyto(out, paint(frame, _kernels(weights), scale, shift).numpy())
        return out

    def begin(
        self, frame: np.ndarray, weights: Weights, scale: np.ndarray, shift: np.ndarray
    ) -> Callable[[], np.ndarray]:
        """Nothing: TensorFlow computes when it is asked for the result."""
        return lambda: self.paint(frame, weights, scale, shift, False, np.empty_like(frame))

    def measure(
        self, frames: np.ndarray, weights: Weights, scale: np.ndarray, shift: np.ndarray
    ) -> Statistics:
        return Statistics(*(v.numpy() for v in self._statistics(frames, _kernels(weights), scale, shift)))

    def encode(self, picture: np.ndarray) -> np.ndarray:
        embedding: np.ndarray = self._encode(picture).numpy()[0]
        return embedding


def _kernels(weights: Weights) -> Weights:
    return {key: weights[key] for key in taught.PAINTER}


class TensorFlowOps:
    """The same operations in TensorFlow, on [n, h, w, channels]."""

    def split(self, vector: Any, channels: list[int]) -> list[Any]:
        parts: list[Any] = tf.split(vector, channels)
        return parts

    def moments(self, x: Any) -> tuple[Any, Any]:
        mean, variance = tf.nn.moments(x, (0, 1, 2), keepdims=True)
        return mean, variance

    def every_other_row(self, x: Any, many: int) -> Any:
        return x[:, :: tf.where(tf.shape(x)[1] < many, 1, 2)]

    def mirror(self, x: Any) -> Any:
        return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")

    def conv(self, x: Any, kernel: Any, bias: Any, stride: int = 1, pad: int = 0) -> Any:
        if pad:
            x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        y = tf.nn.conv2d(x, tf.transpose(kernel, (2, 3, 1, 0)), stride, "VALID")
        return y if bias is None else y + bias

    def depthwise(self, x: Any, kernel: np.ndarray, bias: np.ndarray, stride: int = 1, pad: int = 0) -> Any:
        x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        strides = (1, stride, stride, 1)
        return tf.nn.depthwise_conv2d(x, kernel.transpose(2, 3, 0, 1), strides, "VALID") + bias

    def linear(self, x: Any, matrix: np.ndarray, bias: np.ndarray) -> Any:
        return tf.reshape(x, (1, -1)) @ matrix.T + bias

    def relu(self, x: Any) -> Any:
        return tf.nn.relu(x)

    def halve(self, x: Any) -> Any:
        return tf.nn.max_pool2d(x, 2, 2, "VALID")

    def sqrt(self, x: Any) -> Any:
        return tf.sqrt(x)

    def unshuffle(self, frame: Any, factor: int) -> Any:
        return tf.nn.space_to_depth(tf.cast(frame, tf.float32), factor)

    def shuffle(self, x: Any, factor: int) -> Any:
        return tf.nn.depth_to_space(x, factor)

    def phases(self, x: Any) -> Any:
        return tf.nn.space_to_depth(x, 2)

    def picture(self, x: Any) -> Any:
        x = self.shuffle(self.shuffle(tf.sigmoid(x), 2), 2)
        return tf.cast(tf.round(x * 255), tf.uint8)

    def as_map(self, x: Any) -> Any:
        return tf.reshape(x, (1, 1, 1, -1))

    def double(self, x: Any) -> Any:
        return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)

    def mask(self, x: Any) -> Any:
        return tf.cast(tf.round(tf.nn.depth_to_space(tf.sigmoid(x), 2) * 255), tf.uint8)[..., 0]
