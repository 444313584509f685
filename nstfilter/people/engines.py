"""The network that finds people, in OpenVINO, and in TensorFlow where OpenVINO has no wheel.

Both find masks, [h, w] uint8, in frames [h, w, 3] BGR uint8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nstfilter.models.network import Weights
from nstfilter.people import network


class OpenVINOPeople:
    """`name` is the fingerprint of the weights."""

    def __init__(self, weights: Weights, name: str, threads: int | None, precision: str | None) -> None:
        from nstfilter.models.engines import Engine
        from nstfilter.models.pocket_openvino import OpenVINOOps

        self._weights, self._name = weights, name
        self._engine = Engine(threads=threads, precision=precision)
        self._ops = OpenVINOOps()
        y, x = np.mgrid[0:64, 0:64]
        frame = np.stack([x * 4, y * 4, (x * y) % 256], axis=-1).astype(np.uint8)[None]
        self._target = self._engine.choose(name, lambda: self._build(64, 64), frame)
        self.precision = self._target.precision

    def prepare(self, size: tuple[int, int]) -> Any:
        return self._engine.graph(
            (self._name, size), lambda: self._build(*size), pixels=size[0] * size[1], target=self._target
        )

    def find(self, frame: np.ndarray) -> np.ndarray:
        mask: np.ndarray = self.prepare((frame.shape[0], frame.shape[1]))(frame[None])[0][0]
        return mask

    def _build(self, height: int, width: int) -> Any:
        from nstfilter.models.openvino import ov

        frame = self._ops.set.parameter([1, height, width, 3], np.uint8)
        return ov.Model([network.find(self._ops, self._weights, frame)], [frame])


class TensorFlowPeople:
    precision = "f32"

    def __init__(self, weights: Weights) -> None:
        from nstfilter.models.pocket_tensorflow import TensorFlowOps
        from nstfilter.models.tensorflow import tf

        ops = TensorFlowOps()
        self._find = tf.function(
            lambda frame: network.find(ops, weights, frame),
            input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)],
        )

    def prepare(self, size: tuple[int, int]) -> None:
        self._find.get_concrete_function()

    def find(self, frame: np.ndarray) -> np.ndarray:
        mask: np.ndarray = self._find(frame[None]).numpy()[0]
        return mask
