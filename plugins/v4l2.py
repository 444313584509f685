"""Video4Linux: which video nodes the kernel has, what each can do, and who has it open.

Everything is asked of sysfs, of the node itself through `ioctl` (structures and numbers as in the kernel's
include/uapi/linux/videodev2.h, 64 bit), and of /proc. Nothing here starts a camera.

linuxpy could ask the node, about fifty lines of these; who has a node open, whether it is busy, and what
sysfs knows of it would remain.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys/class/video4linux")
DEV = Path("/dev")
PROC = Path("/proc")

CAPTURE, OUTPUT = 0x1, 0x2  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_OUTPUT
BUFFER_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
DISCRETE = 1  # the other kinds of size and rate are ranges, told by their limits


@dataclass(frozen=True, slots=True)
class Format:
    """What a camera can give: `codec` as V4L2 spells it (MJPG, YUYV), pixels, and at most `rate` a second."""

    codec: str
    width: int
    height: int
    rate: float

    def __str__(self) -> str:
        return f"{self.codec} {self.width}x{self.height} at {self.rate:g}"


@dataclass(frozen=True, slots=True)
class Node:
    """One /dev/videoN. `bus` is the place it is plugged into, and the same again when N has changed;
    `loopback` tells v4l2loopback's virtual cameras."""

    number: int
    name: str
    path: str
    bus: str
    loopback: bool


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a node says of itself: CAPTURE and OUTPUT in `caps`, whether another has it in use. A node that
    cannot be opened has `error`, an errno."""

    caps: int = 0
    formats: tuple[Format, ...] = ()
    busy: bool = False
    error: int = 0


Query = Callable[[str], Abilities]


def is_device(target: str) -> bool:
    """Whether `target` is the path of a video node, or of a link to one."""
    return re.fullmatch(r"/dev/(video\d+|v4l/.+)", target) is not None


def nodes(sysfs: Path = SYSFS, dev: Path = DEV) -> list[Node]:
    """Every video node, by number; a webcam has a second one, for metadata."""
    found = []
    for folder in sysfs.iterdir() if sysfs.is_dir() else ():
        match = re.fullmatch(r"video(\d+)", folder.name)
        if not match:
            continue
        with suppress(OSError):  # unplugged while we looked
            name = (folder / "name").read_text("utf-8", "replace").strip()
            bus = os.path.realpath(folder / "device" if (folder / "device").exists() else folder)
            loopback = (folder / "max_openers").exists()  # an attribute that only v4l2loopback adds
            found.append(Node(int(match[1]), name, str(dev / folder.name), bus, loopback))
    return sorted(found, key=lambda node: node.number)


def query(path: str) -> Abilities:
    """Ask the node itself."""
    from fcntl import ioctl

    try:
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return Abilities(error=error.errno or errno.EIO)
    try:
        capability = bytearray(104)
        ioctl(file, 0x80685600, capability)  # VIDIOC_QUERYCAP
        (caps,) = struct.unpack_from("I", capability, 88)  # device_caps: of this node, not of its siblings
        formats = tuple(_formats(file)) if caps & CAPTURE else ()
        return Abilities(caps, formats, _busy(file) if caps & CAPTURE else False)
    except OSError as error:
        return Abilities(error=error.errno or errno.EIO)
    finally:
        os.close(file)


def holders(path: str, proc: Path = PROC) -> list[str]:
    """The programs that have `path` open, as `zoom (4321)`; those of other users are not told to us."""
    found = []
    for folder in sorted(proc.iterdir()) if proc.is_dir() else ():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            links = {os.readlink(entry.path) for entry in os.scandir(folder / "fd")}
            if path in links:
                name = (folder / "comm").read_text("utf-8", "replace").strip()
                mine = int(folder.name) == os.getpid()
                found.append("this program itself" if mine else f"{name} ({folder.name})")
    return found


def _busy(file: int) -> bool:
    """Whether another has the camera streaming: the format it has already cannot be set again."""
    from fcntl import ioctl

    form = bytearray(208)
    struct.pack_into("I", form, 0, BUFFER_CAPTURE)
    try:
        ioctl(file, 0xC0D05604, form)  # VIDIOC_G_FMT
        ioctl(file, 0xC0D05605, form)  # VIDIOC_S_FMT
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _formats(file: int) -> Iterator[Format]:
    for fmt in _enumerate(file, 0xC0405602, "III", 64, BUFFER_CAPTURE, key=4):  # VIDIOC_ENUM_FMT
        (fourcc,) = struct.unpack_from("4s", fmt, 44)
        (pixels,) = struct.unpack_from("I", fmt, 44)
        sizes = set()
        for size in _enumerate(file, 0xC02C564A, "II", 44, pixels):  # VIDIOC_ENUM_FRAMESIZES
            kind, *numbers = struct.unpack_from("7I", size, 8)
            # a range: least and greatest width, step, least and greatest height, step
            sizes.add((numbers[0], numbers[1]) if kind == DISCRETE else (numbers[1], numbers[4]))
        for width, height in sorted(sizes):
            rates = [0.0]
            for interval in _enumerate(file, 0xC034564B, "IIII", 52, pixels, width, height):
                # VIDIOC_ENUM_FRAMEINTERVALS; the first of a range is the shortest
                _, above, below = struct.unpack_from("3I", interval, 16)
                rates.append(below / above if above else 0.0)
            yield Format(fourcc.decode("ascii", "replace").strip(), width, height, round(max(rates), 2))


def _enumerate(
    file: int, request: int, head: str, length: int, *arguments: int, key: int | None = None
) -> Iterator[bytearray]:
    """The answers to `request` for index 0, 1, ... until the driver says there is no more."""
    from fcntl import ioctl

    for index in range(64):
        buffer = bytearray(length)
        if key is None:
            struct.pack_into(head, buffer, 0, index, *arguments)
        else:
            struct.pack_into("II", buffer, 0, index, *arguments)
        try:
            ioctl(file, request, buffer)
        except OSError:
            return
        yield buffer
