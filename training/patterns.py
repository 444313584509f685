"""Pictures drawn from nothing: stripes, checks, cells, dots, noise. A style may be any of these."""

import cv2
import numpy as np

SIZE = 256


def _palette(random: np.random.Generator, n: int) -> np.ndarray:
    if random.random() < 0.5:
        return random.uniform(0, 255, (n, 3))
    base = random.uniform(0, 255, 3)
    return np.clip(base + random.normal(0, random.uniform(10, 80), (n, 3)), 0, 255)


def _noise(random: np.random.Generator, octaves: int) -> np.ndarray:
    field = np.zeros((SIZE, SIZE), np.float32)
    for k in range(octaves):
        edge = 2 ** (k + int(random.integers(1, 4)))
        grid = random.normal(size=(edge, edge)).astype(np.float32) * random.uniform(0.4, 0.8) ** k
        field += cv2.resize(grid, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return field


def draw(random: np.random.Generator) -> np.ndarray:
    """One pattern, [256, 256, 3] RGB uint8."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    warp = _noise(random, 3) * random.choice([0, 0, 6, 20])
    angle = random.uniform(0, np.pi)
    u = (x * np.cos(angle) + y * np.sin(angle) + warp) / random.uniform(4, 60)
    v = (y * np.cos(angle) - x * np.sin(angle) + warp) / random.uniform(4, 60)
    n = int(random.integers(2, 7))
    colors = _palette(random, n)
    kind = random.integers(7)
    if kind == 0:
        label = np.floor(u).astype(int) % n
    elif kind == 1:
        label = (np.floor(u) + np.floor(v)).astype(int) % n
    elif kind == 2:
        label = (
            (np.hypot((u % 1) - 0.5, (v % 1) - 0.5) < random.uniform(0.2, 0.5)) * (1 + np.floor(u) % (n - 1))
        ).astype(int)
    elif kind == 3:
        points = random.uniform(0, SIZE, (int(random.integers(8, 120)), 2)).astype(np.float32)
        seeds = np.full((SIZE, SIZE), 255, np.uint8)
        for px, py in points:
            seeds[int(py), int(px)] = 0
        distance, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5)
        label = label % n
        if random.random() < 0.5:
            label = np.where(distance > random.uniform(10, 40), 0, label)
    elif kind == 4:
        label = np.digitize(_noise(random, 5), np.linspace(-1.5, 1.5, n - 1)) % n
    elif kind == 5:
        label = (
            np.floor(
                np.hypot(x - random.uniform(0, SIZE), y - random.uniform(0, SIZE)) / random.uniform(4, 40)
                + warp / 8
            ).astype(int)
            % n
        )
    else:
        canvas = np.empty((SIZE, SIZE, 3), np.uint8)
        canvas[:] = colors[0].astype(np.uint8)
        for _ in range(int(random.integers(5, 300))):
            a = random.uniform(0, SIZE, 2).astype(int)
            b = (a + random.normal(0, random.uniform(5, 80), 2)).astype(int)
            color = colors[random.integers(n)].tolist()
            if random.random() < 0.7:
                cv2.line(canvas, a.tolist(), b.tolist(), color, int(random.integers(1, 16)), cv2.LINE_AA)
            else:
                cv2.circle(canvas, a.tolist(), int(random.integers(2, 40)), color, -1, cv2.LINE_AA)
        label = None
    picture = canvas if label is None else colors[label].astype(np.float32)
    picture = picture.astype(np.float32)
    if random.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 6))
    if random.random() < 0.5:
        picture += _noise(random, 5)[..., None] * random.uniform(3, 40)
    if random.random() < 0.3:
        picture += random.normal(0, random.uniform(2, 30), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
