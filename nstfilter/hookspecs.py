"""The plugin door. A plugin implements any of these; every hook is called once, when plugins are loaded.

`register(name, open, *, accepts=None, help="")` takes, in every hook that is given it:

    name     what the user writes, alone or as a prefix: `webcam`, `webcam:1`
    open     called with what follows the prefix (or the whole target, when `accepts` claimed it) and the
             user's options as keywords; heavy imports belong in here
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
    """Register places frames go to: `open(target, **options)` returns a `Sink`, not yet opened."""


@hookspec
def register_models(register: Register) -> None:
    """Register style models: `open(target, **options)` returns a `StyleModel`."""


@hookspec
def register_styles(register: Register) -> None:
    """Register style packs: `open(target)` returns a `StylePack`, or the folder that holds its pack.toml."""


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to the command line, with `app.command` or `app.add_typer`."""
