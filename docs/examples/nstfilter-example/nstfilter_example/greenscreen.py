"""Finds people before a green screen: whatever is not green."""

from __future__ import annotations

import numpy as np

# how much more green than red and blue the screen is, of 255: all of it, and the edge of the people
SCREEN, EDGE = 60, 30


class GreenScreen:
    name = "greenscreen"
    fingerprint = f"{SCREEN:02x}{EDGE:02x}"

    def find(self, frame: np.ndarray) -> np.ndarray:
        blue, green, red = (frame[:, :, channel].astype(np.int16) for channel in range(3))
        greener = green - np.maximum(blue, red)
        return np.clip((SCREEN - greener) * 255 // (SCREEN - EDGE), 0, 255).astype(np.uint8)
