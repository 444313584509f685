"""Styles of line and of fluid: ink, pencil, maps and tracks, marbled paper, molten rock, sugar."""

from __future__ import annotations

import cv2
import numpy as np
from fields import (
    SIZE,
    Picture,
    around,
    blend,
    equalise,
    grid,
    heading,
    noise,
    palette,
    pigment,
    ramp,
    sample,
    scatter,
    seam_distance,
    smoothstep,
    voronoi,
    warp,
)
from scenes import disc, glow, ridge
from strokes import dot, fixed, paper, relief, taper, to_bytes, to_floats, walk


def ink() -> Picture:
    """Mountains in mist in black ink on warm paper, with a red sun.

    Wet washes that fade downwards into bare paper, a dry dark brush along every ridge and a few fast
    pine boughs: nearly two tones, and the one red gives it a pulse.
    """
    rng = np.random.default_rng(1506)
    _x, _ = grid()
    picture = np.broadcast_to(pigment("#f5ecd9"), (SIZE, SIZE, 3)).astype(np.float32)
    picture = blend(picture, pigment("#c8321f"), 0.92 * disc(0.72, 0.2, 0.095, 0.006))
    black = pigment("#14131a")
    for level, strength in ((0.3, 0.4), (0.46, 0.62), (0.63, 0.85), (0.84, 1.0)):
        below = ridge(rng, level, 0.42, 4)
        fade = np.exp(-np.clip(below, 0, None) * rng.uniform(5, 8)) * (0.55 + 0.7 * noise(rng, 6))
        wash = smoothstep(-0.002, 0.004, below) * np.clip(strength * fade, 0, 1)
        dry = smoothstep(0.02, 0.0, np.abs(below - 0.012)) * smoothstep(
            0.4, 0.62, noise(rng, 24, 3, stretch=0.5)
        )
        clefts = (
            smoothstep(0.55, 0.62, noise(rng, 12, 4, stretch=0.35))
            * smoothstep(0.22, 0.02, below)
            * (below > 0)
        )
        cover = np.clip(wash + strength * (0.85 * dry + 0.6 * clefts), 0, 0.97)
        picture = blend(picture, black, cover.astype(np.float32))
    sheet = np.zeros((SIZE, SIZE, 3), np.uint8)
    for foot, lean in ((70, 60), (190, 130), (20, 210)):
        for joint in range(9):
            rows = np.linspace(1040 - 125 * joint, 1040 - 125 * (joint + 1) + 12, 8)
            stalk = np.stack([foot + lean * ((1040 - rows) / 1040) ** 2, rows], axis=1)
            taper(sheet, stalk, 26 - 2 * joint + 5 * np.linspace(-1, 1, 8) ** 4, (255, 255, 255))
            if joint < 3:
                continue
            for turn in rng.normal(rng.choice([0.6, 2.6]), 0.4, rng.integers(2, 6)):
                blade = np.linspace(0, rng.uniform(110, 210), 16)[:, None] * heading(turn)
                blade[:, 1] += np.linspace(0, 1, 16) ** 2 * 40
                taper(sheet, stalk[-1] + blade, 34 * np.sin(np.linspace(0.25, np.pi, 16)), (255, 255, 255))
    picture = blend(picture, black, to_floats(sheet)[..., 0] * (0.75 + 0.25 * noise(rng, 30, 2)))
    return paper(rng, picture, 0.09)


def hatching() -> Picture:
    """Rolling hills hatched in sepia and blue-black pencil on cream paper, under a red sun.

    Layers of strokes, each at its own angle and each only where the tone asks for it, so shadows build
    up as an engraver builds them; the paper stays open in the lights.
    """
    rng = np.random.default_rng(1513)
    x, _ = grid()
    dark = np.clip(noise(rng, 4, stretch=2) - 0.75 * glow(0.3, 0.25, 0.3), 0, 1)
    line = np.zeros((SIZE, SIZE), np.float32)
    for level, rise in ((0.42, 0.35), (0.58, 0.3), (0.74, 0.3), (0.92, 0.25)):
        below = ridge(rng, level, rise, 3)
        fold = np.clip(0.8 - 4 * below + 1.1 * (noise(rng, 5) - 0.5) + 0.4 * (x - 0.5), 0.05, 1)
        inside = smoothstep(-0.002, 0.002, below)
        dark = dark * (1 - inside) + fold * inside
        line = np.maximum(line * (1 - inside), smoothstep(0.0065, 0.003, np.abs(below)))
    warm = blend(pigment("#fbf3e2"), pigment("#e3b07c"), 0.75 * smoothstep(0.35, 0.9, dark))
    warm = blend(warm, pigment("#d8563a"), 0.85 * disc(0.3, 0.22, 0.085, 0.01))
    sheet = to_bytes(warm)
    wobble = (0.35 * (noise(rng, 3) - 0.5)).astype(np.float32)
    leads = palette("#6b3519 #1f2a5c #2b1a16 #a3431f")
    for turn, start, spacing in ((-0.8, 0.22, 19), (0.5, 0.5, 20), (-0.15, 0.7, 20), (1.35, 0.84, 18)):
        points = scatter(rng, spacing)
        depth = sample(dark, points)
        points, depth = points[depth > start], depth[depth > start]
        for path, much in zip(walk(points, wobble + np.float32(turn), 95, 6), depth, strict=True):
            lead = leads[rng.integers(len(leads))] * 255
            taper(sheet, path, 4.2 * (0.3 + much) * np.sin(np.linspace(0.3, 2.9, len(path))), lead.tolist())
    picture = blend(to_floats(sheet), pigment("#1a1116"), 0.95 * line)
    return paper(rng, picture, 0.1)


def topographic() -> Picture:
    """A relief map: deep sea to snow, with ink contour lines and hill shading.

    Layer tints in bold steps, every second contour heavier: curves that never cross wrap every form they
    are laid on.
    """
    rng = np.random.default_rng(8848)
    land = equalise(cv2.GaussianBlur(noise(rng, 3, 4), (0, 0), 7))
    tints = palette("#0b1f5c #0f5fa8 #20a7b5 #6fd3a8 #d9ee9a #8fc93f #2f8f4a #f2c22e #f5e9c8 #ffffff")
    steps = np.floor(land * 9.99)
    picture = tints[np.clip(steps, 0, 9).astype(int)]
    picture = np.clip(relief(picture, land, 40, 3), 0, 1)
    slope = np.hypot(
        cv2.Sobel(land, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(land, cv2.CV_32F, 0, 1, scale=1 / 8)
    )
    for count, width, ink_color in ((20, 1.3, "#4a2a1a"), (10, 3.2, "#1f1420")):
        phase = np.abs(np.mod(land * count + 0.5, 1) - 0.5) / count / np.maximum(slope, 1e-5)
        picture = blend(picture, pigment(ink_color), 0.85 * smoothstep(width + 1, width - 0.5, phase))
    return paper(rng, picture, 0.08)


def circuit() -> Picture:
    """Copper tracks and glowing pads on a deep green board.

    Bundles of broad tracks that turn at forty-five degrees, gold over teal and black, with a few lit
    amber points: a machine's drawing with large quiet areas.
    """
    rng = np.random.default_rng(4004)
    board = ramp(equalise(noise(rng, 4)), palette("#03140f #07352b #0b5a45 #128a68"))
    sheet = to_bytes(board)
    height = np.zeros((SIZE, SIZE), np.uint8)
    lamps = np.zeros((SIZE, SIZE, 3), np.uint8)
    metals = to_bytes(palette("#e3a53a #f7d98a #b8662a #3fd9b0 #d9f2e0"))
    for _ in range(34):
        place, octant = rng.uniform(-50, SIZE + 50, 2), int(rng.integers(8))
        corners = [place]
        for _ in range(rng.integers(2, 5)):
            step = rng.uniform(80, 260)
            corners.append(corners[-1] + step * heading(octant * np.pi / 4))
            octant = (octant + rng.choice([-1, 1])) % 8
        lane = np.array(corners)
        metal = metals[rng.choice(5, p=[0.4, 0.2, 0.2, 0.12, 0.08])].tolist()
        width = int(rng.choice([8, 12, 18]))
        for n in range(rng.integers(1, 5)):
            path = lane + n * width * 2.1 * np.array([0.7, -0.7])
            cv2.polylines(sheet, [fixed(path + 3)], False, (12, 20, 4), width + 6, cv2.LINE_AA, 4)
            cv2.polylines(sheet, [fixed(path)], False, metal, width, cv2.LINE_AA, 4)
            cv2.polylines(height, [fixed(path)], False, 150, width, cv2.LINE_8, 4)
            for end in (path[0], path[-1]):
                dot(sheet, end, width * 1.25, metal)
                dot(height, end, width * 1.25, 190)
                dot(sheet, end, width * 0.55, (10, 16, 6))
    for _ in range(9):
        corner, size = rng.uniform(0, SIZE, 2), rng.uniform(50, 130, 2)
        cv2.rectangle(
            sheet, corner.astype(int).tolist(), (corner + size).astype(int).tolist(), (16, 14, 10), -1
        )
        cv2.rectangle(height, corner.astype(int).tolist(), (corner + size).astype(int).tolist(), 230, -1)
        cv2.circle(lamps, corner.astype(int).tolist(), 20, (70, 170, 255), -1, cv2.LINE_AA)
    picture = relief(to_floats(sheet), to_floats(height), 1.0, 2)
    light = to_floats(lamps) + 5 * cv2.GaussianBlur(to_floats(lamps), (0, 0), 38)
    return np.clip(picture + light, 0, 1).astype(np.float32)


def marbled() -> Picture:
    """Marbled paper: inks floated on water and drawn through with a comb.

    Ribbons of oxblood, cream, teal, gold and black, folded into each other and never broken: long curves
    at every scale.
    """
    rng = np.random.default_rng(1646)
    x, y = grid()
    veins = noise(rng, 3, 2)
    comb = 80 * np.sin(2 * np.pi * (x * 4 + 0.4 * noise(rng, 2, 2)))
    veins = warp(veins, 150 * (noise(rng, 3, 2) - 0.5), comb.astype(np.float32))
    veins = warp(veins, 90 * np.sin(7 * y + 4 * noise(rng, 2, 2)), 150 * (noise(rng, 4, 2) - 0.5))
    bands = equalise(veins) * 10
    inks = palette("#6e1423 #f3e6cc #0f4a5c #d99a2b #16121c #c9402f #f7efe0 #1f7f86")
    order = rng.permutation(np.tile(np.arange(len(inks)), 2))[:11]
    index = np.clip(bands.astype(int), 0, 10)
    picture = inks[order][index]
    shade = np.mod(bands, 1)
    picture = np.clip(picture * (0.78 + 0.34 * shade[..., None]), 0, 1)
    rim = smoothstep(0.1, 0.0, np.minimum(shade, 1 - shade))
    picture = blend(picture, pigment("#150d12"), 0.4 * rim)
    return paper(rng, picture, 0.07)


def ember() -> Picture:
    """Rivers of lava through a black crust, with sparks above them.

    Broad molten currents run from pale yellow through orange to deep red and light the rock beside them;
    a few cracks and sparks are the only fine marks, so the darks stay whole.
    """
    rng = np.random.default_rng(79)
    bend = 240 * (noise(rng, 3, 3) - 0.5)
    current = warp(noise(rng, 3, 3, stretch=0.6), bend, 180 * (noise(rng, 3, 3) - 0.5))
    river = np.abs(equalise(current) - 0.5) * 2
    swirl = 0.5 + 0.5 * np.sin(38 * current + 7 * noise(rng, 4))
    heat = np.exp(-river / 0.45) * (0.78 + 0.22 * swirl)
    cracks = warp(seam_distance(voronoi(scatter(rng, 170, 0.8))), 60 * (noise(rng, 6) - 0.5), bend / 4)
    heat = np.clip(heat + 0.3 * np.exp(-cracks / 6) * smoothstep(0.9, 0.4, river), 0, 1)
    picture = ramp(heat, palette("#08060a #2a0b16 #7d1410 #c8300f #f0700f #ffb52e #ffe9a0"))
    crust = noise(rng, 8, 4)
    picture = relief(picture, 0.5 * crust + 0.5 * smoothstep(0.35, 0.6, river), 3.0, 3)
    cool = smoothstep(0.25, 0.05, heat) * smoothstep(0.45, 0.75, crust)
    picture = blend(picture, pigment("#3a4a66"), 0.6 * cool)
    sparks = np.zeros((SIZE, SIZE), np.uint8)
    for place in scatter(rng, 105, 0.9):
        dot(sparks, place, 1 + 6 * rng.random() ** 3, 255)
    return blend(picture, pigment("#ffd98a"), to_floats(sparks))


def candy() -> Picture:
    """Boiled sweets and toffee swirls in strawberry, mint, lemon and plum.

    Glossy rounded shapes of many sizes with a dark rim, a swirl and a highlight each: cheerful, and its
    firm outlines keep features where they are.
    """
    rng = np.random.default_rng(1950)
    x, y = grid()
    picture = ramp(equalise(noise(rng, 2, 2)), palette("#f7a8bf #ffe0e6 #bfe8df #fdf0c8"))
    sugars = palette("#e8254f #ffffff #ff8fb3 #35b59a #ffd23f #7a2f8f #ff7a2a #2f8fd8")
    dark = pigment("#3a0f33")
    spots = rng.uniform(-0.02, 1.02, (90, 2))
    sizes = np.sort(rng.uniform(0.04, 0.08, 90) + 0.14 * rng.random(90) ** 4)[::-1]
    placed: list[tuple[float, float, float]] = []
    for (column, row), size in zip(spots, sizes, strict=True):
        if any(np.hypot(column - a, row - b) < 0.8 * (size + c) for a, b, c in placed):
            continue
        placed.append((column, row, size))
        window = around(column, row, 1.5 * size)
        u, v = (x[window] - column) / size, (y[window] - row) / size
        radius, turn = np.hypot(u, v), np.arctan2(v, u)
        first, second, third = rng.permutation(len(sugars))[:3]
        twist = np.sin(rng.integers(2, 6) * turn + rng.uniform(3, 7) * radius * rng.choice([-1, 1]))
        sweet = blend(
            np.broadcast_to(sugars[first], (*u.shape, 3)), sugars[second], smoothstep(-0.08, 0.08, twist)
        )
        sweet = blend(sweet, sugars[third], smoothstep(0.34, 0.32, radius))
        light = 0.62 + 0.5 * np.exp(-((u + 0.3) ** 2 + (v + 0.3) ** 2) / 0.81)
        sweet = np.clip(sweet * light[..., None], 0, 1)
        sweet = blend(
            sweet, pigment("#ffffff"), 0.85 * smoothstep(0.2, 0.1, np.hypot(1.2 * u + 0.45, v + 0.42))
        )
        shadow = 0.35 * smoothstep(1.4, 0.8, np.hypot(u - 0.15, v - 0.2))
        below = blend(picture[window] * (1 - shadow)[..., None], dark, smoothstep(1.05, 1.0, radius))
        picture[window] = blend(below, sweet, smoothstep(0.99, 0.96, radius))
    return picture


def neon() -> Picture:
    """A synthetic sunset: a striped sun, mountains of light and a glowing floor.

    Tube light in magenta and cyan over plum and midnight blue. Broad soft gradients carry it, with a few hot
    lines and their halos, so shadows stay deep and skin glows.
    """
    rng = np.random.default_rng(2049)
    x, y = grid()
    sky = palette("#0b0726 #2a1163 #7a1f93 #e23a94 #ff8f6b #ffd27a")
    picture = ramp(np.clip(y / 0.66 + 0.3 * (noise(rng, 3) - 0.5), 0, 1), sky)
    picture = blend(picture, pigment("#ff4fa8"), 0.6 * glow(0.5, 0.42, 0.38))
    slits = smoothstep(0.0, 0.05, np.sin(60 * y) + 1.5 - 2.2 * smoothstep(0.25, 0.62, y))
    sun = ramp(np.clip((y - 0.18) / 0.46, 0, 1), palette("#fff3b0 #ffc04a #ff5a86 #c81fa8"))
    picture = blend(picture, sun, disc(0.5, 0.42, 0.24) * slits)
    tubes = np.zeros((SIZE, SIZE, 3), np.float32)
    lights = palette("#21e6f0 #ff3fb4 #8a6bff #ffb03a")
    for n, (level, rise) in enumerate(((0.56, 0.3), (0.64, 0.22))):
        below = ridge(rng, level, rise, 4)
        inside = smoothstep(-0.002, 0.002, below)
        facets = ramp(noise(rng, 8, 3), palette("#0a0626 #1b1150 #3a1a78"))
        picture = blend(picture, facets, inside)
        tubes = blend(tubes, lights[n], smoothstep(0.007, 0.004, np.abs(below)))
        tubes = tubes * (1 - smoothstep(0.008, 0.012, below))[..., None]
    floor = 0.68
    depth = np.clip((y - floor) / (1 - floor), 1e-3, 1)
    ground = blend(pigment("#ff3f9a"), pigment("#0e0736"), smoothstep(0.0, 0.7, depth))
    shore = smoothstep(floor - 0.002, floor + 0.002, y)
    picture = blend(picture, ground, shore)
    across, away = (x - 0.5) / (0.12 + 0.5 * depth), 1 / (0.12 + 0.5 * depth)
    threads = np.minimum(
        np.abs(np.mod(6 * across, 1) - 0.5) * (0.12 + 0.5 * depth), np.abs(np.mod(1.6 * away, 1) - 0.5) * 0.3
    )
    tubes = blend(tubes * (1 - shore)[..., None], lights[0], smoothstep(0.022, 0.012, threads) * shore)
    tubes = blend(tubes, lights[1], smoothstep(0.006, 0.003, np.abs(y - floor)))
    for n, (column, row, radius) in enumerate(
        ((0.16, 0.2, 0.09), (0.84, 0.15, 0.06), (0.93, 0.42, 0.05), (0.06, 0.48, 0.04))
    ):
        ring = np.abs(np.hypot(x - column, y - row) - radius)
        tubes = blend(tubes, lights[n], smoothstep(0.008, 0.005, ring))
    halo = 0.9 * cv2.GaussianBlur(tubes, (0, 0), 10) + 1.3 * cv2.GaussianBlur(tubes, (0, 0), 36)
    core = cv2.GaussianBlur(tubes.max(axis=2), (0, 0), 2) ** 3
    return blend(np.clip(picture + halo + 0.8 * tubes, 0, 1), pigment("#ffffff"), 0.8 * core)


__all__ = ["candy", "circuit", "ember", "hatching", "ink", "marbled", "neon", "topographic"]
