"""nstfilter plugins: what is installed, what each plugin registers, and which failed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from nstfilter.cli.output import table
from nstfilter.manager import HOOKS, manager


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List plugins, what each adds, and what went wrong."""
    found = manager()
    registered = {
        status.name: [
            {"kind": registry.kind, "name": r.name, "help": r.help}
            for registry in found.registries.values()
            for r in registry.registrations
            if r.plugin == status.name
        ]
        for status in found.statuses
    }
    if as_json:
        listing = [asdict(status) | {"registered": registered[status.name]} for status in found.statuses]
        print(json.dumps({"plugins": listing, "hooks": HOOKS}, indent=2))
        return
    rows = []
    for status in found.statuses:
        names = "; ".join(f"{entry['kind']} {entry['name']}" for entry in registered[status.name])
        hooks = ", ".join(hook.removeprefix("register_") for hook in status.hooks)
        rows.append([status.name, f"{status.distribution} {status.version}", hooks, status.error or names])
    table(["plugin", "from", "hooks", "registered, or what went wrong"], rows)
