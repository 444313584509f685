"""`nstfilter doctor`: whether live video works on this computer, and how to fix what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(app: typer.Typer) -> None:
    from nstfilter.plugins.doctor.command import doctor

    app.command()(doctor)
