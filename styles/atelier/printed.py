"""Styles of the press and the workshop: woodblock, comics, lino, wax, glaze. Flat inks, firm outlines."""

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
    equalise,
    grid,
    heading,
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
)
from scenes import disc, glow, hills
from strokes import blank, dot, fixed, paper, polygon, taper, to_bytes, to_floats


def curve(text: str, samples: int = 140) -> Points:
    """A smooth line through rough corners such as "0,1 0.4,0.2", each cut four times (Chaikin 1974)."""
    path = np.array([[float(number) for number in pair.split(",")] for pair in text.split()])
    for _ in range(4):
        near, far = 0.75 * path[:-1] + 0.25 * path[1:], 0.25 * path[:-1] + 0.75 * path[1:]
        path = np.concatenate([path[:1], np.stack([near, far], axis=1).reshape(-1, 2), path[-1:]])
    along = np.concatenate([[0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
    even = np.linspace(0, along[-1], samples)
    return np.stack([np.interp(even, along, path[:, n]) for n in (0, 1)], axis=1).astype(np.float32)


def wave() -> Picture:
    """Great breaking waves of a woodblock print, in Prussian blue on buff paper.

    Sweeping bands in four blues run up each wave and curl over with its lip into white claws of foam, and
    a dark key line holds them. The bands are broad, so they wrap forms instead of filling them with ripples.
    """
    rng = np.random.default_rng(1831)
    _, y = grid()
    sheet = to_bytes(ramp(np.clip(y * 1.5, 0, 1), palette("#d9b98a #f0d9ae #f8eed6 #f2dcc0 #e6b98f")))
    key, deep, middle, pale, foam = to_bytes(palette("#0d1f47 #1c4a87 #3f84b4 #a9cfd3 #faf4e4")).tolist()
    mountain = curve("0.55,0.62 0.66,0.52 0.72,0.45 0.745,0.435 0.77,0.45 0.85,0.54 0.97,0.62", 60) * SIZE
    polygon(sheet, mountain, middle)
    polygon(sheet, mountain[20:40], foam)
    back = curve(
        "-1.1,2.6 -0.8,1.3 -0.5,0.8 -0.3,0.45 0,0.12 0.35,-0.02 0.68,0.02 0.9,0.2 0.93,0.44 0.82,0.5"
    )
    face = curve(
        "3,2.6 2.4,1.3 1.6,1 1,1.03 0.62,0.98 0.4,0.78 0.38,0.52 0.5,0.34 0.68,0.32 0.78,0.42 0.82,0.5"
    )
    for left, top, size, flip in (
        (520, 560, 330, 1),
        (90, 130, 600, 1),
        (980, 640, 330, -1),
        (560, 790, 330, 1),
        (-60, 780, 330, 1),
    ):
        place, scale = np.array([left, top]), np.array([size * flip, size])
        for n, ink in enumerate((key, pale, deep, key, middle, foam, deep, key, middle, pale, key, deep)):
            inner = face + (back - face) * (1 - n / 12.5) ** 1.15
            strip = np.concatenate([inner, face[::-1]]) * scale + place
            polygon(sheet, strip, ink)
        for outline in (back, face):
            taper(sheet, outline * scale + place, np.linspace(15, 7, 140) * size / 450, key)
        crest = back[88:] * scale + place
        tufts = crest + rng.normal(0, 0.012, crest.shape) * size
        reach = rng.uniform(0.03, 0.065, len(crest)) * size
        claws = [(tuft, rng.uniform(0.7, 1.5), size * rng.uniform(0.12, 0.22)) for tuft in tufts[::3]]
        for edge, ink in ((0.012 * size, key), (0, foam)):
            for tuft, radius in zip(tufts, reach, strict=True):
                dot(sheet, tuft, radius + edge, ink)
            for tuft, turn, length in claws:
                bow = turn + np.linspace(0, 1.6, 12)
                claw = tuft + np.cumsum(heading(bow) * [flip, 1], axis=0) * length / 12
                taper(sheet, claw, np.linspace(0.065 * size, 1, 12) + 2 * edge, ink)
        for tuft, radius in zip(tufts[1::3], reach[1::3], strict=True):
            dot(sheet, tuft + 0.3 * radius, 0.44 * radius, pale)
        for spray in crest[::2] + rng.normal([0.1 * flip, -0.02], 0.1, (len(crest[::2]), 2)) * size:
            dot(sheet, spray, rng.uniform(2, 6), foam)
    wood = noise(rng, 5, 5, stretch=30) - 0.5
    return paper(rng, np.clip(to_floats(sheet) * (1 + 0.12 * wood[..., None]), 0, 1), 0.08)


def halftone() -> Picture:
    """A comic-book bang on cheap paper: four inks, black outlines, and a screen of dots on everything.

    Each surface is its paper with dots of one ink, which grow with the tone until they meet: what is painted
    after it is made of dots that are wide enough to be seen.
    """
    rng = np.random.default_rng(1963)
    x, y = grid()
    u, v = (x + y) * SIZE * np.pi / 20, (x - y) * SIZE * np.pi / 20
    screen = 0.5 + 0.25 * (np.cos(u) + np.cos(v))

    def dots(paper_color: str, ink: str, tone: Field) -> Picture:
        cover = smoothstep(-0.07, 0.07, np.clip(tone, 0, 1) * 1.1 - 0.05 - screen)
        return blend(pigment(paper_color), pigment(ink), cover)

    black = (28, 18, 20)
    around_bang = np.hypot(x - 0.52, y - 0.45)
    rays = smoothstep(-0.05, 0.05, np.sin(11 * np.arctan2(y - 0.45, x - 0.52)))
    sky = dots("#f4efe2", "#1f78d1", 0.25 + 0.55 * (1 - y))
    night = dots("#2a86dc", "#12246b", 0.2 + 0.8 * around_bang)
    sheet = to_bytes(blend(sky, night, rays))
    for reach, surface, spikes in (
        (0.47, dots("#f8432f", "#a80f2e", 1.6 * around_bang - 0.25), 15),
        (0.36, dots("#ffe14a", "#f5731c", 2.1 * around_bang - 0.15), 13),
        (0.24, dots("#fffbef", "#ffd21f", 3 * around_bang - 0.2), 11),
    ):
        turn = np.linspace(0, 2 * np.pi, 2 * spikes, endpoint=False) + rng.normal(0, 0.06, 2 * spikes)
        spread = reach * np.tile([1, 0.66], spikes) * rng.uniform(0.85, 1.15, 2 * spikes)
        star = (np.array([0.52, 0.45]) + spread[:, None] * heading(turn)) * SIZE
        inside = np.zeros((SIZE, SIZE), np.uint8)
        polygon(inside, star, 255)
        sheet = to_bytes(blend(to_floats(sheet), surface, to_floats(inside)))
        cv2.polylines(sheet, [fixed(star)], True, black, 9, cv2.LINE_AA, 4)
    smoke = relax(scatter(rng, 120), 1)
    smoke = smoke[smoke[:, 1] > 760 + 90 * np.sin(smoke[:, 0] / 130)]
    clouds = np.zeros((SIZE, SIZE), np.uint8)
    for grow, ink, lower in ((9, 255, 0), (0, 128, 0), (-9, 128, 40)):
        for place in smoke:
            dot(clouds, place + np.array([0, lower]), 78 + 22 * np.sin(place[0] * 7.3) + grow, ink)
    light = cv2.GaussianBlur(noise(rng, 6, 2), (0, 0), 12)
    pink = dots("#fff0ee", "#e8447f", 0.2 + 1.9 * (y - 0.68) + 0.7 * (light - 0.5))
    cover = to_floats(clouds)
    picture = blend(to_floats(sheet), pigment("#1c1214"), smoothstep(0.3, 0.4, cover))
    picture = blend(picture, pink, smoothstep(0.6, 0.52, cover) * smoothstep(0.4, 0.48, cover))
    return paper(rng, picture, 0.05)


def linocut() -> Picture:
    """A forest at sunset, cut in lino: black over straw, rust and teal.

    Gouge marks of every length follow the land and open the black to the colors beneath: strong, broken
    outlines with nothing thin or pale.
    """
    rng = np.random.default_rng(1930)
    x, y = grid()
    land = hills(
        rng, palette("#f6e6b8 #f2c66b #e8863a #cf4f2a"), palette("#b8422a #2f6f6a #16404a #0d1418"), 0.42, 0.5
    )
    field = noise(rng, 3, 3)
    tone = np.clip(1.15 * cv2.cvtColor(land, cv2.COLOR_BGR2GRAY) + 0.4 * (field - 0.5), 0, 1)
    sheet = blank(pigment("#14100f"))
    angle = np.where(y < 0.4, 0.25 * np.sin(7 * x), 0.9 * np.sin(5 * x + 3 * y)).astype(np.float32)
    for place in scatter(rng, 21, 0.4):
        light = sample(tone, place[None])[0]
        if light < 0.12:
            continue
        color = sample(land, place[None])[0]
        turn, reach = sample(angle, place[None])[0], rng.uniform(35, 110)
        bow = turn + np.linspace(-0.2, 0.2, 12) * rng.normal()
        path = place + np.cumsum(heading(bow), axis=0) * reach / 12
        ink = np.clip(color * rng.normal(1.05, 0.1), 0, 1) * 255
        taper(sheet, path, 24 * light**0.7 * np.sin(np.linspace(0.15, 3.1, 12)) ** 0.6, ink.tolist())
    picture = to_floats(sheet)
    sun = blend(
        pigment("#fff2c8"),
        pigment("#f2a03a"),
        (np.sin(70 * np.hypot(x - 0.7, y - 0.2)) > 0).astype(np.float32),
    )
    picture = blend(picture, sun, disc(0.7, 0.2, 0.12))
    stems = blank(np.zeros(3, np.float32))
    for place in rng.uniform(0, SIZE, 7):
        path = np.stack([place + rng.normal(0, 6, 20).cumsum(), np.linspace(-20, SIZE + 20, 20)], axis=1)
        taper(stems, path, np.linspace(14, 44, 20), (255, 255, 255))
        for row in range(3, 14, 2):
            reach = rng.uniform(90, 220) * rng.choice([-1, 1])
            bough = path[row] + np.linspace(0, 1, 12)[:, None] * [reach, -abs(reach) * 0.6]
            taper(stems, bough, np.linspace(18, 2, 12), (255, 255, 255))
    return paper(rng, blend(picture, pigment("#14100f"), to_floats(stems)[..., 0]), 0.06)


def batik() -> Picture:
    """Wax-resist cloth: cream and russet blossoms on indigo, veined with cracks.

    Layered petals, leaves between them, and the dye that crept into the broken wax as fine dark veins:
    soft-edged shapes of many sizes on a deep ground.
    """
    rng = np.random.default_rng(1755)
    x, y = grid()
    bent_x, bent_y = x + 0.02 * (noise(rng, 6) - 0.5), y + 0.02 * (noise(rng, 6) - 0.5)
    picture = ramp(noise(rng, 5), palette("#0a1640 #14296b #1d3f8a #0f1f55"))
    dyes = palette("#f3e4bf #b5502a #e0a040 #6b2418 #8fb0b8")
    spots = scatter(rng, 300, 0.22) / SIZE
    spots = spots[np.all(np.abs(spots - 0.5) < 0.6, axis=1)]
    for centre_x, centre_y in spots:
        size, petals = rng.uniform(0.09, 0.15), rng.integers(5, 9)
        window = around(centre_x, centre_y, 1.6 * size)
        u, v = bent_x[window] - centre_x, bent_y[window] - centre_y
        turn, radius = np.arctan2(v, u) * petals + rng.uniform(0, 6.3), np.hypot(u, v) / size
        petal = radius / (0.72 + 0.28 * np.cos(turn))
        veined = smoothstep(0.62, 0.58, petal) * smoothstep(-0.1, 0.1, np.cos(2 * turn))
        first, second = rng.permutation(4)[:2]
        for ink, cover in (
            (0, smoothstep(1.06, 1.02, petal)),
            (first, smoothstep(0.92, 0.88, petal)),
            (0, veined),
            (second, smoothstep(0.36, 0.33, radius)),
            (0, smoothstep(0.17, 0.14, radius)),
        ):
            picture[window] = blend(picture[window], dyes[ink], cover)
    between = scatter(rng, 150, 0.5)
    sheet = to_bytes(picture)
    clear = np.min(
        np.hypot(between[:, None, 0] / SIZE - spots[:, 0], between[:, None, 1] / SIZE - spots[:, 1]), axis=1
    )
    for place in between[clear > 0.15]:
        turn = rng.uniform(0, 6.3)
        leaf = place + np.linspace(-40, 40, 20)[:, None] * heading(turn)
        taper(sheet, leaf, 40 * np.sin(np.linspace(0, np.pi, 20)), to_bytes(dyes[0]).tolist())
        taper(sheet, leaf, 22 * np.sin(np.linspace(0, np.pi, 20)), to_bytes(dyes[1]).tolist())
    cracks = seam_distance(voronoi(scatter(rng, 85, 0.6)))
    cracks = warp(cracks, 26 * (noise(rng, 12) - 0.5), 26 * (noise(rng, 12) - 0.5))
    veins = smoothstep(2.6, 0.8, cracks) * smoothstep(0.35, 0.6, noise(rng, 5))
    return paper(rng, blend(to_floats(sheet), pigment("#1a2150"), 0.75 * veins), 0.1)


def porcelain() -> Picture:
    """Blue-and-white ware: great cobalt peonies and leaves under a clear glaze.

    Petals run from deep cobalt at the heart to white at the rim, each in a dark outline, on a ground that
    deepens from white to cobalt: bold darks, luminous lights, and a single hue between them.
    """
    rng = np.random.default_rng(1650)
    x, y = grid()
    ground = ramp(equalise(noise(rng, 2, 3)), palette("#061650 #0a2270 #123a98 #2a5cb8 #7fa8e0 #fdfdfb"))
    cobalt = palette("#081a5c #163c9c #3f74c8 #9fc0ea")
    inks = to_bytes(cobalt).tolist()
    sheet = to_bytes(ground)
    blooms = (
        (0.34, 0.36, 0.27),
        (0.83, 0.66, 0.24),
        (0.16, 0.88, 0.19),
        (0.84, 0.12, 0.15),
        (0.53, 0.93, 0.12),
    )
    for column, row, size in blooms:
        for turn in np.arange(0, 6.28, 0.62) + rng.normal(0, 0.15, 11):
            bend = turn + np.linspace(0, rng.normal(0, 0.7), 24)
            leaf = (
                np.array([column, row]) * SIZE
                + np.cumsum(heading(bend), axis=0) * size * rng.uniform(1.25, 1.6) * SIZE / 24
            )
            swell = rng.uniform(60, 110) * np.sin(np.linspace(0, np.pi, 24)) ** 1.3
            taper(sheet, leaf, swell + 3, inks[0])
            taper(sheet, leaf, swell - 6, inks[rng.integers(1, 4)])
            taper(sheet, leaf, np.linspace(9, 3, 24), inks[0])
    picture = to_floats(sheet)
    wash = palette("#0a1f6a #1d4aa8 #5a8cd4 #b4cff0 #ffffff")
    for column, row, size in blooms:
        for layer, petals in enumerate((8, 7, 6, 5, 3)):
            reach = size * (1 - 0.19 * layer)
            window = around(column, row, reach)
            u, v = x[window] - column, y[window] - row
            turn = np.arctan2(v, u) * petals + rng.uniform(0, 6.3)
            petal = np.hypot(u, v) / reach / (0.72 + 0.28 * np.abs(np.cos(turn / 2)) ** 0.6)
            light = np.clip((petal - 0.35) / 0.6, 0, 1) + 0.08 * np.sin(5 * turn) * petal
            flower = blend(picture[window], ramp(light, wash), smoothstep(1.0, 0.985, petal))
            picture[window] = blend(flower, cobalt[0], smoothstep(0.016, 0.006, np.abs(petal - 0.985)))
    craze = seam_distance(voronoi(scatter(rng, 120, 0.6)))
    picture = blend(picture, pigment("#9db4cc"), 0.35 * smoothstep(2.2, 0.6, craze))
    return np.clip(picture * (0.95 + 0.1 * glow(0.3, 0.25, 0.4)[..., None]), 0, 1).astype(np.float32)


def bauhaus() -> Picture:
    """Circles, bars and quarter rings in red, yellow, blue and black on warm white.

    Large plain forms with a little grain of the press, under one black ring and one slanting bar: the
    boldest and plainest of the pack.
    """
    rng = np.random.default_rng(1923)
    x, y = grid()
    inks = palette("#d62e22 #f0b81f #1f4f9e #17151a #f7efdc #3f9c97 #f4ead4 #e98a7a")
    picture = np.broadcast_to(pigment("#f1e6cf"), (SIZE, SIZE, 3)).astype(np.float32)
    for row in range(4):
        for column in range(4):
            ground, form, third = inks[rng.permutation(len(inks))[:3]]
            u, v = (x * 4 - column) % 1, (y * 4 - row) % 1
            inside = (
                (np.floor(np.clip(x * 4, 0, 3.99)) == column) & (np.floor(np.clip(y * 4, 0, 3.99)) == row)
            ).astype(np.float32)
            corner_u, corner_v = rng.integers(0, 2, 2)
            reach = np.hypot(u - corner_u, v - corner_v)
            shape = rng.integers(5)
            if shape == 0:
                cover, inner = smoothstep(0.98, 0.97, reach), smoothstep(0.6, 0.59, reach)
            elif shape == 1:
                reach = np.hypot(u - 0.5, v - 0.5)
                cover, inner = smoothstep(0.46, 0.45, reach), smoothstep(0.22, 0.21, reach)
            elif shape == 2:
                cover, inner = smoothstep(0, 0.01, u - v), smoothstep(0, 0.01, u - v - 0.5)
            elif shape == 3:
                cover = (np.mod(v * 3, 1) > 0.5).astype(np.float32)
                inner = cover * smoothstep(0.5, 0.51, u)
            else:
                cover, inner = smoothstep(0.98, 0.97, reach), smoothstep(0, 0.01, np.sin(reach * 22))
                inner = inner * cover
            tile = blend(blend(np.broadcast_to(ground, picture.shape), form, cover), third, inner)
            tile = tile * (0.8 + 0.3 * (u if corner_u else v))[..., None]
            picture = blend(picture, tile, inside)
    ring = np.hypot(x - 0.46, y - 0.54)
    picture = blend(picture, inks[3], smoothstep(0.012, 0.009, np.abs(ring - 0.31)))
    slant = np.abs(0.62 * x - y + 0.24)
    picture = blend(picture, inks[3], smoothstep(0.02, 0.017, slant))
    return paper(rng, np.clip(picture, 0, 1), 0.16)


__all__ = ["batik", "bauhaus", "halftone", "linocut", "porcelain", "wave"]
