"""Every style as a thumbnail, painted on the current picture when there is time for it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstfilter.errors import NstfilterError
from nstfilter.filter import StyleFilter
from nstfilter.graphics.opencv import cv2
from nstfilter.packs.reading import list_styles, read_picture
from nstfilter.packs.style import Style, StyleMix
from nstfilter.plugins.studio.preview import jpeg
from nstfilter.plugins.studio.uploads import UploadedStyles

# pixels of a thumbnail: wide enough for two columns on a phone
WIDTH = 256
# of the time, so much goes to painting thumbnails at most: of those never painted, and of the others; a new
# round begins after so many seconds
FIRST_SHARE, SHARE, ROUND = 0.5, 0.1, 20.0

# less urgent than painting, but not by far: a thread that is kept waiting while it has the interpreter keeps
# all others waiting
NICE = 5

RUN = secrets.token_hex(4)

log = logging.getLogger("nstfilter")


@dataclass(slots=True)
class Thumbnail:
    """A style in the gallery. `key` is what pages call it, `text` what `parse_style` reads; `changes` counts
    how often `data`, a JPEG, has changed."""

    key: str
    text: str
    style: Style
    changes: int = 0
    data: bytes = b""
    painted: bool = False

    @property
    def version(self) -> str:
        """For the addresses of pictures that browsers keep: never that of another picture, of another run
        neither."""
        return f"{RUN}-{self.changes}"

    def facts(self) -> dict[str, Any]:
        style = self.style
        return {
            "key": self.key,
            "text": self.text,
            "name": style.name,
            "title": style.title or style.name,
            "pack": style.pack,
            "artist": style.artist if style.artist != "unknown" else "",
            "notes": style.notes,
            "version": self.version,
        }


class Gallery:
    """The styles, and a thread of low priority that paints them while a page is looking.

    `picture`  gives the plain picture of the moment (HxWx3 BGR uint8), or None while there is none to show
    `model`    what `open_model` understands: the gallery has a model of its own, for one serves one thread

    `wanted` says whether a page is looking; the server sets it.
    """

    def __init__(self, picture: Callable[[], np.ndarray | None], model: str, uploads: UploadedStyles) -> None:
        self.picture, self.model, self.uploads = picture, model, uploads
        self.wanted: Callable[[], bool] = lambda: False
        self.version = 0  # of the list
        self.thumbnails: dict[str, Thumbnail] = {}
        self._soon = threading.Event()
        self._stop = threading.Event()
        self.reload()

    def reload(self) -> None:
        """Look again which styles there are."""
        found: dict[str, Thumbnail] = {}
        for style in [*self.uploads.list(), *list_styles()]:
            text = StyleMix(((style, 1.0),)).spelled
            key = f"{style.pack}/{style.name}" if style.pack else f"upload/{style.path.parent.name}"
            old = self.thumbnails.get(key)
            # a picture that is uploaded again has another file
            found[key] = old if old and old.style == style else Thumbnail(key, text, style)
        self.thumbnails = found
        self.version += 1
        self._soon.set()

    def facts(self) -> list[dict[str, Any]]:
        return [thumbnail.facts() for thumbnail in self.thumbnails.values()]

    def jpeg(self, key: str) -> bytes | None:
        """The thumbnail called `key`: the style's own picture until it is painted; None for no such style."""
        thumbnail = self.thumbnails.get(key)
        if thumbnail and not thumbnail.data:
            try:
                thumbnail.data = jpeg(_filled(read_picture(thumbnail.style), (16, 9)), WIDTH, 82)
            except NstfilterError:
                return None
        return thumbnail.data if thumbnail else None

    def refresh(self) -> None:
        """Paint all of them again, soon."""
        self._soon.set()

    def start(self) -> None:
        thread = threading.Thread(target=self._run, name="nstfilter-studio-gallery", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Ends the thread after the thumbnail it paints."""
        self._stop.set()
        self._soon.set()

    def _run(self) -> None:
        with contextlib.suppress(
            OSError, AttributeError
        ):  # this thread's own, where a system has such a thing
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        paint: StyleFilter | None = None
        while not self._stop.is_set():
            self._soon.wait(ROUND)
            self._soon.clear()
            picture = self._picture()
            if picture is None:
                self._stop.wait(0.5)
                if self.wanted():
                    self._soon.set()
                continue
            for thumbnail in sorted(self.thumbnails.values(), key=lambda one: one.painted):
                if self._stop.is_set() or not self.wanted():
                    break
                begun = time.monotonic()
                share = SHARE if thumbnail.painted else FIRST_SHARE
                try:
                    if paint is None:
                        paint = StyleFilter(StyleMix(((thumbnail.style, 1.0),)), model=self.model, threads=1)
                    paint.style = StyleMix(((thumbnail.style, 1.0),))
                    thumbnail.data = jpeg(paint(picture), WIDTH, 82)
                    thumbnail.painted = True
                    thumbnail.changes += 1
                except Exception as error:
                    log.debug("no thumbnail of %s", thumbnail.key, exc_info=error)
                self._stop.wait((time.monotonic() - begun) * (1 / share - 1))

    def _picture(self) -> np.ndarray | None:
        """The current picture as large as a thumbnail, or None where none is wanted or to be had."""
        picture = self.picture() if self.wanted() else None
        if picture is None:
            return None
        return cv2.resize(_filled(picture, (16, 9)), (WIDTH, WIDTH * 9 // 16), interpolation=cv2.INTER_AREA)


def _filled(image: np.ndarray, ratio: tuple[int, int]) -> np.ndarray:
    """The middle of `image`, as much as has this ratio of width to height."""
    height, width = image.shape[:2]
    wide, high = min(width, height * ratio[0] // ratio[1]), min(height, width * ratio[1] // ratio[0])
    top, left = (height - high) // 2, (width - wide) // 2
    return np.ascontiguousarray(image[top : top + max(1, high), left : left + max(1, wide)])
