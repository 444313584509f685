"""The foreground of the demo's scene: a path, grass and flowers, trees, a brick wall and a sign."""

from __future__ import annotations

import math

import numpy as np

from nstfilter.graphics.text import BASELINE, CAPITAL, LINE, line_mask
from nstfilter.plugins.demo.canvas import UNITS, Canvas, Color, Point, ellipse, noise, shaded

TOP = 20  # of the picture, in units from the top of the frame
TEXT = ("NSTFILTER", "every frame a painting")


def draw_bank(rng: np.random.Generator, view: float, width: float, scale: float) -> np.ndarray:
    """`width` units of the near bank, of which `view` are visible at a time; BGRA, premultiplied."""
    canvas = Canvas(width, UNITS - TOP, scale, (0, -TOP))
    x = np.linspace(-2, width + 2, 200)
    edge = 262 - 10 * noise(rng, (1, x.size), (width, 1), (160, 1), 3)[0]
    canvas.polygon([*zip(x, edge, strict=True), (width + 2, 400), (-2, 400)], (58, 128, 112))
    first = round((240 - TOP) * canvas.scale)
    rows, columns = canvas.bgra.shape[:2]
    patches = noise(rng, (rows - first, columns), (width, 120), (90, 16), 4)
    canvas.tint(0.6 * patches, (70, 176, 176), (0, first))
    _grass(canvas, rng, x, edge, (0, 42), 9, round(width * 5))
    _path(canvas, rng, width)
    _wall(canvas, rng, 0.62 * view, 0.62 * view + 150)
    _tree(canvas, rng, (0.09 * view, 284.0), (48, 138, 226))
    _tree(canvas, rng, (width - 40, 282.0), (48, 120, 214))
    _sign(canvas, rng, (0.27 * view, 286.0))
    _grass(canvas, rng, x, np.full_like(x, 330.0), (0, 46), 15, round(width * 5), flowers=True)
    return canvas.picture()


def _path(canvas: Canvas, rng: np.random.Generator, width: float) -> None:
    canvas.polygon([(-2, 300), (width + 2, 300), (width + 2, 328), (-2, 328)], (140, 158, 172))
    for row in range(7):
        y0, y1 = 300 + 28 * (row / 7) ** 1.2, 300 + 28 * ((row + 1) / 7) ** 1.2
        at = -rng.uniform(0, 14)
        while at < width:
            length = rng.uniform(9, 15) * (0.8 + 0.06 * row)
            tone = shaded(
                ((152, 182, 204), (136, 164, 190), (168, 190, 206), (128, 150, 184))[rng.integers(4)],
                rng.uniform(0.9, 1.06),
            )
            canvas.polygon(
                [
                    (at + 0.5, y0 + 0.4),
                    (at + length, y0 + 0.4),
                    (at + length, y1 - 0.3),
                    (at + 0.5, y1 - 0.3),
                ],
                tone,
            )
            at += length + 0.4
    canvas.soft([(0, 298), (width, 298), (width, 303), (0, 303)], (50, 84, 70), 1.5, 0.7)


def _grass(
    canvas: Canvas, rng: np.random.Generator, x: np.ndarray, edge: np.ndarray, reach: Point, length: float,
    count: int, flowers: bool = False,
) -> None:  # fmt: skip
    """Blades of grass from `edge` down, the nearer the longer."""
    at = rng.uniform(x[0], x[-1], count)
    down = np.sort(rng.uniform(0, 1, count) ** 1.1) * (reach[1] - reach[0]) + reach[0]
    ground = np.interp(at, x, edge) + down
    near = down / reach[1]
    tall = length * (0.35 + 0.65 * near) * rng.uniform(0.5, 1.1, count)
    lean = rng.normal(0.12, 0.3, count) * tall
    tones = np.array(
        [(52, 112, 84), (60, 146, 112), (74, 168, 146), (84, 188, 190), (44, 96, 66), (90, 172, 130)]
    )
    tones = tones[rng.integers(len(tones), size=count)] * rng.uniform(0.75, 1.1, (count, 1))
    for px, py, t, bend, tone, n in zip(at, ground, tall, lean, tones, near, strict=True):
        color: Color = (int(tone[0]), int(tone[1]), int(tone[2]))
        canvas.line([(px, py), (px + 0.25 * bend, py - 0.6 * t), (px + bend, py - t)], color, 0.6 + 0.5 * n)
        if flowers and t > 11 and px % 1 < 0.16:
            petal = ((236, 240, 246), (84, 214, 250), (70, 84, 232), (214, 132, 190))[int(px * 7) % 4]
            r = 1.3 + 0.9 * n
            for a in range(5):
                canvas.disc(
                    (px + bend + r * math.cos(a * 1.26), py - t + r * math.sin(a * 1.26)), r * 0.75, petal
                )
            canvas.disc((px + bend, py - t), r * 0.6, (40, 170, 240))


def _wall(canvas: Canvas, rng: np.random.Generator, left: float, right: float) -> None:
    """A low brick wall with a stone coping."""
    top, foot, course = 262.0, 298.0, 5.6
    canvas.soft(
        [(left, foot - 2), (right + 10, foot - 2), (right + 14, foot + 5), (left, foot + 5)],
        (24, 50, 44),
        3,
        0.6,
    )
    canvas.polygon([(left, top), (right, top), (right, foot), (left, foot)], (150, 172, 184))
    for row in range(math.ceil((foot - top) / course)):
        y = top + row * course
        at = left - (5.5 if row % 2 else 0)
        while at < right:
            a, b = max(left, at) + 0.5, min(right, at + 11) - 0.5
            tone = shaded(
                ((74, 96, 178), (66, 84, 160), (88, 112, 194), (60, 80, 140))[rng.integers(4)],
                rng.uniform(0.88, 1.1),
            )
            if b > a:
                canvas.polygon(
                    [
                        (a, y + 0.5),
                        (b, y + 0.5),
                        (b, min(foot, y + course) - 0.5),
                        (a, min(foot, y + course) - 0.5),
                    ],
                    tone,
                )
                canvas.line([(a, y + 0.7), (b, y + 0.7)], shaded(tone, 1.3), 0.4)
            at += 11
    canvas.polygon(
        [(left - 3, top - 5), (right + 3, top - 5), (right + 3, top + 1), (left - 3, top + 1)],
        (196, 206, 212),
    )
    canvas.line([(left - 3, top + 1), (right + 3, top + 1)], (96, 108, 120), 1)
    canvas.line([(left - 3, top - 4.6), (right + 3, top - 4.6)], (228, 236, 240), 0.9)


def _tree(canvas: Canvas, rng: np.random.Generator, foot: Point, tone: Color) -> None:
    """A tree in autumn leaf, lit from the left."""
    x, y = foot
    canvas.soft(ellipse((x + 14, y + 3), (44, 6)), (30, 60, 50), 5, 0.55)
    bark: Color = (62, 78, 96)
    trunk = [
        (x - 11, y + 4),
        (x - 5, y - 30),
        (x - 5, y - 110),
        (x + 5, y - 112),
        (x + 6, y - 30),
        (x + 13, y + 4),
    ]
    canvas.blob(trunk, bark)
    for tip in ((x - 46, y - 150), (x + 42, y - 158), (x + 12, y - 180), (x - 20, y - 170)):
        canvas.limb((x, y - 86), tip, (8, 2.5), bark)
    for _ in range(110):
        a, h = rng.uniform(-6, 7), rng.uniform(0, 112)
        canvas.line(
            [(x + a, y - h), (x + a + rng.normal(0, 0.6), y - h - rng.uniform(3, 9))],
            shaded(bark, rng.uniform(0.6, 1.5)),
            0.8,
        )
    canvas.soft([(x + 2, y + 4), (x + 14, y + 4), (x + 6, y - 110), (x + 2, y - 110)], (20, 28, 38), 2.5, 0.6)
    lumps = [
        (-48, -150, 30),
        (-20, -190, 34),
        (22, -198, 34),
        (52, -160, 30),
        (0, -150, 36),
        (-66, -122, 20),
        (70, -128, 20),
        (26, -132, 26),
        (-28, -126, 24),
    ]
    for shade, shift, many in ((0.5, 7, 90), (0.78, 2, 120), (1.0, -3, 130), (1.28, -9, 80)):
        for lx, ly, r in lumps:
            for _ in range(many):
                a, d = rng.uniform(0, 2 * np.pi), r * math.sqrt(rng.random()) * (1.05 if shade < 1 else 0.8)
                px, py = x + lx + shift + d * math.cos(a), y + ly + shift + d * math.sin(a)
                leaf = shaded(tone, shade * rng.uniform(0.82, 1.14))
                canvas.disc(
                    (px, py), (rng.uniform(1.5, 3.4), rng.uniform(1.1, 2.2)), leaf, rng.uniform(0, 180)
                )


def _sign(canvas: Canvas, rng: np.random.Generator, foot: Point) -> None:
    """A wooden board on two posts, with a line of text."""
    x, y = foot
    wide, tall = 150.0, 44.0
    for post in (x + 16, x + wide - 16):
        canvas.soft(ellipse((post + 4, y + 2), (9, 2.4)), (30, 60, 50), 1.6, 0.6)
        canvas.polygon(
            [(post - 3, y + 2), (post + 3, y + 2), (post + 3, y - 84), (post - 3, y - 84)], (58, 92, 128)
        )
        canvas.polygon(
            [(post + 0.6, y + 2), (post + 3, y + 2), (post + 3, y - 84), (post + 0.6, y - 84)], (40, 64, 92)
        )
    top = y - 80
    canvas.soft(
        [(x + 2, top + 3), (x + wide + 3, top + 3), (x + wide + 3, top + tall + 3), (x + 2, top + tall + 3)],
        (20, 30, 40),
        1.6,
        0.5,
    )
    canvas.polygon([(x, top), (x + wide, top), (x + wide, top + tall), (x, top + tall)], (112, 166, 206))
    for _ in range(120):
        gx, gy = rng.uniform(x, x + wide - 24), rng.uniform(top + 1, top + tall - 1)
        canvas.line(
            [(gx, gy), (gx + rng.uniform(8, 24), gy)], shaded((112, 166, 206), rng.uniform(0.82, 1.1)), 0.5
        )
    canvas.line(
        [
            (x + 2.6, top + 2.6),
            (x + wide - 2.6, top + 2.6),
            (x + wide - 2.6, top + tall - 2.6),
            (x + 2.6, top + tall - 2.6),
        ],
        (52, 84, 122),
        1.2,
        closed=True,
    )
    for text, size, baseline in ((TEXT[0], 17.0, 21.5), (TEXT[1], 8.6, 36.0)):
        _write(canvas, text, (x + wide / 2, top + baseline), size)


def _write(canvas: Canvas, text: str, center: Point, size: float) -> None:
    """`text` centered on `center`'s x, standing on its y, with capitals about `size` units tall."""
    mask = line_mask(text, round(size * canvas.scale / CAPITAL))
    x, y = (np.add(center, canvas.origin) * canvas.scale).round().astype(int)
    corner = (int(x) - mask.shape[1] // 2, int(y) - round(mask.shape[0] * BASELINE / LINE))
    canvas.tint(mask.astype(np.float32) / 255, (40, 44, 70), corner)
