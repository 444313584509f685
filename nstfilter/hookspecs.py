"""The plugin door. A plugin implements any of these, and each is called once: `register_commands` when the
command line is put together, the others when plugins are loaded.

`register(name, open, *, accepts=None, help="")` takes, in every hook that is given it:

    name     what the user writes, alone or as a prefix: `webcam`, `webcam:1`
    open     called with what follows the prefix (or the whole target, when `accepts` claimed it), and with
             those of the user's options that it has parameters for; heavy imports belong in here
    accepts  called with a target that has no known prefix; True claims it
    help     one line for `nstfilter plugins`

Registration order decides nothing: two plugins that claim the same target are an error that names both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import typer

PROJECT = "nstfilter"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    def __call__(
        self,
        name: str,
        open: Callable[..., Any],
        *,
        accepts: Callable[[str], bool] | None = None,
        help: str = "",
    ) -> None: ...


@hookspec
def register_sources(register: Register) -> None:
    """Register places frames come from: `open(target, **options)` returns a `Source`."""


@hookspec
def register_sinks(register: Register) -> None:
    """Register places frames go to: `open(target, **options)` returns a `Sink`, not yet opened. One that
    writes files takes the option `overwrite`, False unless the user allows it."""


@hookspec
def register_models(register: Register) -> None:
    """Register style models: `open(target, **options)` returns a `StyleModel`."""


@hookspec
def register_styles(register: Register) -> None:
    """Register style packs: `open(target)` returns a `StylePack`, or the folder that holds its pack.toml."""


@hookspec
def register_executors(register: Register) -> None:
    """Register places where renders are worked on: `open(target, **options)` returns an `Executor`. One that
    can have any number of workers takes the option `jobs`, how many at most."""


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to the command line, with `app.command` or `app.add_typer`; `app` is the plugin's own, and
    its commands join the others when none of their names is taken."""
