"""The demo's moving picture: a lake in autumn, somebody passing by on a bicycle, and a face.

Its layers are drawn once, each wider than the frame; a frame is then put together by shifting them against
each other, the nearer the further. Everything is a function of the time alone, and repeats after `LOOP`.
"""

from __future__ import annotations

import math

import numpy as np

from nstfilter.graphics.opencv import cv2
from nstfilter.plugins.demo import foreground
from nstfilter.plugins.demo.background import HILLS_TOP, MOUNTAINS_TOP, Sky, Water, draw_hills, draw_mountains
from nstfilter.plugins.demo.canvas import UNITS, Color, Layer
from nstfilter.plugins.demo.people import (
    CYCLIST_GROUND,
    HEAD_END,
    PORTRAIT,
    PORTRAIT_NECK,
    WHEEL,
    bust,
    cyclist,
    head,
)

LOOP = 8.0  # seconds
START = 4.05  # where in the loop time begins: the cyclist on the left, the face on the right
# the color chart in the lower left corner, row by row: BGR
CHART: tuple[tuple[Color, ...], ...] = (
    ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0), (255, 0, 255), (0, 255, 255)),
    ((0, 0, 0), (51, 51, 51), (102, 102, 102), (153, 153, 153), (204, 204, 204), (255, 255, 255)),
)

PAN = 250  # how far the bank moves, in units
# how fast the others are, the bank being 1
MOUNTAINS_SPEED, HILLS_SPEED, PORTRAIT_SPEED = 0.10, 0.22, 1.55
PEDALLING = 30  # pictures for one turn of the bicycle's wheels
BLINKS = (3.1, 4.9)  # seconds into the loop
BLINK = 0.14  # how long the lids take each way, in seconds


def chart_patches(width: int, height: int) -> list[tuple[Color, tuple[int, int, int, int]]]:
    """The chart's patches in a frame: their BGR color, and x, y, width and height in pixels."""
    side = max(2, min(round(11 * height / UNITS), width // 9))
    left, bottom = side, height - side
    return [
        (color, (left + column * side, bottom - (len(CHART) - row) * side, side, side))
        for row, colors in enumerate(CHART)
        for column, color in enumerate(colors)
    ]


class Scene:
    """The scene at one size; `draw(t)` gives the frame at `t` seconds, HxWx3 BGR uint8."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.scale = scale = height / UNITS
        self.view = view = width / scale  # the frame's width in units
        # a generator for each part, so that none depends on how much chance another used up
        sky, mountains, hills, water, bank = np.random.default_rng(1873).spawn(5)
        self.sky = Sky(sky, width, height)
        self.mountains = Layer.of(draw_mountains(mountains, view + MOUNTAINS_SPEED * PAN + 4, scale))
        self.hills = Layer.of(draw_hills(hills, view + HILLS_SPEED * PAN + 4, scale))
        self.water = Water(water, width, height)
        self.bank = Layer.of(foreground.draw_bank(bank, view, view + PAN + 4, scale))
        self.cyclist = [Layer.of(cyclist(scale, k / PEDALLING)) for k in range(PEDALLING)]
        self.bust = Layer.of(bust(scale))
        self.heads = [head(scale, closed) for closed in (0.0, 0.55, 1.0)]
        self._draw_chart()

    def draw(self, t: float) -> np.ndarray:
        t = (t + START) % LOOP
        scale = self.scale
        # the camera goes to the right and comes back
        pan = PAN * (1 - math.cos(2 * math.pi * t / LOOP)) / 2
        frame = np.empty((self.height, self.width, 3), np.uint8)
        self.sky.lay(frame, t / LOOP)
        self.mountains.lay(frame, -MOUNTAINS_SPEED * pan * scale, round(MOUNTAINS_TOP * scale))
        self.hills.lay(frame, -HILLS_SPEED * pan * scale, round(HILLS_TOP * scale))
        self.water.lay(frame, t / LOOP)
        self.bank.lay(frame, -pan * scale, round(foreground.TOP * scale))
        self._lay_cyclist(frame, t, pan)
        self._lay_portrait(frame, t, pan)
        x, y = self.chart_at
        frame[y : y + self.chart.shape[0], x : x + self.chart.shape[1]] = self.chart
        return frame

    def _lay_cyclist(self, frame: np.ndarray, t: float, pan: float) -> None:
        """Out of sight when the loop begins and ends, whatever the frame's width."""
        distance = (self.view + 300) * t / LOOP
        turn = distance / (2 * math.pi * WHEEL) % 1
        x = distance - pan - 100 - CYCLIST_GROUND[0]
        y = 316 - CYCLIST_GROUND[1]
        self.cyclist[int(turn * PEDALLING)].lay(frame, x * self.scale, round(y * self.scale))

    def _lay_portrait(self, frame: np.ndarray, t: float, pan: float) -> None:
        """She is nearer than the bank, so she comes and goes faster; she tilts her head and blinks."""
        scale = self.scale
        x = (0.70 * self.view + PORTRAIT_SPEED * (PAN - pan) - PORTRAIT_NECK[0]) * scale
        y = round((UNITS - PORTRAIT[1] + 12) * scale)
        if x > self.width:
            return
        self.bust.lay(frame, x, y)
        lids = max(1 - abs(t - blink) / BLINK for blink in BLINKS)
        picture = self.heads[0 if lids <= 0 else 1 if lids < 0.5 else 2]
        angle = 3.5 * math.sin(2 * math.pi * (t - 2.6) / LOOP * 2)
        neck = (PORTRAIT_NECK[0] * scale, PORTRAIT_NECK[1] * scale)
        tilt = cv2.getRotationMatrix2D(neck, -angle, 1)
        Layer.of(cv2.warpAffine(picture, tilt, (picture.shape[1], round(HEAD_END * scale)))).lay(frame, x, y)

    def _draw_chart(self) -> None:
        patches = chart_patches(self.width, self.height)
        rim = max(1, round(self.scale))
        left, top = patches[0][1][0] - rim, patches[0][1][1] - rim
        x, y, w, h = patches[-1][1]
        self.chart_at = (left, top)
        self.chart = np.full((y + h + rim - top, x + w + rim - left, 3), 40, np.uint8)
        for color, (px, py, pw, ph) in patches:
            self.chart[py - top : py - top + ph, px - left : px - left + pw] = color
