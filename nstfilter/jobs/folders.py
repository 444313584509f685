"""The files in a folder: which of them are meant, whatever links lead there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from nstfilter.errors import UsageError

# as the video sink calls a file until it is complete
UNFINISHED = re.compile(r"\.partial\d*\.[^.]+$")


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
                hidden = name.startswith(".") or UNFINISHED.search(name)
                if not hidden and included(below) and not excluded(below) and wanted(path):
                    yield path


def matcher(patterns: Sequence[str]) -> Callable[[Path], bool]:
    """Whether a path below a folder, or a folder it is in, matches one of `patterns`, in any case.

    Patterns are those of .gitignore: `*` stands for any part of a name, `?` for a letter, `[ab]` for one of
    those, `**/` for any folders or none. A pattern with a slash counts from the folder on; one without is for
    names, in whatever folder. What means something else there is a name here: `#1.jpg`, `!.jpg`.
    Raises `UsageError` for what is no pattern, such as `[z-a]`.
    """
    try:
        spec = GitIgnoreSpec.from_lines(pattern for pattern in map(_git_pattern, patterns) if pattern)
    except (ValueError, re.error):  # pathspec leaves a range such as [z-a] to re
        said = " or ".join(patterns)
        raise UsageError(
            f"{said} is no pattern for file names; expected one as in .gitignore, such as *.jpg"
        ) from None
    return lambda path: spec.match_file(path.as_posix().lower())


def _git_pattern(pattern: str) -> str:
    pattern = pattern.replace(os.sep, "/").removeprefix("./").rstrip("/").lower()
    return re.sub(r"^(?=[#!])|(?= $)", r"\\", pattern)
