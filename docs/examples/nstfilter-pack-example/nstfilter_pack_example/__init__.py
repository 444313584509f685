"""The style pack `examples`: this folder, with its pack.toml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nstfilter import hookimpl

if TYPE_CHECKING:
    from nstfilter.hookspecs import Register


@hookimpl
def register_styles(register: Register) -> None:
    register("examples", lambda _: Path(__file__).parent, help="a loom and a tide, drawn by code")
