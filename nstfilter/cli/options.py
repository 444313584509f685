"""Command line options made from `parameters.PARAMETERS`."""

from __future__ import annotations

from typing import Any

import typer

from nstfilter.parameters import PARAMETERS


def option(name: str, *short: str, **attributes: Any) -> Any:
    """The option that sets the parameter called `name`; `short` are further spellings, `attributes` go to
    `typer.Option`. The range is checked where the value is used, so that its error is one line."""
    parameter = PARAMETERS[name]
    if name == "style":
        attributes = {"autocompletion": complete_style, **attributes}
    return typer.Option(*short, parameter.option, **{"help": parameter.help, **attributes})


def complete_style(incomplete: str) -> list[str]:
    """What the shell offers for a style, or for the last one of a mix."""
    from nstfilter.packs.reading import list_styles

    before, plus, last = incomplete.rpartition("+")
    return [f"{before}{plus}{style.name}" for style in list_styles() if style.name.startswith(last)]
