"""Two engines that run the pocket network: OpenVINO, and TensorFlow where OpenVINO has no wheel.

Each has the same methods, on BGR uint8: `paint` and `measure` on [n, h, w, 3], `encode` and `maps` on
[1, h, w, 3]. Scale and shift are float32 [sum(CHANNELS)].
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from nstfilter.errors import UsageError
from nstfilter.models import network
from nstfilter.models.network import CHANNELS, Weights

SIZES = 4  # how many frame sizes stay compiled


class Statistics(NamedTuple):
    """Mean and variance of each normalised channel, all layers in a row, float32."""

    mean: np.ndarray
    variance: np.ndarray


class _OpenVINOOps:
    """Operations of OpenVINO on [n, channels, h, w]; sizes are fixed when a graph is built."""

    def __init__(self) -> None:
        from openvino import opset13

        self.set = opset13
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

    def conv(self, x: Any, kernel: np.ndarray, bias: np.ndarray | None, stride: int = 1, pad: int = 0) -> Any:
        y = self.set.convolution(x, kernel, [stride] * 2, [pad] * 2, [pad] * 2, [1, 1])
        return y if bias is None else y + bias.reshape(1, -1, 1, 1)

    def linear(self, x: Any, matrix: np.ndarray, bias: np.ndarray) -> Any:
        flat = self.set.reshape(x, self.ints(1, matrix.shape[1]), False)
        return self.set.matmul(flat, matrix, False, True) + bias.reshape(1, -1)

    def relu(self, x: Any) -> Any:
        return self.set.relu(x)

    def sqrt(self, x: Any) -> Any:
        return self.set.sqrt(x)

    def unshuffle(self, frame: Any, factor: int) -> Any:
        n, height, width, colours = frame.shape
        h, w = height // factor, width // factor
        x = self.set.reshape(frame, self.ints(n, h, factor, w, factor * colours), False)
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


@cache
def _core() -> Any:
    """One for all, and for good: its CPU plugin gives the thread that makes it a stack for signals, and takes
    it back when it goes. Of two that go in the order they came one leaves a stack that is gone: the next
    signal, Ctrl-C, would crash."""
    import openvino

    return openvino.Core()


class OpenVINO:
    def __init__(self, weights: Weights, threads: int | None, precision: str | None) -> None:
        import openvino

        self.ov, self.weights = openvino, weights
        self.core = _core()
        self.ops = _OpenVINOOps()
        self.settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            self.settings["INFERENCE_NUM_THREADS"] = threads
        self.compiled: dict[tuple[Any, ...], Any] = {}
        self.turn = threading.Lock()  # a request serves one thread at a time
        self.precision = precision or self._choose()

    def _choose(self) -> str:
        """bf16 where the processor has it and the picture stays the same to the eye."""
        if "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return "f32"
        y, x = np.mgrid[0:64, 0:64]
        frame = np.stack([x * 4, y * 4, (x * y) % 256], axis=-1).astype(np.uint8)[None]
        scale, shift = network.conditions(self.weights, self.weights["answer.bias"])
        results = []
        for self.precision in ("f32", "bf16"):
            results.append(self.paint(frame, scale, shift, False, np.empty_like(frame)).astype(np.float32))
        self.compiled.clear()
        return "bf16" if np.abs(results[0] - results[1]).mean() / 255 < 0.005 else "f32"

    def _get(self, key: tuple[Any, ...], build: Callable[[], Any], precision: str) -> Any:
        """The compiled graph of this key, the latest few kept."""
        request = self.compiled.pop(key, None)
        if request is None:
            while len(self.compiled) >= SIZES:
                self.compiled.pop(next(iter(self.compiled)))
            settings = self.settings | {"INFERENCE_PRECISION_HINT": precision}
            request = self.core.compile_model(build(), "CPU", settings).create_infer_request()
        self.compiled[key] = request
        return request

    def _graph(
        self,
        shape: tuple[int, ...],
        measured: bool,
        results: Callable[[Any, list[Any], list[Any]], list[Any]],
    ) -> Any:
        frame = self.ops.set.parameter(list(shape), np.uint8)
        scale, shift = (self.ops.set.parameter([1, sum(CHANNELS), 1, 1], np.float32) for _ in range(2))
        painted = network.paint(self.ops, self.weights, frame, scale, shift, measured)
        return self.ov.Model(results(*painted), [frame, scale, shift])

    def _run(self, request: Any, frame: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> None:
        request.set_input_tensor(0, self._tensor(frame))
        request.set_input_tensor(1, self._tensor(scale.reshape(1, -1, 1, 1)))
        request.set_input_tensor(2, self._tensor(shift.reshape(1, -1, 1, 1)))
        request.infer()

    def _tensor(self, array: np.ndarray) -> Any:
        """`array` as a tensor that lives no longer: without a copy, unless it is read-only, for OpenVINO
        refuses to share those."""
        return self.ov.Tensor(array, shared_memory=array.flags.writeable)

    def paint(
        self, frame: np.ndarray, scale: np.ndarray, shift: np.ndarray, measured: bool, out: np.ndarray
    ) -> np.ndarray:
        with self.turn:
            request = self._get(
                (frame.shape, measured, self.precision),
                lambda: self._graph(frame.shape, measured, lambda picture, *_: [picture]),
                self.precision,
            )
            request.set_output_tensor(0, self.ov.Tensor(out, shared_memory=True))
            self._run(request, frame, scale, shift)
        return out

    def measure(self, frames: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> Statistics:
        both = lambda _, means, variances: [self.ops.set.concat(x, 1) for x in (means, variances)]  # noqa: E731
        with self.turn:
            build = lambda: self._graph(frames.shape, False, both)  # noqa: E731
            request = self._get(("measure", frames.shape), build, "f32")
            self._run(request, frames, scale, shift)
            return Statistics(*(request.get_output_tensor(i).data.reshape(-1).copy() for i in (0, 1)))

    def encode(self, picture: np.ndarray) -> np.ndarray:
        return self._encode(picture)[0][0]

    def maps(self, picture: np.ndarray) -> list[np.ndarray]:
        return [found[0].transpose(1, 2, 0) for found in self._encode(picture)[1:]]

    def _encode(self, picture: np.ndarray) -> list[np.ndarray]:
        def build() -> Any:
            parameter = self.ops.set.parameter(list(picture.shape), np.uint8)
            answer, maps = network.encode(self.ops, self.weights, parameter)
            return self.ov.Model([answer, *maps], [parameter])

        with self.turn:
            request = self._get(("encode", picture.shape), build, "f32")
            request.set_input_tensor(0, self._tensor(picture))
            request.infer()
            return [tensor.data.copy() for tensor in request.output_tensors]


class _TensorFlowOps:
    """The same operations in TensorFlow, on [n, h, w, channels]."""

    def __init__(self) -> None:
        from nstfilter.tensorflow import tf

        self.tf = tf

    def split(self, vector: Any, channels: list[int]) -> list[Any]:
        parts: list[Any] = self.tf.split(vector, channels)
        return parts

    def moments(self, x: Any) -> tuple[Any, Any]:
        mean, variance = self.tf.nn.moments(x, (0, 1, 2), keepdims=True)
        return mean, variance

    def every_other_row(self, x: Any, many: int) -> Any:
        return x[:, :: self.tf.where(self.tf.shape(x)[1] < many, 1, 2)]

    def mirror(self, x: Any) -> Any:
        return self.tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")

    def conv(self, x: Any, kernel: np.ndarray, bias: np.ndarray | None, stride: int = 1, pad: int = 0) -> Any:
        if pad:
            x = self.tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        y = self.tf.nn.conv2d(x, kernel.transpose(2, 3, 1, 0), stride, "VALID")
        return y if bias is None else y + bias

    def linear(self, x: Any, matrix: np.ndarray, bias: np.ndarray) -> Any:
        return self.tf.reshape(x, (1, -1)) @ matrix.T + bias

    def relu(self, x: Any) -> Any:
        return self.tf.nn.relu(x)

    def sqrt(self, x: Any) -> Any:
        return self.tf.sqrt(x)

    def unshuffle(self, frame: Any, factor: int) -> Any:
        return self.tf.nn.space_to_depth(self.tf.cast(frame, self.tf.float32), factor)

    def shuffle(self, x: Any, factor: int) -> Any:
        return self.tf.nn.depth_to_space(x, factor)

    def phases(self, x: Any) -> Any:
        return self.tf.nn.space_to_depth(x, 2)

    def picture(self, x: Any) -> Any:
        x = self.shuffle(self.shuffle(self.tf.sigmoid(x), 2), 2)
        return self.tf.cast(self.tf.round(x * 255), self.tf.uint8)


class TensorFlow:
    precision = "f32"

    def __init__(self, weights: Weights, threads: int | None, precision: str | None) -> None:
        ops = _TensorFlowOps()
        tf = ops.tf
        if precision not in (None, "f32"):
            raise UsageError(f"pocket in TensorFlow computes in f32, not in {precision}")
        if threads:
            with contextlib.suppress(RuntimeError):  # TensorFlow at work already keeps the number it has
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        frames = tf.TensorSpec((None, None, None, 3), tf.uint8)
        vector = tf.TensorSpec((sum(CHANNELS),), tf.float32)

        def statistics(frames: Any, scale: Any, shift: Any) -> Any:
            _, means, variances = network.paint(ops, weights, frames, scale, shift, False)
            return [tf.concat([tf.reshape(v, (-1,)) for v in x], 0) for x in (means, variances)]

        self._paint, self._paint_measured = (
            tf.function(
                lambda frames, scale, shift, measured=measured: network.paint(
                    ops, weights, frames, scale, shift, measured
                )[0],
                input_signature=[frames, vector, vector],
            )
            for measured in (False, True)
        )
        self._statistics = tf.function(statistics, input_signature=[frames, vector, vector])
        self._encode = tf.function(
            lambda picture: network.encode(ops, weights, picture), input_signature=[frames]
        )

    def paint(
        self, frame: np.ndarray, scale: np.ndarray, shift: np.ndarray, measured: bool, out: np.ndarray
    ) -> np.ndarray:
        np.copyto(out, (self._paint_measured if measured else self._paint)(frame, scale, shift).numpy())
        return out

    def measure(self, frames: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> Statistics:
        return Statistics(*(v.numpy() for v in self._statistics(frames, scale, shift)))

    def encode(self, picture: np.ndarray) -> np.ndarray:
        return self._encode(picture)[0].numpy()[0]

    def maps(self, picture: np.ndarray) -> list[np.ndarray]:
        return [found.numpy()[0] for found in self._encode(picture)[1]]


ENGINES: dict[str, Any] = {"openvino": OpenVINO, "tensorflow": TensorFlow}
