"""The recipe of a painting: what it was made with, carried inside its own file.

A recipe is a line of JSON. It holds the style's embedding exactly, so that the same frames can be made again
without the style's picture, and nothing about the computer: no folders, no user, no name of the input.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shlex
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    computed_field,
    model_validator,
)

from nstfilter.errors import ModelError, NstfilterError, SourceError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.jobs.task import Settings
from nstfilter.manager import manager, open_source
from nstfilter.models import StyleModel
from nstfilter.packs.reading import list_styles, parse_style
from nstfilter.packs.style import Style, StyleMix
from nstfilter.parameters import PARAMETERS
from nstfilter.streams import StreamInfo

FORMAT = 1
# bytes; a JPEG keeps its recipe in one segment of 64 kB, embedding included
MAX_RECIPE = 60_000
MAX_EMBEDDING = 36_000


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line of printable text")
    return text


Line = Annotated[str, Field(max_length=1000), AfterValidator(_line)]
Share = Annotated[float, Field(ge=0, le=1)]


class Recipe(BaseModel):
    """What made a painting.

    `style`       its name, for people; a picture of the user's own by its file name
    `embedding`   the style as the model saw it: little-endian float32, in JSON as URL-safe base64; empty
                  where it is over `MAX_EMBEDDING` bytes
    `embedding_hash`  where the embedding is empty: its SHA-256, by which a taught style that is installed
                  under the same name is known to be the same
    `shape`       the embedding's
    `model`       its name; a model of the user's own by its folder's name
    `fingerprint` that of the model
    `strength`, `keep_colors`, `stability`, `size`  as `StyleFilter` takes them
    `area`, `background`, `feather`, `face`, `segmenter`  likewise; of a background picture, its name
    `room`, `room_shape`  the embedding of a background that is a style, and its shape
    `room_hash`   where the room is empty: the SHA-256 of the background's embedding or picture, by which it
                  is known again
    `segmenter_fingerprint`  that of the segmenter; empty where nothing depends on where people are
    `quality`, `crf`, `codec`  as the sinks take them; None is the sink's usual
    `refine`      in how many steps the painting was refined
    `version`     nstfilter's

    Keys that are not known are passed over, so that recipes of later versions can be read.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        protected_namespaces=(),
    )

    tool: Literal["nstfilter"] = "nstfilter"
    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    version: Line
    style: Line
    model: Line
    fingerprint: Line
    strength: Share = 1.0
    keep_colors: bool = False
    stability: Share = 0.0
    size: Annotated[int, Field(ge=16, le=16384)] | None = None
    area: Annotated[str, Field(pattern="^(all|people|background)$")] = "all"
    background: Line | None = None
    feather: Annotated[float, Field(ge=0, le=0.2)] = PARAMETERS["feather"].default
    face: Share = 1.0
    segmenter: Line = PARAMETERS["segmenter"].default
    # checked by the sinks
    quality: int | None = None
    crf: int | None = None
    codec: Line | None = None
    refine: Annotated[int, Field(ge=0, le=10_000)] = 0
    shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=8)]
    embedding: bytes
    embedding_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    room: bytes = b""
    room_shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=8)] = ()
    room_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    segmenter_fingerprint: Annotated[str, Field(max_length=100, pattern=r"^\w*$")] = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, data, shape in (
            ("the embedding", self.embedding, self.shape),
            ("the background's embedding", self.room, self.room_shape),
        ):
            if data and len(data) != 4 * math.prod(shape):
                raise ValueError(f"{name} has another length than its shape says")
            if not np.isfinite(np.frombuffer(data, "<f4")).all():
                raise ValueError(f"{name} is not made of finite numbers")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def command(self) -> str:
        """The command that paints in the same way where the style is installed under its name. Safe to paste:
        it is made from the other fields, also where the recipe was read from a file."""
        words = ["nstfilter", "apply", "INPUT", "--style", self.style, "--model", self.model]
        words += ["--strength", f"{self.strength:g}", "--stability", f"{self.stability:g}"]
        if self.keep_colors:
            words.append("--keep-colors")
        for name in ("area", "background", "feather", "face", "segmenter"):
            value = getattr(self, name)
            words += [] if value == PARAMETERS[name].default else [f"--{name}", f"{value}"]
        for name in ("size", "quality", "crf", "codec"):
            value = getattr(self, name)
            words += [] if value is None else [f"--{name}", str(value)]
        words += ["--refine", str(self.refine)] if self.refine else []
        return shlex.join(words)

    @classmethod
    def of(
        cls, settings: Settings, fingerprint: str, segmenter_fingerprint: str = "", **options: Any
    ) -> Self:
        """The recipe of what `settings` make with the model and the segmenter of these fingerprints; of the
        sink's `options`, those that change the picture are noted."""
        carried = len(settings.embedding) <= MAX_EMBEDDING
        left = MAX_EMBEDDING - len(settings.embedding) * carried
        carries_room = len(settings.room) <= left and not _is_picture(settings.room_shape)
        return cls(
            version=version("nstfilter"),
            style=_mix_name(settings.style),
            model=_without_secrets(settings.model) if "://" in settings.model else _name(settings.model),
            fingerprint=fingerprint,
            strength=settings.strength,
            keep_colors=settings.keep_colors,
            stability=settings.stability,
            size=settings.size,
            area=settings.area,
            background=_mix_name(settings.background) if settings.background else None,
            feather=settings.feather,
            face=settings.face,
            segmenter=settings.segmenter,
            shape=settings.shape,
            embedding=settings.embedding if carried else b"",
            embedding_hash="" if carried else hashlib.sha256(settings.embedding).hexdigest(),
            room=settings.room if carries_room else b"",
            room_shape=settings.room_shape,
            room_hash="" if carries_room or not settings.room else hashlib.sha256(settings.room).hexdigest(),
            segmenter_fingerprint=segmenter_fingerprint,
            quality=options.get("quality"),
            crf=options.get("crf"),
            refine=options.get("refine", 0),
            codec=_name(options["codec"]) if options.get("codec") else None,
        )

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> tuple[Self, StreamInfo]:
        """The recipe in a file that some source plugin reads, and what stream is in it. Raises `SourceError`
        where there is none."""
        with open_source(file) as source:
            info = source.info
        text = info.details.get("recipe")
        if not isinstance(text, str):
            raise SourceError(f"{file} holds no recipe: nstfilter did not paint it, or was told not to say")
        try:
            return cls.from_json(text), info
        except SourceError as error:
            raise SourceError(f"{file}: {error}") from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises `SourceError` where `text` is too long, malformed, or of a version that is not known."""
        if len(text.encode(errors="replace")) > MAX_RECIPE:
            raise SourceError(f"its recipe is over {MAX_RECIPE // 1000} kB long, more than nstfilter writes")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if first["loc"] == ("format",) and first["type"] == "less_than_equal":
                raise SourceError("its recipe is of a later nstfilter; update to read it") from None
            where = ".".join(str(step) for step in first["loc"])
            what = " ".join(first["msg"].split())[:200]
            raise SourceError(f"its recipe is damaged: {f'{where}: ' if where else ''}{what}") from None

    def to_json(self) -> str:
        """One line, shorter than `MAX_RECIPE`."""
        return self.model_dump_json()

    @property
    def options(self) -> dict[str, Any]:
        """The options for the sink."""
        options = {name: getattr(self, name) for name in ("quality", "crf", "codec")}
        return {name: value for name, value in options.items() if value is not None}

    def settings(
        self,
        *,
        model: str | None = None,
        segmenter: str | None = None,
        background: bool = True,
        threads: int | None = None,
    ) -> Settings:
        """What makes the same frames of the same input again. `model` and `segmenter` say where these are
        now, and must where they are not registered names: a recipe may come from anybody and must not choose
        what is loaded. Without `background` its own is left out, for another will be named.

        Raises `UsageError` where one is needed, or where an embedding was too large to be carried and the
        style is not installed here, or the background is a picture.
        """
        if model is None and self.model not in manager().models.names():
            raise UsageError(
                f"the model of this recipe, {self.model!r}, has no name here; say with --model where it is"
            )
        if segmenter is None and self.segmenter not in manager().segmenters.names():
            raise UsageError(
                f"the segmenter of this recipe, {self.segmenter!r}, has no name here; say another with "
                "--segmenter"
            )
        embedding = self.embedding or self._installed(model or self.model, threads)
        room = self._room(model or self.model, threads) if background else b""
        return Settings(
            style=self.style,
            embedding=np.frombuffer(embedding, "<f4").astype(np.float32).tobytes(),
            shape=self.shape,
            model=model or self.model,
            strength=self.strength,
            keep_colors=self.keep_colors,
            size=self.size,
            stability=self.stability,
            area=self.area,
            background=self.background if background else None,
            room=np.frombuffer(room, "<f4").astype(np.float32).tobytes(),
            room_shape=self.room_shape if background else (),
            feather=self.feather,
            face=self.face,
            segmenter=segmenter or self.segmenter,
            threads=threads,
        )

    @property
    def style_at_hand(self) -> bool:
        """Whether the style is in the recipe, or installed under the name that the recipe has for it."""
        return bool(self.embedding) or bool(self.embedding_hash and _is_installed(self.style))

    @property
    def background_at_hand(self) -> bool:
        """Whether the background is in the recipe, or installed; of a picture there is only the name."""
        if self.room or self.background in (None, "plain", "blur"):
            return True
        return not _is_picture(self.room_shape) and _is_installed(self.background)

    def _installed(self, model: str, threads: int | None) -> bytes:
        remedy = "say --style yourself, without --recipe"
        return _installed("style", self.style, self.embedding_hash, remedy, model, threads)

    def _room(self, model: str, threads: int | None) -> bytes:
        if self.room or self.background in (None, "plain", "blur"):
            return self.room
        remedy = "say --background"
        if _is_picture(self.room_shape):
            raise UsageError(
                f"this recipe names its background {self.background!r} but could not hold the picture; "
                f"{remedy} and where it is"
            )
        return _installed("background", self.background, self.room_hash, remedy, model, threads)

    @property
    def mix(self) -> StyleMix:
        """A style of this name, for results to be named after; it has no picture. A recipe of anybody's may
        have no name."""
        parts = [_unweighed(part) for part in self.style.split("+")]
        name = "+".join(re.sub(r"[^\w .-]", "-", PurePath(part).stem) for part in parts)
        return StyleMix(((Style(name[:100] or "painting", Path()), 1.0),))

    def check_model(self, model: StyleModel) -> None:
        """Raises `ModelError` where `model` is not the recipe's, which it would paint something else with, or
        cannot use the recipe's embedding."""
        if model.fingerprint != self.fingerprint:
            raise ModelError(
                f"the recipe was made with another {self.model} ({self.fingerprint}; this one is "
                f"{model.fingerprint}); to paint in the same way: {self.command}"
            )
        for data, shape in ((self.embedding, self.shape), (self.room, self.room_shape)):
            if not data:
                continue
            embedding = np.frombuffer(data, "<f4").astype(np.float32).reshape(shape)
            try:  # the file may come from anybody
                model.stylize(np.zeros((32, 32, 3), np.uint8), embedding)
            except ModelError as error:
                raise ModelError(f"the recipe is damaged: {error}") from None

    def check_segmenter(self, fingerprint: str) -> None:
        """Raises `ModelError` where the segmenter is not the recipe's, which found people elsewhere."""
        if self.segmenter_fingerprint and fingerprint and fingerprint != self.segmenter_fingerprint:
            raise ModelError(
                f"the recipe was made with another segmenter {self.segmenter} ({self.segmenter_fingerprint}; "
                f"this one is {fingerprint}); name it with --segmenter to take this one"
            )


def _is_picture(room_shape: tuple[int, ...]) -> bool:
    """Whether what a background stands for is a picture, and no embedding."""
    return len(room_shape) == 3


def _is_installed(mix: str) -> bool:
    """Whether the styles of `mix`, as a recipe names them, are installed here under these names."""
    names = {_unweighed(part) for part in mix.split("+")}
    matches = [names & {style.name, style.full_name} for style in list_styles()]
    known = [match for match in matches if match]
    return set().union(*known) == names and len(known) <= len(names)


def _installed(what: str, mix: str | None, hash: str, remedy: str, model: str, threads: int | None) -> bytes:
    """The embedding of the installed styles that a recipe names as its `what`, where it has that `hash`."""
    # a recipe may come from anybody and must not choose a file to open: installed styles only, no paths
    if not mix or not hash or not _is_installed(mix):
        raise UsageError(
            f"this recipe names its {what} {mix!r} but could not hold it, and it is not installed here; "
            f"{remedy}"
        )
    found = StyleFilter(mix, model=model, threads=threads).embedding.astype("<f4").tobytes()
    if hashlib.sha256(found).hexdigest() != hash:
        raise UsageError(
            f"the style {mix!r} installed here is not the one of this recipe (it was taught otherwise); "
            f"{remedy}"
        )
    return found


def _unweighed(part: str) -> str:
    """`wave` of `wave:0.7`."""
    return re.sub(r":[\d.e+-]+$", "", part)


def _without_secrets(address: str) -> str:
    """A URL without user, password and query."""
    return _printable(re.sub(r"(?<=//)[^/]*@|[?#].*", "", address))


def _mix_name(text: str) -> str:
    """The names of a style's or mix's parts, with their packs and without folders."""
    with suppress(NstfilterError):
        return _printable(parse_style(text).without_folders, 1000)
    return "+".join(_name(part) for part in text.split("+"))[:1000]


def _name(text: str) -> str:
    """The last part of a path, with what cannot be printed replaced."""
    name = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return _printable(name) or "?"


def _printable(text: str, most: int = 300) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:most]
