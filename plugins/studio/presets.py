"""Presets: all values of a look under a name, each a TOML file that a person can read, edit and share.

name = "Evening"
slot = 1

[values]
style = "atelier/wave:0.7+atelier/ember:0.3"
strength = 0.8
"""

from __future__ import annotations

import json
import os
import re
import threading
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from nstfilter.errors import NstfilterError, UsageError
from nstfilter.files import NewFile
from nstfilter.parameters import PARAMETERS

SLOTS = range(1, 10)
# characters of a name; bytes of a file; how many there may be
MAX_NAME, MAX_FILE, MAX_COUNT = 60, 20_000, 100


class PresetError(NstfilterError):
    """A preset that cannot be read or kept."""


@dataclass(frozen=True, slots=True)
class Preset:
    """`key` is the file's name without its suffix, `slot` the number key that applies it, 1 to 9, or None."""

    key: str
    name: str
    slot: int | None
    values: dict[str, Any]

    def toml(self) -> str:
        """The file's text. A value of None is what its parameter chooses itself, and is left out."""
        lines = [f"name = {_written(self.name)}"]
        lines += [f"slot = {self.slot}"] if self.slot else []
        lines += ["", "[values]"]
        lines += [f"{name} = {_written(value)}" for name, value in self.values.items() if value is not None]
        return "\n".join(lines) + "\n"

    def facts(self) -> dict[str, Any]:
        return {"key": self.key, "name": self.name, "slot": self.slot, "style": self.values.get("style", "")}


def config_folder() -> Path:
    """The folder of the user's settings; NSTFILTER_CONFIG_DIR moves it."""
    base = os.environ.get("NSTFILTER_CONFIG_DIR") or platformdirs.user_config_dir(
        "nstfilter", appauthor=False
    )
    return Path(base)


class Presets:
    """The presets in `folder`. Any thread may call any method. `broken` names files that are no presets."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or config_folder() / "presets"
        self._lock = threading.RLock()
        self.all: dict[str, Preset] = {}
        self.broken: list[str] = []
        for path in sorted(self.folder.glob("*.toml"))[:MAX_COUNT]:
            try:
                with path.open("rb") as file:
                    self.all[path.stem] = parse(file.read(MAX_FILE + 1), path.stem)
            except (PresetError, OSError) as error:
                self.broken.append(f"{path.name}: {error}")

    def facts(self) -> list[dict[str, Any]]:
        """For pages: those with a slot first, in its order."""
        ordered = sorted(self.all.values(), key=lambda one: (one.slot or 99, one.name.casefold()))
        return [preset.facts() for preset in ordered]

    def get(self, key: str) -> Preset:
        """Raises `UsageError` for a preset that is not there."""
        try:
            return self.all[key]
        except KeyError:
            raise UsageError("there is no such preset") from None

    def save(self, name: str, slot: int | None, values: Mapping[str, Any]) -> Preset:
        """A new preset. One that has its slot already keeps its file and gives up the slot."""
        if slot is not None and (type(slot) is not int or slot not in SLOTS):
            raise UsageError(f"slot is {slot!r}; expected 1 to 9")
        with self._lock:
            if len(self.all) >= MAX_COUNT:
                raise PresetError(f"there are {MAX_COUNT} presets already; delete one first")
            for other in [one for one in self.all.values() if slot and one.slot == slot]:
                self._write(replace(other, slot=None))
            name = _name(name)
            return self._write(Preset(self._free_key(name), name, slot, dict(values)))

    def add(self, text: bytes) -> Preset:
        """A preset from a file of somebody's, in the first free slot if its own is taken. Raises
        `PresetError` for what is none."""
        read = parse(text, "")
        with self._lock:
            taken = {one.slot for one in self.all.values()}
            free = next((slot for slot in SLOTS if slot not in taken), None)
            return self.save(
                read.name, free if read.slot is None or read.slot in taken else read.slot, read.values
            )

    def change(self, key: str, *, name: str | None = None, values: Mapping[str, Any] | None = None) -> Preset:
        """Give it another name or other values."""
        with self._lock:
            preset = self.get(key)
            if name is not None:
                preset = replace(preset, name=_name(name))
            if values is not None:
                preset = replace(preset, values=dict(values))
            return self._write(preset)

    def remove(self, key: str) -> None:
        with self._lock:
            preset = self.get(key)
            try:
                (self.folder / f"{preset.key}.toml").unlink(missing_ok=True)
            except OSError as error:
                raise PresetError(f"the preset cannot be deleted: {error.strerror}") from error
            del self.all[key]

    def _free_key(self, name: str) -> str:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "preset"
        number, key = 1, stem
        while key in self.all or (self.folder / f"{key}.toml").exists():
            number += 1
            key = f"{stem}-{number}"
        return key

    def _write(self, preset: Preset) -> Preset:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NewFile(self.folder / f"{preset.key}.toml") as file:
                file.write(preset.toml().encode())
        except OSError as error:
            raise PresetError(f"the preset cannot be kept in {self.folder}: {error.strerror}") from error
        self.all[preset.key] = preset
        return preset


def parse(text: bytes, key: str) -> Preset:
    """The preset in a file. Raises `PresetError` with the first thing that is wrong."""
    if len(text) > MAX_FILE:
        raise PresetError(f"a preset has at most {MAX_FILE // 1000} kB")
    try:
        read = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not TOML, a number of five thousand digits
        raise PresetError("this is no preset: it is not TOML") from None
    values, slot = read.get("values"), read.get("slot")
    if not isinstance(values, dict) or not values:
        raise PresetError("this is no preset: it has no [values]")
    if unknown := sorted(set(read) - {"name", "slot", "values"}):
        raise PresetError(f"this preset says {unknown[0]!r}, which is not known here")
    for name, value in values.items():
        parameter = PARAMETERS.get(name)
        if parameter is None or not parameter.between_frames:
            raise PresetError(f"this preset sets {name!r}, which is not known here")
        try:
            parameter.check(value)
        except UsageError as error:
            raise PresetError(f"this preset cannot be used: {error}") from None
    if slot is not None and (type(slot) is not int or slot not in SLOTS):
        raise PresetError(f"this preset's slot is {slot!r}; expected 1 to 9")
    return Preset(key, _name(read.get("name", key)), slot, values)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise PresetError(f"a preset's name is {name!r}; expected a text")
    name = " ".join(re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", " ", name).split())[:MAX_NAME]
    return name or "Preset"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    # a JSON string is a TOML string too, once control characters and broken Unicode are gone
    return json.dumps(re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", " ", str(value)), ensure_ascii=False)
