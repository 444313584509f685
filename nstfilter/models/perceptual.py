"""What a painting is judged by while it is learned, in TensorFlow: style and content through the eye of
eye.py, style through pocket's encoder too, the weave, and colors that the style lacks.

Frames are [n, h, w, 3] BGR float32 with values in [0, 255], their sides multiples of 8 and at least 64.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from nstfilter.graphics.opencv import cv2
from nstfilter.models import eye, network
from nstfilter.models.network import Weights
from nstfilter.models.pocket_tensorflow import TensorFlowOps
from nstfilter.models.tensorflow import tf

CONTENT = eye.LAYERS.index(eye.CONTENT_LAYER)
SECOND = (0, 1, 3)
"""The encoder's stages that look: at 1/4, 1/8 and 1/16 of the size."""
STYLE_SIZE = 512
"""Shorter side, in pixels, of the style's picture at a stroke of 1."""
LARGEST_STYLE = 1536
COLORS = 64
"""How many colors stand for all of a style's."""
TOLERANCE = 0.1
"""How far from them a color may be, as a share of the range of a channel."""
LONGEST = 16
"""How many times as long as wide a picture may be; of a longer one, its middle counts."""


class Losses:
    """The eye, and what is asked of what it sees. With pocket's weights as `second`, its encoder looks too:
    what looks right to one eye alone need not to another. `threads` holds for the whole process, and only
    when TensorFlow has not computed anything before. Raises `ModelError` when the eye's weights cannot be
    used."""

    def __init__(self, threads: int | None = None, *, second: Weights | None = None) -> None:
        if threads:
            with contextlib.suppress(RuntimeError):  # TensorFlow is running already
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        self._ops, self._weights, self._second = TensorFlowOps(), eye.load(), second

    def _see(self, frames: Any, last: int = len(eye.LAYERS)) -> list[Any]:
        return eye.look(self._ops, self._weights, tf.cast(frames, tf.float32) / 255, last)

    def _see_also(self, frames: Any) -> list[Any]:
        if self._second is None:
            return []
        height, width = (side // 32 * 32 for side in frames.shape[1:3])
        maps = network.look(self._ops, self._second, frames[:, :height, :width], SECOND[-1] + 1)
        return [maps[stage] for stage in SECOND]

    def grams(self, frames: Any) -> list[Any]:
        """By layer, the mean over places of the products of channels, [n, c, c]."""
        return [_gram(m) for m in self._see(frames) + self._see_also(frames)]

    def layout(self, frames: Any) -> Any:
        """What `losses` compares with for the content."""
        return self._see(frames, CONTENT + 1)[CONTENT]

    def losses(self, frames: Any, wanted: list[Any], layout: Any) -> tuple[Any, Any]:
        """Style, |G - W|_1 / |W|_1 for the Gram matrices W `wanted`, the mean over frames and layers; and
        content, `layout_loss`. Both are 0 where nothing differs."""
        maps = self._see(frames)
        style = [
            tf.reduce_mean(tf.reduce_sum(tf.abs(_gram(m) - w), (1, 2))) / tf.reduce_sum(tf.abs(w))
            for m, w in zip(maps + self._see_also(frames), wanted, strict=True)
        ]
        return tf.add_n(style) / len(style), layout_loss(maps[CONTENT], layout)


def _gram(m: Any) -> Any:
    shape = tf.shape(m)
    flat = tf.reshape(m, (shape[0], shape[1] * shape[2], m.shape[-1]))
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(shape[1] * shape[2], tf.float32)


def layout_loss(a: Any, b: Any) -> Any:
    """Mean squared difference of two maps, each with mean 0 and deviation 1 in each channel."""

    def normalized(m: Any) -> Any:
        mean, variance = tf.nn.moments(m, (1, 2), keepdims=True)
        floor = 1e-5 + 1e-3 * tf.reduce_mean(variance, -1, keepdims=True)
        return (m - mean) * tf.math.rsqrt(variance + floor)

    return tf.reduce_mean(tf.math.squared_difference(normalized(a), normalized(b)))


def middle(picture: np.ndarray) -> np.ndarray:
    """`picture`, or the middle of one that is longer than LONGEST: scaled to a width it would not fit into
    memory."""
    limit = LONGEST * min(picture.shape[:2])
    top, left = (max(0, side - limit) // 2 for side in picture.shape[:2])
    return picture[top : top + limit, left : left + limit]


def style_picture(picture: np.ndarray, stroke: float = 1.0) -> np.ndarray:
    """A style's picture, HxWx3 BGR uint8, at the size where its strokes are as large as they are to be
    painted, cut to a size the eye takes; the middle of a long one."""
    picture = middle(picture)
    scale = max(STYLE_SIZE * stroke, eye.SMALLEST) / min(picture.shape[:2])
    if scale != 1:
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = tuple(round(side * scale) for side in picture.shape[1::-1])
        picture = cv2.resize(picture, size, interpolation=way)
    height, width = (min(side, LARGEST_STYLE) // 8 * 8 for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def palette(picture: np.ndarray) -> np.ndarray:
    """The COLORS that a picture (HxWx3 uint8) is made of, by k-means: float32 [COLORS, 3] in [0, 1]."""
    small = cv2.resize(middle(picture), (96, 96), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    ends = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.5
    cv2.setRNGSeed(0)
    centers = cv2.kmeans(small.astype(np.float32), COLORS, None, ends, 1, cv2.KMEANS_PP_CENTERS)[2]
    return np.asarray(centers / np.float32(255))


def strangeness(frames: Any, colors: np.ndarray) -> Any:
    """How far frames with values in [0, 1] are from a palette, by means of 4x4 pixels, beyond the TOLERANCE.

    Statistics over a whole map overlook a few pixels in a color that the style does not have: highlights came
    out turquoise in a style of pink and gold.
    """
    means = tf.reshape(tf.nn.avg_pool2d(frames, 4, 4, "VALID"), (-1, 1, 3))
    nearest = tf.reduce_min(tf.reduce_sum(tf.math.squared_difference(means, colors), -1), -1)
    return tf.reduce_mean(tf.nn.relu(tf.sqrt(nearest + 1e-8) - TOLERANCE))


def weave(frames: Any) -> Any:
    """Power of what repeats every four pixels, in frames with values in [0, 1] and sides of at least 32.

    The network paints cells of 4x4 pixels, and where the photograph is flat the eye is content with the same
    cell over and over. In windows of 4x4 cells: by how much each pixel of a cell differs from their mean;
    then the products of windows side by side. A pattern that goes on from window to window makes them
    positive; strokes do not repeat, and their products cancel out.
    """
    height, width = (side // 16 for side in frames.shape[1:3])
    cells = tf.nn.space_to_depth(frames[:, : 16 * height, : 16 * width], 4)
    cells = tf.reshape(tf.nn.avg_pool2d(cells, 4, 4, "VALID"), (-1, height, width, 16, 3))
    cells -= tf.reduce_mean(cells, 3, keepdims=True)
    across = tf.reduce_mean(cells[:, :, 1:] * cells[:, :, :-1], (3, 4))
    down = tf.reduce_mean(cells[:, 1:] * cells[:, :-1], (3, 4))
    return (tf.reduce_mean(tf.nn.relu(across)) + tf.reduce_mean(tf.nn.relu(down))) / 2
