"""OpenCV's window, as a sink."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from nstfilter.errors import MissingLibraryError
from nstfilter.frames import as_bgr
from nstfilter.graphics.opencv import cv2
from nstfilter.graphics.text import draw_overlay
from nstfilter.streams import Closed, Frame, Sink, StreamInfo

# the longer side of a new window, in pixels; its user makes it larger
WIDEST = 1280

# Qt hangs when a second thread asks it for a window, even after the first has ended: all previews of a
# process share this one
_window_thread = ThreadPoolExecutor(1, thread_name_prefix="nstfilter-preview")


class PreviewSink(Sink):
    """Shows frames as they come, with their overlay, in a window called `title`.

    With `mirror`, the picture is mirrored and the overlay is not. `on_key` is told each key that is pressed
    in the window, from the thread that writes. `write` raises `Closed` once the user has closed the window.
    """

    main_thread = sys.platform == "darwin"
    audience = "user"

    def __init__(
        self, title: str = "nstfilter", *, on_key: Callable[[str], None] | None = None, mirror: bool = False
    ) -> None:
        super().__init__()
        self.title = title
        self.on_key = on_key
        self.mirror = mirror

    def _open(self, info: StreamInfo) -> None:
        scale = min(1.0, WIDEST / max(info.width, info.height))
        self._call(self._begin, round(info.width * scale), round(info.height * scale))

    def _write(self, frame: Frame) -> None:
        image, _ = as_bgr(frame.image)
        if self.mirror:
            image = cv2.flip(image, 1)
        if frame.overlay:
            if not self.mirror:
                image = image.copy()  # other sinks are given the same one
            draw_overlay(image, frame.overlay)
        key, open = self._call(self._show, image)
        if not open:
            raise Closed(f"the window {self.title!r} was closed")
        if key and self.on_key:
            self.on_key(key)

    def _close(self) -> None:
        self._call(self._end)

    def _abort(self) -> None:
        self._call(self._end)

    def _call(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return call(*arguments) if self.main_thread else _window_thread.submit(call, *arguments).result()

    def _begin(self, width: int, height: int) -> None:
        try:
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise MissingLibraryError(
                "this OpenCV has no windows, as opencv-python-headless has none; for a preview: "
                "pip uninstall -y opencv-python-headless && pip install opencv-python"
            ) from error
        with suppress(cv2.error):  # closed already; the first frame will tell
            cv2.resizeWindow(self.title, width, height)

    def _show(self, image: Any) -> tuple[str, bool]:
        """Show `image`, and tell which key was pressed and whether the window is still there."""
        # asked before: to show a picture opens the window anew
        if not self._is_open():
            return "", False
        cv2.imshow(self.title, image)
        code = cv2.waitKeyEx(1) & 0xFFFF  # beyond are modifiers; keys that are no letters are above 0xFF
        return chr(code) if 0 < code <= 0xFF else "", self._is_open()

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt, once its last window is gone
            return False

    def _end(self) -> None:
        with suppress(cv2.error):  # its user may have closed it
            cv2.destroyWindow(self.title)
        cv2.waitKey(1)
