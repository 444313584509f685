"""A first manifest for a folder of pictures."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from nstfilter.errors import StyleError, UsageError
from nstfilter.files import write_file
from nstfilter.packs.adding import MAX_PICTURE, check_picture
from nstfilter.packs.archive import TEXT_FILE
from nstfilter.packs.manifest import MAX_STYLES, NAME_PATTERN, inside_the_pack, parse
from nstfilter.packs.style import MANIFEST, TAUGHT

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Draft:
    """A new manifest. `left_out` names the files that are no part of it, and why; `unknown` its lines, by
    number, that only the author can fill in."""

    manifest: Path
    styles: list[str]
    left_out: list[str]
    unknown: list[tuple[int, str]]


def create_pack(
    folder: Path, *, name: str | None = None, author: str | None = None, licence: str | None = None
) -> Draft:
    """Write a pack.toml for the pictures in `folder`, named after their files.

    Raises `StyleError` where there is no picture, or a pack.toml already; `UsageError` for a name that cannot
    be one.
    """
    manifest = folder / MANIFEST
    if not os.path.isdir(folder):
        raise StyleError(f"{folder} is not a folder; expected one with pictures in it")
    if os.path.lexists(manifest):
        raise StyleError(f"{manifest} exists; change it by hand, or move it away to begin anew")
    here = folder.resolve().name
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"{name!r} cannot name a pack; {_slug(name)!r} could")
    pictures: dict[str, str] = {}
    left_out = []
    for path in _files(folder):
        if path.name.startswith(".") or path.name.endswith(TAUGHT) or TEXT_FILE.fullmatch(path.name):
            continue
        try:
            _check_file(path)
        except StyleError as error:
            left_out.append(str(error))
        else:
            pictures[_unique(_slug(path.stem), pictures)] = path.name
    if not pictures:
        raise StyleError("; ".join([f"there is no picture in {folder}", *left_out]))
    if len(pictures) > MAX_STYLES:
        raise StyleError(f"{folder} has {len(pictures)} pictures; a pack holds {MAX_STYLES} at most")
    sections = [
        "[pack]",
        _line("name", name or _slug(here)),
        _line("version", "1.0"),
        _line("title", _title(here)),
        _line("author", author or UNKNOWN),
        _line("licence", licence or UNKNOWN),
    ]
    for slug, picture in pictures.items():
        sections += [
            "",
            "[[styles]]",
            _line("name", slug),
            _line("title", _title(Path(picture).stem)),
            _line("picture", picture),
            _line("artist", UNKNOWN),
            _line("licence", licence or UNKNOWN),
            _line("source", UNKNOWN),
        ]
    text = "\n".join(sections) + "\n"
    parse(text.encode(), manifest)
    _write(manifest, text)
    ending = f'= "{UNKNOWN}"'
    unknown = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.endswith(ending)]
    return Draft(manifest, list(pictures), left_out, unknown)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise StyleError(f"{folder} cannot be read: {error.strerror}") from None


def _check_file(path: Path) -> None:
    """Raises `StyleError` unless a pack may hold `path` as a picture."""
    name = path.name
    if path.is_symlink():
        raise StyleError(f"{name} is a link; a pack holds the files themselves")
    if not os.path.isfile(path):
        raise StyleError(f"{name} is not a file")
    try:
        inside_the_pack(name)
    except ValueError:
        raise StyleError(f"{name!r} cannot be written in a manifest; give it a simpler name") from None
    if path.stat().st_size > MAX_PICTURE:
        raise StyleError(f"{name} is larger than {MAX_PICTURE // 1_000_000} MB")
    try:
        check_picture(path)
    except StyleError as error:
        raise StyleError(str(error).replace(f"{path.parent.resolve()}{os.sep}", "")) from None


def _write(path: Path, text: str) -> None:
    try:
        write_file(path, text.encode(), overwrite=False)
    except OSError as error:
        raise StyleError(f"{path} cannot be written: {error.strerror}") from error


def _line(key: str, value: str) -> str:
    # a JSON string is a TOML string too, once control characters and broken Unicode are gone
    value = re.sub(r"[\0-\x1f\x7f\ud800-\udfff]", " ", value)
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-") or "style"


def _unique(slug: str, taken: dict[str, str]) -> str:
    number = 1
    name = slug
    while name in taken:
        number += 1
        name = f"{slug[:60]}-{number}"
    return name


def _title(text: str) -> str:
    words = " ".join(re.split(r"[\s_-]+", text)).strip() or text
    return words[:1].upper() + words[1:]
