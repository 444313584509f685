"""The moving picture for pages: JPEGs of the newest frame, each viewer at its own pace.

A viewer is sent a frame only after it has acknowledged the one before, so nothing queues on a slow page or a
slow network; frames in between are not even encoded.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from typing import Literal

import numpy as np

from nstfilter.graphics.opencv import cv2

# a frame is encoded at widths that are multiples of this, so that pages of nearly the same size share one
# encoding; the smallest and the largest of them
STEP, WIDTHS = 64, (320, 1920)
QUALITY = 80

Show = Literal["painted", "split", "plain"]
SHOWS: tuple[Show, ...] = ("painted", "split", "plain")


class Viewer:
    """One page, or one reader of /stream.mjpg.

    `send`   called by the sink's thread with the bytes of a frame; must return at once
    `width`  how many pixels wide the viewer shows it
    `show`   painted; plain; or both, of the same moment, for a page that splits them
    """

    def __init__(self, send: Callable[[bytes], None], width: int = 960, show: Show = "painted") -> None:
        self.send, self.width, self.show = send, width, show
        self.ready = True
        self.sent: tuple[object, ...] = ()  # the pictures last sent, and how


class Preview:
    """Gives the newest frame to every viewer that is ready for one.

    `show` is called by one thread, the sink's; `add`, `remove` and `acknowledge` by any.
    """

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []
        self.latest: np.ndarray | None = None
        self.number = 0
        self._lock = threading.Lock()

    def add(self, viewer: Viewer) -> None:
        with self._lock:
            self.viewers = [*self.viewers, viewer]

    def remove(self, viewer: Viewer) -> None:
        with self._lock:
            self.viewers = [one for one in self.viewers if one is not viewer]

    def show(self, painted: np.ndarray, plain: Callable[[], np.ndarray | None]) -> None:
        """Send `painted` (HxWx3 BGR uint8), and `plain()` of the same size to viewers that want it."""
        self.latest = painted
        self.number += 1
        encoded: dict[tuple[int, int], bytes] = {}
        for viewer in self.viewers:
            if not viewer.ready:
                continue
            other = None if viewer.show == "painted" else plain()
            first = None if viewer.show == "plain" and other is not None else painted
            sent = (first, other, viewer.show, viewer.width)
            if len(viewer.sent) == 4 and all(a is b for a, b in zip(sent, viewer.sent, strict=True)):
                continue  # the picture is repeated: the page has it
            viewer.ready, viewer.sent = False, sent
            parts = [
                b"" if image is None else self._encoded(image, viewer.width, encoded)
                for image in (first, other)
            ]
            viewer.send(struct.pack("<II", self.number & 0xFFFFFFFF, len(parts[0])) + parts[0] + parts[1])

    @staticmethod
    def _encoded(image: np.ndarray, width: int, encoded: dict[tuple[int, int], bytes]) -> bytes:
        key = (id(image), min(max(-(-width // STEP) * STEP, WIDTHS[0]), WIDTHS[1]))
        if key not in encoded:
            encoded[key] = jpeg(image, key[1])
        return encoded[key]


def jpeg(image: np.ndarray, width: int, quality: int = QUALITY) -> bytes:
    """`image` (HxWx3 BGR uint8) as a JPEG at most `width` pixels wide."""
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        # by less than half, averaging looks no better and takes five times as long
        slight = 2 * width > image.shape[1]
        how = cv2.INTER_LINEAR if slight else cv2.INTER_AREA
        image = cv2.resize(image, (width, height), interpolation=how)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG")
    return data.tobytes()
