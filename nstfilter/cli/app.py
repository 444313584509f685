"""The command line application: our own commands, then those of plugins."""

from __future__ import annotations

from typing import Annotated

import typer

from nstfilter.cli import jobs, models, plugins, styles
from nstfilter.cli.apply import apply
from nstfilter.cli.live import live
from nstfilter.cli.score import score
from nstfilter.cli.show import show
from nstfilter.manager import manager


def build_app() -> typer.Typer:
    app = typer.Typer(
        name="nstfilter",
        help="Neural style transfer as a filter: on pictures, on recordings, on a camera as it runs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    app.command(no_args_is_help=True)(apply)
    app.command()(live)
    app.command(no_args_is_help=True)(score)
    app.command(no_args_is_help=True)(show)
    app.add_typer(jobs.app, name="jobs")
    app.add_typer(styles.app, name="styles")
    app.add_typer(models.app, name="models")
    app.command("plugins")(plugins.plugins)
    manager().add_commands(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"nstfilter {version('nstfilter')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass
