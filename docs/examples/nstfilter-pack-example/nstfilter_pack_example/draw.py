"""Draws the pictures of this pack: `python -m nstfilter_pack_example.draw`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nstfilter.graphics.opencv import cv2

SIDE = 512


def loom(random: np.random.Generator) -> np.ndarray:
    """Plain weave: each crossing shows warp or weft by turns, and each thread is its own shade."""
    thread = 16
    wool = np.array([(52, 50, 168), (48, 140, 212), (122, 66, 40), (206, 222, 232)], np.float32)  # BGR
    threads = SIDE // thread
    stripe = np.repeat(random.integers(0, 4, threads // 2), 2)
    weft = wool[stripe] * random.uniform(0.85, 1.1, (threads, 1))
    warp = wool[np.roll(stripe[::-1], 3)] * random.uniform(0.85, 1.1, (threads, 1))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    row, column = y // thread, x // thread
    on_top = (row + column) % 2 == 0
    color = np.where(on_top[..., np.newaxis], weft[row], warp[column])
    # a thread is round: dark at its edges, and it dives at its ends; its fibres run askew
    across, along = np.where(on_top, y, x) % thread, np.where(on_top, x, y) % thread
    light = np.sin(np.pi * (across + 0.5) / thread) ** 0.7 * np.sin(np.pi * (along + 0.5) / thread) ** 0.3
    light *= 0.85 + 0.15 * np.sin((across * 1.2 + along * 0.8) * 1.6)
    light *= 1 + 0.06 * random.standard_normal((SIDE, SIDE))
    return np.clip(color * (0.25 + 0.8 * light[..., np.newaxis]), 0, 255).astype(np.uint8)


def tide(random: np.random.Generator) -> np.ndarray:
    """Level lines of a smooth landscape that slopes from water to sand."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    height = y + 0.15 * np.sin(5 * x)
    for cells in (3, 6, 12):
        hills = random.standard_normal((cells, cells)).astype(np.float32) * 0.35 / cells
        height += cv2.resize(hills, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    # BGR, from deep water to dry sand
    colors = np.array([(98, 52, 18), (150, 110, 40), (190, 178, 110), (170, 206, 232), (120, 168, 208)])
    steps = np.clip((height + 0.15) / 1.3, 0, 1) * (len(colors) - 1)
    channels = [np.interp(steps, np.arange(len(colors)), colors[:, channel]) for channel in range(3)]
    foam = np.clip(1 - np.abs(np.sin(height * 42)) * 5, 0, 1)[..., np.newaxis]
    foam *= random.uniform(0.6, 1, (SIDE, SIDE, 1))
    picture = np.dstack(channels) * (1 - foam) + 248 * foam + random.normal(0, 4, (SIDE, SIDE, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


def main() -> None:
    for draw in (loom, tide):
        path = Path(__file__).with_name(f"{draw.__name__}.jpg")
        cv2.imwrite(str(path), draw(np.random.default_rng(7)), [cv2.IMWRITE_JPEG_QUALITY, 80])
        print(path)


if __name__ == "__main__":
    main()
