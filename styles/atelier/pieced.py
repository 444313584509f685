"""Styles put together from pieces: tesserae, glass, facets, planes, leaf gold and inlay."""

from __future__ import annotations

import cv2
import numpy as np
from fields import (
    SIZE,
    Field,
    Picture,
    Points,
    around,
    blend,
    cell_centres,
    contour_flow,
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
)
from scenes import glow, hills
from strokes import blank, dot, fixed, paper, polygon, relief, to_bytes, to_floats


def tesserae(points: Points, angle: Field, side: float, rounds: int) -> Points:
    """Points moved until squares of this side, turned along the flow, fit around them.

    Hausner 2001, "Simulating decorative mosaics": Lloyd's method with the distance of a turned square.
    """
    reach = int(side * 1.4)
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    for _ in range(rounds):
        nearest = np.full((SIZE + 2 * reach + 2, SIZE + 2 * reach + 2), np.inf, np.float32)
        owner = np.zeros(nearest.shape, np.int32)
        for n, (place, turn) in enumerate(zip(points, sample(angle, points), strict=True)):
            column, row = np.clip(place.astype(int), 0, SIZE - 1)
            along = np.abs(offsets[1] * np.cos(turn) + offsets[0] * np.sin(turn))
            across = np.abs(offsets[0] * np.cos(turn) - offsets[1] * np.sin(turn))
            distance = np.maximum(along, across)
            window = (slice(row, row + 2 * reach + 1), slice(column, column + 2 * reach + 1))
            closer = distance < nearest[window]
            nearest[window][closer] = distance[closer]
            owner[window][closer] = n
        moved, area = cell_centres(owner[reach : reach + SIZE, reach : reach + SIZE], len(points))
        points = moved[area > 0]
    return points


def mosaic() -> Picture:
    """A golden sun over a lapis sea in glass tesserae, set along the lines of the drawing.

    Squares of gold, terracotta, cream and many blues, each a little tilted in its dark grout. They turn with
    every contour, so a face is drawn by its own rows of tiles.
    """
    rng = np.random.default_rng(547)
    x, y = grid()
    center = np.hypot(x - 0.5, y - 0.44)
    rays = np.cos(16 * np.arctan2(y - 0.44, x - 0.5) + 2.2 * np.sin(14 * center))
    swell = y + 0.05 * np.sin(9 * x + 1) + 0.03 * np.sin(21 * x)
    field = np.where(swell > 0.74, 3 * swell, 3 * center).astype(np.float32)
    picture = blend(pigment("#123a7a"), pigment("#2f86b8"), (rays > 0.1).astype(np.float32))
    picture = blend(picture, pigment("#e9b437"), ((rays > 0.1) & (center < 0.4)).astype(np.float32))
    picture = blend(picture, pigment("#b9402a"), ((rays < 0.1) & (center < 0.34)).astype(np.float32))
    for radius, ink in ((0.21, "#f4e8c8"), (0.175, "#e9b437"), (0.13, "#d9822b"), (0.075, "#8a1f24")):
        picture = blend(picture, pigment(ink), (center < radius).astype(np.float32))
    bands = ramp(np.mod(5 * swell, 1), palette("#0b1f4d #155e8a #37a6a8 #f1e7c9 #12306a"))
    picture = blend(picture, bands, (swell > 0.74).astype(np.float32))
    angle = contour_flow(field, 4)
    side = 40
    points = tesserae(scatter(rng, side * 0.98, 0.3), angle, side, 8)
    tiles = blank(pigment("#1d1712"))
    height = np.zeros((SIZE, SIZE), np.uint8)
    for place, color, turn in zip(points, sample(picture, points), sample(angle, points), strict=True):
        along = heading(turn)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(0.84, 1, (4, 2)) * side * 0.47
        square = place + corners @ np.stack([along, [-along[1], along[0]]])
        ink = np.clip((color + rng.normal(0, 0.025, 3)) * rng.normal(1, 0.17), 0, 1)
        polygon(tiles, square, (ink * 255).tolist())
        polygon(height, square, int(rng.integers(110, 220)))
    return relief(to_floats(tiles), to_floats(height), 0.9, 1.6)


def stained_glass() -> Picture:
    """A sunrise window: amber rays, blue sky, green hills and a river between black leads.

    Long flowing panes, alike in color to their neighbors and lit from behind, with leads of two
    strengths: bold drawing around pure color, and large enough to leave a face in one piece.
    """
    rng = np.random.default_rng(1220)
    x, y = grid()
    radius, turn = np.hypot(x - 0.6, y - 0.4), np.arctan2(y - 0.4, x - 0.6)
    ring = np.digitize(radius, [0.12, 0.25, 0.42, 0.62])
    ray = np.floor((turn / (2 * np.pi) + 0.5) * 14 + 0.5 * (ring % 2) + 0.6 * radius * np.sin(9 * radius))
    region, pane = np.where(ring == 0, 0, ring), np.where(ring == 0, 0, ring * 20 + ray)
    for n, (level, swing, pitch) in enumerate(
        ((0.5, 0.06, 7), (0.6, 0.07, 5), (0.72, 0.06, 6), (0.87, 0.05, 8))
    ):
        below = y > level + swing * np.sin(pitch * x + 2.2 * n)
        cut = np.floor((x + (0.9 - 0.6 * n) * (y - level)) * (4 + n % 2) + 0.37 * n)
        region, pane = np.where(below, 5 + n, region), np.where(below, 200 + 40 * n + cut, pane)
    glass = [
        palette(text)
        for text in (
            "#fff1b8 #ffe48a",
            "#ffc22e #ff9d1f #ffd75a",
            "#f56a1c #e8431c #ff9838",
            "#2f8fe0 #6fc0f2 #d8375a",
            "#1457c4 #0f3a9c #3f7fe0",
            "#167a4a #2fa35a #7fc043",
            "#1fa0b8 #1580d0 #7fd8e0",
            "#0f5f3a #5fa82f #b8c832",
            "#8a1240 #c8183a #5b1f86",
        )
    ]
    numbers, panes = np.unique(pane, return_inverse=True)
    panes = panes.reshape(SIZE, SIZE).astype(np.int32)
    owner = np.zeros(len(numbers), int)
    owner[panes.ravel()] = region.ravel()
    colors = np.stack([glass[area][rng.integers(len(glass[area]))] for area in owner])
    edge, border = seam_distance(panes), seam_distance(region.astype(np.int32))
    light = (0.55 + 0.6 * noise(rng, 5)) * (0.6 + 0.5 * smoothstep(0, 60, edge)) + 0.3 * glow(0.6, 0.4, 0.4)
    streaks = 1 + 0.3 * (noise(rng, 16, 3, stretch=0.3) - 0.5)
    picture = np.clip(colors[panes] * (1.15 * light * streaks)[..., None], 0, 1)
    lead = np.maximum(smoothstep(6, 4, edge), smoothstep(10, 8, border))
    shine = 0.05 + 0.14 * smoothstep(5, 0, border) * noise(rng, 40, 1)
    return blend(picture, shine[..., None] * np.ones(3, np.float32), lead)


def low_poly() -> Picture:
    """A mountain evening folded from paper: flat triangles, each with its own light.

    The triangles are small where the picture changes and large where it rests; coral against slate blue
    keeps skin warm and shadows cool.
    """
    rng = np.random.default_rng(3)
    picture = hills(
        rng,
        palette("#2b2f77 #8a4a9e #f0708a #ffb87a #ffe6a8"),
        palette("#8a5aa8 #3f4f9c #1f7f8c #17405f #0d1b3a"),
        0.5,
        0.5,
    )
    edges = cv2.GaussianBlur(
        np.abs(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_32F, ksize=5)), (0, 0), 6
    )
    points = np.concatenate([scatter(rng, 84), (dense := scatter(rng, 34))[sample(edges, dense) > 0.08]])
    mesh = cv2.Subdiv2D((-200, -200, SIZE + 400, SIZE + 400))
    for place in points:
        mesh.insert((float(place[0]), float(place[1])))
    facets = to_bytes(picture)
    for corners in np.reshape(mesh.getTriangleList(), (-1, 3, 2)):
        color = sample(picture, corners.mean(axis=0, keepdims=True))[0]
        lean = (corners[:, 0] @ [1, -1, 0] + corners[:, 1] @ [0, 1, -1]) / 300
        ink = np.clip(color * (1 + np.clip(0.5 * lean, -0.3, 0.3) + rng.normal(0, 0.07)), 0, 1)
        polygon(facets, corners, (ink * 255).tolist())
    return to_floats(facets)


def cubist() -> Picture:
    """A guitar on a table, broken into overlapping planes.

    Each plane is shaded from one edge to the other and drawn round in dark umber; ochre, sienna and bone
    with slate blue and bottle green. Long straight cuts and soft gradients turn heads into facets.
    """
    rng = np.random.default_rng(1910)
    x, y = grid()
    browns = palette("#f0dcae #d99a45 #a85a2a #fff5dd #3f6a94 #27564f #cc6433 #8fb3ac #2b1a12 #f7e6bd")
    picture = ramp(noise(rng, 3), palette("#8c6a3a #c98b3c #4a5a60"))
    lines = np.zeros((SIZE, SIZE), np.uint8)
    for n in range(95):
        size = 420 * (1 - n / 95) ** 1.3 + 60
        place = rng.normal(0.5, 0.3, 2) * SIZE
        turn = rng.choice([0.2, 0.8, 1.75, 2.5]) + rng.normal(0, 0.12)
        corners = (
            np.array([[-1, -0.6], [1, -0.4], [0.8, 0.6], [-0.9, 0.4]]) * rng.uniform(0.5, 1, (4, 2)) * size
        )
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        plane = corners @ rotation + place
        mask = np.zeros((SIZE, SIZE), np.uint8)
        polygon(mask, plane, 255)
        window = around(place[0] / SIZE, place[1] / SIZE, 1.2 * size / SIZE)
        u, v = x[window] * SIZE - place[0], y[window] * SIZE - place[1]
        shade = 1 + 0.42 * (u * np.cos(turn + 0.9) + v * np.sin(turn + 0.9)) / size
        ink = np.clip(browns[rng.integers(len(browns))] * np.clip(shade, 0.5, 1.35)[..., None], 0, 1)
        cover = to_floats(mask[window]) * rng.uniform(0.75, 1)
        picture[window] = blend(picture[window], ink, cover)
        lines[mask > 200] = (lines[mask > 200] * 0.35).astype(np.uint8)
        cv2.polylines(lines, [fixed(plane)], True, 255, int(rng.integers(3, 8)), cv2.LINE_AA, 4)
    for radius in (0.1, 0.17, 0.18):
        cv2.ellipse(
            lines, (560, 600), (int(radius * SIZE), int(radius * SIZE)), 0, 30, 250, 255, 6, cv2.LINE_AA
        )
    for n in range(6):
        cv2.line(lines, (300 + 14 * n, 180), (540 + 14 * n, 800), 235, 3, cv2.LINE_AA)
    picture = blend(picture, pigment("#170f0b"), to_floats(lines) * 0.92)
    dabs = noise(rng, 60, 2) - 0.5
    return paper(rng, np.clip(picture * (1 + 0.3 * dabs[..., None]), 0, 1), 0.1)


def gilded() -> Picture:
    """Gold leaf with spirals and little colored tiles, over bronze.

    Curling dark and pale lines on shimmering gold with lapis, emerald and vermilion insets: rich and warm
    everywhere, with a sinuous line that follows hair and cloth.
    """
    rng = np.random.default_rng(1907)
    leaf = ramp(equalise(noise(rng, 3)), palette("#2a1206 #7a3f10 #c98f24 #f2c850 #fff0b0"))
    flakes = voronoi(scatter(rng, 90))
    leaf = np.clip(
        leaf * rng.uniform(0.75, 1.15, flakes.max() + 1).astype(np.float32)[flakes][..., None], 0, 1
    )
    sheet = to_bytes(leaf)
    height = np.zeros((SIZE, SIZE), np.uint8)
    jewels = to_bytes(palette("#123a86 #0f7a58 #c23a22 #f5ead0 #1a1410 #6a2a78 #2fa0a8"))
    inlaid = noise(rng, 3) > 0.56
    for place in scatter(rng, 40, 0.2):
        if not sample(inlaid.astype(np.float32), place[None])[0]:
            continue
        size, ink = rng.uniform(10, 22, 2), jewels[rng.integers(len(jewels))].tolist()
        box = place + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
        polygon(sheet, box, ink)
        polygon(height, box, 170)
        if rng.random() < 0.5:
            dot(sheet, place, size.min() / 2, jewels[3].tolist())
    turns = np.linspace(0, 1, 160)
    for place in scatter(rng, 205, 0.3):
        if sample(inlaid.astype(np.float32), place[None])[0]:
            continue
        theta = turns * rng.choice([-1, 1]) * 15 + rng.uniform(0, 6.3)
        reach = (turns**0.8 * rng.uniform(60, 98))[:, None]
        spiral = place + reach * heading(theta)
        dark = jewels[4].tolist() if rng.random() < 0.8 else jewels[0].tolist()
        cv2.polylines(sheet, [fixed(spiral)], False, dark, 8, cv2.LINE_AA, 4)
        cv2.polylines(sheet, [fixed(spiral - 2)], False, (150, 225, 250), 2, cv2.LINE_AA, 4)
        cv2.polylines(height, [fixed(spiral)], False, 220, 8, cv2.LINE_8, 4)
    return relief(to_floats(sheet), to_floats(height), 0.3, 3)


def art_deco() -> Picture:
    """Fans of gold over black and emerald, the lobby of a grand hotel.

    Large overlapping scallops with a gradient and gold ribs in each: few hard lines, deep darks and a warm
    metal light.
    """
    rng = np.random.default_rng(1925)
    x, y = grid()
    picture = np.zeros((SIZE, SIZE, 3), np.float32)
    fills = palette("#0d0f14 #0b4a45 #10243f #f3e6c4 #7a1f2b #0f6b5c")
    gold = ramp(
        np.mod(1.5 * (x + y) + 0.3 * noise(rng, 3), 1), palette("#6b4512 #c9962f #f7e3a0 #c9962f #7a4f16")
    )
    width = 0.25
    for row in range(-1, 11):
        for column in range(-1, 6):
            centre_x = (column + 0.5 * (row % 2)) * width
            centre_y = row * width * 0.5 + 0.1
            window = around(centre_x, centre_y, width * 0.5)
            u, v = x[window] - centre_x, y[window] - centre_y
            radius, turn = np.hypot(u, v) / (width * 0.5), np.arctan2(v, u)
            fill = fills[rng.integers(len(fills))]
            body = np.clip(fill * (0.45 + 0.75 * radius)[..., None] + 0.02, 0, 1)
            ribs = np.exp(-((np.sin(turn * 8) / (0.13 / np.maximum(radius, 0.2))) ** 2)) * (radius > 0.28)
            rings = sum(
                np.exp(-(((radius - edge) / thick) ** 2)) for edge, thick in ((0.97, 0.035), (0.62, 0.02))
            )
            fan = blend(body, gold[window], np.clip(0.8 * ribs + rings + (radius < 0.24), 0, 1))
            picture[window] = blend(picture[window], fan, smoothstep(1.0, 0.985, radius))
    return picture


def pixels() -> Picture:
    """A sunset for a screen of 64 by 64 lights, in sixteen colors with ordered dithering (Bayer 1973).

    Every block is flat and has straight edges; tones are made by alternating blocks, outlines by black ones.
    """
    rng = np.random.default_rng(1985)
    blocks = 64
    x, y = grid()
    scene = hills(
        rng,
        palette("#1d1b5a #5b2a86 #c23a72 #f4704a #ffd166"),
        palette("#3f7d4a #1f5a5a #13324f #0d1b2e"),
        0.55,
    )
    sun = np.hypot(x - 0.62, y - 0.36)
    scene = blend(scene, pigment("#fff3b8"), smoothstep(0.15, 0.145, sun))
    scene = np.clip(scene + 0.35 * glow(0.62, 0.36, 0.35)[..., None] * palette("#ffb060")[0], 0, 1)
    for column, row, size in ((0.22, 0.2, 0.13), (0.4, 0.11, 0.09), (0.85, 0.17, 0.1)):
        for shift, lower, radius in ((-0.9, 0.2, 0.6), (0, 0, 0.8), (0.9, 0.2, 0.6)):
            cloud = np.hypot(x - column - shift * size, (y - row) * 1.7 - lower * size)
            scene = blend(scene, pigment("#ffe6d0"), smoothstep(radius * size, 0.97 * radius * size, cloud))
    small = cv2.resize(scene, (blocks, blocks), interpolation=cv2.INTER_AREA)
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 - 0.47
    small = small + 0.16 * np.tile(bayer, (blocks // 4, blocks // 4))[..., None]
    dark = palette("#0d0b1f #1d1b5a #3b2a7a #6a2f8f #13324f #1f5a5a #2f8fa0 #3f7d4a")
    light = palette("#a8327f #d9486a #f4704a #ff9a4f #ffd166 #fff3b8 #ffe6d0 #6fb04f")
    inks = np.concatenate([dark, light])
    nearest = np.argmin(((small[:, :, None] - inks) ** 2).sum(3), axis=2)
    side = SIZE // blocks
    picture = np.kron(inks[nearest].transpose(2, 0, 1), np.ones((1, side, side), np.float32)).transpose(
        1, 2, 0
    )
    edge = np.minimum(np.mod(x * SIZE, side), np.mod(y * SIZE, side))
    return np.asarray(picture * (1 - 0.22 * (edge < 2))[..., None], np.float32)


def woven() -> Picture:
    """A landscape woven in wool: warp over weft, each thread round, dyed and a little uneven.

    Madder, ochre, indigo and undyed white meet in steps along the threads; every crossing casts a small
    shadow, so that flat areas are cloth and edges are stitches.
    """
    rng = np.random.default_rng(1480)
    x, y = grid()
    scene = hills(
        rng, palette("#f3e3c0 #e8b45a #c8502f"), palette("#8a2a2f #2f5a7a #1d3358 #2a4a33 #141c33"), 0.5, 0.4
    )
    rings = np.hypot(x - 0.4, y - 0.3)
    for radius, ink in ((0.2, "#f7efdc"), (0.17, "#d98a2b"), (0.12, "#b3382c"), (0.06, "#f3d27a")):
        scene = blend(scene, pigment(ink), smoothstep(radius + 0.002, radius - 0.002, rings))
    bands = (np.mod(y * 9 + 0.6 * np.abs(np.mod(7 * x, 2) - 1), 1) > 0.5) & (y > 0.82)
    scene = blend(scene, pigment("#e6b04a"), bands.astype(np.float32))
    pitch = 20
    column = x * SIZE / pitch + 0.16 * (noise(rng, 12) - 0.5)
    row = y * SIZE / pitch + 0.16 * (noise(rng, 12) - 0.5)
    upright = np.mod(np.floor(column) + np.floor(row), 2) == 0
    across = np.where(upright, np.mod(column, 1), np.mod(row, 1))
    along = np.where(upright, np.mod(row, 1), np.mod(column, 1))
    cells = SIZE // pitch + 2
    dye = cv2.resize(scene, (cells, cells), interpolation=cv2.INTER_AREA)
    dye = np.clip(dye * rng.normal(1, 0.07, (cells, cells, 1)) + rng.normal(0, 0.015, dye.shape), 0, 1)
    threads = dye[
        np.clip(np.floor(row), 0, cells - 1).astype(int), np.clip(np.floor(column), 0, cells - 1).astype(int)
    ]
    round_ = np.sqrt(np.clip(1 - (2 * across - 1) ** 2, 0, 1))
    height = (round_ * (0.45 + 0.55 * np.sin(np.pi * along))).astype(np.float32)
    twist = 0.5 + 0.5 * np.sin(2 * np.pi * (3 * along + 1.2 * across))
    cloth = threads * (0.35 + 0.65 * height + 0.16 * (twist - 0.5) * round_)[..., None]
    return relief(np.clip(1.15 * cloth, 0, 1), height, 0.5, 1.2)


__all__ = ["art_deco", "cubist", "gilded", "low_poly", "mosaic", "pixels", "stained_glass", "woven"]
