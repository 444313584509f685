"""The hooks of a plugin. Each is called once: `register_commands` when the command line is built, the others
when plugins are loaded.

`register(name, open, *, accepts=None, help="")` takes, in every hook:

    name     what the user writes, alone or as a prefix: `webcam`, `webcam:1`
    open     called with what follows the prefix, or with the whole target where `accepts` claimed it, and
             with those of the user's options that it has parameters for. Heavy imports belong in here
    accepts  called with a target that has no known prefix; true claims it
    help     one line for `nstfilter plugins`

The order of registration decides nothing: two plugins that claim the same target are an error naming both.
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
    """Register where frames come from: `open(target, **options)` returns a `Source`, open."""


@hookspec
def register_sinks(register: Register) -> None:
    """Register where frames go: `open(target, **options)` returns a `Sink`, not yet open. One that writes
    files takes the option `overwrite`, false unless the user allows it."""


@hookspec
def register_microphones(register: Register) -> None:
    """Register where the sound of live runs comes from: `open(target, **options)` returns a `Microphone`,
    open."""


@hookspec
def register_models(register: Register) -> None:
    """Register style models: `open(target, **options)` returns a `StyleModel`."""


@hookspec
def register_styles(register: Register) -> None:
    """Register style packs: `open(target)` returns a `StylePack`, or the folder that holds its pack.toml."""


@hookspec
def register_segmenters(register: Register) -> None:
    """Register what finds people in frames: `open(target, **options)` returns a `Segmenter`. The option
    `threads` is how many threads it may use."""


@hookspec
def register_executors(register: Register) -> None:
    """Register where renders are done: `open(target, **options)` returns an `Executor`. One with any number
    of workers takes the option `jobs`, how many at most."""


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands, with `app.command` or `app.add_typer`. `app` is the plugin's own; its commands join the
    others unless one of their names is taken."""
