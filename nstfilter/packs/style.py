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
from dataclasses import dataclass
from pathlib import Path

from nstfilter.errors import StyleError

MANIFEST = "pack.toml"
TAUGHT = ".taught.npz"
"""Ends the name of a file with taught weights: wave.taught.npz beside wave.jpg."""


@dataclass(frozen=True, slots=True)
class Style:
    """A picture to paint in the manner of, and where it comes from.

    `path`  the picture's file; any picture that a source plugin reads
    `pack`  the name of its pack; empty for a picture of the user's own
    `taught`  the file with weights that were taught this style (`nstfilter styles teach`); models that cannot
              use them paint by the picture
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
    taught: Path | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def full_name(self) -> str:
        """PACK/NAME; empty for a picture of the user's own."""
        return f"{self.pack}/{self.name}" if self.pack else ""


def taught_beside(picture: Path) -> Path:
    """Where the taught weights of a style's picture lie."""
    return picture.with_suffix(TAUGHT)


def if_file(path: Path) -> Path | None:
    return path if os.path.isfile(path) else None


@dataclass(frozen=True, slots=True)
class StyleMix:
    """Several styles at once: weights are positive and sum to 1; they weigh embeddings or taught weights, not
    pixels."""

    parts: tuple[tuple[Style, float], ...]

    def __str__(self) -> str:
        """Short, for people: names without packs, and pictures by their files. Not always unique."""
        names = (style.name if style.pack else style.path.name or style.name for style, _ in self.parts)
        return self._written(list(names))

    @property
    def spelled(self) -> str:
        """As `parse_style` reads it, from whatever folder: packs are named, pictures are whole paths."""
        return self._written([style.full_name or str(style.path) for style, _ in self.parts])

    @property
    def without_folders(self) -> str:
        """As `spelled`, with pictures by their files: what may be told to others."""
        return self._written([style.full_name or style.path.name for style, _ in self.parts])

    def _written(self, names: list[str]) -> str:
        if len(names) == 1:
            return names[0]
        return "+".join(f"{name}:{weight:g}" for name, (_, weight) in zip(names, self.parts, strict=True))


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
        from nstfilter.packs.manifest import parse

        path = folder / MANIFEST
        try:
            manifest = parse(path.read_bytes(), path)
        except (FileNotFoundError, NotADirectoryError):
            raise StyleError(f"{folder} is not a style pack: it has no {MANIFEST}") from None
        except OSError as error:
            raise StyleError(f"{path} cannot be read: {error.strerror}") from None
        about = manifest.pack
        styles = []
        for entry in manifest.styles:
            picture = folder / entry.picture
            if not os.path.isfile(picture):
                raise StyleError(f"{path}: style {entry.name!r} names {entry.picture}, which is not there")
            fields = entry.model_dump(exclude={"picture"})
            styles.append(
                Style(path=picture, pack=about.name, taught=if_file(taught_beside(picture)), **fields)
            )
        return cls(
            about.name,
            folder,
            about.version,
            about.title or about.name,
            about.author,
            about.licence,
            tuple(styles),
        )
