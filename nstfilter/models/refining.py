"""Gatys' way for stills: pocket's painting is the start, and the losses through the eye are made smaller by
changing its pixels (Gatys, Ecker and Bethge 2015, arXiv 1508.06576).

A network paints what it has learned to make of any photograph; here every place of this one has its say, and
flat areas get strokes too. Needs TensorFlow and about half a minute for a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nstfilter.errors import ModelError, UsageError
from nstfilter.graphics.opencv import cv2
from nstfilter.models.eye import SMALLEST
from nstfilter.models.network import Statistics
from nstfilter.models.perceptual import Losses, style_picture
from nstfilter.models.pocket import PocketModel
from nstfilter.models.tensorflow import tf

STEPS = 100
MOST_STEPS = 10_000
CONTENT = 0.03
"""Weight of the content loss: less than in a lesson, for the pixels can have both."""
RATE = 3.0
"""By how much a value, 0 to 255, changes in one step, at first."""
LARGEST = 1_200_000
"""In pixels: about 2 GB at work. A larger painting is refined at this size, and the change is enlarged."""


class Refined(NamedTuple):
    """Style and content loss of a painting, before and after it was refined."""

    style: tuple[float, float]
    content: tuple[float, float]


class RefiningModel(PocketModel):
    """pocket, with every painting refined.

    `pictures`  those of the style that is painted, HxWx3 BGR uint8, and their shares of it, which sum to 1
    `steps`     how often the pixels are changed: the time grows with it
    `on_step`   called after each step of a painting with its number, in the thread that paints

    `refined` tells of the latest painting. Raises as `PocketModel` does, `UsageError` for steps that there
    cannot be, and `MissingLibraryError` without TensorFlow.
    """

    def __init__(
        self,
        pictures: Sequence[tuple[np.ndarray, float]],
        *,
        steps: int = STEPS,
        on_step: Callable[[int], None] | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        if not 1 <= steps <= MOST_STEPS:
            raise UsageError(f"refine is {steps}; expected a number of steps from 1 to {MOST_STEPS}")
        super().__init__(threads=threads, **options)
        self.refined: Refined | None = None
        self.steps, self.on_step = steps, on_step
        self._losses = Losses(threads)
        grams = [self._losses.grams(style_picture(picture)[None]) for picture, _ in pictures]
        shares = [share for _, share in pictures]
        self._wanted = [
            sum(gram * share for gram, share in zip(layer, shares, strict=True))
            for layer in zip(*grams, strict=True)
        ]

    def stylize(
        self,
        frame: np.ndarray,
        embedding: np.ndarray,
        *,
        out: np.ndarray | None = None,
        statistics: Statistics | None = None,
    ) -> np.ndarray:
        """The painted and refined frame. Raises `ModelError` for one that is painted in tiles."""
        if statistics is not None:
            raise ModelError("a picture this large cannot be refined; choose a --size of at most 2000")
        painted = super().stylize(frame, embedding)
        height, width = frame.shape[:2]
        scale = min(1.0, math.sqrt(LARGEST / (height * width)))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small, photo = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (painted, frame))
        change = self._refine(photo, small) - small
        if scale < 1:
            change = cv2.resize(change, (width, height), interpolation=cv2.INTER_CUBIC)
        result = np.clip(np.rint(painted + change), 0, 255).astype(np.uint8)
        if out is None:
            return result
        np.copyto(out, result)
        return out

    def _refine(self, photo: np.ndarray, painted: np.ndarray) -> np.ndarray:
        """The painting with the losses smaller, float32."""
        height, width = photo.shape[:2]
        # the eye halves three times
        below, right = (max(SMALLEST, -(-side // 8) * 8) - side for side in (height, width))
        photo, start = (
            cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT)[None]
            for picture in (photo, painted)
        )
        layout = self._losses.layout(photo)
        pixels = tf.Variable(start.astype(np.float32))
        first, second = (tf.Variable(tf.zeros_like(pixels)) for _ in range(2))

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def update(rate: Any) -> Any:
            with tf.GradientTape() as tape:
                style, content = self._losses.losses(pixels, self._wanted, layout)
                loss = style + CONTENT * content
            gradient = tape.gradient(loss, pixels)
            first.assign(0.9 * first + 0.1 * gradient)
            second.assign(0.99 * second + 0.01 * tf.square(gradient))
            change = rate * first / (tf.sqrt(second) + 1e-12)
            pixels.assign(tf.clip_by_value(pixels - change, 0.0, 255.0))
            return style, content

        before: tuple[float, float] | None = None
        for step in range(1, self.steps + 1):
            rate = RATE * (0.05 + 0.95 * (1 + math.cos(math.pi * (step - 1) / self.steps)) / 2)
            # Adam's correction of moments that began at 0 (Kingma and Ba 2015, arXiv 1412.6980)
            rate *= math.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            style, content = update(tf.constant(rate, tf.float32))
            before = before or (float(style), float(content))
            if self.on_step:
                self.on_step(step)
        assert before is not None
        style, content = self._losses.losses(pixels, self._wanted, layout)
        self.refined = Refined((before[0], float(style)), (before[1], float(content)))
        refined: np.ndarray = pixels.numpy()[0, :height, :width]
        return refined
