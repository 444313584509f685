"""Contact sheets: many small pictures on one, with names below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nstfilter.graphics.opencv import cv2

BACKGROUND = 34
INK = (214, 214, 214)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


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
    """Center `name` in `area`, smaller where it would not fit. OpenCV's letters are ASCII only."""
    text = name.encode("ascii", "replace").decode()
    height, width = area.shape[:2]
    scale = 0.5 * height / cv2.getTextSize("H", _FONT, 1, 1)[0][1]
    wide = cv2.getTextSize(text, _FONT, scale, 1)[0][0]
    if wide > width - 4:
        scale *= (width - 4) / wide
    wide = cv2.getTextSize(text, _FONT, scale, 1)[0][0]
    capital = cv2.getTextSize("H", _FONT, scale, 1)[0][1]
    at = ((width - wide) // 2, (height + capital) // 2)
    cv2.putText(area, text, at, _FONT, scale, INK, 1, cv2.LINE_AA)
