"""The speed check of `nstfilter doctor`: the rate of the filter, as live uses it, on frames of the demo."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from nstfilter.plugins.doctor.checks import Check

if TYPE_CHECKING:
    import numpy as np

    from nstfilter.filter import StyleFilter

SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
SECONDS = 5.0
FRAMES = 4  # different ones, so that there is motion to follow
FLUENT = 24.0  # frames a second, below which motion is seen to stutter

Progress = Callable[[str, int], None]


def threads(sys: Path = Path("/sys")) -> Check:
    """How many processors there are, how many are usable, and how many the model uses in live."""
    from nstfilter.errors import UsageError
    from nstfilter.models import allowed_threads, spare_threads

    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    share = _quota(sys / "fs/cgroup/cpu.max")
    details = {"processors": there, "usable": usable, "quota": share, "threads": None}
    found = f"{there} processors" + (f", {usable} usable" if usable < there else "")
    if share and share < usable:
        found += f", and the time of {share:g}"
    try:
        details["threads"] = allowed_threads(None) or spare_threads()
    except UsageError as error:
        unset = "set NSTFILTER_THREADS=" if os.name == "nt" else "unset NSTFILTER_THREADS"
        return Check("threads", "failing", f"{found}; {error}", unset, details)
    found += f"; in live the model uses {details['threads']}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > usable:
        found += f"; other programs keep them busy (load {load:.1f}), and the speed suffers"
        return Check("threads", "warning", found, "close them; top lists them", details)
    return Check("threads", "ok", found, details=details)


def _quota(path: Path) -> float | None:
    """How many processors' time a container's control group allows; None where nothing limits it.
    "150000 100000" is 1.5: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files"""
    try:
        quota, period = path.read_text().split()
        return round(int(quota) / int(period), 2)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def speed(on_progress: Progress = lambda name, done: None, seconds: float = SECONDS) -> Iterator[Check]:
    """One check for each of SIZES, from the smallest, together in about `seconds` once the model is loaded.
    `on_progress` is told which size is next, and how many are done."""
    from nstfilter.filter import StyleFilter
    from nstfilter.graphics.opencv import cv2
    from nstfilter.live.governor import Governor
    from nstfilter.manager import open_source
    from nstfilter.models import allowed_threads, spare_threads
    from nstfilter.parameters import PARAMETERS

    with open_source("demo:640x360", sound=False) as demo:
        images = [frame.image for frame in islice(demo, FRAMES)]
    # the scene is its own style: painting takes as long in any other
    used = allowed_threads(None) or spare_threads()
    paint = StyleFilter(images[0], stability=PARAMETERS["stability"].default, threads=used)
    remedy = "nstfilter live --output-size 640x360 --stability 0"
    for number, (name, size) in enumerate(SIZES.items()):
        on_progress(name, number)
        # live begins with the largest size that its governor knows, and goes down from there
        governor = Governor(30)
        governor.limit(min(size))
        paint.size = governor.size
        milliseconds = 1000 * _time(
            paint, [cv2.resize(image, size) for image in images], seconds / len(SIZES)
        )
        rate = 1000 / milliseconds
        shown = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
        wide = f"{size[0]}x{size[1]}"
        details = {
            "size": list(size),
            "network": paint.size,
            "frames_per_second": round(rate, 1),
            "milliseconds": round(milliseconds, 2),
        }
        found = f"{shown} frames/s at {wide}, {milliseconds:.0f} ms each, the network at {paint.size} pixels"
        if rate >= FLUENT:
            remedy = f"nstfilter live --output-size {wide}"
            yield Check(f"speed {name}", "ok", found, details=details)
        else:
            found += "; live lowers the network's size to keep its rate"
            yield Check(f"speed {name}", "warning", found, remedy, details)
    on_progress("", len(SIZES))


def _time(paint: StyleFilter, frames: list[np.ndarray], seconds: float) -> float:
    """Seconds a frame, the median over `seconds` of painting `frames` to and fro; the first two warm up."""
    paint.reset()
    for frame in frames[:2]:
        paint(frame)
    there_and_back = [*frames, *frames[-2:0:-1]]
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < ends:
        started = time.perf_counter()
        paint(there_and_back[(2 + len(times)) % len(there_and_back)])
        times.append(time.perf_counter() - started)
    return median(times)
