"""The strict form of a pack.toml."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nstfilter.style import NAME_PATTERN


def _inside_the_pack(picture: str) -> str:
    path = PurePosixPath(picture)
    if path.is_absolute() or "\\" in picture or ":" in picture or ".." in path.parts:
        raise ValueError("a picture must lie inside the pack's folder; expected something like wave.jpg")
    return picture


Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Line = Annotated[str, Field(min_length=1, max_length=2000)]
Picture = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_inside_the_pack)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class About(_Strict):
    name: Name
    version: Line
    title: str = ""
    author: Line
    licence: Line


class StyleEntry(_Strict):
    name: Name
    title: Line
    picture: Picture
    artist: Line
    year: int | None = None
    licence: Line
    source: Line
    notes: str = ""


class Manifest(_Strict):
    pack: About
    styles: Annotated[list[StyleEntry], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Manifest:
        names = [style.name for style in self.styles]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two styles are called {twice[0]!r}")
        return self


def first_problem(error: ValueError) -> str:
    """The first thing wrong with a manifest, in one line: where, and what was expected."""
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where + ': ' if where else ''}{first['msg']}"
