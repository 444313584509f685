"""The checks of `nstfilter doctor` that need no device: Python, packages, plugins, models.

Every check gives one or more `Check`s and imports what it needs itself, so that a broken installation fails
one check and not the command.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from nstfilter.graphics.display import has_windows

State = Literal["ok", "warning", "failing"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    `state`    "ok"; "warning", when it works but not as well as it could; "failing", when it does not
    `found`    one line: versions, names, paths, or what is wrong
    `remedy`   the command that fixes it on this system, or what else to do
    `details`  the same for scripts, as JSON values
    """

    name: str
    state: State
    found: str
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)


Finder = Callable[[], Check | Iterable[Check]]


def run(name: str, find: Finder) -> Iterator[Check]:
    """The checks that `find` gives; an exception becomes a failing check called `name`."""
    try:
        checks = find()
        yield from [checks] if isinstance(checks, Check) else checks
    except Exception as error:
        found = f"could not be checked: {one_line(error)}"
        yield Check(name, "failing", found, reinstall("nstfilter"))


def one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def quoted(path: str) -> str:
    """A path as the system's shell wants it."""
    if os.name == "nt":
        return f'"{path}"' if " " in path else path
    return shlex.quote(path)


def pip(what: str) -> str:
    """A command line for the pip of this Python."""
    return f"{quoted(sys.executable)} -m pip {what}"


def reinstall(package: str) -> str:
    return pip(f"install --force-reinstall {package}")


def python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    wanted = importlib.metadata.metadata("nstfilter")["Requires-Python"]
    # ">=3.11,<3.14", in any order
    least, below = sorted((int(a), int(b)) for a, b in re.findall(r"(\d+)\.(\d+)", wanted))
    if least <= sys.version_info[:2] < below:
        return Check("Python", "ok", found)
    newest = f"{below[0]}.{below[1] - 1}"
    maker = f"py -{newest}" if os.name == "nt" else f"python{newest}"
    return Check("Python", "failing", f"{found}; nstfilter needs {wanted}", f"{maker} -m venv .venv")


PACKAGES = ("numpy", "opencv", "av", "openvino", "tensorflow", "pyvirtualcam")
# OpenCV comes under four names
OPENCVS = [f"opencv-{kind}python{head}" for kind in ("", "contrib-") for head in ("", "-headless")]


def packages() -> Iterator[Check]:
    yield Check("nstfilter", "ok", importlib.metadata.version("nstfilter"))
    for name in PACKAGES:
        yield from run(name, opencv if name == "opencv" else partial(package, name))


def package(name: str) -> Check:
    version = _version(name)
    if version is None:
        if name == "openvino" and platform.system() == "Linux" and platform.machine() != "x86_64":
            return Check(name, "ok", "has no wheel for this processor; TensorFlow runs the model")
        state: State = "warning" if name in ("openvino", "tensorflow") else "failing"
        return Check(name, state, "is not installed", pip(f"install {name}"))
    # TensorFlow takes seconds to import, and only its version is asked for
    if name != "tensorflow" and (error := _import_error(name)):
        return Check(name, "failing", f"{version} cannot be loaded ({error})", reinstall(name))
    return Check(name, "ok", version, details={"version": version})


def opencv() -> Check:
    """OpenCV, which may have been made with or without windows."""
    installed = _opencvs()
    found = ", ".join(f"{name} {version}" for name, version in installed.items())
    try:
        from nstfilter.graphics.opencv import cv2
    except Exception as error:
        # the message has its own remedy: the system's libraries, or the package without windows
        trouble, _, remedy = str(error).partition("; ")
        if not installed:
            return Check("opencv", "failing", "is not installed", replace_opencv())
        return Check("opencv", "failing", f"{found}: {trouble}", remedy or replace_opencv())
    windows = has_windows(cv2.getBuildInformation())
    details = {"version": cv2.__version__, "installed": installed, "windows": windows}
    found = f"{found or cv2.__version__}, {'with' if windows else 'without'} windows"
    if len(installed) > 1:
        # they share one folder: the one installed last has overwritten parts of the other
        found += "; several in one place overwrite each other"
        return Check("opencv", "warning", found, replace_opencv(), details)
    return Check("opencv", "ok", found, details=details)


def replace_opencv() -> str:
    """The command that leaves only the OpenCV with windows installed."""
    installed = _opencvs()
    away = f"{pip('uninstall -y ' + ' '.join(installed))} && " if installed else ""
    return away + pip("install opencv-python")


def _opencvs() -> dict[str, str]:
    return {name: version for name in OPENCVS if (version := _version(name))}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _import_error(name: str) -> str:
    try:
        importlib.import_module(name)
    except Exception as error:
        return one_line(error)
    return ""


def plugins() -> Iterator[Check]:
    """The plugins that are not in use, and why."""
    from nstfilter.manager import manager

    statuses = manager().statuses
    absent = [status for status in statuses if status.error]
    if len(absent) < len(statuses):
        names = [status.name for status in statuses if not status.error]
        yield Check("plugins", "ok", ", ".join(names), details={"loaded": names})
    for status in absent:
        name, error = f"plugin {status.name}", status.error or ""
        if "NSTFILTER_DISABLE_PLUGINS" in error:
            unset = "set NSTFILTER_DISABLE_PLUGINS=" if os.name == "nt" else "unset NSTFILTER_DISABLE_PLUGINS"
            yield Check(name, "warning", error, unset)
        else:
            origin = status.distribution or "nstfilter"
            yield Check(name, "failing", f"{error} ({origin} {status.version})", reinstall(origin))


def models() -> Iterator[Check]:
    yield from run("model pocket", pocket)
    yield from run("model magenta", magenta)


def pocket() -> Check:
    from nstfilter.errors import ModelError
    from nstfilter.models.pocket import WEIGHTS, load

    try:
        load(WEIGHTS)
    except ModelError as error:
        return Check("model pocket", "failing", str(error), reinstall("nstfilter"))
    return Check("model pocket", "ok", str(WEIGHTS), details={"path": str(WEIGHTS)})


def magenta() -> Check:
    """Whether Magenta's model was fetched. It is optional, so its absence is no failure."""
    from nstfilter.models.fetch import MAGENTA, is_model, places

    looked = [str(path) for path in places(MAGENTA)]
    here = next((path for path in places(MAGENTA) if is_model(path)), None)
    details = {"path": str(here) if here else None, "looked": looked}
    if here:
        return Check("model magenta", "ok", str(here), details=details)
    found = f"not fetched, and needed only for --model magenta; looked in {', '.join(looked)}"
    return Check("model magenta", "ok", found, "nstfilter models fetch magenta", details)
