"""The eye: a small network that looks at a picture as VGG-19 does, for losses on what is seen.

It was taught to give the maps relu1_1, relu2_1, relu3_1 and relu4_1 of a small VGG-19
(training/train_eye.py). Gram matrices of these maps say what a style is made of, and a map's layout what is
where (Gatys, Ecker and Bethge 2015, arXiv 1508.06576). It serves `nstfilter styles teach`, `nstfilter score`
and nothing in the path of a frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.models import allowed_threads, chosen_engine
from nstfilter.models.network import Weights, number
from nstfilter.models.weights import read_weights

WEIGHTS = Path(__file__).with_name("eye.npz")
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_LAYER = "relu3_1"
WIDTHS = (16, 26, 56, 51)
"""Channels of each map, at 1, 1/2, 1/4 and 1/8 of the picture's size."""
STAGES = ((16,), (16, 32), (32, 64), (96, 96, 96))
"""Channels after each 3x3 convolution of a stage; a 1x1 convolution to the map's channels follows."""
POOL_BEFORE = (None, 1, 1, 0)
"""Which convolution of each stage works on the halved map."""
SMALLEST, LARGEST = 64, 512
"""Shorter side, in pixels, of pictures that `Eye` looks at: others are scaled."""


def shapes() -> dict[str, tuple[int, ...]]:
    """The arrays of the weights file and their shapes."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for s, stage in enumerate(STAGES):
        for k, width in enumerate((*stage, WIDTHS[s])):
            size = 3 if k < len(stage) else 1
            shapes[f"stage{s}.{k}.weight"] = (width, channels, size, size)
            shapes[f"stage{s}.{k}.bias"] = (width,)
            channels = width
    return shapes


def load(path: Path = WEIGHTS) -> Weights:
    """The weights as float32, for BGR pictures with values in [0, 1]. Raises `ModelError` when the file
    cannot be used."""
    weights = read_weights(path, shapes(), "eye")
    weights["stage0.0.weight"] = weights["stage0.0.weight"][:, ::-1].copy()  # trained on RGB
    return weights


def look(ops: Any, weights: Weights, picture: Any, last: int = len(LAYERS)) -> list[Any]:
    """The first `last` maps of pictures, BGR with values in [0, 1], in the engine's own layout. Sides are
    multiples of 8, and at least `SMALLEST`."""
    maps = []
    x = (picture - number(0.5)) * number(4)
    for s in range(last):
        for k in range(len(STAGES[s]) + 1):
            kernel, bias = weights[f"stage{s}.{k}.weight"], weights[f"stage{s}.{k}.bias"]
            if k == POOL_BEFORE[s]:
                x = ops.halve(x)
            x = ops.relu(ops.conv(ops.mirror(x) if kernel.shape[2] == 3 else x, kernel, bias))
        maps.append(x)
    return maps


class Eye:
    """The eye, ready to look. Raises `ModelError` when its weights cannot be used."""

    def __init__(self, *, engine: str | None = None, threads: int | None = None) -> None:
        weights = load()
        if chosen_engine(engine, None, None) == "openvino":
            from nstfilter.models.engines import Engine
            from nstfilter.models.openvino import ov
            from nstfilter.models.pocket_openvino import OpenVINOOps

            runner, ops = Engine(threads=allowed_threads(threads)), OpenVINOOps()

            def seen(picture: np.ndarray) -> list[np.ndarray]:
                def build() -> Any:
                    parameter = ops.set.parameter([1, *picture.shape], np.float32)
                    channels_first = ops.set.transpose(parameter, ops.ints(0, 3, 1, 2))
                    return ov.Model(look(ops, weights, channels_first), [parameter])

                maps = runner.graph(("eye", picture.shape), build, pixels=picture.size // 3)(picture[None])
                return [m[0].transpose(1, 2, 0) for m in maps]
        else:
            from nstfilter.models.pocket_tensorflow import TensorFlowOps

            floats = TensorFlowOps()

            def seen(picture: np.ndarray) -> list[np.ndarray]:
                return [m.numpy()[0] for m in look(floats, weights, picture[None])]

        self._seen = seen

    def __call__(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """What it sees in a picture, HxWx3 BGR uint8 of any size: by layer, float32, H, W and channels. A
        picture whose shorter side is over LARGEST or under SMALLEST pixels is scaled to that first."""
        from nstfilter.graphics.opencv import cv2

        shorter = min(picture.shape[:2])
        scale = min(max(shorter, SMALLEST), LARGEST) / shorter
        width, height = (max(SMALLEST, round(side * scale) // 8 * 8) for side in picture.shape[1::-1])
        if picture.shape[:2] != (height, width):
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            picture = cv2.resize(picture, (width, height), interpolation=way)
        maps = self._seen(np.ascontiguousarray(picture, np.float32) / np.float32(255))
        return dict(zip(LAYERS, maps, strict=True))
