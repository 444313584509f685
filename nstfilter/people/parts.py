"""Which part of a frame is painted, and what stands behind the people.

Painting happens after the room was replaced, so the strokes along the edge are made of what is seen there,
and the real room never reaches a painting, a memory of one, or a detail of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nstfilter.errors import FrameError
from nstfilter.graphics.opencv import cv2
from nstfilter.people import CarefulSegmenter, Segmenter
from nstfilter.people.backdrop import Backdrop
from nstfilter.people.blend import Blend
from nstfilter.people.calm import Calm
from nstfilter.people.edge import CAREFUL_GUIDE, GUIDE, EdgeFilter, guide
from nstfilter.people.faces import Faces

# pixels around people that are taken out with them where the room is painted without them, and the level of
# the mask below which nobody is there
COVER, VEIL = 4, 16

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
        self._calm, self._edge, self._blend, self._faces = Calm(), EdgeFilter(), Blend(), Faces()
        self._first, self._carried = True, False
        self.base: np.ndarray | None = None

    def load(self) -> None:
        """Have the segmenter ready, so that no frame waits for it."""
        self._segmenter = self._segmenter or self._open()

    @property
    def whole(self) -> bool:
        """Whether all of a frame is painted alike."""
        return self.area == "all" and self.face == 1

    @property
    def segmenter(self) -> Segmenter:
        self.load()
        assert self._segmenter
        return self._segmenter

    def reset(self) -> None:
        """Forget the frame before: the next one begins a new stream."""
        self._calm.reset()
        self._first = True

    def __call__(
        self,
        image: np.ndarray,
        paint: Paint,
        backdrop: Backdrop | None,
        calm: float,
        paint_room: Paint | None = None,
        sparing: bool = False,
    ) -> np.ndarray:
        """`image` (HxWx3 BGR uint8) with its part painted by `paint`; `backdrop`, where given, replaces the
        room before, and `paint_room` paints it in another way. `calm`, 0 to 1, is how much of the mask before
        is carried on. Where `sparing`, people are looked for in every second frame only, if that is as good.

        Raises `FrameError` where the segmenter gives something else than a mask.
        """
        area, face = self.area, self.face  # for all of the frame: another thread may change them
        if area == "all" and backdrop is None and paint_room is None and face == 1:
            self.reset()  # the mask would be old when one is looked for again
            self.base = image
            return paint(image)
        # not where a mask that comes late would show the room
        seen, gray, small = self._mask(image, calm, sparing and backdrop is None)
        if area == "all" and backdrop is None and paint_room is None:
            self.base = image
            return self._spare(small, image, paint(image), face)
        outline = self._edge(gray, small, image.shape)
        # people are cut out along their outline: a feathered edge would show a band of the real room
        base = self.base = image if backdrop is None else backdrop.behind(image, outline, seen)
        mask = self._feathered(outline)
        if paint_room or area == "background":
            room = (paint_room or paint)(self._room(image, mask, seen, backdrop))
            if area == "background":
                return self._blend(base, room, mask)
        else:
            room = base
        painted = paint(base)
        if face < 1:
            painted = self._spare(small, base, painted, face)
        return painted if area == "all" and not paint_room else self._blend(painted, room, mask)

    def _spare(self, mask: np.ndarray, base: np.ndarray, painted: np.ndarray, face: float) -> np.ndarray:
        """`painted`, its faces, those of `mask` (hxw uint8), with the share `face` of the strength."""
        ovals = self._faces(mask, base.shape[:2], follow=not self._calm.fresh)
        return self._blend(base, painted, cv2.convertScaleAbs(ovals, alpha=1 - face))

    def unpainted(self, image: np.ndarray, backdrop: Backdrop, calm: float) -> np.ndarray:
        """`image` as filmed, but for its room, which `backdrop` replaces."""
        seen, gray, small = self._mask(image, calm)
        return backdrop.behind(image, self._edge(gray, small, image.shape), seen)

    def _room(
        self, image: np.ndarray, mask: np.ndarray, seen: np.ndarray, backdrop: Backdrop | None
    ) -> np.ndarray:
        """The room without people: their contrast to it would stand around them as a halo of strokes."""
        if backdrop is not None:
            return backdrop.room(seen, mask)
        _, cover = cv2.threshold(mask, VEIL, 255, cv2.THRESH_BINARY)
        cover = cv2.dilate(cover, np.ones((2 * COVER + 1, 2 * COVER + 1), np.uint8))
        return cv2.copyTo(self._unfocused.room(seen, mask), cover, image.copy())

    def _mask(
        self, image: np.ndarray, calm: float, sparing: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What of `image` is looked at, its `guide`; the brightness of that; and the mask of the people in
        it, calmed, hxw uint8. Where `sparing`, every second mask may be the one before, moved along."""
        first, self._first = self._first, False
        seen = guide(image, CAREFUL_GUIDE if first else GUIDE)
        gray = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)
        carried = self._calm.carried(gray) if sparing and calm and not self._carried else None
        self._carried = carried is not None
        if carried is not None:
            small = carried
        elif calm:
            small = self._calm(gray, self._found(seen, first), calm)
        else:
            small = self._found(seen, first)
            self._calm.reset()
        return seen, gray, small

    def _found(self, seen: np.ndarray, first: bool) -> np.ndarray:
        """The segmenter's mask. The `first` frame of a stream, a photograph above all, has none before it to
        make up for a mistake, and may take longer."""
        segmenter = self.segmenter
        if first and isinstance(segmenter, CarefulSegmenter):
            small = segmenter.find_alone(seen)
        else:
            small = segmenter.find(seen)
        if not isinstance(small, np.ndarray) or small.dtype != np.uint8 or small.ndim != 2 or not small.size:
            got = f"{small.dtype} {small.shape}" if isinstance(small, np.ndarray) else type(small).__name__
            raise FrameError(f"segmenter {segmenter.name!r} gave {got}; expected a mask, uint8 of HxW")
        return small

    def _feathered(self, mask: np.ndarray) -> np.ndarray:
        side = round(self.feather * min(mask.shape))
        return cv2.blur(mask, (side, side)) if side > 1 else mask
