"""Styles of the brush: oil, gouache and the knife. Strokes follow a flow and stand up from the canvas."""

from __future__ import annotations

import cv2
import numpy as np
from fields import (
    SIZE,
    Picture,
    blend,
    contour_flow,
    equalise,
    grid,
    noise,
    palette,
    pigment,
    ramp,
    relax,
    sample,
    scatter,
    seam_distance,
    smoothstep,
    voronoi,
    warp,
    whirl,
)
from scenes import disc, garden, glow, hills, ridge, sunset
from strokes import Canvas, dot, paper, relief, to_bytes, to_floats, walk


def starry() -> Picture:
    """A night sky in whirling impasto over dark hills.

    Long loaded strokes turn round eight lights, in ultramarine, cobalt and pale blue against chrome
    yellow: two complementary hues and a full range of tones, so edges turn into rows of strokes.
    """
    rng = np.random.default_rng(1889)
    x, y = grid()
    lights = [
        (0.82, 0.15, 0.15),
        (0.13, 0.16, 0.1),
        (0.36, 0.1, 0.075),
        (0.6, 0.14, 0.07),
        (0.1, 0.45, 0.075),
    ]
    lights += [(0.9, 0.46, 0.08), (0.3, 0.58, 0.07), (0.68, 0.6, 0.06)]
    angle = 0.5 * np.sin(6 * x + 2) + 0.6 * (noise(rng, 3) - 0.5)
    angle = whirl(whirl(angle, 0.46, 0.34, 0.2), 0.66, 0.42, 0.13, -1)
    tone = equalise(noise(rng, 5, stretch=2))
    for column, row, radius in lights:
        angle = whirl(angle, column, row, radius * 1.25)
    sky = palette("#050a30 #0e2480 #1a52c4 #4c9ae8 #b4def2 #fff0a0")
    tone = 0.84 * tone + 0.5 * np.maximum(glow(0.46, 0.34, 0.13), glow(0.66, 0.42, 0.08))
    picture = ramp(np.clip(tone, 0, 1), sky)
    for column, row, radius in lights:
        halo = np.hypot(x - column, y - row) / radius
        ring = ramp(
            np.clip(halo + 0.12 * np.sin(halo * 16), 0, 1), palette("#fff6c4 #ffd23c #f0a81e #cfd98a #6fa9cf")
        )
        picture = blend(picture, ring, smoothstep(1.15, 0.75, halo))
    below = ridge(rng, 0.8, 0.3)
    land = ramp(noise(rng, 7, stretch=3), palette("#060a2c #123a8a #2a8ab0 #f2c437 #4a9a5a #0d1c58"))
    picture = blend(picture, land, smoothstep(-0.004, 0.004, below))
    angle = np.where(below > 0, contour_flow(noise(rng, 3, stretch=3)), angle).astype(np.float32)

    cypress = np.abs(x - 0.17 - 0.012 * np.sin(17 * y)) < 0.075 * np.clip((y - 0.26) / 0.5, 0, 1) ** 0.7
    flames = ramp(noise(rng, 20, 2, stretch=0.1), palette("#02060f #0d2b22 #2f5a2a #06101f"))
    picture = np.where(cypress[..., None], flames, picture).astype(np.float32)
    angle = np.where(cypress, np.pi / 2 + 0.5 * np.sin(14 * y), angle).astype(np.float32)

    canvas = Canvas(sky[0])
    for spacing, length, width, spread in ((24, 130, 34, 0.06), (20, 100, 22, 0.12), (36, 70, 14, 0.2)):
        points = scatter(rng, spacing)
        colors = sample(picture, points) * rng.normal(1, spread, (len(points), 1))
        canvas.brush(rng, walk(points, angle, length), colors, width, bristles=5, unmixed=0.05)
    return canvas.lit(1.0)


def fauve() -> Picture:
    """Autumn hills in unmixed tube colors, laid on with a broad flat brush.

    Vermilion, orange and pink stand against cobalt and emerald, in blocks with dark blue drawing between
    them: broad shapes keep faces whole, and the palette never goes gray.
    """
    rng = np.random.default_rng(1905)
    hot = "#e6331f #f47a1c #ffb81c #f4739a #c81d5c #f9d98c"
    cold = "#1c3fa0 #137a63 #2fa3c4 #4b2a7b #7ab648"
    field = noise(rng, 4)
    seeds = relax(scatter(rng, 150), 1)
    cells, land = voronoi(seeds), smoothstep(-0.01, 0.01, ridge(rng, 0.36, 0.3))
    sky = ramp(np.clip(noise(rng, 4, stretch=2), 0, 1), palette("#f9d98c #f4739a #7ccbd0 #ffe2a8 #f47a1c"))
    blocks = palette(f"{hot} {cold}")[rng.integers(0, 11, len(seeds))]
    picture = blend(sky, blocks[cells], land)
    angle = contour_flow(field, 20)
    canvas = Canvas(pigment("#1b2257"))
    for spacing, length, width in ((24, 130, 34), (26, 90, 22), (40, 60, 13)):
        points = scatter(rng, spacing)
        colors = sample(picture, points) + rng.normal(0, 0.02, (len(points), 3))
        canvas.brush(rng, walk(points, angle, length), colors, width, bristles=9, unmixed=0.03, load=0.4)
    trunks = np.stack([rng.uniform(0, SIZE, 26), rng.uniform(0.35, 0.95, 26) * SIZE], axis=1).astype(
        np.float32
    )
    upright = (np.pi / 2 + 0.7 * (noise(rng, 4) - 0.5)).astype(np.float32)
    dark = palette("#141a4a #2a0f3d")[rng.integers(0, 2, 26)]
    canvas.brush(rng, walk(trunks, upright, 260), dark, rng.uniform(7, 20, 26), bristles=6)
    wander = 60 * (noise(rng, 5) - 0.5), 60 * (noise(rng, 5) - 0.5)
    drawing = (
        smoothstep(9, 5, warp(seam_distance(cells), *wander)) * smoothstep(0.3, 0.45, noise(rng, 6)) * land
    )
    return blend(canvas.lit(1.0), pigment("#171a4f"), 0.9 * drawing)


def pointillism() -> Picture:
    """A summer river built of dots, each color answered by its complement.

    Dots of four sizes in pure hues mix in the eye; the larger dots carry the light and the shade, so the
    grain stays lively and the forms stay clear.
    """
    rng = np.random.default_rng(1884)
    sky = palette("#5f9fe0 #a8cdf2 #f7d3e0 #ffe9b0 #ffc07a")
    land = palette("#7f6fc0 #3f9a5a #3a86d0 #f2c450 #1f5a4a")
    picture = hills(rng, sky, land, 0.34, 0.22) ** 1.3
    for column, row, size, ink in (
        (0.2, 0.4, 0.17, "#1f6a4a"),
        (0.86, 0.46, 0.13, "#2a7a3f"),
        (0.52, 0.82, 0.07, "#d8344a"),
    ):
        picture = blend(picture, pigment(ink), 0.95 * disc(column, row, size, 0.05))
        picture = blend(
            picture,
            pigment("#2a2266"),
            0.8 * disc(column + 0.4 * size, row + 0.5 * size, size * 0.6, 0.06),
        )
    dots = to_bytes(picture * 0.75)
    height = np.zeros((SIZE, SIZE), np.uint8)
    for spacing, radius, spread in ((22, 16, 0.08), (21, 12.5, 0.12), (24, 9.5, 0.17), (52, 12, 0.2)):
        for place, color in zip(points := scatter(rng, spacing), sample(picture, points), strict=True):
            hue = color + rng.normal(0, spread) * np.array([1, 0.2, -1]) + rng.normal(0, 0.04, 3)
            hue = 1 - 0.75 * hue if rng.random() < 0.04 else hue
            ink = np.clip(hue * rng.normal(1, 0.15) * 255, 0, 255).tolist()
            size = radius * rng.uniform(0.7, 1.25)
            dot(dots, place, size, ink)
            dot(height, place, size, int(rng.integers(90, 200)))
    return relief(to_floats(dots), to_floats(height), 0.35)


def knife() -> Picture:
    """A sunset at sea, spread with the palette knife.

    Wide flat slabs of coral, apricot, teal and ink blue with raised rims: soft planes inside, a bright
    and a dark edge around, which models cheeks and clouds alike.
    """
    rng = np.random.default_rng(77)
    picture = sunset(
        rng,
        palette("#1b3a7a #4f4a9c #c94f7f #ff8a5a #ffd98a"),
        palette("#ffc98a #c8587a #2f93a8 #14557a #081a3a"),
        palette("#ffd27a #fff3cf"),
    )
    patches = voronoi(relax(scatter(rng, 170), 1))
    angle = rng.choice([-0.9, -0.3, 0.2, 0.8, 1.5], patches.max() + 1)[patches].astype(np.float32)
    canvas = Canvas(pigment("#0a1b38"))
    for spacing, length, width in ((44, 110, 62), (46, 84, 46), (58, 70, 28)):
        points = scatter(rng, spacing)
        colors = sample(picture, points) * rng.normal(1, 0.2, (len(points), 1))
        canvas.brush(rng, walk(points, angle, length), colors, width, bristles=21, unmixed=0.025, load=0.9)
    return canvas.lit(1.1)


def aurora() -> Picture:
    """Curtains of green and violet light over dark hills and their lake.

    Soft upright rays over deep blue: bright where the picture is bright, night elsewhere, with hardly a
    hard line, so it glows rather than scratches.
    """
    rng = np.random.default_rng(66)
    _, y = grid()
    picture = ramp(np.clip(y + 0.2 * (noise(rng, 4) - 0.5), 0, 1), palette("#060a26 #0b1d4d #123a66 #1a6a7c"))
    bend = noise(rng, 3, 3)[500][None, :]
    rays = noise(rng, 8, 4, stretch=0.06)
    veils = (
        (0.5, 0.42, "#0b6b55 #27d69b #d8ffd0"),
        (0.3, 0.3, "#3b1d7a #9a4be0 #f3b8ff"),
        (0.64, 0.3, "#0a4f78 #2fc4d0 #e3ffe9"),
    )
    for n, (foot, reach, veil) in enumerate(veils):
        rise = (foot + 0.5 * (np.roll(bend, 260 * n, axis=1) - 0.5) - y) / reach
        light = np.clip(smoothstep(-0.05, 0.1, rise) * np.exp(-1.7 * np.clip(rise, 0, None)), 0, 1)
        light = np.clip(light * (0.25 + 1.25 * np.roll(rays, 300 * n, axis=1)), 0, 1)
        picture = blend(picture, ramp(light, palette(veil)), np.clip(1.5 * light, 0, 1))
    points = scatter(rng, 15)
    canvas = Canvas(picture)
    angle = (np.pi / 2 + 1.6 * (noise(rng, 3) - 0.5)).astype(np.float32)
    colors = sample(picture, points) * rng.normal(1, 0.06, (len(points), 1))
    canvas.brush(rng, walk(points, angle, 70), colors, 17, bristles=5, unmixed=0.02, load=0.4)
    picture = canvas.lit(0.3)
    stars = np.zeros((SIZE, SIZE), np.uint8)
    for place in scatter(rng, 72):
        dot(stars, place, rng.uniform(1, 5), 255)
    below = ridge(rng, 0.74, 0.3, 4)
    picture = blend(picture, pigment("#fdfbe8"), to_floats(stars) * smoothstep(0.7, 0.45, y))
    lake = cv2.GaussianBlur(picture[::-1], (0, 0), sigmaX=3, sigmaY=14) * 0.8
    rock = ramp(noise(rng, 9), palette("#02040c #0d1530 #23335c"))
    picture = blend(picture, rock, smoothstep(-0.003, 0.003, below))
    return blend(picture, lake, smoothstep(0.818, 0.822, y))


def meadow() -> Picture:
    """A garden in full flower, dabbed wet into wet.

    Poppy red, white and rose over blue greens: short curved dabs round every flower, with the dark hearts
    and leaves that give a picture its depth.
    """
    rng = np.random.default_rng(1914)
    ground = palette("#0d2b33 #14524a #2f7d4f #86a94b #c9cf74")
    flowers = palette("#d92a2a #f2f0e2 #ef7f9c #f6b93a #e85a2c #a24bb0 #5a6fd0")
    picture = garden(rng, ground, flowers, 60)
    angle = contour_flow(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 7)
    canvas = Canvas(ground[0])
    for spacing, length, width, spread in ((20, 60, 24, 0.06), (17, 44, 15, 0.09), (28, 28, 10, 0.14)):
        points = scatter(rng, spacing)
        colors = sample(picture, points) * rng.normal(1, spread, (len(points), 1))
        canvas.brush(rng, walk(points, angle, length), colors, width, bristles=6, unmixed=0.03)
    return canvas.lit(1.0)


def watercolor() -> Picture:
    """Washes of ultramarine, rose and ochre on white paper.

    Each wash pools into a darker rim, runs into its neighbors and leaves the paper bare between: light,
    clear color with a drawn edge, kind to faces.
    """
    rng = np.random.default_rng(1775)
    picture = np.broadcast_to(pigment("#fbf7ec"), (SIZE, SIZE, 3)).astype(np.float32)
    x, y = grid()
    hues = palette("#2a5fc8 #e0406a #f2a52f #2ca89c #7a4ab0 #f0703a #4f9be8 #6bab50 #1d2f76")
    blots = [noise(rng, 4, 5) for _ in range(9)]
    for n in range(54):
        shape, grain = np.rot90(blots[n % 9], n // 9), np.rot90(blots[(n + 4) % 9], n // 9 + 1)
        radius = rng.uniform(0.05, 0.18)
        place = np.hypot(x - rng.uniform(0, 1), (y - rng.uniform(0, 1)) * rng.uniform(0.8, 1.6)) / radius
        inside = 1 - place + 1.3 * (shape - 0.5)
        rim = np.exp(-(((inside - 0.03) / 0.035) ** 2))
        wash = smoothstep(0, 0.05, inside) * (0.2 + 0.55 * grain) + 0.35 * rim
        ink = hues[n % len(hues)]
        picture = picture * (1 - np.clip(wash, 0, 0.85)[..., None] * (1 - ink))
    return paper(rng, picture, 0.1)


__all__ = ["aurora", "fauve", "knife", "meadow", "pointillism", "starry", "watercolor"]
