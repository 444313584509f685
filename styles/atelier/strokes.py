"""Brushes and surfaces: strokes along a flow, the light on thick paint, paper grain, the finished picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from fields import SIZE, Field, Picture, Points, Sheet, heading, noise

SHIFT = 4  # OpenCV draws at 1/16 pixel with this


def fixed(points: Field) -> Points:
    """Points in OpenCV's fixed-point coordinates, `SHIFT` bits behind the point."""
    return np.round(points * 2**SHIFT).astype(np.int32)


def to_bytes(picture: Field) -> Sheet:
    """A picture or field in [0, 1] as uint8."""
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def to_floats(picture: Sheet) -> Picture:
    """A uint8 picture or field as float32 in [0, 1]."""
    return picture.astype(np.float32) / 255


def walk(points: Points, angle: Field, length: Field | float, steps: int = 8) -> Points:
    """The paths `[n, steps + 1, 2]` that start half a `length` upstream of the points and follow the flow."""
    stride = np.broadcast_to(np.asarray(length, np.float32), len(points))[:, None] / steps

    def follow(place: Points, sign: int) -> Iterable[Points]:
        for _ in range(steps // 2):
            columns, rows = np.clip(place.astype(int), 0, SIZE - 1).T
            turn = angle[rows, columns]
            place = place + sign * stride * heading(turn)
            yield place

    path = [*list(follow(points, -1))[::-1], points, *follow(points, 1)]
    return np.stack(path, axis=1).astype(np.float32)


def normals(paths: Points) -> Points:
    """Unit vectors across the paths at each of their points."""
    along = np.gradient(paths, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    return np.stack([-along[..., 1], along[..., 0]], axis=2).astype(np.float32)


def blank(ink: Picture) -> Sheet:
    """A uint8 sheet of one color to draw on."""
    return to_bytes(np.broadcast_to(ink, (SIZE, SIZE, 3))).copy()


def dot(sheet: Sheet, place: Points, radius: float, ink: Sequence[float] | float) -> None:
    """Fill a circle on a uint8 sheet."""
    cv2.circle(sheet, fixed(place).tolist(), int(radius * 2**SHIFT), ink, -1, cv2.LINE_AA, SHIFT)


def polygon(sheet: Sheet, corners: Points, ink: Sequence[float] | float) -> None:
    """Fill a polygon on a uint8 sheet."""
    cv2.fillPoly(sheet, [fixed(corners)], ink, cv2.LINE_AA, SHIFT)


def taper(sheet: Sheet, path: Points, widths: Field, ink: Sequence[float]) -> None:
    """Draw one line that swells and thins, as thick at each of its points as `widths` says in pixels."""
    side = normals(path[None])[0] * (widths / 2)[:, None]
    polygon(sheet, np.concatenate([path + side, (path - side)[::-1]]), ink)


class Canvas:
    """Paint and the height it stands at: `paint` is uint8 BGR, `height` uint8, both `SIZE` square."""

    def __init__(self, ground: Picture):
        """Start from a picture or a single color."""
        self.paint = blank(ground)
        self.height = np.zeros((SIZE, SIZE), np.uint8)

    def brush(
        self,
        rng: np.random.Generator,
        paths: Points,
        colors: Picture,
        width: float | Field,
        *,
        bristles: int = 7,
        unmixed: float = 0.07,
        load: float = 0.8,
    ) -> None:
        """Lay strokes along paths, one color each, in order.

        Each is a bundle of bristles that differ in shade by about `unmixed` and leave ridges of paint up
        to `load` high; the outer ones are shorter, which rounds the ends.
        """
        count, steps = paths.shape[:2]
        across = np.linspace(-1, 1, bristles)
        width = np.broadcast_to(np.asarray(width, np.float32), count)
        side = normals(paths)
        shade = rng.normal(0, unmixed, (count, bristles, 1)) + rng.normal(
            0, unmixed / 3, (count, bristles, 3)
        )
        inks = np.clip((colors[:, None] + shade) * 255, 0, 255)
        ridge = np.clip(rng.uniform(0.35, 1, (count, bristles)) * (1 - 0.5 * across**2) * load * 255, 1, 255)
        short = (np.abs(across) ** 3 * steps / 5).round().astype(int)
        for n in range(count):
            thick = max(1, round(1.5 * width[n] / bristles))
            for b in rng.permutation(bristles):
                line = paths[n] + side[n] * (across[b] * width[n] / 2)
                points = fixed(line[short[b] : steps - short[b]])
                cv2.polylines(self.paint, [points], False, inks[n, b].tolist(), thick, cv2.LINE_AA, SHIFT)
                cv2.polylines(self.height, [points], False, ridge[n, b], thick, cv2.LINE_8, SHIFT)

    def lit(self, amount: float = 1.0) -> Picture:
        """The paint under a light from the upper left."""
        return relief(to_floats(self.paint), to_floats(self.height), amount)


def relief(picture: Picture, height: Field, amount: float = 1.0, soften: float = 1.2) -> Picture:
    """The picture as a surface of this height, in [0, 1], lit from the upper left."""
    soft = cv2.GaussianBlur(height, (0, 0), soften)
    slope = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.5) + cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.5)
    light = np.clip(slope * amount, -0.6, 0.6)[..., None]
    return np.clip(picture * (1 + 0.9 * light) + 0.22 * np.maximum(light, 0), 0, 1).astype(np.float32)


def paper(rng: np.random.Generator, picture: Picture, amount: float = 0.08) -> Picture:
    """The picture on toothed paper: fine grain and soft blotches, darker in the hollows."""
    tooth = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE), np.float32), (0, 0), 1.4) * 2.5
    blotch = noise(rng, 6) - 0.5
    return np.clip(picture * (1 + amount * (0.5 * tooth + blotch)[..., None]), 0, 1).astype(np.float32)


def finish(picture: Picture) -> Sheet:
    """The picture as it is saved: uint8 BGR, half of `SIZE` square."""
    small = cv2.resize(np.clip(picture, 0, 1), (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    return to_bytes(small)
