"""The strict form of a pack.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nstfilter.errors import StyleError

# what a style or pack may be called: safe in file names, in mixes (`a:1+b:2`) and in `pack/name`
NAME_PATTERN = r"[a-z0-9][a-z0-9-]{0,63}"
MAX_STYLES = 1000


def _name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(f"{name!r} cannot be a name; expected small letters, digits and hyphens, 64 at most")
    return name


def inside_the_pack(picture: str) -> str:
    """`picture`, where it is a path that stays in its folder on every system; else `ValueError`."""
    path = PurePosixPath(picture)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\:\0-\x1f\x7f\ud800-\udfff]", picture):
        raise ValueError(
            f"{picture!r} does not lie inside the pack's folder; expected something like wave.jpg"
        )
    return picture


Name = Annotated[str, AfterValidator(_name)]
Line = Annotated[str, Field(min_length=1, max_length=2000)]
Picture = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(inside_the_pack)]


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
    styles: Annotated[list[StyleEntry], Field(min_length=1, max_length=MAX_STYLES)]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Manifest:
        names = [style.name for style in self.styles]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two styles are called {twice[0]!r}")
        return self


def parse(data: bytes, where: object) -> Manifest:
    """The manifest whose file holds `data`. Raises `StyleError` with the first thing that is wrong, one line
    that begins with `where`."""
    try:
        return Manifest.model_validate(tomllib.loads(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise StyleError(f"{where} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise StyleError(f"{where} is not TOML: {error}") from None
    except RecursionError:
        raise StyleError(f"{where} is not a manifest: it is nested too deeply") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        place = ".".join(str(part) for part in first["loc"])
        raise StyleError(f"{where}: {place + ': ' if place else ''}{message}") from None
