"""Pictures too large to be painted in one piece.

Instance normalization looks at the whole picture, so tiles painted each on their own would differ in tone
at their borders. Here the statistics are measured once, over patches spread evenly over the picture, and
every tile is painted with them; tiles overlap by more than the network can see and begin on its cells, so
they meet exactly.
"""

from __future__ import annotations

import numpy as np

from nstfilter.models import TilingModel

TILE = 1024
OVERLAP = 96
PATCH = 256
PATCHES = 6  # a side, so at most 36 in all
CELL = 4  # networks look at whole cells of so many pixels


def stylize_in_tiles(model: TilingModel, image: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """As `model.stylize`: HxWx3 BGR uint8 in and out, in memory that does not grow with the picture."""
    height, width = image.shape[:2]
    statistics = model.measure(_patches(image), embedding)
    out = np.empty_like(image)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            # every tile is read at the same size, up to a cell, so that the model meets one shape
            y, x = _begin(top, height), _begin(left, width)
            tile = np.ascontiguousarray(image[y : y + TILE + 2 * OVERLAP, x : x + TILE + 2 * OVERLAP])
            painted = model.stylize(tile, embedding, statistics=statistics)
            rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
            out[rows, columns] = painted[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    return out


def _begin(at: int, side: int) -> int:
    """Where to read the tile that is painted from `at` on."""
    begin = max(0, min(at - OVERLAP, side - TILE - 2 * OVERLAP))
    return -(-begin // CELL) * CELL


def _patches(image: np.ndarray) -> np.ndarray:
    """Nx256x256x3: patches on an even grid, touching the picture's edges."""
    corners = [
        np.unique(np.linspace(0, side - PATCH, min(PATCHES, -(-side // PATCH))).astype(int))
        for side in image.shape[:2]
    ]
    return np.stack([image[y : y + PATCH, x : x + PATCH] for y in corners[0] for x in corners[1]])
