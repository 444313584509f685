"""The card that stands in for a picture: when the camera is away, when painting failed, on request."""

from __future__ import annotations

import numpy as np

from nstfilter.graphics.text import draw_text, text_width
from nstfilter.live.letterbox import Letterbox

TEXT = "Back in a moment"
# BGR, of the card's middle and corners, and of its writing
MIDDLE, CORNERS, INK = (74, 60, 52), (34, 26, 22), (226, 220, 214)
# the height of the writing, and the most it may take of the width
HEIGHT, WIDTH = 0.075, 0.86


def draw(width: int, height: int, card: str | np.ndarray = TEXT) -> np.ndarray:
    """The card, HxWx3 BGR uint8: a calm dark ground with a text in its middle, in several lines where that
    has them; or the middle of a picture (HxWx3 BGR uint8) that fills it.

    A letter that cannot be drawn here is a question mark: `nstfilter.graphics.text.missing` tells which.
    """
    if not isinstance(card, str):
        return Letterbox(width, height, fill=True)(card)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    edge = np.clip((x * x + y * y) / 2, 0, 1)[..., None] ** 0.8
    glow = np.array(MIDDLE) * (1 - edge) + np.array(CORNERS) * edge
    # grain half a level wide, or the slow fall of light shows as rings
    grain = np.random.default_rng(0).uniform(-0.5, 0.5, (height, width, 1))
    ground = np.clip(np.rint(glow + grain), 0, 255).astype(np.uint8)
    lines = [line for line in card.splitlines() if line.strip()]
    if lines:
        _write(ground, lines)
    return ground


def _write(card: np.ndarray, lines: list[str]) -> None:
    height, width = card.shape[:2]
    tall = HEIGHT * height
    widest = max(text_width(line, round(tall)) for line in lines)
    tall *= min(1.0, WIDTH * width / widest, 0.9 * height / (1.5 * tall * len(lines)))
    for number, line in enumerate(lines):
        x = (width - text_width(line, round(tall))) / 2
        baseline = height / 2 + tall * (1.5 * (number - (len(lines) - 1) / 2) + 0.35)
        draw_text(card, line, (round(x), round(baseline)), round(tall), INK)
