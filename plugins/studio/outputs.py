"""Where the frames of the run go, for pages: which outputs there are, and switching them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from nstfilter.errors import NstfilterError, UsageError
from nstfilter.manager import manager, open_sink

if TYPE_CHECKING:
    from nstfilter.live.session import Session

# the outputs that a page can switch on: no file names, for a page names no files
KINDS = {"virtualcam": "Virtual camera", "preview": "Window on this computer"}
# no output of its own: whether recordings come with one of the plain camera
PLAIN = "plain"
# seconds that the doctor may take
PATIENCE = 60


def list_outputs(session: Session) -> list[dict[str, Any]]:
    """Every output, on or off. `remedy` is the line to type where one cannot work yet."""
    from nstfilter.graphics.display import why_no_window
    from nstfilter.plugins.virtual_cameras import setup_line, virtual_cameras

    states = {sink.name: sink.state for sink in session.figures().sinks}
    found = []
    for name, title in KINDS.items():
        if name not in manager().sinks.names():
            continue
        on = any((one.name or "").partition(":")[0] == name for one in session.live.sinks)
        problem = remedy = ""
        if not on and name == "virtualcam" and not virtual_cameras():
            problem, remedy = "There is no virtual camera on this computer yet. Type:", setup_line()
        elif not on and name == "preview" and (why := why_no_window()):
            problem = f"Not here: {why}"
        found.append(
            {
                "name": name,
                "title": title,
                "on": on,
                "state": states.get(name, ""),
                "problem": problem,
                "remedy": remedy,
            }
        )
    take = {"name": PLAIN, "title": "The plain camera beside recordings", "on": session.recordings.with_plain}
    return [*found, take | {"state": "", "problem": "", "remedy": ""}]


def switch_output(session: Session, name: str, on: bool) -> None:
    """Begin or end to write to the output called `name`. Raises `UsageError`; what fails later is said."""
    if name == PLAIN:
        session.recordings.with_plain = on
        return
    if name not in KINDS:
        raise UsageError(f"{name!r} is no output; expected {', '.join(KINDS)} or {PLAIN}")
    there = [one for one in session.live.sinks if (one.name or "").partition(":")[0] == name]
    if on and not there:
        sink = open_sink(name)
        if sink.main_thread:
            raise UsageError(
                f"a window has to be there from the beginning here: nstfilter studio --to {name}"
            )
        session.live.add(sink)
    elif not on:
        for sink in there:
            session.live.remove(sink)


def ask_doctor() -> list[dict[str, Any]]:
    """What `nstfilter doctor` finds here, the speed left out; a process of its own, for it opens devices."""
    line = [sys.executable, "-m", "nstfilter", "doctor", "--json", "--no-speed"]
    try:
        done = subprocess.run(line, capture_output=True, timeout=PATIENCE, check=False, text=True)
        checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        raise NstfilterError("the doctor did not answer; type: nstfilter doctor") from None
    return [{name: check[name] for name in ("name", "state", "found", "remedy")} for check in checks]


def own_address() -> str | None:
    """This computer's address in its network, as far as it has one; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith(("127.", "0.")) else address
