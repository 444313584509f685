"""A moving field of color, the plasma effect of old demos: a sum of waves as hue."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from nstfilter import Frame, Source, StreamInfo, UsageError
from nstfilter.graphics.opencv import cv2

WIDTH, HEIGHT, RATE = 640, 360, 25


class PlasmaSource(Source):
    """640x360 BGR at 25 frames a second, for `target` seconds, or 4 where it is empty.

    Raises `UsageError` if `target` is no number of seconds.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        try:
            frames = round(float(target or 4) * RATE)
        except (ValueError, OverflowError):
            frames = 0
        if not 1 <= frames <= 3600 * RATE:
            raise UsageError(f"plasma:{target} is no length in seconds; expected something like plasma:4")
        # what is known before the first frame; sinks get ready with it
        self.info = StreamInfo(WIDTH, HEIGHT, Fraction(1, RATE), Fraction(RATE), frames)

    def _frames(self) -> Iterator[Frame]:
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32) / HEIGHT
        rings = np.hypot(x - 0.9, y - 0.5)
        assert self.info.frames
        for index in range(self.info.frames):
            time = index / RATE
            field = np.sin(6 * x + time) + np.sin(5 * y - 1.3 * time) + np.sin(9 * rings - 2 * time)
            hue = np.mod(30 * field + 20 * time, 180).astype(np.uint8)
            value = (190 + 60 * np.sin(2 * field)).astype(np.uint8)
            hsv = cv2.merge([hue, np.full_like(hue, 170), value])
            # pts counts in units of the time base: here a frame is one unit long
            yield Frame(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), pts=index, duration=1)
