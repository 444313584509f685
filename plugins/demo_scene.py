"""The demo's moving picture: a lake in autumn, somebody passing by on a bicycle, and a face.

Its layers are drawn once, each wider than the frame; a frame is then put together by shifting them against
each other, the nearer the further. Everything is a function of the time alone, and repeats after `LOOP`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nstfilter.opencv import cv2
from nstfilter.plugins.demo_canvas import UNITS, Canvas, Colour, Point, ellipse, noise
from nstfilter.plugins.demo_people import (
    CYCLIST_GROUND,
    PORTRAIT,
    PORTRAIT_NECK,
    WHEEL,
    bust,
    cyclist,
    head,
    shaded,
)

LOOP = 8.0  # seconds
_START = 4.05  # where in the loop time begins: the cyclist on the left, the face on the right
TEXT = "every frame a painting"
# the colour chart in the lower left corner, row by row: BGR
CHART: tuple[tuple[Colour, ...], ...] = (
    ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0), (255, 0, 255), (0, 255, 255)),
    ((0, 0, 0), (51, 51, 51), (102, 102, 102), (153, 153, 153), (204, 204, 204), (255, 255, 255)),
)

_SHORE = 202  # where the far shore meets the water, in units from the top
_WATER_END = 274
_BANK = 250  # the top of the layer we stand on
_PAN = 250  # how far the bank moves, in units
_PHASES = 30  # pictures for one turn of the bicycle's wheels
_SPEED = 140  # of the bicycle, in units a second
_BLINKS = (3.1, 4.9)
_RIPPLE = 160  # the period of the ripples along the shore


def chart_patches(width: int, height: int) -> list[tuple[Colour, tuple[int, int, int, int]]]:
    """The chart's patches in a `width` x `height` frame: their BGR colour, and x, y, width and height in pixels."""
    side = max(2, round(11 * height / UNITS))
    left, bottom = side, height - side
    return [
        (colour, (left + column * side, bottom - (len(CHART) - row) * side, side, side))
        for row, colours in enumerate(CHART)
        for column, colour in enumerate(colours)
        if left + (column + 1) * side <= width
    ]


@dataclass(slots=True)
class Layer:
    """A picture to lay over others: `colour` is premultiplied BGR, `rest` what is left of what lies below
    (255 minus alpha, three times over). From row `solid` on nothing is. `depth` is its speed in the pan."""

    colour: np.ndarray
    rest: np.ndarray
    solid: int
    top: int = 0
    depth: float = 1.0

    @classmethod
    def of(cls, bgra: np.ndarray, top: float = 0, depth: float = 1.0) -> Layer:
        padded = cv2.copyMakeBorder(
            bgra, 0, 0, 1, 1, cv2.BORDER_REPLICATE if depth < 1.3 else cv2.BORDER_CONSTANT
        )
        clear = np.flatnonzero(bgra[:, :, 3].min(axis=1) < 255)
        solid = int(clear[-1]) + 1 if clear.size else 0
        rest = 255 - cv2.cvtColor(np.ascontiguousarray(padded[:, :, 3]), cv2.COLOR_GRAY2BGR)
        return cls(np.ascontiguousarray(padded[:, :, :3]), rest, solid, round(top), depth)

    def lay(self, frame: np.ndarray, x: float, y: int | None = None) -> None:
        """Lay it over `frame` with its left edge at `x`, to a fraction of a pixel."""
        y = self.top if y is None else y
        whole = math.floor(x)
        part = x - whole
        height, width = self.colour.shape[0], self.colour.shape[1] - 1
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
            colour = cv2.addWeighted(
                self.colour[first:edge, here], 1 - part, self.colour[first:edge, before], part, 0
            )
            cv2.multiply(area, rest, dst=rest, scale=1 / 255)
            cv2.add(rest, colour, dst=area)
        if last > edge:
            area = frame[y + edge : y + last, left:right]
            cv2.addWeighted(
                self.colour[edge:last, here], 1 - part, self.colour[edge:last, before], part, 0, dst=area
            )


def _shifted(picture: np.ndarray, x: float, width: int) -> np.ndarray:
    """`width` columns of `picture` from column `x` on, which need not be whole."""
    whole = math.floor(x)
    part = x - whole
    return cv2.addWeighted(
        picture[:, whole : whole + width], 1 - part, picture[:, whole + 1 : whole + 1 + width], part, 0
    )


class Scene:
    """The scene at one size; `draw(t)` gives the frame at `t` seconds, HxWx3 BGR uint8."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.scale = height / UNITS
        self.view = width / self.scale  # the frame's width in units
        # a generator for each part, so that none depends on how much chance another used up
        chance = [np.random.default_rng(1877 + k) for k in range(5)]
        self.sky, self.clouds = self._draw_sky(chance[0])
        self.mountains = self._draw_mountains(chance[1], 0.10)
        self.hills = self._draw_hills(chance[2], 0.22)
        self.bank = self._draw_bank(chance[3], 1.0)
        self.cyclist = [Layer.of(cyclist(self.scale, k / _PHASES), depth=2) for k in range(_PHASES)]
        self.bust = Layer.of(bust(self.scale), depth=2)
        self.heads = [head(self.scale, closed) for closed in (0.0, 0.55, 1.0)]
        self._prepare_water(chance[4])
        self._prepare_chart()

    def draw(self, t: float) -> np.ndarray:
        t = (t + _START) % LOOP
        s = self.scale
        pan = _PAN * (1 - math.cos(2 * math.pi * t / LOOP)) / 2
        frame = np.empty((self.height, self.width, 3), np.uint8)
        self._lay_sky(frame, t)
        for layer in (self.mountains, self.hills):
            layer.lay(frame, -pan * layer.depth * s)
        self._lay_water(frame, t)
        self.bank.lay(frame, -pan * s)
        self._lay_cyclist(frame, t, pan)
        self._lay_portrait(frame, t, pan)
        x, y = self.chart_at
        frame[y : y + self.chart.shape[0], x : x + self.chart.shape[1]] = self.chart
        return frame

    # the sky, at half size: there is nothing sharp in it

    def _draw_sky(self, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        height, width = round(_SHORE * self.scale / 2) + 1, round(self.view * self.scale / 2)
        y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        x = np.arange(width, dtype=np.float32)[None] * 2 / self.scale
        stops = np.array([(206, 132, 52), (224, 172, 96), (226, 206, 166), (196, 216, 240)], np.float32)
        sky = np.stack([np.interp(y[:, 0], (0, 0.4, 0.75, 1), stops[:, c]) for c in range(3)], axis=1)
        sky = np.repeat(sky[:, None], width, axis=1).astype(np.float32)
        sun = (0.26 * self.view, 62.0)
        distance = np.hypot(x - sun[0], y * _SHORE - sun[1])
        for reach, strength in ((150, 0.42), (46, 0.55)):
            sky += (np.array((190, 236, 255), np.float32) - sky) * (
                strength * np.exp(-((distance / reach) ** 2))
            )[:, :, None]
        disc = np.clip((19 - distance) * self.scale / 2, 0, 1)[:, :, None]
        sky += (np.array((214, 248, 255), np.float32) - sky) * disc
        clouds = []
        for _ in range(2):
            wide = width + round(60 * self.scale)
            aside, above = round(5 * self.scale), round(7 * self.scale)
            shape = (height + above, wide + aside)
            n = noise(rng, shape, (self.view + 130, _SHORE + 14), (150, 44))
            before, n = n[:height, :wide], n[above:, aside:]
            cover = np.clip((n - 0.52 + 0.06 * np.sin(3 * y)) * 3.6, 0, 1) * np.clip(1.25 - y, 0, 1) ** 0.5
            lit = np.clip(0.62 + 2.6 * (n - before), 0, 1)
            shade, light = np.array((214, 190, 172), np.float32), np.array((246, 250, 255), np.float32)
            colour = shade + (light - shade) * lit[:, :, None]
            alpha = (0.93 * cover * cover * (3 - 2 * cover))[:, :, None]
            clouds.append(
                (
                    np.rint(colour * alpha).astype(np.uint8),
                    np.rint(255 * (1 - np.repeat(alpha, 3, 2))).astype(np.uint8),
                )
            )
        return np.rint(np.clip(sky, 0, 255)).astype(np.uint8), clouds

    def _lay_sky(self, frame: np.ndarray, t: float) -> None:
        """Two skies of clouds drift on, each fading in and out as it goes: so the clouds can drift for ever."""
        width = self.sky.shape[1]
        weight = 0.5 - 0.5 * math.cos(2 * math.pi * t / LOOP)
        shifted = []
        for k, (colour, rest) in enumerate(self.clouds):
            x = (1 - (t / LOOP + k / 2) % 1) * (colour.shape[1] - width - 1)
            shifted.append([_shifted(part, x, width) for part in (colour, rest)])
        colour, rest = (cv2.addWeighted(a, weight, b, 1 - weight, 0) for a, b in zip(*shifted, strict=True))
        sky = cv2.add(cv2.multiply(self.sky, rest, scale=1 / 255), colour)
        shore = round(_SHORE * self.scale)
        cv2.resize(sky, (self.width, shore), dst=frame[:shore], interpolation=cv2.INTER_LINEAR)

    # the far side

    def _draw_mountains(self, rng: np.random.Generator, depth: float) -> Layer:
        width, top = self.view + _PAN * depth + 4, 62
        canvas = Canvas(width, _SHORE - top, self.scale, (0, -top))
        shape = canvas.bgra.shape[:2]
        y = canvas.rows()
        for far in (True, False):
            base, rise, cell = (150, 78, 150) if far else (174, 66, 120)
            crest = base - rise * _ridged(rng, (1, shape[1]), (width, 1), (cell, 1), 7)
            # ridges run down to the left and to the right of the crest; light comes from the left
            relief = _ridged(rng, shape, (width, _SHORE - top), (44, 62), 6)
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
            colour = rock + (snow - rock) * cover
            air = 0.30 * far + 0.08 + np.clip((y - 96) / 110, 0, 1) * 0.62
            colour += (np.array((216, 200, 184), np.float32) - colour) * np.clip(air, 0, 1)[:, :, None]
            canvas.tint(inside, colour, spill=True)
        return Layer.of(canvas.picture(), top * self.scale, depth)

    def _draw_hills(self, rng: np.random.Generator, depth: float) -> Layer:
        width, top = self.view + _PAN * depth + 4, 140
        canvas = Canvas(width, _SHORE + 1 - top, self.scale, (0, -top))
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
                if ground < _SHORE - 2:
                    _far_tree(canvas, rng, (at, ground), base)
        for k, at in enumerate(np.array((0.30, 0.335, 0.375, 0.80)) * width):
            _house(canvas, (float(at), 198.0 - (k % 2)), 1.0 if k != 1 else 1.15, church=k == 1)
        for at in rng.uniform(0, width, round(width * 0.22)):  # the shore itself
            tone = ((56, 112, 84), (60, 138, 150), (58, 120, 190))[rng.integers(3)]
            canvas.disc(
                (at, 200.5), (rng.uniform(3, 7), rng.uniform(1.5, 3)), shaded(tone, rng.uniform(0.75, 1.1))
            )
        canvas.polygon([(0, 200.6), (width, 200.6), (width, 210), (0, 210)], (86, 128, 126))
        return Layer.of(canvas.picture(), top * self.scale, depth)

    # the water: what is above the shore upside down, stirred by ripples that travel both ways

    def _prepare_water(self, rng: np.random.Generator) -> None:
        first, last = round(_SHORE * self.scale), min(self.height, round(_WATER_END * self.scale))
        height, period = last - first, round(_RIPPLE * self.scale)
        y = np.arange(height, dtype=np.float32)[:, None] / self.scale
        near = y / (_WATER_END - _SHORE)
        x = np.arange(self.width + period, dtype=np.float32)[None] / self.scale
        self.ripples = []
        for _ in range(2):
            waves = np.zeros((height, x.size), np.float32)
            for count in (2, 3, 5, 8):
                phase, tilt = rng.uniform(0, 6.28), rng.uniform(5, 9)
                waves += (
                    np.sin(2 * np.pi * count * x / _RIPPLE + phase + tilt * 9 * np.log1p(y / 14)) / count**0.4
                )
            self.ripples.append(waves * (0.35 + 2.1 * near) * self.scale)
        self.mirror = first - 1 - 1.55 * y * self.scale - 0.5 + np.zeros((1, self.width), np.float32)
        self.column = np.arange(self.width, dtype=np.float32)[None] + np.zeros((height, 1), np.float32)
        tint = np.array([[(148, 122, 62)], [(96, 88, 34)]], np.float32)
        strength = (0.22 + 0.42 * near)[:, :, None]
        self.water_keep = np.rint(255 * np.broadcast_to(1 - strength, (height, self.width, 3))).astype(
            np.uint8
        )
        depth = (tint[0] + (tint[1] - tint[0]) * near[:, :, None]) * strength
        self.water_tint = np.rint(np.broadcast_to(depth, (height, self.width, 3))).astype(np.uint8)
        across = (x[:, : self.width] - 0.26 * self.view) / (26 + 60 * near)
        self.glitter = np.exp(-(across**2)) * (1.0 - 0.3 * near) * 95
        self.crest = (1.0 * (0.35 + 2.1 * near) * self.scale).astype(np.float32)

    def _lay_water(self, frame: np.ndarray, t: float) -> None:
        first = round(_SHORE * self.scale)
        height = self.mirror.shape[0]
        step = t / LOOP * _RIPPLE * self.scale
        ripple = np.zeros((height, self.width), np.float32)
        for waves, at in zip(self.ripples, (step, _RIPPLE * self.scale - step), strict=True):
            start = min(round(at), waves.shape[1] - self.width)
            ripple += waves[:, start : start + self.width]
        rows = np.clip(self.mirror + ripple, 0, first - 1)
        water = cv2.remap(frame[:first], self.column, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.multiply(water, self.water_keep, dst=water, scale=1 / 255)
        cv2.add(water, self.water_tint, dst=water)
        spark = (
            np.clip(ripple / self.crest - 0.9, 0, 1) * self.glitter
            + np.clip(ripple / self.crest - 0.4, 0, 1) * 16
        )
        cv2.add(
            water, cv2.cvtColor(spark.astype(np.uint8), cv2.COLOR_GRAY2BGR), dst=frame[first : first + height]
        )

    # our own side

    def _draw_bank(self, rng: np.random.Generator, depth: float) -> Layer:
        width, top = self.view + _PAN * depth + 4, 20
        canvas = Canvas(width, UNITS - top, self.scale, (0, -top))
        x = np.linspace(-2, width + 2, 200)
        edge = 262 - 10 * noise(rng, (1, x.size), (width, 1), (160, 1), 3)[0]
        canvas.polygon([*zip(x, edge, strict=True), (width + 2, 400), (-2, 400)], (58, 128, 112))
        shape = canvas.bgra.shape
        first = round((240 - top) * canvas.scale)
        patches = noise(rng, (shape[0] - first, shape[1]), (width, 120), (90, 16), 4)
        canvas.tint(0.6 * patches, (70, 176, 176), (0, first))
        _grass(canvas, rng, x, edge, (0, 42), 9, round(width * 5))
        self._draw_path(canvas, rng, width)
        _wall(canvas, rng, 0.62 * self.view, 0.62 * self.view + 150)
        _tree(canvas, rng, (0.09 * self.view, 284.0))
        _tree(canvas, rng, (width - 40, 282.0), (48, 120, 214))
        _sign(canvas, (0.30 * self.view, 286.0))
        _grass(canvas, rng, x, np.full_like(x, 330.0), (0, 46), 15, round(width * 5), flowers=True)
        return Layer.of(canvas.picture(), top * self.scale, depth)

    def _draw_path(self, canvas: Canvas, rng: np.random.Generator, width: float) -> None:
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

    # those who move

    def _lay_cyclist(self, frame: np.ndarray, t: float, pan: float) -> None:
        distance = _SPEED * t
        phase = distance / (2 * math.pi * WHEEL) % 1
        x = distance - pan - 110 - CYCLIST_GROUND[0]
        y = 316 - CYCLIST_GROUND[1]
        self.cyclist[int(phase * _PHASES)].lay(frame, x * self.scale, round(y * self.scale))

    def _lay_portrait(self, frame: np.ndarray, t: float, pan: float) -> None:
        """She is nearer than the bank, so she comes and goes faster; she breathes, tilts her head and blinks."""
        x = 0.70 * self.view + 1.55 * (_PAN - pan) - PORTRAIT_NECK[0]
        if x > self.view:
            return
        s = self.scale
        breath = math.sin(2 * math.pi * t * 3 / LOOP)
        y = UNITS - PORTRAIT[1] + 12 + 0.8 * breath
        self.bust.lay(frame, x * s, round(y * s))
        lid = max((1 - abs(t - blink) / 0.14 for blink in _BLINKS), default=0)
        picture = self.heads[0 if lid <= 0 else 1 if lid < 0.5 else 2]
        angle = 3.5 * math.sin(2 * math.pi * (t - 2.6) / LOOP * 2)
        turn = cv2.getRotationMatrix2D((PORTRAIT_NECK[0] * s, PORTRAIT_NECK[1] * s), -angle, 1)
        left, up = math.floor(x * s), math.floor(y * s)
        turn[:, 2] += (x * s - left, y * s - up)
        width = min(picture.shape[1] + 1, self.width - max(0, left))
        height = min(picture.shape[0] + 1, self.height - up)
        bgra = cv2.warpAffine(picture, turn, (picture.shape[1] + 1, height))
        Layer.of(bgra[: round(240 * s)], depth=2).lay(frame, left - 0.0, up)

    def _prepare_chart(self) -> None:
        patches = chart_patches(self.width, self.height)
        rim = max(1, round(self.scale))
        left, top = patches[0][1][0] - rim, patches[0][1][1] - rim
        x, y, w, h = patches[-1][1]
        self.chart_at = (left, top)
        self.chart = np.full((y + h + rim - top, x + w + rim - left, 3), 40, np.uint8)
        for colour, (px, py, pw, ph) in patches:
            self.chart[py - top : py - top + ph, px - left : px - left + pw] = colour


def _ridged(
    rng: np.random.Generator, shape: tuple[int, int], units: Point, cell: Point, octaves: int
) -> np.ndarray:
    """Noise from 0 to 1 with sharp ridges at 1: the folded noise of mountains."""
    return 1 - np.abs(2 * noise(rng, shape, units, cell, octaves) - 1)


def _far_tree(canvas: Canvas, rng: np.random.Generator, foot: Point, base: float) -> None:
    x, y = foot
    size = rng.uniform(0.7, 1.15) * (0.75 if base < 180 else 1.0)
    haze = 0.45 if base < 180 else 0.12
    if rng.random() < 0.55:
        tone: Colour = (74, 104, 62)
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


def _hazy(colour: Colour, amount: float) -> Colour:
    return tuple(round(c + (a - c) * amount) for c, a in zip(colour, (200, 196, 186), strict=True))  # type: ignore[return-value]


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
        colour: Colour = (int(tone[0]), int(tone[1]), int(tone[2]))
        canvas.line([(px, py), (px + 0.25 * bend, py - 0.6 * t), (px + bend, py - t)], colour, 0.6 + 0.5 * n)
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


def _tree(canvas: Canvas, rng: np.random.Generator, foot: Point, tone: Colour = (48, 138, 226)) -> None:
    """A tree in autumn leaf, lit from the left."""
    x, y = foot
    canvas.soft(ellipse((x + 14, y + 3), (44, 6)), (30, 60, 50), 5, 0.55)
    bark: Colour = (62, 78, 96)
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


def _sign(canvas: Canvas, foot: Point) -> None:
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
    rng = np.random.default_rng(3)
    for k in range(120):
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
    for text, size, baseline in (("NSTFILTER", 17.0, 21.5), (TEXT, 8.6, 36.0)):
        _write(canvas, text, (x + wide / 2, top + baseline), size)


def _write(canvas: Canvas, text: str, centre: Point, size: float) -> None:
    """`text` centred on `centre`'s x, standing on its y, with capitals about `size` units tall."""
    font, ink = cv2.FONT_HERSHEY_DUPLEX, (40, 44, 70, 255)
    pixels = size * canvas.scale
    scale = pixels / cv2.getTextSize("H", font, 1, 1)[0][1]
    thickness = max(1, round(pixels / 9))
    (wide, _), _ = cv2.getTextSize(text, font, scale, thickness)
    at = (np.add(centre, canvas.origin) * canvas.scale).round().astype(int)
    cv2.putText(
        canvas.bgra, text, (int(at[0]) - wide // 2, int(at[1])), font, scale, ink, thickness, cv2.LINE_AA
    )
