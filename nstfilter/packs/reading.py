"""Which styles there are, and which of them the user means: names, pictures and mixes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from nstfilter.errors import SourceError, StyleError, UnknownNameError, UsageError
from nstfilter.manager import manager, open_source
from nstfilter.packs.style import MANIFEST, TAUGHT, Style, StyleMix, StylePack, if_file, taught_beside
from nstfilter.streams import Source

if TYPE_CHECKING:
    import numpy as np

MAX_PIXELS = 64_000_000  # of a style's picture: the largest that cameras take, and 600 MB while it is read


def user_packs_folder() -> Path:
    """Where packs added by the user live; NSTFILTER_DATA_DIR moves it."""
    return _data_folder() / "styles"


def _data_folder() -> Path:
    base = os.environ.get("NSTFILTER_DATA_DIR") or platformdirs.user_data_dir("nstfilter", appauthor=False)
    return Path(base)


def taught_file(style: Style) -> Path:
    """Where `nstfilter styles teach` puts what it teaches: beside the picture of the user's own style, and in
    the user's data folder for one of a plugin's pack, which may be read-only and is replaced with the plugin.
    What lies there is preferred to what the pack brought."""
    if not style.pack or style.path.is_relative_to(user_packs_folder()):
        return taught_beside(style.path)
    return _data_folder() / "taught" / style.pack / f"{style.name}{TAUGHT}"


def user_pack_folders() -> list[Path]:
    """The folders there that have a manifest."""
    return [path.parent for path in sorted(user_packs_folder().glob(f"*/{MANIFEST}"))]


@cache
def packs() -> dict[str, StylePack]:
    """All packs by name: those of plugins, then the user's own. A broken one costs only itself."""
    return {pack.name: pack for pack, _ in read_packs() if isinstance(pack, StylePack)}


def read_packs() -> Iterator[tuple[StylePack | StyleError, str]]:
    """Every pack, or what is wrong with it, with who brought it: `plugin NAME`, or the user's folder."""
    seen: dict[str, str] = {}
    for pack, origin in chain(_packs_of_plugins(), _packs_of_the_user()):
        if isinstance(pack, StyleError):
            yield pack, origin
        elif pack.name in seen:
            hidden = f"style pack {pack.name!r} of {origin} is hidden by that of {seen[pack.name]}"
            yield StyleError(hidden), origin
        else:
            seen[pack.name] = origin
            yield pack, origin


def _packs_of_plugins() -> Iterator[tuple[StylePack | StyleError, str]]:
    for registration in manager().packs.registrations:
        origin = f"plugin {registration.plugin}"
        try:
            found = registration.open("")
            pack = StylePack.load(found) if isinstance(found, Path) else found
            if not isinstance(pack, StylePack):
                raise StyleError(f"expected a StylePack or a folder's Path, not a {type(pack).__name__}")
            styles = (replace(s, taught=if_file(taught_file(s)) or s.taught) for s in pack.styles)
            yield replace(pack, styles=tuple(styles)), origin
        except Exception as error:
            what = str(error) if isinstance(error, StyleError) else f"{type(error).__name__}: {error}"
            yield StyleError(f"style pack {registration.name!r} of {origin}: {what}"), origin


def _packs_of_the_user() -> Iterator[tuple[StylePack | StyleError, str]]:
    for folder in user_pack_folders():
        try:
            yield StylePack.load(folder), str(folder)
        except StyleError as error:
            yield error, str(folder)


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
    path = Path(_expanded(text))
    if os.path.isdir(path):
        raise UsageError(f"{text} is a folder where a style picture was expected")
    if os.path.isfile(path):
        path = path.resolve()
        return Style(path.stem, path, title=path.name, taught=if_file(taught_beside(path)))
    if path.suffix and (len(path.parts) > 1 or path.suffix.lower() in PICTURE_SUFFIXES):
        raise StyleError(f"there is no style picture at {text}")
    raise UnknownNameError(
        "style",
        text,
        [f"{s.pack}/{s.name}" if "/" in text else s.name for s in known],
        "(nstfilter styles lists them; the path of a picture works too)",
    )


def open_picture(path: Path) -> Source:
    """The source of a style's picture. Raises as `open_source` does, also for more than `MAX_PIXELS`: packs
    come from strangers, and a few kB may unfold to gigabytes."""
    known = manager().sources.options(str(path))
    wanted = {"max_pixels": MAX_PIXELS, "still": True}
    return open_source(path, **{name: value for name, value in wanted.items() if name in known})


PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
# beyond this, weights are a slip of the finger, and their sum could overflow
_MAX_WEIGHT = 1e6


def parse_style(text: str | os.PathLike[str]) -> StyleMix:
    """What the user means by `wave`, `atelier/wave`, `photo.jpg` or `wave:0.7+mosaic:0.3`.

    Parts without a weight count 1; weights are scaled to sum to 1. A path may have `+` and `:` in it. Raises
    as `find_style` does, and `UsageError` for weights that are not positive.
    """
    text = os.fspath(text).strip()
    if not text:
        raise UsageError("the style is empty; nstfilter styles lists the names")
    pieces = text.split("+")
    parts = []
    while pieces:
        # the longest run of pieces that is a file, for its name may have a + in it; else one piece
        runs = ["+".join(pieces[:count]) for count in range(len(pieces), 1, -1)]
        part = next((run for run in runs if _is_weighed_path(run)), pieces[0])
        del pieces[: part.count("+") + 1]
        name, weight = _weighed(part.strip())
        if not name:
            raise UsageError(f"{text!r} is not a mix of styles; expected something like wave:0.7+mosaic:0.3")
        if not 0 < weight <= _MAX_WEIGHT:
            raise UsageError(f"the weight {weight:g} in {text!r} must be positive, a million at most")
        parts.append((find_style(name), weight))
    total = sum(weight for _, weight in parts)
    mix = StyleMix(tuple((style, weight / total) for style, weight in parts))
    if not all(share for _, share in mix.parts):
        raise UsageError(f"one of the weights in {text!r} is nothing beside the others; leave that style out")
    return mix


def _weighed(part: str) -> tuple[str, float]:
    """`wave:0.7` as its name and weight. What is not a number is part of the name, as in C:\\wave.jpg."""
    name, colon, weight = part.rpartition(":")
    if colon and not _is_path(part):
        try:
            return name, float(weight)
        except ValueError:
            if any(name in (style.name, f"{style.pack}/{style.name}") for style in list_styles()):
                raise UsageError(
                    f"{weight!r} in {part!r} is not a weight; expected a number such as 0.7"
                ) from None
    return part, 1.0


def _is_weighed_path(part: str) -> bool:
    name, _, weight = part.rpartition(":")
    return _is_path(part) or (_is_path(name) and "+" not in weight)


def _is_path(text: str) -> bool:
    return os.path.exists(_expanded(text))


def _expanded(text: str) -> str:
    """With the user's folder for `~`; a text with a NUL, which expanduser raises ValueError for, as it is."""
    return text if "\0" in text else os.path.expanduser(text)


def read_picture(style: Style) -> np.ndarray:
    """The style's picture, HxWx3 BGR uint8. Raises `StyleError` when it cannot be read."""
    from nstfilter.frames import as_bgr

    try:
        with open_picture(style.path) as source:
            for frame in source:
                return as_bgr(frame.image)[0]
    except (SourceError, UsageError) as error:
        raise StyleError(f"{style.path.name} cannot be a style: {error}") from None
    raise StyleError(f"{style.path} cannot be a style: it has no picture in it")
