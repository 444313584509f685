"""The network that finds people, written down once in terms of operations that an engine provides.

training/people_network.py is the same network in PyTorch, and tells what it is made of. Channels of the
space-to-depth at its start lie in the order (row, column, color).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nstfilter.models.network import Weights, number

_A, _B, _C, _D, _E = 16, 24, 48, 80, 112  # channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size
# inverted residuals: (input, wide and output channels, kernel, stride)
DOWN = (
    ((_B, 2 * _B, _B, 3, 1),),
    ((_B, 3 * _B, _C, 3, 2), (_C, 3 * _C, _C, 3, 1)),
    ((_C, 3 * _C, _D, 5, 2), (_D, 3 * _D, _D, 5, 1), (_D, 3 * _D, _D, 5, 1)),
    ((_D, 3 * _D, _E, 5, 2), (_E, 3 * _E, _E, 5, 1), (_E, 3 * _E, _E, 5, 1)),
)
UP = ((_D, 2 * _D, _D, 3, 1), (_C, 2 * _C, _C, 3, 1), (_B, 2 * _B, _B, 3, 1))
SIDE = ((_E, _D), (_D, _C), (_C, _B), (_B, _A))
MULTIPLE = 32  # of what height and width must be


def shapes() -> dict[str, tuple[int, ...]]:
    """What the weights file must hold."""
    units = {"stem": (_A, 12, 3, 3), "first": (_B, _A, 3, 3)}
    blocks = {f"down{i}.{k}": block for i, stage in enumerate(DOWN) for k, block in enumerate(stage)}
    blocks |= {f"up{i}": block for i, block in enumerate(UP)}
    for name, (inputs, wide, outputs, kernel, _) in blocks.items():
        units[f"{name}.widen"] = (wide, inputs, 1, 1)
        units[f"{name}.depth"] = (wide, 1, kernel, kernel)
        units[f"{name}.narrow"] = (outputs, wide, 1, 1)
    for i, (inputs, outputs) in enumerate(SIDE):
        units[f"side{i}"] = (outputs, inputs, 1, 1)
    units |= {"last0": (_A, 1, 3, 3), "last1": (_A, _A, 1, 1), "last2": (_A, 1, 3, 3), "out": (4, _A, 1, 1)}
    shapes: dict[str, tuple[int, ...]] = {"context.weight": (_E, _E), "context.bias": (_E,)}
    for name, shape in units.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes


def find(ops: Any, weights: Weights, frame: Any) -> Any:
    """Frames [n, h, w, 3] BGR uint8, h and w multiples of MULTIPLE -> masks [n, h, w] uint8: how likely a
    pixel belongs to a person, 255 for certainly."""

    def unit(x: Any, name: str, stride: int = 1, relu: bool = True) -> Any:
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        convolve = ops.depthwise if kernel.shape[1] == 1 else ops.conv
        y = convolve(x, kernel, bias, stride=stride, pad=kernel.shape[2] // 2)
        return ops.relu(y) if relu else y

    def block(x: Any, name: str, shape: tuple[int, int, int, int, int]) -> Any:
        inputs, _, outputs, _, stride = shape
        y = unit(unit(unit(x, f"{name}.widen"), f"{name}.depth", stride), f"{name}.narrow", relu=False)
        return x + y if stride == 1 and inputs == outputs else y

    x = unit(ops.unshuffle(frame, 2) * number(1 / 255) - number(0.5), "stem")
    maps = [x]
    x = unit(x, "first", 2)
    for i, stage in enumerate(DOWN):
        for k, shape in enumerate(stage):
            x = block(x, f"down{i}.{k}", shape)
        maps.append(x)
    x = maps.pop()
    x = x + ops.as_map(ops.linear(ops.moments(x)[0], weights["context.weight"], weights["context.bias"]))
    for i in range(len(SIDE)):
        x = ops.relu(maps.pop() + ops.double(unit(x, f"side{i}", relu=False)))
        if i < len(UP):
            x = block(x, f"up{i}", UP[i])
    for i in range(3):
        x = unit(x, f"last{i}")
    return ops.mask(unit(x, "out", relu=False))


def with_bgr(weights: Weights) -> Weights:
    """The weights for BGR frames; they were trained on RGB."""
    kernel = weights["stem.weight"]
    turned = np.ascontiguousarray(kernel.reshape(len(kernel), 4, 3, 3, 3)[:, :, ::-1].reshape(kernel.shape))
    return weights | {"stem.weight": turned}
