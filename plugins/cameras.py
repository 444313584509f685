"""Lists the cameras of this computer, and finds one by name, number or path.

On Linux the kernel is asked; on macOS and Windows cv2-enumerate-cameras, whose order is OpenCV's there.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nstfilter.errors import SourceError, UsageError
from nstfilter.plugins import v4l2
from nstfilter.plugins.v4l2 import Format

# how the virtual cameras of macOS and Windows are called: they show what programs like this one paint
VIRTUAL = ("obs virtual camera", "unity video capture")


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as it was found.

    `index`      what OpenCV calls it; on Linux the N of /dev/videoN
    `name`       the device's own name
    `path`       /dev/videoN, or the device identifier on macOS and Windows
    `formats`    the formats it offers; empty where the system does not say
    `busy_with`  the program that uses it, as `zoom (4321)`; None when free or unknown
    `virtual`    made by a program; never taken for the first webcam
    `bus`        the port it is plugged into
    `denied`     whether this user may not open it
    """

    index: int
    name: str
    path: str
    formats: tuple[Format, ...] = ()
    busy_with: str | None = None
    virtual: bool = False
    bus: str = ""
    denied: bool = False

    def __str__(self) -> str:
        return f"{self.name} (webcam:{self.index})"


Cameras = Callable[[], list[Camera]]


def cameras() -> list[Camera]:
    """Every camera of this computer that gives pictures, in the system's order, free or not."""
    if sys.platform.startswith("linux"):
        return linux_cameras()
    from nstfilter.graphics.opencv import cv2

    return other_cameras(cv2.CAP_DSHOW if sys.platform == "win32" else cv2.CAP_AVFOUNDATION)


def linux_cameras(
    sysfs: Path = v4l2.SYSFS, dev: Path = v4l2.DEV, proc: Path = v4l2.PROC, query: v4l2.Query = v4l2.query
) -> list[Camera]:
    """The nodes that capture. A v4l2loopback device captures while a program writes to it."""
    found = []
    for node in v4l2.nodes(sysfs, dev):
        can = query(node.path)
        if not (can.caps & v4l2.CAPTURE or can.error == errno.EACCES):
            continue
        busy = (", ".join(v4l2.holders(node.path, proc)) or "another program") if can.busy else None
        found.append(
            Camera(
                node.number, node.name, node.path, can.formats, busy, node.loopback, node.bus, bool(can.error)
            )
        )
    return found


def other_cameras(api: int) -> list[Camera]:
    """What cv2-enumerate-cameras finds for OpenCV's backend `api`."""
    from cv2_enumerate_cameras import enumerate_cameras

    return [
        Camera(
            found.index,
            found.name,
            found.path or str(found.index),
            virtual=found.name.lower().startswith(VIRTUAL),
            bus=found.path or "",
        )
        for found in enumerate_cameras(api)
    ]


def find(target: str, found: list[Camera]) -> Camera:
    """The one of `found` that `target` means: nothing (the first), an index, a path or a part of a name.

    Raises `SourceError` when it is not there, `UsageError` when several are meant.
    """
    if not target:
        real = [camera for camera in found if not camera.virtual]
        if not real:
            raise SourceError(f"no webcam was found; plug one in, or try --from demo{_there(found)}")
        return real[0]
    chosen = [camera for camera in found if target in (str(camera.index), camera.path)][:1]
    if not chosen and os.sep in target:
        path = os.path.realpath(target)  # /dev/v4l/by-id/... are links
        chosen = [camera for camera in found if camera.path == path]
    elif not chosen:
        wanted = target.casefold()
        chosen = [camera for camera in found if camera.name.casefold() == wanted] or [
            camera for camera in found if wanted in camera.name.casefold()
        ]
    if len(chosen) > 1:
        raise UsageError(f"{target!r} could be {_names(chosen, ' or ')}; say which by its number")
    if not chosen:
        raise SourceError(f"no webcam is called {target!r}{_there(found) or '; none was found'}")
    return chosen[0]


def find_again(camera: Camera, found: list[Camera]) -> Camera:
    """`camera`, which was unplugged, in what is there now: its number may have changed, and its place too.

    Raises `SourceError` when it is not back.
    """
    same = [other for other in found if other.name == camera.name]
    same.sort(key=lambda other: (other.bus != camera.bus, other.index))
    if not same:
        raise SourceError(f"{camera.name} is not plugged in{_there(found)}")
    return same[0]


def _names(cameras: Iterable[Camera], between: str = ", ") -> str:
    return between.join(map(str, cameras))


def _there(found: list[Camera]) -> str:
    return f"; there {'is' if len(found) == 1 else 'are'}: {_names(found)}" if found else ""
