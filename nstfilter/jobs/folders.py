"""The files in a folder: which of them are meant, whatever links lead there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def walk(
    folder: Path,
    wanted: Callable[[Path], bool],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    skip: Path | None = None,
) -> Iterator[Path]:
    """The files below `folder` that are `wanted`, folder by folder and by name; hidden ones, unfinished
    results and whatever lies in the folder `skip` are passed over.

    Where there is `include`, only files that it matches; never any that `exclude` matches: see `matcher`.
    Links to folders are followed when the folder's own files are through, and no place is gone through twice.
    """
    included, excluded = matcher(include or ["*"]), matcher(exclude)
    seen: set[str] = set()
    skipped = os.path.realpath(skip) if skip else None
    tops = [folder]
    for top in tops:  # grows on the way
        for parent, folders, names in os.walk(top):
            place = os.path.realpath(parent)
            if place in seen:
                folders.clear()
                continue
            seen.add(place)
            open_to_us = []
            for name in sorted(folders):
                path = Path(parent, name)
                real = os.path.realpath(path)
                if name.startswith(".") or real == skipped or excluded(path.relative_to(folder)):
                    continue
                if not path.is_symlink():
                    open_to_us.append(name)
                elif not Path(os.path.realpath(folder)).is_relative_to(real):  # never up and out of it
                    tops.append(path)
            folders[:] = open_to_us
            for name in sorted(names):
                path = Path(parent, name)
                below = path.relative_to(folder)
                hidden = name.startswith(".") or ".partial." in name
                if not hidden and included(below) and not excluded(below) and wanted(path):
                    yield path


def matcher(patterns: Sequence[str]) -> Callable[[Path], bool]:
    """Whether a path below a folder, or a folder it is in, matches one of `patterns`; capitals or not.

    `*` stands for any part of a name, `?` for a letter, `**/` for any folders or none. A pattern with a slash
    counts from the folder on; one without is for names, in whatever folder.
    """
    whole = re.compile("|".join(_expression(pattern) for pattern in patterns) or r"(?!)", re.IGNORECASE)
    return lambda path: any(whole.fullmatch(part.as_posix()) for part in (path, *path.parents))


def _expression(pattern: str) -> str:
    pattern = pattern.replace(os.sep, "/").removeprefix("./").rstrip("/")
    if "/" not in pattern:
        pattern = f"**/{pattern}"
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("/"))
    return "".join(tokens.get(part) or re.escape(part) for part in parts)
