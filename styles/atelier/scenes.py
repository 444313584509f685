"""Small landscapes to paint from: soft pictures that give each stroke its color and each cell its light."""

from __future__ import annotations

import numpy as np
from fields import Field, Picture, around, blend, grid, noise, pigment, ramp, smoothstep


def ridge(rng: np.random.Generator, level: float, rise: float, cells: float = 3) -> Field:
    """How far each pixel lies below the skyline of a range of hills: negative in the sky."""
    _, y = grid()
    skyline = level - rise * (noise(rng, cells, 5)[300] - 0.5)
    return (y - skyline[None, :]).astype(np.float32)


def disc(x: float, y: float, radius: float, soft: float = 0.004) -> Field:
    """1 inside a disc, 0 outside, with a soft rim."""
    columns, rows = grid()
    return smoothstep(radius + soft, radius - soft, np.hypot(columns - x, rows - y))


def glow(x: float, y: float, radius: float) -> Field:
    """A light that fades away from (x, y)."""
    columns, rows = grid()
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / radius**2).astype(np.float32)


def hills(
    rng: np.random.Generator, sky: Picture, land: Picture, horizon: float, rise: float = 0.25
) -> Picture:
    """A sky in the ramp `sky`, and one range of hills for each color of `land`, the farthest first."""
    _, y = grid()
    picture = ramp(np.clip(y / horizon + 0.25 * (noise(rng, 3, stretch=4) - 0.5), 0, 1), sky)
    for n, color in enumerate(land):
        below = ridge(rng, horizon + (1 - horizon) * n / len(land), rise * (1 - 0.5 * n / len(land)))
        shade = 0.72 + 0.5 * noise(rng, 5) - 0.35 * np.clip(below, 0, 1)
        picture = blend(picture, np.clip(color * shade[..., None], 0, 1), smoothstep(-0.003, 0.003, below))
    return picture


def sunset(rng: np.random.Generator, sky: Picture, sea: Picture, sun: Picture) -> Picture:
    """A sun over water at 0.56 of the height: bands of sky, a broken trail of light on the sea."""
    x, y = grid()
    horizon = 0.56
    drift = noise(rng, 4, 5, stretch=6) - 0.5
    air = ramp(np.clip(y / horizon + 0.35 * drift, 0, 1), sky)
    air = blend(air, sun[0], 0.75 * glow(0.62, 0.42, 0.22))
    air = blend(air, sun[-1], disc(0.62, 0.42, 0.1))
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    ripples = noise(rng, 9, 4, stretch=9)
    water = ramp(np.clip(0.15 + 0.75 * depth + 0.9 * (ripples - 0.5), 0, 1), sea)
    trail = np.exp(-(((x - 0.62) / (0.05 + 0.16 * depth)) ** 2)) * smoothstep(0.42, 0.6, ripples)
    water = blend(water, sun[-1], trail.astype(np.float32))
    return blend(air, water, smoothstep(-0.002, 0.002, y - horizon))


def garden(rng: np.random.Generator, ground: Picture, flowers: Picture, count: int = 40) -> Picture:
    """A field of round flowers, larger towards the bottom, over a ramp of leaves."""
    x, y = grid()
    picture = ramp(np.clip(0.7 * noise(rng, 5) + 0.4 * y, 0, 1), ground)
    heart = pigment("#2a1408")
    for row in np.sort(rng.uniform(0, 1.05, count)):
        column, radius = rng.uniform(0, 1), 0.03 + 0.075 * row
        petals, phase = rng.integers(5, 9), rng.uniform(0, 6.3)
        window = around(column, row, 1.25 * radius)
        distance = np.hypot(x[window] - column, y[window] - row)
        rim = radius * (1 + 0.22 * np.cos(petals * np.arctan2(y[window] - row, x[window] - column) + phase))
        petal = flowers[rng.integers(len(flowers))] * (0.75 + 0.4 * np.clip(distance / rim, 0, 1))[..., None]
        bloom = blend(picture[window], np.clip(petal, 0, 1), (distance < rim).astype(np.float32))
        picture[window] = blend(bloom, heart, (distance < 0.3 * radius).astype(np.float32))
    return picture
