"""Which part of a frame is painted, and what stands behind the people.

Painting happens after the room was replaced, so the strokes along the edge are made of what is seen there,
and the real room never reaches a painting, a memory of one, or a detail of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nstfilter.errors import FrameError
from nstfilter.graphics.opencv import cv2
from nstfilter.people import Segmenter
from nstfilter.people.backdrop import Backdrop
from nstfilter.people.blend import Blend
from nstfilter.people.calm import Calm
from nstfilter.people.edge import EdgeFilter
from nstfilter.people.faces import faces

# pixels around people that are taken out with them where the room is painted without them
COVER = 9

Paint = Callable[[np.ndarray], np.ndarray]


class Parts:
    """Paints parts of frames. `area`, `feather` and `face` can be set between two frames.

    `area`      "all", "people" or "background"
    `feather`   how wide the edge is, as a share of the frame's shorter side, beyond that of the mask itself
    `face`      the share of the strength that faces are painted with
    `base`      the latest frame before painting: with its room replaced, where it is
    `segmenter` gives what finds people; called by `load`, or with the first frame that needs it
    """

    def __init__(self, segmenter: Callable[[], Segmenter]) -> None:
        self.area = "all"
        self.feather = 0.0
        self.face = 1.0
        self._open = segmenter
        self._segmenter: Segmenter | None = None
        self._unfocused = Backdrop(None)
        self._calm, self._edge, self._blend = Calm(), EdgeFilter(), Blend()
        self.base: np.ndarray | None = None

    def load(self) -> None:
        """Have the segmenter ready, so that no frame waits for it."""
        self._segmenter = self._segmenter or self._open()

    @property
    def segmenter(self) -> Segmenter:
        self.load()
        assert self._segmenter
        return self._segmenter

    def reset(self) -> None:
        """Forget the frame before: the next one begins a new stream."""
        self._calm.reset()

    def __call__(
        self,
        image: np.ndarray,
        paint: Paint,
        backdrop: Backdrop | None,
        calm: float,
        paint_room: Paint | None = None,
    ) -> np.ndarray:
        """`image` (HxWx3 BGR uint8) with its part painted by `paint`; `backdrop`, where given, replaces the
        room before, and `paint_room` paints it in another way. `calm`, 0 to 1, is how much of the mask before
        is carried on.

        Raises `FrameError` where the segmenter gives something else than a mask.
        """
        area, face = self.area, self.face  # for all of the frame: another thread may change them
        if area == "all" and backdrop is None and paint_room is None and face == 1:
            self.reset()  # the mask would be old when one is looked for again
            self.base = image
            return paint(image)
        small, outline = self._masks(image, calm)
        # people are cut out along their outline: a feathered edge would show a band of the real room
        base = self.base = image if backdrop is None else backdrop.behind(image, outline)
        mask = self._feathered(outline)
        if paint_room or area == "background":
            room = (paint_room or paint)(self._room(image, mask, backdrop))
            if area == "background":
                return self._blend(base, room, mask)
        else:
            room = base
        painted = paint(base)
        if face < 1:
            painted = self._blend(
                base, painted, cv2.convertScaleAbs(faces(small, image.shape[:2]), alpha=1 - face)
            )
        return painted if area == "all" and not paint_room else self._blend(painted, room, mask)

    def unpainted(self, image: np.ndarray, backdrop: Backdrop, calm: float) -> np.ndarray:
        """`image` as filmed, but for its room, which `backdrop` replaces."""
        return backdrop.behind(image, self._masks(image, calm)[1])

    def _room(self, image: np.ndarray, mask: np.ndarray, backdrop: Backdrop | None) -> np.ndarray:
        """The room without people: their contrast to it would stand around them as a halo of strokes."""
        if backdrop is not None:
            return backdrop.room(image, mask)
        cover = cv2.convertScaleAbs(cv2.blur(mask, (COVER, COVER)), alpha=8)
        return self._blend(self._unfocused.room(image, mask), image, cover)

    def _masks(self, image: np.ndarray, calm: float) -> tuple[np.ndarray, np.ndarray]:
        """The segmenter's mask, calmed, hxw uint8; and fitted to `image`, HxW uint8."""
        small = self.segmenter.find(image)
        if not isinstance(small, np.ndarray) or small.dtype != np.uint8 or small.ndim != 2 or not small.size:
            got = f"{small.dtype} {small.shape}" if isinstance(small, np.ndarray) else type(small).__name__
            raise FrameError(f"segmenter {self.segmenter.name!r} gave {got}; expected a mask, uint8 of HxW")
        height, width = small.shape
        if calm:
            half = image
            while half.shape[0] >= 4 * height and half.shape[1] >= 4 * width:
                half = cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            # motion is found as well in what is sampled from there, in a tenth of the time of `shrunk`
            small = self._calm(cv2.resize(half, (width, height)), small, calm)
        return small, self._edge(image, small)

    def _feathered(self, mask: np.ndarray) -> np.ndarray:
        side = round(self.feather * min(mask.shape))
        return cv2.blur(mask, (side, side)) if side > 1 else mask
