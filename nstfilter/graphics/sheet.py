"""Contact sheets: many small pictures on one, with names below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nstfilter.graphics.opencv import cv2
from nstfilter.graphics.text import CAPITAL, draw_text, text_width

BACKGROUND = 34
INK = (214, 214, 214)


def contact_sheet(
    tiles: Sequence[tuple[str, np.ndarray]],
    *,
    columns: int = 4,
    tile: tuple[int, int] = (320, 180),
    margin: int = 14,
) -> np.ndarray:
    """Lay pictures out in rows, each with its name below: HxWx3 BGR uint8.

    `tiles`    (name, picture) pairs; pictures are HxWx3 BGR uint8; each is fitted whole, never stretched
    `columns`  how many side by side; fewer tiles make a narrower sheet
    `tile`     width and height of the space for a picture, in pixels
    `margin`   pixels between tiles and around them

    Raises `ValueError` when there are no tiles or no columns.
    """
    if not tiles or columns < 1:
        raise ValueError("a contact sheet needs at least one picture and one column")
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    width, height = tile
    caption = max(16, height // 7)
    across, down = width + margin, height + caption + margin
    sheet = np.full((rows * down + margin, columns * across + margin, 3), BACKGROUND, np.uint8)
    for index, (name, picture) in enumerate(tiles):
        x, y = margin + index % columns * across, margin + index // columns * down
        fitted = _fit(picture, width, height)
        left, top = x + (width - fitted.shape[1]) // 2, y + (height - fitted.shape[0]) // 2
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        _write(sheet[y + height : y + height + caption, x : x + width], name)
    return sheet


def _fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _write(area: np.ndarray, name: str) -> None:
    """Center `name` in `area`, smaller where it would not fit."""
    height, width = area.shape[:2]
    size = round(0.6 * height)
    size = min(size, int(size * (width - 4) / text_width(name, size)))
    at = ((width - text_width(name, size)) // 2, round((height + CAPITAL * size) / 2))
    draw_text(area, name, at, size, INK)
