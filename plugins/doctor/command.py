"""nstfilter doctor: what it looks at, in which order, and what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from nstfilter.cli.output import INTERRUPTED, progress, table
from nstfilter.plugins.doctor import checks as doctor_checks
from nstfilter.plugins.doctor import devices as doctor_devices
from nstfilter.plugins.doctor import speed as doctor_speed
from nstfilter.plugins.doctor.checks import Check, Finder, run

LOOK_AT: dict[str, Finder] = {
    "Python": doctor_checks.python,
    "packages": doctor_checks.packages,
    "plugins": doctor_checks.plugins,
    "models": doctor_checks.models,
    "camera": doctor_devices.cameras,
    "virtual camera": doctor_devices.virtual_cameras,
    "display": doctor_devices.display,
    "sound": doctor_devices.sound,
    "threads": doctor_speed.threads,
}
COLORS = {"ok": "green", "warning": "yellow", "failing": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Leave the speed test out.")] = False,
) -> None:
    """Check whether live video works here and how fast, and print how to fix what does not.

    Ends with exit code 1 when live cannot work."""
    try:
        checks = list(_look(speed=not no_speed))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    checks.append(verdict(checks))
    works = checks[-1].state != "failing"
    if as_json:
        print(json.dumps({"live": works, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        _print(checks)
    if not works:
        raise typer.Exit(1)


def _look(*, speed: bool) -> Iterator[Check]:
    for name, find in LOOK_AT.items():
        yield from run(name, find)
    if speed:
        with progress() as bars:
            task = bars.add_task("speed", total=len(doctor_speed.SIZES), speed="")

            def show(name: str, done: int) -> None:
                bars.update(task, description=f"speed {name}".rstrip(), completed=done)

            yield from run("speed", partial(doctor_speed.speed, show))


def verdict(checks: Sequence[Check]) -> Check:
    """Whether live can work: it takes a working filter, a camera, and a virtual camera or a display."""
    absent = {check.name for check in checks if check.name.startswith("plugin ")}
    broken = {check.name for check in checks if check.state == "failing"}
    # one of several cameras is enough; without a display nothing is broken, and yet there is no preview
    well = {check.name for check in checks if check.state != "failing"}
    good = {check.name for check in checks if check.state == "ok"}
    missing = [f"no {name}" for name in ("numpy", "opencv", "model pocket") if name in broken]
    if "speed" in broken:
        missing.append("painting fails")
    if "camera" not in well or "plugin webcam" in absent:
        missing.append("no camera")
    virtual = {"virtual camera", "pyvirtualcam"} <= well and "plugin virtualcam" not in absent
    shown = "display" in good and "plugin preview" not in absent
    if not (virtual or shown):
        missing.append("no virtual camera and no display")
    if missing:
        return Check("live", "failing", f"cannot work: {', '.join(missing)}", "fix what is failing above")
    if not virtual:
        found = "can work in a window, and not yet in a call"
        return Check("live", "warning", found, "nstfilter live --to preview")
    return Check("live", "ok", "can work")


def _print(checks: list[Check]) -> None:
    if not sys.stdout.isatty():
        for check in checks:
            print("\t".join([check.state, check.name, check.found, check.remedy]))
        return
    rows = [[check.state, check.name, check.found] for check in checks]
    table(["", "what", "found"], rows, [COLORS[check.state] for check in checks])
    for check in checks:
        if check.remedy:  # unfolded, on a line of its own: it is there to be copied
            print(f"{check.name}:\n    {check.remedy}")
