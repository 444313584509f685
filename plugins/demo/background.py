"""The background of the demo's scene: the sky, mountains, wooded hills with a village, and the water."""

from __future__ import annotations

import math

import numpy as np

from nstfilter.graphics.opencv import cv2
from nstfilter.plugins.demo.canvas import UNITS, Canvas, Color, Point, ellipse, noise, shaded

SHORE = 202  # where the far shore meets the water, in units from the top
MOUNTAINS_TOP, HILLS_TOP, WATER_END = 62, 140, 274
SUN = (0.26, 62.0)  # across, as a part of the frame's width; down, in units
DRIFT = 60  # how far a cloud drifts in its life, in units of the sky's picture
RIPPLES = 160  # the period of the waves along the shore, in units


class Sky:
    """The sky, drawn and put together at half size: there is nothing sharp in it.

    Two skies of clouds drift on, each fading in and out as it goes, so that they can drift for ever.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        scale = height / UNITS
        self.shore = round(SHORE * scale)
        size = (self.shore // 2 + 1, width // 2 + 1)
        y = np.linspace(0, 1, size[0], dtype=np.float32)[:, None]
        x = np.arange(size[1], dtype=np.float32)[None] * 2 / scale
        stops = np.array([(206, 132, 52), (224, 172, 96), (226, 206, 166), (196, 216, 240)], np.float32)
        column = np.stack([np.interp(y[:, 0], (0, 0.4, 0.75, 1), stops[:, c]) for c in range(3)], axis=1)
        sky = np.repeat(column[:, None].astype(np.float32), size[1], axis=1)
        distance = np.hypot(x - SUN[0] * width / scale, y * SHORE - SUN[1])
        for reach, strength in ((150, 0.42), (46, 0.55)):
            glow = strength * np.exp(-((distance / reach) ** 2))
            sky += (np.array((190, 236, 255), np.float32) - sky) * glow[:, :, None]
        disc = np.clip((19 - distance) * scale / 2, 0, 1)
        sky += (np.array((214, 248, 255), np.float32) - sky) * disc[:, :, None]
        self.clear = np.rint(sky).astype(np.uint8)
        self.drift = round(DRIFT * scale)
        # lumps of cloud are counted in units, so that they come out the same at any size
        units = (width / scale + 2 * DRIFT + 10, SHORE + 14.0)
        above, aside = round(7 * scale), round(5 * scale)
        shape = (size[0] + above, size[1] + self.drift + 1 + aside)
        self.clouds = []
        for _ in range(2):
            lumps = noise(rng, shape, units, (150, 44))
            self.clouds.append(_clouds(lumps[above:, aside:], lumps[:-above, :-aside], y))

    def lay(self, frame: np.ndarray, turn: float) -> None:
        """Fill the part of `frame` above the shore; `turn` is the time, 0 to 1 for the whole loop."""
        width = self.clear.shape[1]
        weight = 0.5 - 0.5 * math.cos(2 * math.pi * turn)
        drifted = []
        for k, cloud in enumerate(self.clouds):
            whole, part = divmod((1 - (turn + k / 2) % 1) * (self.drift - 1), 1)
            here, beside = (slice(int(whole) + step, int(whole) + step + width) for step in (0, 1))
            drifted.append([cv2.addWeighted(c[:, here], 1 - part, c[:, beside], part, 0) for c in cloud])
        color, rest = (cv2.addWeighted(a, weight, b, 1 - weight, 0) for a, b in zip(*drifted, strict=True))
        sky = cv2.add(cv2.multiply(self.clear, rest, scale=1 / 255), color)
        cv2.resize(sky, (frame.shape[1], self.shore), dst=frame[: self.shore])


def _clouds(lumps: np.ndarray, above: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clouds where `lumps` are thick, shaded where there is more of them `above`; `y` is 0 to 1 downwards.

    Their color, premultiplied BGR, and what they leave of the sky behind them, 255 for all of it.
    """
    cover = np.clip((lumps - 0.52 + 0.06 * np.sin(3 * y)) * 3.6, 0, 1) * np.clip(1.25 - y, 0, 1) ** 0.5
    lit = np.clip(0.62 + 2.6 * (lumps - above), 0, 1)[:, :, None]
    shade, light = np.array((214, 190, 172), np.float32), np.array((246, 250, 255), np.float32)
    alpha = np.repeat((0.93 * cover * cover * (3 - 2 * cover))[:, :, None], 3, axis=2)
    color = (shade + (light - shade) * lit) * alpha
    return np.rint(color).astype(np.uint8), np.rint(255 * (1 - alpha)).astype(np.uint8)


class Water:
    """What is above the shore upside down, stirred by waves that travel both ways, with the sun's glitter."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        scale = height / UNITS
        self.shore = round(SHORE * scale)
        rows = round(WATER_END * scale) - self.shore
        self.period = round(RIPPLES * scale)
        y = np.arange(rows, dtype=np.float32)[:, None] / scale
        x = np.arange(width + self.period, dtype=np.float32)[None] / self.period
        near = y / (WATER_END - SHORE)
        self.swell = ((0.35 + 2.1 * near) * scale).astype(np.float32)  # the waves' height, in pixels
        self.waves = []
        for _ in range(2):
            waves = np.zeros((rows, x.size), np.float32)
            for count in (2, 3, 5, 8):
                start, slant = rng.uniform(0, 2 * np.pi), rng.uniform(45, 81)
                waves += np.sin(2 * np.pi * count * x + start + slant * np.log1p(y / 14)) / count**0.4
            self.waves.append(waves)
        self.column = np.repeat(np.arange(width, dtype=np.float32)[None], rows, axis=0)
        self.mirror = (self.shore - 1.5 - 1.55 * y * scale).astype(np.float32)
        depth = (0.22 + 0.42 * near)[:, :, None]
        tint = (1 - near[:, :, None]) * np.array((148, 122, 62)) + near[:, :, None] * np.array((96, 88, 34))
        self.keep, self.tint = (
            np.rint(np.repeat(part, width, axis=1)).astype(np.uint8)
            for part in (np.repeat(255 * (1 - depth), 3, axis=2), tint * depth)
        )
        across = (x[:, :width] * RIPPLES - SUN[0] * width / scale) / (26 + 60 * near)
        self.glitter = (np.exp(-(across**2)) * (1 - 0.3 * near) * 95).astype(np.float32)

    def lay(self, frame: np.ndarray, turn: float) -> None:
        """Fill the part of `frame` from the shore on; what is above it must be there already."""
        width = frame.shape[1]
        starts = (round(turn * self.period), round((1 - turn) * self.period))
        waves = np.add(*(w[:, at : at + width] for w, at in zip(self.waves, starts, strict=True)))
        rows = np.clip(self.mirror + waves * self.swell, 0, self.shore - 1)
        water = cv2.remap(frame[: self.shore], self.column, rows, cv2.INTER_LINEAR)
        cv2.multiply(water, self.keep, dst=water, scale=1 / 255)
        cv2.add(water, self.tint, dst=water)
        sparks = np.clip(waves - 0.9, 0, 1) * self.glitter + np.clip(waves - 0.4, 0, 1) * 16
        white = cv2.cvtColor(sparks.astype(np.uint8), cv2.COLOR_GRAY2BGR)
        cv2.add(water, white, dst=frame[self.shore : self.shore + len(rows)])


def draw_mountains(rng: np.random.Generator, width: float, scale: float) -> np.ndarray:
    """`width` units of two ranges of mountains with snow, one behind the other; BGRA, premultiplied."""
    top = MOUNTAINS_TOP
    canvas = Canvas(width, SHORE - top, scale, (0, -top))
    shape = canvas.bgra.shape[:2]
    y = canvas.rows()
    for far in (True, False):
        base, rise, cell = (150, 78, 150) if far else (174, 66, 120)
        crest = base - rise * _ridged(rng, (1, shape[1]), (width, 1), (cell, 1), 7)
        # ridges run down to the left and to the right of the crest; light comes from the left
        relief = _ridged(rng, shape, (width, SHORE - top), (44, 62), 6)
        below = y - crest
        inside = np.clip(below * canvas.scale + 0.5, 0, 1)
        step = round(2 * canvas.scale)
        slope = cv2.GaussianBlur(relief, (0, 0), 0.5 * canvas.scale)
        slope = slope - np.roll(slope, step, axis=1)
        light = np.clip(0.46 + 3.4 * slope, 0, 1)[:, :, None]
        rock = np.array((124, 88, 76), np.float32) + light * np.array((40, 62, 84), np.float32)
        snow = np.array((222, 182, 160), np.float32) + light * np.array((30, 66, 92), np.float32)
        line = (104 if far else 116) + 44 * (relief - 0.5)
        cover = np.clip((line - y) / 2.5, 0, 1)[:, :, None]
        color = rock + (snow - rock) * cover
        air = 0.30 * far + 0.08 + np.clip((y - 96) / 110, 0, 1) * 0.62
        color += (np.array((216, 200, 184), np.float32) - color) * np.clip(air, 0, 1)[:, :, None]
        canvas.tint(inside, color, spill=True)
    return canvas.picture()


def draw_hills(rng: np.random.Generator, width: float, scale: float) -> np.ndarray:
    """`width` units of hills in autumn with a village, down to the shore; BGRA, premultiplied."""
    canvas = Canvas(width, SHORE + 1 - HILLS_TOP, scale, (0, -HILLS_TOP))
    x = np.linspace(0, width, 160)
    for base, rise, cell, tone in ((176, 20, 210, (128, 150, 118)), (187, 15, 150, (84, 142, 112))):
        crest = base - rise * noise(rng, (1, x.size), (width, 1), (cell, 1), 3)[0]
        canvas.polygon([*zip(x, crest, strict=True), (width, 230), (0, 230)], tone)
        for _ in range(round(width * 0.05)):  # meadows
            at = rng.uniform(0, width)
            ground = float(np.interp(at, x, crest)) + rng.uniform(3, 14)
            meadow = ((92, 190, 190), (80, 176, 150), (104, 204, 214))[rng.integers(3)]
            canvas.soft(ellipse((at, ground), (rng.uniform(10, 26), 2.2)), meadow, 1.0, 0.7)
        spots = sorted(
            (float(np.interp(at, x, crest)) + rng.uniform(0, 1) ** 2 * 16, at)
            for at in rng.uniform(0, width, round(width * 0.5))
        )
        for ground, at in spots:
            if ground < SHORE - 2:
                _far_tree(canvas, rng, (at, ground), base)
    for k, at in enumerate(np.array((0.41, 0.445, 0.485, 0.86)) * width):
        _house(canvas, (float(at), 198.0 - (k % 2)), 1.0 if k != 1 else 1.15, church=k == 1)
    for at in rng.uniform(0, width, round(width * 0.22)):  # the shore itself
        tone = ((56, 112, 84), (60, 138, 150), (58, 120, 190))[rng.integers(3)]
        canvas.disc(
            (at, 200.5), (rng.uniform(3, 7), rng.uniform(1.5, 3)), shaded(tone, rng.uniform(0.75, 1.1))
        )
    canvas.polygon([(0, 200.6), (width, 200.6), (width, 210), (0, 210)], (86, 128, 126))
    return canvas.picture()


def _ridged(
    rng: np.random.Generator, shape: tuple[int, int], units: Point, cell: Point, octaves: int
) -> np.ndarray:
    """Noise from 0 to 1 with sharp ridges at 1: the folded noise of mountains."""
    return np.asarray(1 - np.abs(2 * noise(rng, shape, units, cell, octaves) - 1))


def _far_tree(canvas: Canvas, rng: np.random.Generator, foot: Point, base: float) -> None:
    x, y = foot
    size = rng.uniform(0.7, 1.15) * (0.75 if base < 180 else 1.0)
    haze = 0.45 if base < 180 else 0.12
    if rng.random() < 0.55:
        tone: Color = (74, 104, 62)
        h, w = 13 * size, 4.2 * size
        left = [(x - w / 2, y), (x, y - h), (x, y)]
        right = [(x + w / 2, y), (x, y - h), (x, y)]
        canvas.polygon(left, _hazy(shaded(tone, rng.uniform(0.95, 1.2)), haze))
        canvas.polygon(right, _hazy(shaded(tone, rng.uniform(0.6, 0.8)), haze))
        return
    tone = ((52, 130, 208), (60, 172, 218), (70, 148, 120), (56, 92, 190), (76, 160, 150))[rng.integers(5)]
    r = 4.2 * size
    canvas.disc((x + 0.5, y - r), (r, r * 1.1), _hazy(shaded(tone, 0.68), haze))
    canvas.disc((x - 0.4, y - r * 1.15), (r * 0.8, r * 0.85), _hazy(tone, haze))
    canvas.disc((x - 1.2, y - r * 1.4), (r * 0.4, r * 0.4), _hazy(shaded(tone, 1.2), haze))


def _hazy(color: Color, amount: float) -> Color:
    return tuple(round(c + (a - c) * amount) for c, a in zip(color, (200, 196, 186), strict=True))  # type: ignore[return-value]


def _house(canvas: Canvas, foot: Point, size: float, church: bool) -> None:
    x, y = foot
    w, h = 13 * size, 8 * size
    canvas.polygon([(x, y), (x + w, y), (x + w, y - h), (x, y - h)], (206, 226, 238))
    canvas.polygon([(x + w * 0.7, y), (x + w, y), (x + w, y - h), (x + w * 0.7, y - h)], (168, 182, 196))
    canvas.polygon(
        [(x - 1, y - h), (x + w + 1, y - h), (x + w - 2, y - h - 5 * size), (x + 2, y - h - 5 * size)],
        (52, 76, 190),
    )
    for k in (0.16, 0.45, 0.76):
        canvas.polygon(
            [(x + w * k, y - 3), (x + w * k + 1.6, y - 3), (x + w * k + 1.6, y - 5.8), (x + w * k, y - 5.8)],
            (92, 84, 80),
        )
    if church:
        canvas.polygon([(x - 6, y), (x, y), (x, y - 19), (x - 6, y - 19)], (214, 232, 242))
        canvas.polygon([(x - 2, y), (x, y), (x, y - 19), (x - 2, y - 19)], (176, 190, 204))
        canvas.polygon([(x - 6.6, y - 19), (x + 0.6, y - 19), (x - 3, y - 34)], (92, 76, 60))
        canvas.disc((x - 3.6, y - 15), 1.3, (80, 90, 110))
