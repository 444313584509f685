"""The virtual camera as a sink, through pyvirtualcam."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nstfilter.errors import SinkError, UsageError
from nstfilter.graphics.opencv import cv2
from nstfilter.plugins import virtual_cameras as devices
from nstfilter.plugins.virtual_cameras import VirtualCamera
from nstfilter.plugins.virtualcam.loopback import CODEC, Guard
from nstfilter.streams import Frame, Sink, StreamInfo

if TYPE_CHECKING:
    from pathlib import Path

RATE = 30.0


class VirtualcamSink(Sink):
    """Writes BGR frames to a virtual camera. The size of the frames becomes the camera's.

    Each backend gets the format that it converts in one step: BGR, and RGBA for Unity Capture. `list_cameras`
    and `camera` can be replaced in tests.
    """

    audience = "others"

    def __init__(
        self,
        target: str = "",
        backend: str | None = None,
        *,
        list_cameras: Callable[[], list[VirtualCamera]] = devices.virtual_cameras,
        camera: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.target, self.backend = target, backend
        self._list, self._make = list_cameras, camera
        self._camera: Any = None
        self._guard: Guard | None = None
        self._shape = (0, 0)
        self._conversion: int | None = None

    def _open(self, info: StreamInfo) -> None:
        import pyvirtualcam

        backends = pyvirtualcam.camera.BACKENDS
        if info.width % 2 or info.height % 2:  # half the colors of 4:2:0; OpenCV and others refuse it
            even = f"{info.width // 2 * 2}x{info.height // 2 * 2}"
            raise SinkError(
                f"a virtual camera cannot be {info.width}x{info.height}; expected even numbers: "
                f"--output-size {even}"
            )
        found = self._list()
        if self.backend is not None:
            if self.backend not in backends:
                raise UsageError(
                    f"pyvirtualcam has no backend {self.backend!r} here; there is: {', '.join(backends)}"
                )
            found = [one for one in found if one.backend == self.backend]
        chosen = devices.find(self.target, found)
        if chosen.denied:
            raise SinkError(
                f"you may not write to {chosen}; type: sudo usermod -aG video $USER, and log in again"
            )
        if chosen.busy_with:
            raise SinkError(f"{chosen} is in use by {chosen.busy_with}: close it there first")
        formats = pyvirtualcam.PixelFormat
        rgba = chosen.backend == "unitycapture"
        self._conversion = cv2.COLOR_BGR2RGBA if rgba else None
        self._shape = (info.height, info.width)
        try:
            if chosen.backend == "v4l2loopback":
                self._guard = Guard(chosen.path)
            self._camera = (self._make or pyvirtualcam.Camera)(
                info.width,
                info.height,
                float(info.rate or RATE),
                fmt=formats.RGBA if rgba else formats.BGR,
                device=chosen.path,
                backend=chosen.backend,
            )
            if self._guard:
                self._check(chosen, self._guard.begin(info.rate))
        except (RuntimeError, OSError) as error:
            self._close()
            raise SinkError(self._why(chosen, error)) from error
        except BaseException:
            self._close()
            raise

    def _check(self, chosen: VirtualCamera, has: tuple[int, int, str] | None) -> None:
        """Raise `SinkError` where a program that still shows the camera holds it at another size."""
        height, width = self._shape
        if has and has != (width, height, CODEC):
            size = f"{has[0]}x{has[1]}"
            choice = f", or use --output-size {size}" if has[2] == CODEC else ""
            raise SinkError(
                f"{chosen} is still shown elsewhere as {size} {has[2]} and cannot become {width}x{height} "
                f"{CODEC}: close it there{choice}"
            )

    def _why(self, chosen: VirtualCamera, error: Exception) -> str:
        now = next((one for one in self._list() if one.path == chosen.path), None)
        if now is None:
            return f"{chosen} is gone; type: {devices.setup_line()}"
        if now.busy_with:
            return f"{chosen} is in use by {now.busy_with}: close it there first"
        return f"{chosen} cannot be opened: {' '.join(str(error).split())}"

    def _write(self, frame: Frame) -> None:
        image = frame.image
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        elif image.shape[2] == 4:
            image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
        if image.shape[:2] != self._shape:
            height, width = self._shape
            raise SinkError(
                f"the virtual camera was opened for {width}x{height}, not {image.shape[1]}x{image.shape[0]}"
            )
        if self._conversion is not None:
            image = cv2.cvtColor(image, self._conversion)
        self._camera.send(np.ascontiguousarray(image))

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        guard, self._guard = self._guard, None
        try:
            if camera:
                camera.close()
        finally:
            if guard:
                guard.close()

    def _abort(self) -> Path | None:
        self._close()
        return None
