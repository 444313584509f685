"""Command line options made from `parameters.PARAMETERS`."""

from __future__ import annotations

from typing import Any

import typer

from nstfilter.parameters import PARAMETERS


def option(name: str, *short: str, **attributes: Any) -> Any:
    """The option that sets the parameter called `name`; `short` are further spellings, `attributes` go to
    `typer.Option`. The range is checked where the value is used, so that its error is one line."""
    parameter = PARAMETERS[name]
    return typer.Option(*short, parameter.option, **{"help": parameter.help, **attributes})
