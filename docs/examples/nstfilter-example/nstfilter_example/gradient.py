"""A gradient map: each gray of the frame becomes a color of the style that is about as light."""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.opencv import cv2

STEPS = 16


class GradientModel:
    """The embedding is a style picture's colors from dark to light: float32, `STEPS` x 3, BGR, 0 to 255.

    The mean of two such rows of colors is one too, so styles mix.
    """

    name = "gradient"
    # to be changed with `embed`: embeddings are cached under it
    fingerprint = "9ad1e201"
    mixes = True

    def embed(self, picture: np.ndarray) -> np.ndarray:
        small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
        order = np.argsort(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), axis=None, kind="stable")
        return small.reshape(-1, 3)[order].reshape(STEPS, -1, 3).mean(axis=1).astype(np.float32)

    def stylize(
        self, frame: np.ndarray, embedding: np.ndarray, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        # cubic interpolation rings past the ends, hence the clip
        table = cv2.resize(embedding[:, np.newaxis], (1, 256), interpolation=cv2.INTER_CUBIC)
        table = np.clip(table, 0, 255).astype(np.uint8)
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        painted = cv2.LUT(cv2.merge([gray] * 3), table)
        if out is None:
            return painted
        np.copyto(out, painted)
        return out
