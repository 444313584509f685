"""The brushes of the demo scene: smooth shapes, strokes and soft shadows on a picture with alpha.

Everything is measured in units, 360 to the height of the frame, so that a scene looks the same at any size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from nstfilter.graphics.opencv import cv2

UNITS = 360
# pictures smaller than this are drawn larger than they are shown, and made smaller by area: clean edges
_DRAWN_SCALE = 2.0
_SHIFT = 4  # fractional bits of the coordinates handed to OpenCV

Point = tuple[float, float]
Color = tuple[int, int, int]  # BGR, 0 to 255


class Canvas:
    """`width` x `height` units, with the point (0, 0) at `origin`; `scale` is shown pixels per unit.

    `bgra` is HxWx4 uint8, premultiplied: OpenCV's anti-aliased drawing on it is then alpha compositing.
    """

    def __init__(self, width: float, height: float, scale: float, origin: Point = (0, 0)) -> None:
        self.shown = (max(1, round(width * scale)), max(1, round(height * scale)))
        finer = math.ceil(_DRAWN_SCALE / scale)
        self.scale = scale * finer
        self.origin = origin
        self.bgra = np.zeros((self.shown[1] * finer, self.shown[0] * finer, 4), np.uint8)

    def _pixels(self, points: Sequence[Point] | np.ndarray) -> np.ndarray:
        return np.asarray((np.asarray(points, np.float64) + self.origin) * self.scale)

    def _fixed(self, points: Sequence[Point] | np.ndarray) -> np.ndarray:
        return np.asarray(np.rint(self._pixels(points) * (1 << _SHIFT)), np.int32)

    def polygon(self, points: Sequence[Point] | np.ndarray, color: Color) -> None:
        cv2.fillPoly(self.bgra, [self._fixed(points)], (*color, 255), cv2.LINE_AA, _SHIFT)

    def blob(self, points: Sequence[Point], color: Color) -> None:
        """The smooth closed curve through `points`, filled."""
        self.polygon(spline(points), color)

    def line(
        self, points: Sequence[Point] | np.ndarray, color: Color, width: float = 1, closed: bool = False
    ) -> None:
        thickness = max(1, round(width * self.scale))
        cv2.polylines(self.bgra, [self._fixed(points)], closed, (*color, 255), thickness, cv2.LINE_AA, _SHIFT)

    def curve(self, points: Sequence[Point], color: Color, width: float = 1) -> None:
        """A smooth open stroke through `points`."""
        self.line(spline(points, closed=False), color, width)

    def disc(self, center: Point, radius: float | Point, color: Color, angle: float = 0) -> None:
        rx, ry = radius if isinstance(radius, tuple) else (radius, radius)
        self.polygon(ellipse(center, (rx, ry), angle), color)

    def limb(self, start: Point, end: Point, width: Point, color: Color) -> None:
        """A rounded, tapering bar, `width[0]` wide at its start and `width[1]` at its end."""
        (x0, y0), (x1, y1) = start, end
        along = np.arctan2(y1 - y0, x1 - x0)
        back = along + np.linspace(np.pi / 2, 3 * np.pi / 2, 12)
        front = along + np.linspace(-np.pi / 2, np.pi / 2, 12)
        outline = [(x0 + width[0] / 2 * np.cos(a), y0 + width[0] / 2 * np.sin(a)) for a in back]
        outline += [(x1 + width[1] / 2 * np.cos(a), y1 + width[1] / 2 * np.sin(a)) for a in front]
        self.polygon(outline, color)

    def soft(
        self,
        points: Sequence[Point] | np.ndarray,
        color: Color,
        blur: float,
        opacity: float = 1,
        spill: bool = False,
    ) -> None:
        """A blurred shape, for shadows and blushes: on what is drawn already, or beyond it with `spill`."""
        pixels = self._pixels(points)
        margin = 3 * blur * self.scale + 2
        height, width = self.bgra.shape[:2]
        left, top = np.clip(np.floor(pixels.min(axis=0) - margin), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.ceil(pixels.max(axis=0) + margin), 0, (width, height)).astype(int)
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.float32)
        cv2.fillPoly(mask, [np.rint(pixels - (left, top)).astype(np.int32)], 1)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.3, blur * self.scale))
        self.tint(mask * np.float32(opacity), color, (left, top), spill=spill)

    def tint(
        self,
        mask: np.ndarray,
        color: Color | np.ndarray,
        corner: tuple[int, int] = (0, 0),
        spill: bool = False,
    ) -> None:
        """Lay `color` over the canvas as strongly as `mask` (HxW, 0 to 1, in drawn pixels) says."""
        left, top = corner
        area = self.bgra[top : top + mask.shape[0], left : left + mask.shape[1]]
        base = area.astype(np.float32)
        strength = mask[:, :, None]
        over = np.empty_like(base)
        over[:, :, :3] = color
        over[:, :, 3] = 255
        if not spill:
            over *= base[:, :, 3:] / 255
        area[:] = np.rint(base + (over - base) * strength)

    def rows(self) -> np.ndarray:
        """The height of every drawn row, in units (Hx1)."""
        return np.arange(self.bgra.shape[0], dtype=np.float32)[:, None] / self.scale - self.origin[1]

    def picture(self) -> np.ndarray:
        """The canvas at the size it is shown: HxWx4 BGRA uint8, premultiplied."""
        return cv2.resize(self.bgra, self.shown, interpolation=cv2.INTER_AREA)


@dataclass(slots=True)
class Layer:
    """A picture to lay over others: `color` is premultiplied BGR, `rest` what is left of what lies below
    (255 minus alpha, three times over). From row `solid` on nothing is: there it need only be copied."""

    color: np.ndarray
    rest: np.ndarray
    solid: int

    @classmethod
    def of(cls, bgra: np.ndarray) -> Layer:
        """From a canvas's picture; it gets a clear column on both sides, for `lay` to blend with."""
        padded = cv2.copyMakeBorder(bgra, 0, 0, 1, 1, cv2.BORDER_CONSTANT)
        clear = np.flatnonzero(bgra[:, :, 3].min(axis=1) < 255)
        solid = int(clear[-1]) + 1 if clear.size else 0
        rest = 255 - cv2.cvtColor(np.ascontiguousarray(padded[:, :, 3]), cv2.COLOR_GRAY2BGR)
        return cls(np.ascontiguousarray(padded[:, :, :3]), rest, solid)

    def lay(self, frame: np.ndarray, x: float, y: int) -> None:
        """Lay it over `frame` (BGR), its top at `y` and its left edge at `x`, to a fraction of a pixel."""
        whole = math.floor(x)
        part = x - whole
        height, width = self.color.shape[0], self.color.shape[1] - 1
        left, right = max(0, whole), min(frame.shape[1], whole + width)
        first, last = max(0, -y), min(height, frame.shape[0] - y)
        if left >= right or first >= last:
            return
        here, before = slice(left - whole + 1, right - whole + 1), slice(left - whole, right - whole)
        edge = min(max(self.solid, first), last)
        if edge > first:
            area = frame[y + first : y + edge, left:right]
            rest = cv2.addWeighted(
                self.rest[first:edge, here], 1 - part, self.rest[first:edge, before], part, 0
            )
            color = cv2.addWeighted(
                self.color[first:edge, here], 1 - part, self.color[first:edge, before], part, 0
            )
            cv2.multiply(area, rest, dst=rest, scale=1 / 255)
            cv2.add(rest, color, dst=area)
        if last > edge:
            area = frame[y + edge : y + last, left:right]
            cv2.addWeighted(
                self.color[edge:last, here], 1 - part, self.color[edge:last, before], part, 0, dst=area
            )


def spline(points: Sequence[Point] | np.ndarray, closed: bool = True, steps: int = 8) -> np.ndarray:
    """Points on the Catmull-Rom curve through `points`."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.concatenate(pieces if closed else [*pieces, p[-1:]])


def ellipse(center: Point, radius: Point, angle: float = 0, steps: int = 32) -> np.ndarray:
    """Points on an ellipse turned by `angle` degrees."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    axes = np.array([(radius[0] * c, radius[0] * s), (-radius[1] * s, radius[1] * c)])
    return np.asarray(_circle(steps) @ axes + center)


@cache
def _circle(steps: int) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], units: Point, cell: Point, octaves: int = 5
) -> np.ndarray:
    """Cloudy noise from 0 to 1 (`shape`, float32) over `units` (width, height), with lumps of `cell` units.

    A sum of random grids, each twice as fine and half as strong as the one before; the same at any size.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        columns = round(units[0] / cell[0] * 2**octave) + 2
        lines = round(units[1] / cell[1] * 2**octave) + 2
        grid = rng.random((lines, columns), np.float32)
        total += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = np.percentile(total[::4, ::4], (1, 99))
    return np.asarray(np.clip((total - low) / (high - low), 0, 1))


def mirrored(points: Sequence[Point]) -> list[Point]:
    """The closed outline of which `points` are the right half, from top to bottom, about x = 0."""
    return [*points, *((-x, y) for x, y in reversed(points) if x)]


def shaded(color: Color, factor: float) -> Color:
    """`color` made darker or, with a factor over 1, lighter."""
    blue, green, red = (int(min(255, part * factor)) for part in color)
    return blue, green, red
