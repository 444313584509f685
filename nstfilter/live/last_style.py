"""The style last used in a live run: the next one starts with it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

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
        write_file(file, f"{spelled(mix)}\n".encode(errors="surrogateescape"))


def spelled(mix: StyleMix) -> str:
    """`mix` as `parse_style` understands it anywhere: packs named, pictures by their whole paths."""
    names = [f"{style.pack}/{style.name}" if style.pack else str(style.path) for style, _ in mix.parts]
    if len(names) == 1:
        return names[0]
    return "+".join(f"{name}:{weight:g}" for name, (_, weight) in zip(names, mix.parts, strict=True))
