"""Where faces are, from the shape of the mask alone: a soft oval in the head of each person."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from nstfilter.graphics.opencv import cv2

# the smallest head that has a face, its radius as a share of the mask's shorter side
SMALLEST = 0.025
# how far the center of a head may lie below the outline above it, in its radii: the trunk lies deeper
BELOW_OUTLINE = 1.4
# the smallest head beside a larger one of the same people
BESIDE = 0.55
# how far from its center, in its radii, there is background to either side of a head: a shoulder has the neck
# on one
ASIDE = 2.2
# the oval's half axes in radii of the circle in a head, and how far below its center it lies
ACROSS, DOWN, LOWER = 0.85, 1.1, 0.2
# how far the oval's edge is blurred, in radii
SOFT = 0.2
# the radius of the head that it is drawn for, once, and where in that drawing it is, in pixels
DRAWN = 32
_MIDDLE = 2 * DRAWN
# the least share of its way that an oval goes in a frame, and by how much it appears or disappears
SLOWEST, FADE = 0.1, 0.25


class Head(NamedTuple):
    """A circle in a head: center and radius in pixels of the mask, and how far its oval is drawn, 0 to 1."""

    x: float
    y: float
    radius: float
    weight: float = 1.0


class Faces:
    """Follows faces from frame to frame: the largest circle in a head jumps where the outline hardly changes.
    One stream at a time."""

    def __init__(self) -> None:
        self._last: list[Head] = []

    def __call__(self, mask: np.ndarray, shape: tuple[int, ...], follow: bool) -> np.ndarray:
        """HxW uint8 of `shape`, 255 on faces and softly falling to 0 around them. `mask` is hxw uint8.
        Without `follow` a new stream begins."""
        heads = _found(mask)
        self._last = self._followed(heads) if follow else heads
        return _drawn(self._last, mask.shape, shape)

    def _followed(self, heads: list[Head]) -> list[Head]:
        before, followed = list(self._last), []
        for head in heads:
            away = [np.hypot(head.x - last.x, head.y - last.y) / head.radius for last in before]
            nearest = int(np.argmin(away)) if away else 0
            if not away or away[nearest] > 1:
                followed.append(head._replace(weight=FADE))
                continue
            last = before.pop(nearest)
            # the further, the faster: it is a motion, not a jump back and forth
            rate = max(SLOWEST, float(away[nearest]))
            x, y, radius = (old + rate * (new - old) for old, new in zip(last[:3], head[:3], strict=True))
            followed.append(Head(x, y, radius, min(1.0, last.weight + FADE)))
        gone = [head._replace(weight=head.weight - FADE) for head in before]
        return followed + [head for head in gone if head.weight > 0]


def faces(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The faces of one picture by itself, as `Faces` gives them."""
    return _drawn(_found(mask), mask.shape, shape)


def _found(mask: np.ndarray) -> list[Head]:
    # people are cut off by the frame's sides and lower edge, which are no outline of theirs
    people = cv2.copyMakeBorder((mask > 127).astype(np.uint8), 0, 1, 1, 1, cv2.BORDER_REPLICATE)
    people = cv2.copyMakeBorder(people, 1, 0, 0, 0, cv2.BORDER_CONSTANT)
    room = cv2.distanceTransform(people, cv2.DIST_L2, 5)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(people, connectivity=4)
    smallest = max(3.0, SMALLEST * min(mask.shape))
    found = []
    for label in range(1, count):
        left, top, width, height, _ = stats[label]
        left, right = max(0, left - 1), left + width + 1  # with the background beside them
        window = np.s_[top : top + height, left:right]
        inside = labels[window] == label
        for x, y, radius in _heads(inside, np.where(inside, room[window], 0), smallest):
            found.append(Head(float(left + x - 1), float(top + y - 1), radius))
    return found


def _drawn(heads: list[Head], size: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The ovals of `heads` in a mask of the height and width `size`, at those of `shape`."""
    ovals = np.zeros(size, np.uint8)
    for x, y, radius, weight in heads:
        scale = radius / DRAWN
        moved = np.array([[scale, 0, x - scale * _MIDDLE], [0, scale, y + LOWER * radius - scale * _MIDDLE]])
        oval = cv2.warpAffine(_oval(), moved, (size[1], size[0]))
        cv2.max(ovals, oval if weight == 1 else cv2.convertScaleAbs(oval, alpha=weight), dst=ovals)
    return cv2.resize(ovals, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


@cache
def _oval() -> np.ndarray:
    """The oval in a head of the radius DRAWN, in the middle of a square. To move it to every head takes a
    twentieth of the time of blurring one there."""
    oval = np.zeros((2 * _MIDDLE + 1, 2 * _MIDDLE + 1), np.uint8)
    axes = round(ACROSS * DRAWN), round(DOWN * DRAWN)
    cv2.ellipse(oval, (_MIDDLE, _MIDDLE), axes, 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(oval, (0, 0), SOFT * DRAWN)


def _heads(inside: np.ndarray, room: np.ndarray, smallest: float) -> list[tuple[int, int, float]]:
    """Heads in a group of people as circles (x, y, radius). `room` is how far each place inside is from the
    outline. A head is the largest circle with only outline above it: above the trunk there are shoulders. And
    it has background to the left and right; but one that fills the frame has not."""
    height = len(inside)
    first = np.where(inside.any(axis=0), inside.argmax(axis=0), height).astype(np.float32)[None]
    rows = np.arange(height, dtype=np.float32)[:, None]
    heads: list[tuple[int, int, float]] = []
    shoulders: list[tuple[int, int, float]] = []
    radius = float(room.max())
    while radius >= max([smallest, *(BESIDE * largest for _, _, largest in heads[:1] or shoulders[:1])]):
        # the outline above all of a circle, not only above its center
        span = np.ones((1, 2 * int(0.9 * radius) + 1), np.uint8)
        outline = cv2.erode(first, span, borderValue=float(height))
        fits = (room >= radius) & (rows - outline <= BELOW_OUTLINE * radius)
        taken = [(x, y, 1.2 * (radius + other)) for x, y, other in heads]
        for x, y, reach in [*taken, *shoulders]:
            cv2.circle(mask := fits.astype(np.uint8), (x, y), round(reach), 0, -1)
            fits = mask > 0
        if fits.any():
            # in the middle of the topmost place where it fits
            _, labels = cv2.connectedComponents(fits.astype(np.uint8))
            y, x = np.argwhere(labels == labels[tuple(np.argwhere(fits)[0])]).mean(axis=0).round().astype(int)
            found = int(x), int(y), radius
            far = round(ASIDE * radius)
            beside = inside[y, max(0, x - far) : x], inside[y, x : x + far + 1]
            free = all(not side.all() for side in beside)
            (heads if free else shoulders).append(found)
        else:
            radius *= 0.9
    return heads or shoulders[:1]
