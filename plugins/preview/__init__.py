"""A window on the screen as a sink, for the user's own eyes: `nstfilter live --to preview`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nstfilter.errors import SinkError
from nstfilter.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nstfilter.plugins.preview.window import PreviewSink


def open_preview(
    target: str, *, on_key: Callable[[str], None] | None = None, mirror: bool = False
) -> PreviewSink:
    """A window with the title `target`, or nstfilter. `on_key` is told each key that is pressed in it, and
    `mirror` shows the picture as a mirror would.

    Raises `SinkError` where there is no display to show it on.
    """
    from nstfilter.graphics.display import why_no_window

    if reason := why_no_window():
        raise SinkError(f"there can be no preview window: {reason}")
    from nstfilter.plugins.preview.window import PreviewSink

    return PreviewSink(target or "nstfilter", on_key=on_key, mirror=mirror)


@hookimpl
def register_sinks(register: Register) -> None:
    register("preview", open_preview, help="a window on the screen; closing it ends the preview and no more")
