"""The checks of `nstfilter doctor` for cameras, virtual cameras, the display and microphones."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nstfilter.plugins.doctor.checks import Check, has_windows, replace_opencv

if TYPE_CHECKING:
    from nstfilter.plugins.cameras import Camera
    from nstfilter.plugins.v4l2 import Format, Node
    from nstfilter.plugins.virtual_cameras import VirtualCamera

MOST_CODECS = 3  # on a line; scripts get them all
MOVING = 24  # frames a second, of which a larger picture is no better
LINUX = sys.platform.startswith("linux")


def cameras() -> Iterator[Check]:
    from nstfilter.plugins.cameras import cameras
    from nstfilter.plugins.virtual_cameras import LABEL

    found = [camera for camera in cameras() if camera.name != LABEL]  # which shows what we paint ourselves
    yield from map(camera, found)
    if not found:
        yield from (withheld("camera", node) for node in _withheld() if not node.loopback)
        remedy = "plug one in, or without one: nstfilter live --from demo"
        yield Check("camera", "failing", "none was found", remedy)


def camera(camera: Camera) -> Check:
    found, details = f"{camera.name} (webcam:{camera.index}, {camera.path})", asdict(camera)
    if camera.denied:
        found += "; may not be opened by you"
        return Check("camera", "failing", found, join_group(camera.path), details)
    if camera.formats:
        found += f": {formats(camera.formats)}"
    if camera.busy_with:
        found += f"; busy with {camera.busy_with}"
        return Check("camera", "failing", found, release(camera.path, camera.busy_with), details)
    if camera.virtual:
        found += "; made by a program, and taken only when it is asked for"
        return Check("camera", "warning", found, f"nstfilter live --from webcam:{camera.index}", details)
    return Check("camera", "ok", f"{found}; free", details=details)


def formats(all_of_them: Iterable[Format]) -> str:
    """The largest moving picture of the first few codecs, and how much more there is."""
    of: dict[str, list[Format]] = {}
    for one in all_of_them:
        of.setdefault(one.codec, []).append(one)
    parts = []
    for some in list(of.values())[:MOST_CODECS]:
        best = max(some, key=lambda one: (one.rate >= MOVING, one.width * one.height, one.rate))
        parts.append(f"{best}" + (f" and {len(some) - 1} more" if len(some) > 1 else ""))
    if len(of) > MOST_CODECS:
        parts.append(f"{len(of) - MOST_CODECS} more codecs")
    return ", ".join(parts)


def virtual_cameras(modules: Path = Path("/sys/module")) -> Iterator[Check]:
    from nstfilter.plugins.virtual_cameras import setup_line, virtual_cameras

    driver = loopback(modules) if LINUX else ""
    found = virtual_cameras()
    for one in found:
        yield virtual_camera(one, driver)
    if not found:
        where = "; this is a container, and drivers belong to its host" if _in_container() else ""
        yield Check("virtual camera", "failing", f"none was found{driver}{where}", setup_line())


def virtual_camera(camera: VirtualCamera, driver: str) -> Check:
    from nstfilter.plugins.virtual_cameras import RELOAD

    found, details = f"{camera}{driver}", asdict(camera)
    if camera.backend == "v4l2loopback" and not os.path.exists(camera.path):
        return withheld("virtual camera", camera)
    if camera.denied:
        found += "; may not be opened by you"
        return Check("virtual camera", "failing", found, join_group(camera.path), details)
    if camera.busy_with:
        found += f"; busy with {camera.busy_with}"
        return Check("virtual camera", "failing", found, release(camera.path, camera.busy_with), details)
    if camera.exclusive_caps is False:
        found += "; free, but browsers and Zoom do not show it without exclusive_caps=1"
        return Check("virtual camera", "warning", found, RELOAD, details)
    return Check("virtual camera", "ok", f"{found}; free", details=details)


def loopback(modules: Path) -> str:
    """Whether the driver is loaded, and with which options, to go on a line."""
    folder = modules / "v4l2loopback"
    if not folder.is_dir():
        return "; v4l2loopback is not loaded"
    options = []
    for path in sorted(folder.glob("parameters/*")):
        try:
            options.append(f"{path.name}={path.read_text().strip()}")
        except OSError:
            options.append(f"{path.name}=?")
    return "; v4l2loopback" + "".join(f" {option}" for option in options)


def display() -> Check:
    """Whether there can be a preview window."""
    from nstfilter.graphics.display import why_no_window
    from nstfilter.graphics.opencv import cv2

    if not has_windows(cv2.getBuildInformation()):
        found = "no preview: this OpenCV was made without windows"
        return Check("display", "warning", found, replace_opencv())
    if reason := why_no_window():
        trouble, _, remedy = reason.partition("; on Debian or Ubuntu: ")
        return Check("display", "warning", f"no preview: {trouble}", remedy or desktop())
    return Check("display", "ok", os.environ.get("DISPLAY") or sys.platform)


def sound() -> Check:
    """Whether recordings can have sound."""
    from nstfilter.errors import MissingLibraryError
    from nstfilter.plugins.microphones import inputs, load

    try:
        found = inputs(load())
    except MissingLibraryError as error:
        trouble, _, remedy = str(error).partition(": ")
        return Check("sound", "warning", f"no --sound: {trouble}", remedy)
    if not found:
        return Check("sound", "warning", "no --sound: there is no microphone", "plug one in")
    names = ", ".join(f"{one}, the usual one" if one.default else str(one) for one in found)
    return Check("sound", "ok", names, details={"inputs": [asdict(one) for one in found]})


def desktop(sockets: Path = Path("/tmp/.X11-unix")) -> str:
    """How to reach a display: the one of a logged-in user, where it can be opened."""
    from nstfilter.graphics.display import why_no_window

    before = os.environ.get("DISPLAY")
    try:
        for path in sorted(sockets.glob("X*")):
            display = os.environ["DISPLAY"] = f":{path.name.removeprefix('X')}"
            if not why_no_window():
                return f"export DISPLAY={display}"
    finally:
        os.environ.pop("DISPLAY", None)
        if before is not None:
            os.environ["DISPLAY"] = before
    return "log in on a desktop, or from one with: ssh -X"


def release(path: str, busy_with: str) -> str:
    """How to free a device from the programs that use it, given as `zoom (4321)`."""
    numbers = re.findall(r"\((\d+)\)", busy_with)
    if numbers:
        return f"close {busy_with}, or: kill {' '.join(numbers)}"
    return f"close that program; to see which: sudo fuser -v {path}" if LINUX else "close that program"


def join_group(path: str) -> str:
    """How to get access to a device that belongs to a group."""
    import grp

    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        group = "video"
    return f'sudo usermod -aG {group} "$USER", then log out and in again'


def _withheld() -> list[Node]:
    """Nodes that the kernel has and that are not in /dev, as in a container that was not given them."""
    from nstfilter.plugins.v4l2 import nodes

    return [node for node in nodes() if not os.path.exists(node.path)] if LINUX else []


def withheld(name: str, device: Node | VirtualCamera) -> Check:
    found = f"the system has {device.name} ({device.path}), and this container was not given it"
    return Check(name, "failing", found, f"docker run --device {device.path} ..., or podman with the same")


def _in_container() -> bool:
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv")))
