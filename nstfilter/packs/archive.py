"""The files of a pack that is to be added, in a folder or in a .zip.

Both give a file by the name the manifest has for it, in chunks, and follow no links.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nstfilter.errors import StyleError
from nstfilter.packs.style import MANIFEST

CHUNK = 1 << 16
# what is copied besides the manifest and its pictures
TEXT_FILE = re.compile(r"(licen[cs]e|copying|readme)(\.txt|\.md)?", re.IGNORECASE)


class PackFolder:
    """A pack's files in a folder."""

    def __init__(self, source: Path) -> None:
        self.source = source

    def __enter__(self) -> PackFolder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def texts(self) -> list[str]:
        return sorted(path.name for path in self.source.iterdir() if TEXT_FILE.fullmatch(path.name))

    def has(self, name: str) -> bool:
        return os.path.lexists(self.source / name)

    def read(self, name: str) -> Iterator[bytes]:
        path = self.source / name
        for part in [path, *path.parents]:
            if part == self.source:
                break
            if part.is_symlink():
                raise StyleError(f"{part} is a link; a pack holds the files themselves")
        if not os.path.isfile(path):
            raise _missing(name, self.source)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


class PackZip:
    """A pack's files in a .zip, at its top or in the one folder there."""

    def __init__(self, source: Path) -> None:
        self.source = source
        if not source.exists():
            raise StyleError(f"there is no {source}; expected a pack's folder, or a .zip of it")
        if not os.path.isfile(source) or not zipfile.is_zipfile(source):
            raise StyleError(f"{source} is not a pack; expected a pack's folder, or a .zip of it")
        with self._damage_explained():
            self.zip = zipfile.ZipFile(source)
        found = [name for name in self.zip.namelist() if re.fullmatch(rf"([^/]+/)?{MANIFEST}", name)]
        prefixes = [name.removesuffix(MANIFEST) for name in found]
        if len(set(prefixes)) > 1 and "" not in prefixes:
            self.zip.close()
            raise StyleError(f"{source} holds several packs ({', '.join(prefixes)}); add them one by one")
        self.prefix = "" if "" in prefixes or not prefixes else prefixes[0]

    def __enter__(self) -> PackZip:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def texts(self) -> list[str]:
        names = {n.removeprefix(self.prefix) for n in self.zip.namelist() if n.startswith(self.prefix)}
        return sorted(name for name in names if TEXT_FILE.fullmatch(name))

    def has(self, name: str) -> bool:
        return f"{self.prefix}{PurePosixPath(name)}" in self.zip.namelist()

    def read(self, name: str) -> Iterator[bytes]:
        try:
            entry = self.zip.getinfo(f"{self.prefix}{PurePosixPath(name)}")
        except KeyError:
            raise _missing(name, self.source) from None
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise StyleError(f"{name} in {self.source} is a link; a pack holds the files themselves")
        if entry.flag_bits & 0x1:
            raise StyleError(f"{self.source} is locked with a password; unpack it and add the folder")
        # only deflate can be told to stop: a few kB of bzip2 or LZMA may unfold to a gigabyte in one go
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StyleError(f"{self.source} is compressed in an unusual way; unpack it and add the folder")
        with self._damage_explained():
            file = self.zip.open(entry)
        with file:
            while True:
                with self._damage_explained():
                    chunk = file.read(CHUNK)
                if not chunk:
                    return
                yield chunk

    @contextlib.contextmanager
    def _damage_explained(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
            raise StyleError(f"{self.source} is damaged: {str(error) or 'it ends too early'}") from None


def _missing(name: str, source: Path) -> StyleError:
    if name == MANIFEST:
        return StyleError(f"{source} is not a style pack: it has no {MANIFEST}")
    return StyleError(f"{source} is not whole: its {MANIFEST} names {name}, which is not there")
