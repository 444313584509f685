"""The studio: a page in the browser that shows a live run and steers it.

nstfilter studio                    # the camera, and the page opens
nstfilter live --to panel           # the page beside the other sinks of a live run
nstfilter live --to panel:0.0.0.0   # for a phone too
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter.errors import UsageError
from nstfilter.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    import typer

    from nstfilter.live.session import Session
    from nstfilter.plugins.studio.sink import PanelSink


@hookimpl
def register_sinks(register: Register) -> None:
    register(
        "panel", open_panel, help="a page in the browser; panel:8450 for a port, panel:0.0.0.0 for a phone"
    )


@hookimpl
def register_commands(app: typer.Typer) -> None:
    from nstfilter.plugins.studio.command import studio

    app.command()(studio)


def open_panel(target: str, *, session: Session | None = None, osc: str | None = None) -> PanelSink:
    """A panel at `target`: an address to listen at, a port, both as `0.0.0.0:8450`, or nothing for a free
    port of this computer alone. `osc` is where to listen for Open Sound Control. Raises `UsageError` outside
    a live run."""
    if session is None:
        raise UsageError("a panel shows a live run; nstfilter studio begins one")
    from nstfilter.plugins.studio.sink import PanelSink

    host, colon, port = target.rpartition(":")
    if not colon and not target.isdecimal():
        host, port = target, ""
    if port and not (port.isdecimal() and int(port) <= 65535):
        raise UsageError(f"{target!r} is no address for a panel; expected something like 0.0.0.0:8450")
    at = None
    if osc is not None:
        from nstfilter.plugins.studio.osc import address_of

        at = address_of(osc)
    return PanelSink(session, host.strip("[]") or "127.0.0.1", int(port) if port else None, at)
