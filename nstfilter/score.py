"""Numbers for how a painting turned out: how near it is to its style and its content, how much it flickers.

Style score and flicker are the project's own measures; content and style losses are those of Gatys, Ecker
and Bethge, "A Neural Algorithm of Artistic Style" (2015), arXiv 1508.06576, on any layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nstfilter.errors import UsageError
from nstfilter.graphics.opencv import cv2


def style_score(content: np.ndarray, style: np.ndarray, output: np.ndarray) -> float:
    """1 - |P(output) - z| / |P(content) - z|, from the embeddings of three pictures (float arrays of one
    shape): 0 where the output is no nearer to the style than the content was, 1 where it is the style.

    Raises `UsageError` where content and style have the same embedding, since nothing can then be nearer.
    """
    distance = float(np.linalg.norm(content - style))
    if distance == 0:
        raise UsageError("content and style have the same embedding; there is no distance to cover")
    return 1 - float(np.linalg.norm(output - style)) / distance


def content_loss(content: np.ndarray, output: np.ndarray) -> float:
    """Half the squared difference of two layers' activations, HxWxN float (Gatys et al., equation 1)."""
    return 0.5 * float(np.sum((output.astype(np.float64) - content) ** 2))


def gram(layer: np.ndarray) -> np.ndarray:
    """The NxN inner products, over all M = H*W positions, of a layer's N channels; `layer` is HxWxN float
    (Gatys et al., equation 3). Not divided by M: `style_loss` does that."""
    flat = layer.reshape(-1, layer.shape[-1]).astype(np.float64)
    return flat.T @ flat


def style_loss(style: np.ndarray, output: np.ndarray) -> float:
    """Squared difference of Gram matrices over 4 N^2 M^2 (Gatys et al., equation 4); layers are HxWxN float.

    Pictures of different sizes are compared by their Gram matrices per position: each is divided by its
    own M, which for equal sizes is the paper's formula.
    """
    channels = output.shape[-1]
    difference = gram(output) / (output.size // channels) - gram(style) / (style.size // channels)
    return float(np.sum(difference**2)) / (4 * channels**2)


@dataclass(frozen=True, slots=True)
class Losses:
    """Content and style loss of each named layer, and their sum weighed by `alpha` and `beta`; the style
    losses of the L layers weigh 1/L each (Gatys et al., equations 5 and 7)."""

    content: dict[str, float]
    style: dict[str, float]
    alpha: float
    beta: float

    @property
    def total(self) -> float:
        """alpha * content + beta * style."""
        return self.alpha * sum(self.content.values()) + self.beta * sum(self.style.values()) / len(
            self.style
        )


def losses(
    content: dict[str, np.ndarray],
    style: dict[str, np.ndarray],
    output: dict[str, np.ndarray],
    *,
    content_layers: Iterable[str],
    alpha: float = 1.0,
    beta: float = 1000.0,
) -> Losses:
    """Losses from the activations (name -> HxWxN float) of content, style and output. The style counts on
    every layer, the content on `content_layers` alone."""
    return Losses(
        {name: content_loss(content[name], output[name]) for name in content_layers},
        {name: style_loss(style[name], output[name]) for name in output},
        alpha,
        beta,
    )


class Flicker:
    """The warping error of a video, frame by frame.

    Optical flow (DIS: Kroeger et al. 2016, arXiv 1603.03590) is found between the frames of the *input*,
    both ways; where the two agree, |f + b|^2 < 0.01 (|f|^2 + |b|^2) + 0.5 (Sundaram, Brox and Keutzer 2010),
    the painting is expected to have moved along: flicker is the mean of |O_t - warp(O_(t-1))| there, over
    values in [0, 1]. Only to be quoted with a style score: a filter that does nothing does not flicker.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self.errors: list[float] = []

    @property
    def mean(self) -> float:
        """The mean over all pairs of frames so far; 0 before there is a pair."""
        return float(np.mean(self.errors)) if self.errors else 0.0

    def add(self, frame: np.ndarray, painted: np.ndarray) -> None:
        """Take the next input frame and what was made of it, both HxWx3 BGR uint8 of one size."""
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        values = painted.astype(np.float32) / 255
        if self._last:
            last_gray, last_values = self._last
            back = self._flow.calc(gray, last_gray, None)
            forth = self._flow.calc(last_gray, gray, None)
            rows, columns = (np.arange(side, dtype=np.float32) for side in gray.shape)
            there = back + np.dstack(np.meshgrid(columns, rows))
            forth = cv2.remap(forth, there, None, cv2.INTER_LINEAR)
            agrees = ((forth + back) ** 2).sum(2) < 0.01 * ((forth**2).sum(2) + (back**2).sum(2)) + 0.5
            height, width = gray.shape
            inside = (there >= 0).all(2) & (there <= (width - 1, height - 1)).all(2)
            warped = cv2.remap(last_values, there, None, cv2.INTER_LINEAR)
            if (agrees & inside).any():
                self.errors.append(float(np.abs(values - warped)[agrees & inside].mean()))
        self._last = gray, values
