"""Packs of the user's own, added and removed.

What comes from outside is copied file by file: the manifest, the pictures it names and the texts beside it,
and nothing else. Sizes are counted while reading: those that a zip file states may be false.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nstfilter.errors import NstfilterError, StyleError, UnknownNameError, UsageError
from nstfilter.models.taught import read as read_taught
from nstfilter.packs.archive import PackFolder, PackZip
from nstfilter.packs.manifest import parse
from nstfilter.packs.reading import open_picture, packs, read_packs, user_pack_folders, user_packs_folder
from nstfilter.packs.style import MANIFEST, TAUGHT, StylePack

MAX_TEXT = 1_000_000
MAX_PICTURE = 50_000_000
MAX_TAUGHT = 1_000_000
MAX_PACK = 500_000_000


def add_pack(source: Path, *, overwrite: bool = False) -> StylePack:
    """Copy the pack in `source`, a folder or a .zip, to the user's own packs.

    Raises `StyleError` for what is not a whole and sound pack, and for a name that is taken; nothing is then
    left behind.
    """
    try:
        with PackFolder(source) if source.is_dir() else PackZip(source) as contents:
            return _add(contents, overwrite)
    except OSError as error:
        where = error.filename or user_packs_folder()
        raise StyleError(f"{source} cannot be added: {where}: {error.strerror}") from error
    finally:
        packs.cache_clear()


def _add(contents: PackFolder | PackZip, overwrite: bool) -> StylePack:
    text = b"".join(_at_most(MAX_TEXT, MANIFEST, contents.read(MANIFEST)))
    manifest = parse(text, f"{MANIFEST} of {contents.source}")
    final = _place_for(manifest.pack.name, overwrite)
    final.parent.mkdir(parents=True, exist_ok=True)
    # one folder deeper than packs are looked for
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=final.parent) as temporary:
        building, old = Path(temporary, "new"), Path(temporary, "old")
        building.mkdir()
        (building / MANIFEST).write_bytes(text)
        room = MAX_PACK
        for name in contents.texts():
            room -= _copy(contents, name, building, min(MAX_TEXT, room))
        for entry in manifest.styles:
            room -= _copy(contents, entry.picture, building, min(MAX_PICTURE, room))
            try:
                check_picture(building / entry.picture)
            except StyleError as error:
                reason = str(error).replace(f"{building.resolve()}{os.sep}", "")
                raise StyleError(f"style {entry.name!r} of {contents.source}: {reason}") from None
            taught = str(PurePosixPath(entry.picture).with_suffix(TAUGHT))
            if contents.has(taught):
                room -= _copy(contents, taught, building, min(MAX_TAUGHT, room))
                _check_taught(building / taught)
        StylePack.load(building)
        if final.exists():
            final.rename(old)
        try:
            building.rename(final)
        except BaseException:
            if old.exists():
                old.rename(final)
            raise
    return StylePack.load(final)


def _check_taught(path: Path) -> None:
    try:
        read_taught(path)
    except StyleError as error:
        raise StyleError(str(error).replace(f"{path.parent}{os.sep}", "")) from None


def remove_pack(name: str) -> Path:
    """Delete the user's pack called `name`, and return the folder it was in.

    Raises `UnknownNameError`, or `UsageError` for a pack that a plugin brought.
    """
    folder = _own_pack(name)
    if folder is None:
        for pack, origin in read_packs():
            if isinstance(pack, StylePack) and pack.name == name:
                raise UsageError(
                    f"pack {name!r} comes with {origin} and cannot be removed; yours are in "
                    f"{user_packs_folder()}"
                )
        raise UnknownNameError("added pack", name, [folder.name for folder in user_pack_folders()])
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            # renamed first, so that a pack is never half deleted under its name
            with tempfile.TemporaryDirectory(prefix=".removing-", dir=folder.parent) as temporary:
                folder.rename(Path(temporary, "old"))
    except OSError as error:
        raise StyleError(f"{folder} cannot be removed: {error.strerror}") from error
    finally:
        packs.cache_clear()
    return folder


def _own_pack(name: str) -> Path | None:
    """The folder of the user's pack called `name`; a broken pack goes by its folder's name."""
    for folder in user_pack_folders():
        try:
            called = StylePack.load(folder).name
        except StyleError:
            called = folder.name
        if called == name:
            return folder
    return None


def _place_for(name: str, overwrite: bool) -> Path:
    for pack, origin in read_packs():
        if isinstance(pack, StylePack) and pack.name == name and origin.startswith("plugin "):
            raise StyleError(f"a pack called {name!r} comes with {origin}; give yours another name")
    old = _own_pack(name)
    final = old or user_packs_folder() / name
    if old and not overwrite:
        raise StyleError(f"you have a pack called {name!r} already; --overwrite replaces it")
    if not old and os.path.lexists(final):
        raise StyleError(f"{final} is in the way; move it elsewhere first")
    return final


def _at_most(room: int, name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """`chunks`, until they come to more than `room` bytes: then `StyleError`."""
    for chunk in chunks:
        room -= len(chunk)
        if room < 0:
            raise StyleError(
                f"{name} is too large; a picture may have {MAX_PICTURE // 1_000_000} MB, a text "
                f"{MAX_TEXT // 1_000_000} MB, the whole pack {MAX_PACK // 1_000_000} MB"
            )
        yield chunk


def _copy(contents: PackFolder | PackZip, name: str, folder: Path, room: int) -> int:
    """Copy one file into `folder` and return its size; 0 when it is there, for two styles may share it."""
    target = folder / name
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for chunk in _at_most(room, name, contents.read(name)):
            file.write(chunk)
        return file.tell()


def check_picture(path: Path) -> None:
    """Raises `StyleError` unless `path` can be read and is a still picture."""
    try:
        with open_picture(path.resolve()) as source:
            if source.info.still and next(iter(source), None) is not None:
                return
    except UsageError:
        raise StyleError(f"{path.resolve()} is not a picture") from None
    except NstfilterError as error:
        raise StyleError(str(error)) from None
    raise StyleError(f"{path.resolve()} is not a still picture")
