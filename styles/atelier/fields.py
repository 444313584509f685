"""Fields to paint from: coordinates, noise, color ramps, flows and cells.

Everything here is drawn on a square of `SIZE` pixels, twice the side of the finished picture, so that
the final reduction softens every edge. Pictures are float32 BGR in [0, 1], fields float32, points
float32 `(x, y)` pixels. Every random choice comes from a generator the caller has seeded.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Names for what an array holds; the element types are given above
Field = NDArray[Any]
Picture = NDArray[Any]
Points = NDArray[Any]
Sheet = NDArray[Any]  # a uint8 picture or field, the kind that OpenCV draws on
Labels = NDArray[Any]

SIZE = 1024


def grid() -> tuple[Field, Field]:
    """The coordinates x and y of every pixel, from 0 at the left and top to 1."""
    line = np.linspace(0, 1, SIZE, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


def palette(text: str) -> Picture:
    """The colors of a line such as "#0b1d3a #f4d35e", as BGR rows in [0, 1]."""
    rows = [[int(word[i : i + 2], 16) / 255 for i in (5, 3, 1)] for word in text.split()]
    return np.array(rows, np.float32)


def pigment(text: str) -> Picture:
    """One color such as "#0b1d3a", as BGR in [0, 1]."""
    color: Picture = palette(text)[0]
    return color


def heading(turn: Field | float) -> Points:
    """The unit vectors (x, y) of angles: clockwise from the right, since y points down."""
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def smoothstep(low: float, high: float, field: Field) -> Field:
    """0 below `low`, 1 above `high`, a soft step between; `low` above `high` turns it round."""
    t = np.clip((field - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def noise(rng: np.random.Generator, cells: float, octaves: int = 4, stretch: float = 1.0) -> Field:
    """Smooth random hills in [0, 1]: `cells` across the picture, each octave twice as fine and half as high.

    `stretch` above 1 draws the hills out sideways, below 1 upright.
    """
    total = np.zeros((SIZE, SIZE), np.float32)
    for octave in range(octaves):
        across = max(2, round(cells * 2**octave / stretch**0.5))
        down = max(2, round(cells * 2**octave * stretch**0.5))
        # Two cells of margin are cut away: a resized grid is flat towards its borders.
        coarse = rng.random((down + 2, across + 2), np.float32)
        wide, high = SIZE // across + 1, SIZE // down + 1
        fine = cv2.resize(coarse, ((across + 2) * wide, (down + 2) * high), interpolation=cv2.INTER_CUBIC)
        total += cv2.resize(fine[high:-high, wide:-wide], (SIZE, SIZE)) * 0.5**octave
    return (total - total.min()) / (total.max() - total.min())


def equalise(field: Field) -> Field:
    """The same hills with every height equally common, so that a ramp shows all its colors."""
    sample = np.sort(field[::4, ::4], axis=None)
    ranks = np.linspace(0, 1, sample.size, dtype=np.float32)
    return np.interp(field, sample, ranks).astype(np.float32)


def ramp(field: Field, colors: Picture) -> Picture:
    """The field in colors: 0 is the first, 1 the last, straight lines between."""
    stops = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(field, stops, colors[:, c]) for c in range(3)], axis=-1).astype(np.float32)


def blend(below: Picture, above: Picture, cover: Field) -> Picture:
    """`above` laid over `below` where `cover` is 1; a single color will do for either."""
    return (below + (above - below) * cover[..., None]).astype(np.float32)


def warp(picture: Picture, dx: Field, dy: Field) -> Picture:
    """The picture or field with every pixel fetched from `(dx, dy)` pixels away."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    moved = cv2.remap(picture, columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def whirl(angle: Field, x: float, y: float, radius: float, turn: float = 1.0) -> Field:
    """The flow `angle` bent into a whirl about (x, y), strongest at the center, faded out at `radius`.

    `turn` is 1 for a clockwise whirl and -1 for the other way; angles are blended as unit vectors.
    """
    columns, rows = grid()
    dx, dy = columns - x, rows - y
    near = np.exp(-(((dx * dx + dy * dy) / radius**2) ** 2))
    around = np.arctan2(dx * turn, -dy * turn)
    u = np.cos(angle) * (1 - near) + np.cos(around) * near
    v = np.sin(angle) * (1 - near) + np.sin(around) * near
    return np.arctan2(v, u).astype(np.float32)


def contour_flow(field: Field, blur: float = 8.0) -> Field:
    """The flow along the contour lines of a field: strokes that follow it model its shapes."""
    soft = cv2.GaussianBlur(field, (0, 0), blur)
    return np.arctan2(cv2.Sobel(soft, cv2.CV_32F, 0, 1), cv2.Sobel(soft, cv2.CV_32F, 1, 0)) + np.float32(
        np.pi / 2
    )


def around(x: float, y: float, radius: float) -> tuple[slice, slice]:
    """The window of rows and columns within `radius` of (x, y), all in fractions of the picture's side."""
    low = np.clip(((np.array([y, x]) - radius) * SIZE).astype(int), 0, SIZE)
    high = np.clip(((np.array([y, x]) + radius) * SIZE).astype(int) + 2, 0, SIZE)
    return slice(low[0], high[0]), slice(low[1], high[1])


def scatter(rng: np.random.Generator, spacing: float, jitter: float = 0.5) -> Points:
    """Points about `spacing` pixels apart over the picture and a little beyond, in random order."""
    rows = np.arange(-spacing, SIZE + spacing, spacing * 0.87)
    columns = np.arange(-float(spacing), SIZE + spacing, spacing)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    x[1::2] += spacing / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-1, 1, (x.size, 2)) * spacing * jitter
    return rng.permutation(points).astype(np.float32)


def sample(field: Field, points: Points) -> Field:
    """The values of a field or picture at points; points outside take the border's value."""
    columns, rows = np.clip(points.astype(int), 0, SIZE - 1).T
    return field[rows, columns]


def voronoi(points: Points) -> Labels:
    """For every pixel the index of the nearest point. Points outside the picture are drawn to its border."""
    marks = np.full((SIZE, SIZE), 255, np.uint8)
    columns, rows = np.clip(points.round().astype(int), 0, SIZE - 1).T
    marks[rows, columns] = 0
    _, labels = cv2.distanceTransformWithLabels(marks, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(labels.max() + 1, np.int32)
    owner[labels[rows, columns]] = np.arange(len(points))
    return owner[labels]


def cell_centres(labels: Labels, count: int) -> tuple[Points, Field]:
    """The center of gravity and the area of every cell; an empty cell has area 0."""
    area = np.bincount(labels.ravel(), minlength=count).astype(float)
    line = np.arange(SIZE, dtype=float)
    x = np.bincount(labels.ravel(), np.tile(line, SIZE), count)
    y = np.bincount(labels.ravel(), np.repeat(line, SIZE), count)
    return (np.stack([x, y], axis=1) / np.maximum(area, 1)[:, None]).astype(np.float32), area


def relax(points: Points, rounds: int = 2) -> Points:
    """Points moved to the centers of their cells (Lloyd 1982), which evens the cells out; empty cells go."""
    for _ in range(rounds):
        moved, area = cell_centres(voronoi(points), len(points))
        points = moved[area > 0]
    return points


def seam_distance(labels: Labels) -> Field:
    """The distance in pixels of every pixel from the nearest border between two cells."""
    inside = np.ones(labels.shape, np.uint8)
    inside[:, 1:][labels[:, 1:] != labels[:, :-1]] = 0
    inside[1:][labels[1:] != labels[:-1]] = 0
    return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)
