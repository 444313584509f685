"""The network of the pocket model, written down once in terms of operations that an engine provides.

Channels of every space-to-depth and depth-to-space lie in the order (row, column, color), so that a plain
reshape does the work. training/network.py is the same network in PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

EPSILON = 1e-5
FRONT, BLOCKS, WIDTH, HALF = 2, 4, 32, 16
STAGES = ((64, 64, 24), (96, 96, 32), (128, 128, 64), (144, 144, 96), (192, 192, 160), (192, 1024))
RESIDUAL = (0, 1, 1, 1, 2, 1)  # how many layers before a stage's last one add to what came
STRIDES = {(1, 0): 2, (2, 0): 2, (4, 0): 2}  # (stage, layer) of the encoder that halve the size
EMBEDDING = 100
MANY_ROWS = 128  # of a map with so many rows every other one is enough to know its mean and variance
CHANNELS = [WIDTH] * (2 * BLOCKS) + [4 * HALF, HALF, 48]  # of each normalized layer, in order
STYLED = [WIDTH] * (2 * BLOCKS) + [HALF, HALF, 3]  # the same, when phases of a sub-pixel layer count once

Weights = dict[str, np.ndarray]


class Statistics(NamedTuple):
    """Mean and variance of each normalized channel, all layers in a row, float32."""

    mean: np.ndarray
    variance: np.ndarray


def shapes() -> dict[str, tuple[int, ...]]:
    """What the weights file must hold."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(FRONT):
        shapes[f"front{i}.weight"] = (WIDTH, WIDTH if i else 48, 3, 3)
        shapes[f"front{i}.bias"] = (WIDTH,)
    for i in range(2 * BLOCKS):
        shapes[f"block{i}.weight"] = (WIDTH, WIDTH, 3, 3)
    shapes["up.weight"] = (4 * HALF, WIDTH, 3, 3)
    shapes["paint.weight"] = (HALF, HALF, 3, 3)
    shapes["out.weight"] = (12, HALF, 3, 3)
    shapes["style.weight"] = (2 * sum(STYLED), EMBEDDING)
    shapes["style.bias"] = (2 * sum(STYLED),)
    channels = 48
    for s in range(len(STAGES)):
        widths = stage_widths(s)
        for k, width in enumerate(widths):
            size = 1 if k == len(widths) - 1 else 3
            shapes[f"stage{s}.{k}.weight"] = (width, channels, size, size)
            shapes[f"stage{s}.{k}.bias"] = (width,)
            channels = width
    shapes["answer.weight"] = (EMBEDDING, channels)
    shapes["answer.bias"] = (EMBEDDING,)
    return shapes


def stage_widths(s: int) -> list[int]:
    """How many channels each layer of an encoder's stage gives."""
    *widths, last = STAGES[s]
    return [*widths, *widths[-1:] * RESIDUAL[s], last]


def styled(weights: Weights, embedding: np.ndarray) -> np.ndarray:
    """Scales, then shifts, of a style's normalized layers, float32 [2 * sum(STYLED)], colors RGB."""
    both: np.ndarray = weights["style.weight"] @ embedding + weights["style.bias"]
    return both.astype(np.float32)


def _spread() -> np.ndarray:
    """Which of the numbers of `styled` scales, and which shifts, each normalized channel: [2,
    sum(CHANNELS)]."""
    parts = np.split(np.arange(sum(STYLED)), np.cumsum(STYLED)[:-1])
    parts[-1] = parts[-1][::-1]  # RGB to BGR
    one = np.concatenate([np.tile(p, c // len(p)) for p, c in zip(parts, CHANNELS, strict=True)])
    return np.stack([one, one + sum(STYLED)])


SPREAD = _spread()


def conditions(weights: Weights, embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of every normalized channel, float32 [sum(CHANNELS)] each."""
    scale, shift = styled(weights, embedding)[SPREAD]
    return scale, shift


def number(value: float) -> np.ndarray:
    """A constant that both engines take as float32 (OpenVINO reads numpy's own scalars as integers)."""
    return np.array([value], np.float32)


def paint(
    ops: Any, weights: Weights, frame: Any, scale: Any, shift: Any, measured: bool
) -> tuple[Any, list[Any], list[Any]]:
    """Frames [n, h, w, 3] BGR uint8 -> painted frames, and mean and variance of each normalized layer.

    With `measured`, the statistics are already part of `scale` and `shift`.
    """
    means: list[Any] = []
    variances: list[Any] = []
    scales, shifts = ops.split(scale, CHANNELS), ops.split(shift, CHANNELS)

    def normalized(x: Any) -> Any:
        gain, offset = scales[len(means)], shifts[len(means)]
        mean = variance = None
        if not measured:
            mean, variance = ops.moments(ops.every_other_row(x, MANY_ROWS))
            gain = gain / ops.sqrt(variance + number(EPSILON))
            offset = offset - mean * gain
        means.append(mean)
        variances.append(variance)
        return x * gain + offset

    def layer(x: Any, name: str) -> Any:
        return ops.conv(ops.mirror(x), weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    x = ops.unshuffle(frame, 4)
    for i in range(FRONT):
        x = ops.relu(layer(x, f"front{i}"))
    for i in range(BLOCKS):
        y = ops.relu(normalized(layer(x, f"block{2 * i}")))
        x = x + normalized(layer(y, f"block{2 * i + 1}"))
    x = ops.shuffle(ops.relu(normalized(layer(x, "up"))), 2)
    x = ops.relu(normalized(layer(x, "paint")))
    # each of the 4x4 pixels of a cell is normalized by itself: no grid of brighter pixels can remain
    x = normalized(ops.phases(layer(x, "out")))
    return ops.picture(x), means, variances


def look(ops: Any, weights: Weights, picture: Any, stages: int = len(STAGES)) -> list[Any]:
    """[n, h, w, 3] BGR with values to 255, h and w multiples of 32 -> the maps in which the encoder's first
    `stages` stages end: at 1/4, 1/8, 1/16, 1/16, 1/32 and 1/32 of the size, in the engine's own layout."""
    maps = []
    x = ops.unshuffle(picture, 4) * number(1 / 255) - number(0.5)
    for s in range(stages):
        end = len(stage_widths(s)) - 1
        for k in range(end + 1):
            kernel, bias = weights[f"stage{s}.{k}.weight"], weights[f"stage{s}.{k}.bias"]
            y = ops.conv(x, kernel, bias, stride=STRIDES.get((s, k), 1), pad=kernel.shape[2] // 2)
            x = x + y if end - RESIDUAL[s] <= k < end else y
            if k < end or s == len(STAGES) - 1:  # a stage ends in a linear layer, except the last
                x = ops.relu(x)
        maps.append(x)
    return maps


def encode(ops: Any, weights: Weights, picture: Any) -> Any:
    """[1, h, w, 3] BGR uint8, h and w multiples of 32 -> [1, 100]."""
    seen = look(ops, weights, picture)[-1]
    return ops.linear(ops.moments(seen)[0], weights["answer.weight"], weights["answer.bias"])
