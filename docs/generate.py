"""Writes docs/commands.md from the command line itself; a test fails when the page is out of date.

python docs/generate.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer import Context
from typer.main import get_command

from nstfilter.cli.app import build_app
from nstfilter.live.actions import ACTIONS
from nstfilter.parameters import PARAMETERS

PAGE = Path(__file__).with_name("commands.md")
INTRODUCTION = """\
# Commands

<!-- written by docs/generate.py -->

`nstfilter COMMAND --help` shows the same in a terminal. Exit codes: 0 when everything asked for was done, 1
when something failed, 2 when the command line cannot be meant, 130 after Ctrl-C.
"""


def page() -> str:
    parts = [INTRODUCTION, _parameters()]
    leaves = sorted(_leaves(get_command(build_app())), key=lambda leaf: leaf[0])
    parts += [_command(name, command) for name, command in leaves]
    parts.append(_keys())
    return "\n".join(parts)


def _leaves(command: Any, name: str = "nstfilter") -> list[tuple[str, Any]]:
    """Every command below a group, with its full name; typer's copy of click has no class to ask for."""
    if not hasattr(command, "commands"):
        return [(name, command)]
    return [leaf for word, child in command.commands.items() for leaf in _leaves(child, f"{name} {word}")]


def _command(name: str, command: Any) -> str:
    context = Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", *(command.help or "").strip().splitlines(), "", f"    {usage}", ""]
    rows = [_row(parameter, context) for parameter in command.params if parameter.get_help_record(context)]
    if rows:
        lines += ["| option | what it does |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any, context: Context) -> str:
    names, text = parameter.get_help_record(context) or ("", "")
    return f"| `{' '.join(names.split())}` | {' '.join(text.split()).replace('|', chr(92) + '|')} |"


def _parameters() -> str:
    lines = [
        "## Parameters",
        "",
        "What can be set, wherever it is set: by an option, in Python, by a key.",
        "",
    ]
    lines += ["| name | values | default | what it does |", "|---|---|---|---|"]
    for p in PARAMETERS.values():
        default = "chosen by the program" if p.default is None else str(p.default).lower()
        lines.append(f"| `{p.name}` | {p.range} | {default} | {p.help} |")
    return "\n".join([*lines, ""])


def _keys() -> str:
    lines = [
        "## Keys of a live run",
        "",
        "In the preview window and in the terminal.",
        "",
        "| key | what it does |",
    ]
    rows = [f"| `{action.key}` | {action.help} |" for action in ACTIONS]
    rows.append("| `1` to `9` | favorite styles |")
    return "\n".join([*lines, "|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
