"""nstfilter models: list models, and download one."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nstfilter.cli.output import table
from nstfilter.manager import manager

app = typer.Typer(help="List models and fetch them.", invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        list_models(as_json)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that --model takes by name."""
    registrations = manager().models.registrations
    if as_json:
        print(
            json.dumps(
                [{"name": r.name, "plugin": r.plugin, "help": r.help} for r in registrations], indent=2
            )
        )
        return
    table(["model", "plugin", "what it is"], [[r.name, r.plugin, r.help] for r in registrations])


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="magenta, or a Hub handle.")],
) -> None:
    """Download a model, so that the network is never needed for it again."""
    from nstfilter.models.fetch import fetch as fetch_model

    print(fetch_model(name))
