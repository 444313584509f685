"""The webcam as a source: always its newest picture, with the time it was taken."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from nstfilter.errors import SourceError
from nstfilter.graphics.opencv import cv2
from nstfilter.plugins import cameras as devices
from nstfilter.plugins.cameras import Camera
from nstfilter.streams import Frame, Source, StreamInfo

if TYPE_CHECKING:
    import numpy as np

# seconds that a camera may take to its first picture, and from one picture to the next
BEGIN, PATIENCE = 6.0, 2.0
# reads in a row that may fail, as a torn MJPEG picture does, and seconds between two of them
FAILURES, PAUSE = 10, 0.02
# seconds that the real rate is measured over
MEASURED = 3.0
# frames a second under which a camera is called slow, as a share of what was asked for
SLOW = 0.8

Capture = Callable[[Camera], Any]


def capture(camera: Camera) -> Any:
    """OpenCV's `VideoCapture` of `camera`."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # this source reports errors itself
    if sys.platform == "win32":
        return cv2.VideoCapture(camera.index, cv2.CAP_DSHOW)  # Media Foundation takes seconds to open
    if sys.platform == "darwin":
        return cv2.VideoCapture(camera.index, cv2.CAP_AVFOUNDATION)
    # OpenCV waits ten seconds for a silent camera, and blocks it for others meanwhile
    os.environ.setdefault("OPENCV_VIDEOIO_V4L2_SELECT_TIMEOUT", "2")
    return cv2.VideoCapture(camera.path, cv2.CAP_V4L2)


class WebcamSource(Source):
    """The frames of `camera`, BGR. Each read gives the newest; older ones are dropped.

    A thread of its own reads the camera, since some drivers never come back from a read: a camera that gives
    nothing for `patience` seconds is a `SourceError`, as an unplugged one is. `rate` is the measured frame
    rate. `list_cameras` and `capture` can be replaced in tests.
    """

    def __init__(
        self,
        camera: Camera,
        width: int,
        height: int,
        rate: Fraction,
        *,
        list_cameras: devices.Cameras = devices.cameras,
        capture: Capture = capture,
        patience: tuple[float, float] = (BEGIN, PATIENCE),
    ) -> None:
        super().__init__()
        self.camera, self.patience, self._list = camera, patience, list_cameras
        self._asked = float(rate)
        self._stamps: deque[float] = deque(maxlen=1000)
        self._news = threading.Condition()
        self._latest: tuple[np.ndarray, float] | None = None
        self._failed = self._torn = 0
        self._told_torn = self._told_slow = False
        self._capture = self._open(capture, width, height, rate)
        claimed = self._capture.get(cv2.CAP_PROP_FPS)  # many say nothing, some nonsense
        self._thread = threading.Thread(target=self._read, name="nstfilter-webcam", daemon=True)
        self._thread.start()
        try:
            image, _ = self._wait(patience[0], keep=True) or self._gone()
        except BaseException:
            self.close()
            raise
        self.info = StreamInfo(
            image.shape[1],
            image.shape[0],
            Fraction(1, 1_000_000),
            Fraction(claimed).limit_denominator(1001) if 1 <= claimed <= 1000 else rate,
            live=True,
            details={"camera": camera.name},
        )
        self.reopen = partial(
            reopen, camera, width, height, rate, list_cameras=list_cameras, capture=capture, patience=patience
        )

    @property
    def rate(self) -> float | None:
        """The measured rate over the last seconds, in frames a second; None before the second frame."""
        with self._news:
            recent = [stamp for stamp in self._stamps if stamp > self._stamps[-1] - MEASURED]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else None

    def _open(self, capture: Capture, width: int, height: int, rate: Fraction) -> Any:
        camera = self.camera
        if camera.denied:
            raise SourceError(
                f"you may not open {camera}; type: sudo usermod -aG video $USER, and log in again"
            )
        if camera.busy_with:
            raise self._busy(camera.busy_with)
        opened = capture(camera)
        if not opened.isOpened():
            opened.release()
            now = next((other for other in self._list() if other.path == camera.path), None)
            if now and now.busy_with:
                raise self._busy(now.busy_with)
            hint = "is another program using it?"
            if sys.platform == "darwin":
                hint = "allow it in System Settings, Privacy & Security, Camera"
            raise SourceError(f"{camera} cannot be opened; {hint}" if now else f"{camera} was unplugged")
        # the codec first: it decides which sizes and rates there are. A camera without MJPEG keeps its own
        if not camera.formats or any(can.codec == "MJPG" for can in camera.formats):
            opened.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        opened.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        opened.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        opened.set(cv2.CAP_PROP_FPS, float(rate))
        return opened

    def _busy(self, who: str) -> SourceError:
        others = [c for c in self._list() if c.path != self.camera.path and not (c.busy_with or c.virtual)]
        free = f"; free is: {', '.join(map(str, others))}" if others else ""
        return SourceError(f"{self.camera} is in use by {who}: close it there first{free}")

    def _read(self) -> None:
        """The reading thread; it alone uses the capture, and releases it."""
        try:
            while not self.closed and self._failed < FAILURES:
                grabbed = self._capture.grab()
                stamp = self._stamp(time.monotonic())
                kept, image = self._capture.retrieve() if grabbed else (False, None)
                if not kept or image is None:
                    self._torn += grabbed
                    self._failed += 1
                    time.sleep(PAUSE)  # a camera that is gone fails at once
                    continue
                self._failed = 0
                with self._news:
                    self._latest = image, stamp
                    self._stamps.append(stamp)
                    self._news.notify_all()
        finally:
            self._capture.release()
            with self._news:
                self._failed = FAILURES
                self._news.notify_all()

    def _stamp(self, now: float) -> float:
        """When the frame was taken: the driver's timestamp, where it uses the monotonic clock."""
        said = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if sys.platform.startswith("linux") else 0.0
        return said if now - 1 < said < now else now

    def _wait(self, patience: float, *, keep: bool = False) -> tuple[np.ndarray, float] | None:
        """The newest frame, waiting for it; None when the camera has failed or the source was closed."""
        with self._news:
            there = self._news.wait_for(
                lambda: self._latest or self._failed >= FAILURES or self.closed, timeout=patience
            )
            if not there:
                raise SourceError(
                    f"{self.camera} has given no picture for {patience:g} seconds; plug it in anew"
                )
            latest = self._latest
            if not keep:
                self._latest = None
            return latest

    def _frames(self) -> Iterator[Frame]:
        first = None
        pts = -1
        while latest := self._wait(self.patience[1]):
            image, stamp = latest
            if image.shape[:2] != (self.info.height, self.info.width):
                raise SourceError(f"{self.camera} has changed its size to {image.shape[1]}x{image.shape[0]}")
            self._remark()
            first = stamp if first is None else first
            pts = max(pts + 1, round((stamp - first) / self.info.time_base))
            yield Frame(image, pts=pts, captured=stamp)
        if not self.closed:
            self._gone()

    def _gone(self) -> Any:
        there = any(c.path == self.camera.path and c.name == self.camera.name for c in self._list())
        raise SourceError(f"{self.camera} {'gives no more pictures' if there else 'was unplugged'}")

    def _remark(self) -> None:
        """Warn once about damaged frames, and about a slow camera."""
        if self._torn and not self._told_torn:
            self._told_torn = True
            self.warnings.append(
                f"a picture of {self.camera} came torn and was left out; is its cable loose?"
            )
        if not self._told_slow and self._stamps[-1] - self._stamps[0] > MEASURED:
            rate = self.rate or 0.0
            if rate < SLOW * self._asked:
                self._told_slow = True
                self.warnings.append(
                    f"{self.camera} gives {rate:.0f} frames a second of the {self._asked:g} asked for; many "
                    "cameras are slow in poor light"
                )

    def _close(self) -> None:
        with self._news:
            self._news.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(0.4)  # a camera that hangs is let go of when its driver comes back


def reopen(
    camera: Camera, width: int, height: int, rate: Fraction, *, list_cameras: devices.Cameras, **rest: Any
) -> WebcamSource:
    """`camera` again, on whatever port it is now. Raises `SourceError` while it is missing."""
    camera = devices.find_again(camera, list_cameras())
    return WebcamSource(camera, width, height, rate, list_cameras=list_cameras, **rest)
