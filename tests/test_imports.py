"""Imports run downwards: function-level ones count, and a circle is named."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# from the foundations up; a module may import what stands before it, and its own room
ROOMS = [
    "errors",
    "files",
    "streams",
    "parameters",
    "graphics",
    "frames",
    "hookspecs",
    "models",  # the contracts, in their __init__
    "people",
    "jobs.task",  # the contract of executors
    "manager",
    "models.",
    "people.",
    "packs",
    "stability",
    "score",
    "filter",
    "live",
    "pipeline",
    "jobs",
    "teaching",
    "testing",
    "cli",
    "__main__",
    "plugins",
]


@cache
def modules() -> dict[str, Path]:
    """Every module below nstfilter by its name without that; a package by its own."""
    found = {}
    for top in ("nstfilter", "plugins"):
        for path in (ROOT / top).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts[top == "nstfilter" :]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if name:  # the package nstfilter itself resolves its public names on first use
                found[name] = path
    return found


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports anywhere; not those imported for type checkers alone."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    ours = {name.removeprefix("nstfilter.") for name in names if name.startswith("nstfilter.")}
    direct = ours & set(modules())
    # `from package import module` is an import of the module alone
    return {name for name in direct if not any(other.startswith(f"{name}.") for other in direct)}


@cache
def graph() -> dict[str, set[str]]:
    return {name: imported(path) - {name} for name, path in modules().items()}


def room(name: str) -> int:
    """The place in `ROOMS`: the most exact entry that names the module or a package around it."""
    for contract in ("models", "people"):
        if name == contract:
            return ROOMS.index(contract)
        if name.startswith(f"{contract}."):
            return ROOMS.index(f"{contract}.")
    fitting = [entry for entry in ROOMS if name == entry or name.startswith(f"{entry}.")]
    assert fitting, f"{name} stands in no room; give it its place in ROOMS"
    return ROOMS.index(max(fitting, key=len))


def circle(imports: dict[str, set[str]]) -> list[str] | None:
    """A way through `imports` that comes back to where it began, if there is one."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str] | None:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return None
        for other in sorted(imports.get(name, ())):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return None

    return next((found for name in sorted(imports) if (found := walk(name, []))), None)


def test_no_circle_of_imports():
    found = circle(graph())
    assert not found, " -> ".join(found)


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]


def test_imports_inside_functions_are_seen(tmp_path):
    path = tmp_path / "late.py"
    path.write_text("def f():\n    from nstfilter.live import governor\n    import nstfilter.filter\n")
    assert imported(path) == {"live.governor", "filter"}


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_run_downwards(name):
    above = {other for other in graph()[name] if room(other) > room(name)}
    assert not above, f"{name} imports {', '.join(sorted(above))}, which stands above it"


@pytest.mark.parametrize("name", sorted(name for name in modules() if name.startswith("plugins.")))
def test_plugins_reach_each_other_through_the_door_or_a_shared_module(name):
    """A plugin in a folder is private; single modules in plugins/ are shared."""
    own = name.split(".")[1]
    private = {
        other
        for other in graph()[name]
        if other.startswith("plugins.") and other.split(".")[1] != own and len(other.split(".")) > 2
    }
    assert not private, f"{name} reaches into {', '.join(sorted(private))}"
