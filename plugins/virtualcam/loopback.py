"""Keeps a v4l2loopback device usable after its writer has gone, so that a virtual camera works twice.

Up to version 0.12.7, which Debian 12 and Ubuntu 24.04 have, a device with `exclusive_caps` whose writer used
`write`, as pyvirtualcam does, is no output any more once that writer has gone: the second start finds no
virtual camera until the module is loaded anew. A writer that used VIDIOC_STREAMON leaves properly. So a
second file is kept open beside pyvirtualcam's and streams in name only; it is closed last, or by the kernel
if we are killed.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from fractions import Fraction

from nstfilter.plugins import v4l2

BUFFER_OUTPUT = 2  # V4L2_BUF_TYPE_VIDEO_OUTPUT
CODEC = "YU12"  # what pyvirtualcam makes of BGR
STREAMON, G_FMT, S_FMT, S_PARM = 0x40045612, 0xC0D05604, 0xC0D05605, 0xC0CC5616


class Guard:
    """Keeps a v4l2loopback device ready for the next writer. Create it before pyvirtualcam opens the device,
    close it afterwards. Raises `OSError`."""

    def __init__(self, path: str) -> None:
        self.path = path
        if not v4l2.query(path).caps & (v4l2.CAPTURE | v4l2.OUTPUT):
            # neither: left behind by a writer that has gone. One that leaves properly mends it
            self._file = self._opened()
            form = _format(640, 360)
            with suppress(OSError):
                self._ioctl(S_FMT, form)
            self._stream()
            os.close(self._file)
        self._file = self._opened()

    def begin(self, rate: Fraction | None) -> tuple[int, int, str] | None:
        """Call this once the device has its format. Announces the rate to readers, and
        returns the width, height and codec that the device really has; None where it does not say."""
        if rate:
            parameters = bytearray(204)
            seconds = Fraction(1) / rate
            struct.pack_into(
                "IIIII", parameters, 0, BUFFER_OUTPUT, 0, 0, seconds.numerator, seconds.denominator
            )
            with suppress(OSError):
                self._ioctl(S_PARM, parameters)
        has = None
        with suppress(OSError):
            form = _format(0, 0)
            self._ioctl(G_FMT, form)
            width, height, fourcc = struct.unpack_from("II4s", form, 8)
            has = width, height, fourcc.decode("ascii", "replace")
        self._stream()
        return has

    def close(self) -> None:
        os.close(self._file)

    def _opened(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def _stream(self) -> None:
        # later versions let only pyvirtualcam's own file stream, and need no guard
        with suppress(OSError):
            self._ioctl(STREAMON, bytearray(struct.pack("I", BUFFER_OUTPUT)))

    def _ioctl(self, request: int, buffer: bytearray) -> None:
        from fcntl import ioctl

        ioctl(self._file, request, buffer)


def _format(width: int, height: int) -> bytearray:
    """A struct v4l2_format."""
    form = bytearray(208)
    struct.pack_into("I4xII4s", form, 0, BUFFER_OUTPUT, width, height, CODEC.encode())
    return form
