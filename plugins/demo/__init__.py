"""The demo: a source that draws its own moving picture, and a command that paints it.

It needs no input, no camera and no network: the first thing to try, and a source for tests and benchmarks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter.hookspecs import Register, hookimpl
from nstfilter.plugins.demo.source import open_demo

if TYPE_CHECKING:
    import typer


@hookimpl
def register_sources(register: Register) -> None:
    register("demo", open_demo, help="a moving scene with sound, drawn by nstfilter itself: demo:640x360@30")


@hookimpl
def register_commands(app: typer.Typer) -> None:
    from nstfilter.plugins.demo.command import demo

    app.command()(demo)
