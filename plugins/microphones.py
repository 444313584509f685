"""Lists the microphones of this computer, as PortAudio has them, and finds one by name or number."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nstfilter.errors import MissingLibraryError, SourceError, UsageError

# how distributions call the library's package, by the ID or ID_LIKE of /etc/os-release
INSTALL = {
    "debian": "sudo apt install libportaudio2",
    "ubuntu": "sudo apt install libportaudio2",
    "fedora": "sudo dnf install portaudio",
    "arch": "sudo pacman -S portaudio",
    "suse": "sudo zypper install libportaudio2",
}


@dataclass(frozen=True, slots=True)
class Input:
    """A device that gives sound: `number` is PortAudio's, `rate` its own, in samples a second."""

    number: int
    name: str
    channels: int
    rate: int
    default: bool = False

    def __str__(self) -> str:
        return f"{self.name} (mic:{self.number})"


def load() -> Any:
    """The module sounddevice. Raises `MissingLibraryError`, which says what to type."""
    try:
        import sounddevice
    except ImportError:
        raise MissingLibraryError("sound needs sounddevice: pip install 'nstfilter[sound]'") from None
    except OSError:
        raise MissingLibraryError(f"sound needs PortAudio: {install_line()}") from None
    except (
        Exception
    ) as error:  # PortAudio is started by the import, and the class is in what was not imported
        if type(error).__name__ != "PortAudioError":
            raise
        reason = " ".join(str(error).split()).replace(": ", ", ")
        raise MissingLibraryError(f"PortAudio does not start ({reason}): {install_line()}") from None
    return sounddevice


def install_line(release: Path = Path("/etc/os-release")) -> str:
    """The command that installs PortAudio here; elsewhere than on Linux it comes with sounddevice."""
    if not sys.platform.startswith("linux"):
        return "pip install --force-reinstall sounddevice"
    text = release.read_text("utf-8", "replace") if release.exists() else ""
    lines = [line.partition("=") for line in text.splitlines()]
    ids = " ".join(value for name, _, value in lines if name in ("ID", "ID_LIKE"))
    return next((line for name, line in INSTALL.items() if name in ids), "install the library portaudio")


def inputs(library: Any) -> list[Input]:
    """Every device that gives sound, in PortAudio's order."""
    default = library.default.device[0]
    return [
        Input(
            number,
            str(device["name"]),
            int(device["max_input_channels"]),
            round(device["default_samplerate"]),
            number == default,
        )
        for number, device in enumerate(library.query_devices())
        if device["max_input_channels"] > 0
    ]


def find(target: str, found: Sequence[Input]) -> Input:
    """The one of `found` that `target` means: nothing (the system's own choice), a number or a part of a
    name. Raises `SourceError` where there is none, `UsageError` where several are meant."""
    there = f"; there are: {', '.join(map(str, found))}" if found else "; there is none"
    if not target:
        chosen = [one for one in found if one.default] or list(found[:1])
    elif target.isdecimal():
        chosen = [one for one in found if one.number == int(target)]
    else:
        wanted = target.casefold()
        chosen = [one for one in found if one.name.casefold() == wanted] or [
            one for one in found if wanted in one.name.casefold()
        ]
    if len(chosen) > 1:
        raise UsageError(f"{target!r} could be {' or '.join(map(str, chosen))}; say which by its number")
    if not chosen:
        which = f" called {target!r}" if target else ""
        raise SourceError(f"there is no microphone{which}{there}")
    return chosen[0]
