"""The style last used in a live run: the next one starts with it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import platformdirs

from nstfilter.files import write_file
from nstfilter.packs.style import StyleMix


def _file() -> Path:
    """NSTFILTER_STATE_DIR moves it."""
    folder = os.environ.get("NSTFILTER_STATE_DIR")
    return Path(folder or platformdirs.user_state_dir("nstfilter", appauthor=False)) / "style"


def last_style() -> str | None:
    """What `remember` was given, in the words of `parse_style`; None where there is nothing to go by."""
    try:
        return _file().read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def remember(mix: StyleMix) -> None:
    """Keep `mix` for the next run. It appears whole or not at all; that it cannot be kept costs nothing."""
    file = _file()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, f"{mix.spelled}\n".encode(errors="surrogateescape"))


def spelled_background(background: Any) -> str | None:
    """A filter's `background` in the words of the option: a picture by its whole path; empty for an array,
    which has no name."""
    if isinstance(background, StyleMix):
        return background.spelled
    if isinstance(background, str | os.PathLike):
        return os.path.abspath(background) if os.path.isfile(background) else str(background)
    return None if background is None else ""
