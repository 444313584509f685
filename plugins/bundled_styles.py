"""The style pack that comes with nstfilter."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from nstfilter.hookspecs import Register, hookimpl


@hookimpl
def register_styles(register: Register) -> None:
    register(
        "atelier",
        lambda _: Path(str(files("nstfilter.styles") / "atelier")),
        help="drawn by nstfilter's own code",
    )
