"""The pocket network in OpenVINO.

Frames are [n, h, w, 3] BGR uint8, scale and shift float32 [sum(CHANNELS)]. The kernels of the transformer are
inputs of its graphs and not part of them: taught styles bring kernels of their own, and a glide between two
changes them with every frame. Measured, that costs 1 to 2 per cent of a frame, and nothing has to be compiled
for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstfilter.models import network, taught
from nstfilter.models.engines import Engine, Graph
from nstfilter.models.network import CHANNELS, Statistics, Weights
from nstfilter.models.openvino import ov


class PocketInOpenVINO:
    """`name` tells the graphs of these weights from those of others that the engine holds."""

    def __init__(self, weights: Weights, name: str, engine: Engine) -> None:
        self._weights, self._name, self._engine = weights, name, engine
        self._ops = OpenVINOOps()
        y, x = np.mgrid[0:64, 0:64]
        frame = np.stack([x * 4, y * 4, (x * y) % 256], axis=-1).astype(np.uint8)[None]
        scale, shift = network.conditions(weights, weights["answer.bias"])
        inputs = _map(scale), _map(shift), *_kernels(weights)
        self._target = engine.choose(name, lambda: self._painting(frame.shape, False), frame, *inputs)
        self.device, self.precision = self._target

    def prepare(self, shape: tuple[int, ...], measured: bool = False, abreast: bool = False) -> Graph:
        """The graph that paints frames of this shape, compiled."""
        return self._engine.graph(
            (self._name, "paint", shape, measured),
            lambda: self._painting(shape, measured),
            pixels=shape[0] * shape[1] * shape[2],
            target=self._target,
            abreast=abreast,
        )

    def paint(
        self,
        frame: np.ndarray,
        weights: Weights,
        scale: np.ndarray,
        shift: np.ndarray,
        measured: bool,
        out: np.ndarray,
    ) -> np.ndarray:
        self.prepare(frame.shape, measured)(frame, _map(scale), _map(shift), *_kernels(weights), out=out)
        return out

    def begin(
        self, frame: np.ndarray, weights: Weights, scale: np.ndarray, shift: np.ndarray
    ) -> Callable[[], np.ndarray]:
        graph = self.prepare(frame.shape, abreast=True)
        finish = graph.begin(frame, _map(scale), _map(shift), *_kernels(weights))
        return lambda: finish()[0]

    def measure(
        self, frames: np.ndarray, weights: Weights, scale: np.ndarray, shift: np.ndarray
    ) -> Statistics:
        def both(_: Any, means: list[Any], variances: list[Any]) -> list[Any]:
            return [self._ops.set.concat(x, 1) for x in (means, variances)]

        graph = self._engine.graph(
            (self._name, "measure", frames.shape),
            lambda: self._graph(frames.shape, False, both),
            pixels=frames.size // 3,
        )
        found = graph(frames, _map(scale), _map(shift), *_kernels(weights))
        return Statistics(*(values.reshape(-1) for values in found))

    def encode(self, picture: np.ndarray) -> np.ndarray:
        """[1, h, w, 3] -> float32 [100]."""

        def build() -> Any:
            parameter = self._ops.set.parameter(list(picture.shape), np.uint8)
            return ov.Model([network.encode(self._ops, self._weights, parameter)], [parameter])

        embedding: np.ndarray = self._engine.graph((self._name, "encode", picture.shape), build)(picture)[0][
            0
        ]
        return embedding

    def _painting(self, shape: tuple[int, ...], measured: bool) -> Any:
        return self._graph(shape, measured, lambda picture, *_: [picture])

    def _graph(
        self,
        shape: tuple[int, ...],
        measured: bool,
        results: Callable[[Any, list[Any], list[Any]], list[Any]],
    ) -> Any:
        frame = self._ops.set.parameter(list(shape), np.uint8)
        scale, shift = (self._ops.set.parameter([1, sum(CHANNELS), 1, 1], np.float32) for _ in range(2))
        kernels = {
            key: self._ops.set.parameter(list(shape), np.float32) for key, shape in taught.PAINTER.items()
        }
        painted = network.paint(self._ops, kernels, frame, scale, shift, measured)
        return ov.Model(results(*painted), [frame, scale, shift, *kernels.values()])


def _kernels(weights: Weights) -> list[np.ndarray]:
    return [weights[key] for key in taught.PAINTER]


def _map(vector: np.ndarray) -> np.ndarray:
    return vector.reshape(1, -1, 1, 1).astype(np.float32, copy=False)


class OpenVINOOps:
    """Operations of OpenVINO on [n, channels, h, w]; sizes are fixed when a graph is built. The network that
    finds people is built of them too."""

    def __init__(self) -> None:
        self.set = ov.opset13
        self.axes = self.ints(0, 2, 3)

    def ints(self, *values: int) -> Any:
        return self.set.constant(np.array(values, np.int64))

    def split(self, vector: Any, channels: list[int]) -> list[Any]:
        ends = np.cumsum(channels).tolist()
        step, axis = self.ints(1), self.ints(1)
        return [
            self.set.slice(vector, self.ints(end - width), self.ints(end), step, axis)
            for end, width in zip(ends, channels, strict=True)
        ]

    def moments(self, x: Any) -> tuple[Any, Any]:
        mean = self.set.reduce_mean(x, self.axes, True)
        return mean, self.set.reduce_mean(self.set.squared_difference(x, mean), self.axes, True)

    def every_other_row(self, x: Any, many: int) -> Any:
        rows = x.shape[2]
        return x if rows < many else self.set.slice(x, *map(self.ints, (0, rows, 2, 2)))

    def mirror(self, x: Any) -> Any:
        return self.set.pad(x, self.ints(0, 0, 1, 1), self.ints(0, 0, 1, 1), "reflect")

    def conv(self, x: Any, kernel: Any, bias: Any, stride: int = 1, pad: int = 0) -> Any:
        y = self.set.convolution(x, kernel, [stride] * 2, [pad] * 2, [pad] * 2, [1, 1])
        return y if bias is None else y + self.set.reshape(bias, self.ints(1, -1, 1, 1), False)

    def depthwise(self, x: Any, kernel: np.ndarray, bias: np.ndarray, stride: int = 1, pad: int = 0) -> Any:
        y = self.set.group_convolution(x, kernel[:, None], [stride] * 2, [pad] * 2, [pad] * 2, [1, 1])
        return y + bias.reshape(1, -1, 1, 1)

    def linear(self, x: Any, matrix: np.ndarray, bias: np.ndarray) -> Any:
        flat = self.set.reshape(x, self.ints(1, matrix.shape[1]), False)
        return self.set.matmul(flat, matrix, False, True) + bias.reshape(1, -1)

    def relu(self, x: Any) -> Any:
        return self.set.relu(x)

    def halve(self, x: Any) -> Any:
        return self.set.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)

    def sqrt(self, x: Any) -> Any:
        return self.set.sqrt(x)

    def unshuffle(self, frame: Any, factor: int) -> Any:
        n, height, width, colors = frame.shape
        h, w = height // factor, width // factor
        x = self.set.reshape(frame, self.ints(n, h, factor, w, factor * colors), False)
        x = self.set.reshape(self.set.transpose(x, self.ints(0, 1, 3, 2, 4)), self.ints(n, h, w, -1), False)
        return self.set.transpose(self.set.convert(x, "f32"), self.ints(0, 3, 1, 2))

    def shuffle(self, x: Any, factor: int) -> Any:
        n, channels, h, w = x.shape
        x = self.set.transpose(x, self.ints(0, 2, 3, 1))
        x = self.set.reshape(x, self.ints(n, h, w, factor, channels // factor), False)
        x = self.set.transpose(x, self.ints(0, 1, 3, 2, 4))
        x = self.set.reshape(x, self.ints(n, h * factor, w * factor, -1), False)
        return self.set.transpose(x, self.ints(0, 3, 1, 2))

    def phases(self, x: Any) -> Any:
        n, channels, h, w = x.shape
        x = self.set.reshape(x, self.ints(n, channels, h // 2, 2, w // 2, 2), False)
        x = self.set.transpose(x, self.ints(0, 3, 5, 1, 2, 4))
        return self.set.reshape(x, self.ints(n, 4 * channels, h // 2, w // 2), False)

    def picture(self, x: Any) -> Any:
        n, _, h, w = x.shape
        x = self.set.convert(self.set.round(self.set.sigmoid(x) * network.number(255), "half_to_even"), "u8")
        x = self.set.reshape(x, self.ints(n, 2, 2, 2, 2, 3, h, w), False)
        x = self.set.transpose(x, self.ints(0, 6, 1, 3, 7, 2, 4, 5))
        return self.set.reshape(x, self.ints(n, 4 * h, 4 * w, 3), False)

    def as_map(self, x: Any) -> Any:
        return self.set.reshape(x, self.ints(1, -1, 1, 1), False)

    def double(self, x: Any) -> Any:
        size = self.ints(2 * x.shape[2], 2 * x.shape[3])
        return self.set.interpolate(
            x,
            size,
            "nearest",
            "sizes",
            axes=self.ints(2, 3),
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def mask(self, x: Any) -> Any:
        n, _, h, w = x.shape
        x = self.set.convert(self.set.round(self.set.sigmoid(x) * network.number(255), "half_to_even"), "u8")
        x = self.set.transpose(self.set.reshape(x, self.ints(n, 2, 2, h, w), False), self.ints(0, 3, 1, 4, 2))
        return self.set.reshape(x, self.ints(n, 2 * h, 2 * w), False)
