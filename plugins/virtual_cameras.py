"""Lists the virtual cameras that can be written to, and the command that sets one up."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from nstfilter.errors import SinkError, UsageError
from nstfilter.plugins import v4l2
from nstfilter.plugins.cameras import cameras

LABEL = "nstfilter"
MODULES = Path("/sys/module")
MODPROBE = f"sudo modprobe v4l2loopback exclusive_caps=1 card_label={LABEL}"
RELOAD = f"sudo modprobe -r v4l2loopback && {MODPROBE}"
# how distributions call the driver's package, by the ID or ID_LIKE of /etc/os-release
INSTALL = {
    "debian": "sudo apt install v4l2loopback-dkms",
    "ubuntu": "sudo apt install v4l2loopback-dkms",
    "fedora": "sudo dnf install v4l2loopback",  # from RPM Fusion
    "arch": "sudo pacman -S v4l2loopback-dkms",
    "suse": "sudo zypper install v4l2loopback-autoload",
}
MACOS = (
    "brew install --cask obs && open -a OBS; then once: Start Virtual Camera, and allow it in System Settings"
)
WINDOWS = "winget install OBSProject.OBSStudio, then once: Start Virtual Camera in OBS, and stop it"


@dataclass(frozen=True, slots=True)
class VirtualCamera:
    """`name` is what a call shows; `path` what the backend opens it by; `backend` one of pyvirtualcam's.

    `exclusive_caps` is False for a v4l2loopback device that Chromium and Zoom will not show, None where that
    does not apply; `busy_with` is the program that writes to it, as far as the system says; `denied` whether
    this user lacks permission.
    """

    name: str
    path: str
    backend: str
    exclusive_caps: bool | None = None
    busy_with: str | None = None
    denied: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.path})" if self.path != self.name else self.name


def virtual_cameras() -> list[VirtualCamera]:
    """Every virtual camera that pyvirtualcam can write to here."""
    if sys.platform.startswith("linux"):
        return linux_virtual_cameras()
    return [
        VirtualCamera(c.name, c.name, "obs" if c.name.lower().startswith("obs") else "unitycapture")
        for c in cameras()
        if c.virtual
    ]


def linux_virtual_cameras(
    sysfs: Path = v4l2.SYSFS,
    dev: Path = v4l2.DEV,
    proc: Path = v4l2.PROC,
    query: v4l2.Query = v4l2.query,
    modules: Path = MODULES,
) -> list[VirtualCamera]:
    """v4l2loopback's devices."""
    both = v4l2.CAPTURE | v4l2.OUTPUT
    found = []
    for order, node in enumerate(node for node in v4l2.nodes(sysfs, dev) if node.loopback):
        can = query(node.path)
        # a device with exclusive_caps is an output until somebody writes to it, and a camera from then on; it
        # is both while a reader is left over from the last writer
        exclusive = None if can.error else can.caps & both != both or _exclusive(node.number, order, modules)
        busy = None
        if can.caps & both == v4l2.CAPTURE:
            busy = ", ".join(v4l2.holders(node.path, proc)) or "another program"
        denied = can.error == errno.EACCES
        found.append(VirtualCamera(node.name, node.path, "v4l2loopback", exclusive, busy, denied))
    return found


def _exclusive(number: int, order: int, modules: Path) -> bool:
    """The `exclusive_caps` that the module was loaded with for /dev/video`number`, its `order`th device."""
    parameters = modules / "v4l2loopback/parameters"
    try:
        numbers = (parameters / "video_nr").read_text().strip().split(",")
        wishes = (parameters / "exclusive_caps").read_text().strip().split(",")
    except OSError:
        return False
    place = numbers.index(str(number)) if str(number) in numbers else order
    return place < len(wishes) and wishes[place] == "Y"


def setup_line() -> str:
    """The command that sets up a virtual camera on this system."""
    if sys.platform == "darwin":
        return MACOS
    if sys.platform == "win32":
        return WINDOWS
    return linux_setup_line()


def linux_setup_line(
    files: Path | None = None, release: Path = Path("/etc/os-release"), modules: Path = MODULES
) -> str:
    """`files` is the running kernel's folder of modules, `modules` those that are loaded."""
    files = files or Path("/lib/modules") / os.uname().release
    if (modules / "v4l2loopback").exists():
        return RELOAD
    if next(files.rglob("v4l2loopback.ko*"), None):
        return MODPROBE
    text = release.read_text("utf-8", "replace") if release.exists() else ""
    ids = " ".join(
        line.partition("=")[2].strip("\"'")
        for line in text.splitlines()
        if line.startswith(("ID=", "ID_LIKE="))
    )
    install = next((line for name, line in INSTALL.items() if name in ids), None)
    return f"{install} && {MODPROBE}" if install else f"install v4l2loopback, then: {MODPROBE}"


def find(target: str, found: list[VirtualCamera]) -> VirtualCamera:
    """The one that `target` means: nothing (one labeled nstfilter, or else the first that is free), a path
    or a part of a name. Raises `SinkError` when it is not there, `UsageError` when several are meant.
    """
    if not found:
        raise SinkError(f"there is no virtual camera; type: {setup_line()}")
    if not target:
        return min(found, key=lambda camera: (camera.busy_with is not None, camera.name != LABEL))
    wanted = target.casefold()
    chosen = [c for c in found if c.path == os.path.realpath(target) or c.name.casefold() == wanted] or [
        c for c in found if wanted in c.name.casefold()
    ]
    if len(chosen) > 1:
        raise UsageError(f"{target!r} could be {' or '.join(map(str, chosen))}; say which by its path")
    if not chosen:
        raise SinkError(f"no virtual camera is called {target!r}; there are: {', '.join(map(str, found))}")
    return chosen[0]
