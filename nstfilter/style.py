"""Styles, packs of styles, and mixes of them.

A pack is a folder with a pack.toml and its pictures:

    [pack]
    name = "atelier"
    version = "1.0"
    author = "..."
    licence = "CC0-1.0"

    [[styles]]
    name = "wave"
    title = "Wave"
    picture = "wave.jpg"
    artist = "..."
    year = 2026
    licence = "CC0-1.0"
    source = "where the picture comes from"
    notes = "what to say about it"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import platformdirs

from nstfilter.errors import StyleError, UnknownNameError, UsageError
from nstfilter.manager import manager

MANIFEST = "pack.toml"
# what a style or pack may be called: safe in file names, in mixes (`a:1+b:2`) and in `pack/name`
NAME_PATTERN = r"[a-z0-9][a-z0-9-]{0,63}"


@dataclass(frozen=True, slots=True)
class Style:
    """A picture to paint in the manner of, and where it comes from.

    `path`  the picture's file; any picture that a source plugin reads
    `pack`  the name of its pack; empty for a picture of the user's own
    """

    name: str
    path: Path
    pack: str = ""
    title: str = ""
    artist: str = ""
    year: int | None = None
    licence: str = ""
    source: str = ""
    notes: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class StyleMix:
    """Several styles at once: weights are positive and sum to 1; they weigh embeddings, not pixels."""

    parts: tuple[tuple[Style, float], ...]

    def __str__(self) -> str:
        if len(self.parts) == 1:
            return self.parts[0][0].name
        return "+".join(f"{style.name}:{weight:g}" for style, weight in self.parts)


@dataclass(frozen=True, slots=True)
class StylePack:
    """A folder of styles. `load` reads and checks its manifest."""

    name: str
    folder: Path
    version: str
    title: str
    author: str
    licence: str
    styles: tuple[Style, ...]

    @classmethod
    def load(cls, folder: Path) -> StylePack:
        """Read `folder`/pack.toml strictly. Raises `StyleError` with the first thing that is wrong."""
        from nstfilter.manifest import Manifest, first_problem

        path = folder / MANIFEST
        try:
            manifest = Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            raise StyleError(f"{folder} is not a style pack: it has no {MANIFEST}") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise StyleError(f"{path} cannot be read: {error}") from None
        except ValueError as error:
            raise StyleError(f"{path}: {first_problem(error)}") from None
        about = manifest.pack
        styles = []
        for entry in manifest.styles:
            picture = folder / entry.picture
            if not picture.is_file():
                raise StyleError(f"{path}: style {entry.name!r} names {entry.picture}, which is not there")
            fields = entry.model_dump(exclude={"picture"})
            styles.append(Style(path=picture, pack=about.name, **fields))
        return cls(
            about.name,
            folder,
            about.version,
            about.title or about.name,
            about.author,
            about.licence,
            tuple(styles),
        )


def user_packs_folder() -> Path:
    """Where packs added by the user live; NSTFILTER_DATA_DIR moves it."""
    base = os.environ.get("NSTFILTER_DATA_DIR") or platformdirs.user_data_dir("nstfilter", appauthor=False)
    return Path(base) / "styles"


@cache
def packs() -> dict[str, StylePack]:
    """All packs by name: those of plugins, then the user's own. A broken one costs only itself."""
    return {pack.name: pack for pack, _ in read_packs() if isinstance(pack, StylePack)}


def read_packs() -> Iterable[tuple[StylePack | StyleError, str]]:
    """Every pack, or what is wrong with it, with the plugin or folder that brought it."""
    seen: dict[str, str] = {}
    candidates: list[tuple[Path | StylePack | StyleError, str]] = []
    for registration in manager().registries["register_styles"].registrations:
        try:
            candidates.append((registration.open(""), f"plugin {registration.plugin}"))
        except Exception as error:
            candidates.append(
                (StyleError(f"style pack {registration.name!r} failed: {error}"), registration.plugin)
            )
    folder = user_packs_folder()
    if folder.is_dir():
        candidates += [(path.parent, str(path.parent)) for path in sorted(folder.glob(f"*/{MANIFEST}"))]
    for found, origin in candidates:
        try:
            pack = StylePack.load(found) if isinstance(found, Path) else found
            if isinstance(pack, StylePack) and pack.name in seen:
                raise StyleError(
                    f"style pack {pack.name!r} of {origin} is hidden by that of {seen[pack.name]}"
                )
        except StyleError as error:
            pack = error
        if isinstance(pack, StylePack):
            seen[pack.name] = origin
        yield pack, origin


def list_styles() -> list[Style]:
    """Every style of every pack."""
    return [style for pack in packs().values() for style in pack.styles]


def find_style(text: str | os.PathLike[str]) -> Style:
    """The style called `name` or `pack/name`, or the picture at that path.

    Raises `UnknownNameError` with the nearest names, or `UsageError` where several packs have the name.
    """
    text = os.fspath(text)
    known = list_styles()
    matches = [style for style in known if text in (style.name, f"{style.pack}/{style.name}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        choices = " or ".join(f"{style.pack}/{style.name}" for style in matches)
        raise UsageError(f"several packs have a style {text!r}; say {choices}")
    path = Path(text).expanduser()
    if path.is_dir():
        raise UsageError(f"{text} is a folder where a style picture was expected")
    if path.exists():
        return Style(path.stem, path.resolve(), title=path.name)
    if path.suffix and (len(path.parts) > 1 or path.suffix.lower() in _PICTURE_SUFFIXES):
        raise StyleError(f"there is no style picture at {text}")
    raise UnknownNameError(
        "style",
        text,
        [s.name for s in known],
        "(nstfilter styles lists them; the path of a picture works too)",
    )


_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


def parse_style(text: str | os.PathLike[str]) -> StyleMix:
    """What the user means by `wave`, `atelier/wave`, `photo.jpg` or `wave:0.7+mosaic:0.3`.

    Parts without a weight count 1; weights are scaled to sum to 1. Raises as `find_style` does, and
    `UsageError` for weights that are not positive.
    """
    text = os.fspath(text).strip()
    if not text:
        raise UsageError("the style is empty; nstfilter styles lists the names")
    if Path(text).expanduser().exists():
        return StyleMix(((find_style(text), 1.0),))
    parts = []
    for part in text.split("+"):
        match = re.fullmatch(r"(.+?)(?::([0-9.eE+-]+))?", part.strip())
        if not match:
            raise UsageError(f"{text!r} is not a mix of styles; expected something like wave:0.7+mosaic:0.3")
        name, weight = match[1], match[2]
        try:
            value = 1.0 if weight is None else float(weight)
        except ValueError:
            raise UsageError(
                f"{weight!r} in {text!r} is not a weight; expected a number such as 0.7"
            ) from None
        if not 0 < value < float("inf"):
            raise UsageError(f"the weight {weight} in {text!r} must be greater than 0")
        parts.append((find_style(name), value))
    total = sum(weight for _, weight in parts)
    return StyleMix(tuple((style, weight / total) for style, weight in parts))
