"""Teaches pocket's transformer one style, in TensorFlow, on the user's machine.

The perceptual losses of Johnson, Alahi and Fei-Fei 2016 (arXiv 1603.08155) through the eye of eye.py and
pocket's own encoder: taught through one eye alone, a style looks right to that eye and less so to others. The
transformer begins as the base network with the style's own scales and shifts; all of it is free to move.
Needs TensorFlow, takes minutes, and is never part of painting a frame.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nstfilter.errors import ModelError, UsageError
from nstfilter.graphics.opencv import cv2
from nstfilter.models import network, taught
from nstfilter.models.network import Weights
from nstfilter.models.perceptual import (
    Losses,
    layout_loss,
    middle,
    palette,
    strangeness,
    style_picture,
    weave,
)
from nstfilter.models.pocket_tensorflow import TensorFlowOps
from nstfilter.models.tensorflow import tf

CROP = 224
BATCH = 2
SMALLEST_CONTENT, LARGEST_CONTENT = 256, 480
"""Shorter side of the pictures that crops are taken from."""
RATE = 2e-3
CONTENT = 0.08
"""Weight of the content loss at a dial of 0.5; 0 and 1 are an eighth and eight times that."""
LIGHT = 0.3
"""Weight of the light's loss as a share of the content's."""
WEAVE = 200.0
"""Weight of the weave's power."""
PALETTE = 3.0
"""Weight of the distance from the style's colors."""
WARM_UP = 30
"""Steps in which the rate rises to its full value."""


@dataclass(frozen=True, slots=True)
class Dials:
    """`stroke` is the size of the strokes (1: those of the style's picture at 512 pixels), 0.5 to 2;
    `content` how much of the photograph's structure is kept, 0 to 1. Raises `UsageError`."""

    stroke: float = 1.0
    content: float = 0.5

    def __post_init__(self) -> None:
        for name, value, low, high in (("stroke", self.stroke, 0.5, 2), ("content", self.content, 0, 1)):
            if not low <= value <= high:
                raise UsageError(f"{name} is {value:g}; expected a number from {low:g} to {high:g}")

    @property
    def content_weight(self) -> float:
        return float(CONTENT * 64 ** (self.content - 0.5))


class Progress(NamedTuple):
    """What an interrupted teaching needs to go on: the vector, Adam's two moments of it, and how far it
    is."""

    vector: np.ndarray
    first: np.ndarray
    second: np.ndarray
    steps: int
    seconds: float


class _Ops(TensorFlowOps):
    """Kernels are variables, every picture is normalized by itself, and the painting stays float."""

    def moments(self, x: Any) -> tuple[Any, Any]:
        mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
        return mean, variance

    def picture(self, x: Any) -> Any:
        return self.shuffle(self.shuffle(tf.sigmoid(x), 2), 2)


class Lesson:
    """One style being taught.

    `weights`    those of pocket, as `pocket.load` gives them
    `embedding`  what pocket makes of the style's picture, float32 [100]
    `picture`    the style's picture, HxWx3 BGR uint8
    `contents`   pictures to practice on, HxWx3 BGR uint8, any size from 64x64
    `seconds`    how long the lesson lasts in all: the rate falls to nothing over this time
    `progress`   where an earlier lesson was interrupted

    Raises `UsageError` when there is nothing to practice on. One thread at a time.
    """

    def __init__(
        self,
        weights: Weights,
        embedding: np.ndarray,
        picture: np.ndarray,
        contents: Sequence[np.ndarray],
        *,
        dials: Dials,
        seconds: float,
        progress: Progress | None = None,
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        if not contents:
            raise UsageError("there is no picture to practice on")
        self._ops = _Ops()
        self._see = Losses(threads, second=weights)
        self._dials, self._seconds = dials, seconds
        self._contents = [_at_most(c, LARGEST_CONTENT) for c in contents]
        start = progress.vector if progress else taught.base(weights, embedding)
        self.steps = progress.steps if progress else 0
        self.spent = progress.seconds if progress else 0.0
        self._random = np.random.default_rng((seed, self.steps))
        arrays, both = taught.split(start * _scales())
        self._variables = {name: tf.Variable(array) for name, array in (arrays | {"both": both}).items()}
        moments = [(progress.first, progress.second) if progress else (np.zeros_like(start),) * 2][0]
        self._moments = [
            {name: tf.Variable(array) for name, array in (a | {"both": b}).items()}
            for a, b in map(taught.split, moments)
        ]
        self._wanted = self._see.grams(style_picture(picture, dials.stroke)[None])
        self._colors = palette(picture)
        self._update = tf.function(self._update_eagerly, autograph=False)

    def step(self) -> float:
        """Learn from one batch of crops. The loss: 0 would be the style itself, with the photograph's
        structure. Raises `ModelError` once it is no number: nothing can be learned any more."""
        began = time.monotonic()
        batch = np.stack([self._crop() for _ in range(BATCH)])
        share = min(1.0, self.spent / self._seconds)
        rate = (
            RATE * min(1.0, (self.steps + 1) / WARM_UP) * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
        )
        # Adam's correction of moments that began at 0 (Kingma and Ba 2015, arXiv 1412.6980)
        number = self.steps + 1
        rate *= math.sqrt(1 - 0.99**number) / (1 - 0.9**number)
        loss = float(self._update(tf.constant(batch), tf.constant(rate, tf.float32)))
        self.steps += 1
        self.spent += time.monotonic() - began
        if not math.isfinite(loss):
            raise ModelError(
                f"the lesson went astray at step {self.steps}: its loss is no number any more; without "
                "--overwrite it goes on from what was saved last, if anything was; with --overwrite and "
                "another --stroke or --content it begins anew"
            )
        return loss

    @property
    def done(self) -> bool:
        return self.spent >= self._seconds

    @property
    def progress(self) -> Progress:
        first, second = (self._vector(m) for m in self._moments)
        return Progress(self.vector, first, second, self.steps, self.spent)

    @property
    def vector(self) -> np.ndarray:
        """The taught style as it is now: what `PocketModel.stylize` takes for an embedding."""
        return (self._vector(self._variables) / _scales()).astype(np.float32)

    def _vector(self, variables: dict[str, Any]) -> np.ndarray:
        arrays = {name: variable.numpy() for name, variable in variables.items()}
        return taught.join(arrays, arrays["both"])

    def _crop(self) -> np.ndarray:
        """A random crop, mirrored half of the time, [CROP, CROP, 3]."""
        random = self._random
        picture = self._contents[random.integers(len(self._contents))]
        shorter = min(picture.shape[:2])
        side = int(CROP * shorter / random.uniform(min(shorter, SMALLEST_CONTENT), shorter))
        side = min(side, shorter)
        top, left = (random.integers(0, length - side + 1) for length in picture.shape[:2])
        crop = picture[top : top + side, left : left + side]
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        way = cv2.INTER_AREA if side > CROP else cv2.INTER_LINEAR
        return np.ascontiguousarray(cv2.resize(crop, (CROP, CROP), interpolation=way))

    def _light(self, frames: Any) -> Any:
        """8x8 means of the light."""
        light = tf.reduce_sum(frames * np.array([0.114, 0.587, 0.299], np.float32), -1, keepdims=True)
        return tf.nn.avg_pool2d(light, 8, 8, "VALID")

    def _loss(self, frames: Any) -> Any:
        frames = tf.cast(frames, tf.float32)
        layout = self._see.layout(frames)
        free = self._variables
        scale, shift = tf.unstack(tf.gather(free["both"], network.SPREAD))
        kernels = {**free, "front0.weight": free["front0.weight"] / 255}
        painted, _, _ = network.paint(self._ops, kernels, frames, scale, shift, False)
        style, content = self._see.losses(painted * 255, self._wanted, layout)
        light = layout_loss(self._light(painted), self._light(frames / 255))
        content += LIGHT * light
        apart = WEAVE * weave(painted) + PALETTE * strangeness(painted, self._colors)
        return style + self._dials.content_weight * content + apart

    def _update_eagerly(self, frames: Any, rate: Any) -> Any:
        names = list(self._variables)
        with tf.GradientTape() as tape:
            loss = self._loss(frames)
        gradients = tape.gradient(loss, [self._variables[name] for name in names])
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        for name, gradient in zip(names, gradients, strict=True):
            first, second = (moments[name] for moments in self._moments)
            first.assign(0.9 * first + 0.1 * gradient)
            second.assign(0.99 * second + 0.01 * tf.square(gradient))
            self._variables[name].assign_sub(rate * first / (tf.sqrt(second) + 1e-8))
        return loss


def _scales() -> np.ndarray:
    """What the vector is multiplied with while it is taught: the first kernels, made for frames with values
    to 255, are 255 times as small as the others, and one rate is to fit all."""
    global _scale  # noqa: PLW0603
    if _scale is None:
        _scale = np.ones(taught.SIZE, np.float32)
        taught.split(_scale)[0]["front0.weight"][:] = 255
    return _scale


_scale: np.ndarray | None = None


def _at_most(picture: np.ndarray, shorter: int) -> np.ndarray:
    """The picture with its shorter side at most, and at least CROP, pixels."""
    picture = middle(picture)
    scale = max(min(1.0, shorter / min(picture.shape[:2])), CROP / min(picture.shape[:2]))
    if scale == 1:
        return picture
    size = tuple(round(side * scale) for side in picture.shape[1::-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=way)
