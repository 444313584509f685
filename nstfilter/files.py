"""Files that appear whole or not at all, and the hash of a file.

with NewFile("film.json") as file:
    file.write(data)
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

LONGEST_NAME = 255  # bytes, on every file system in common use


class NewFile:
    """A file that is written under a temporary name and gets its own when it is complete.

    The temporary file lies beside `path`, on the same file system, and its name is hidden. `commit` writes it
    to disk and renames it; `discard` deletes it. Used with `with`, the block is given the open file, its end
    commits, and an exception in it, Ctrl-C included, discards. After a crash the temporary file may be left;
    what was at `path` before is then untouched.

    `path`       where the file appears; a file that is there is replaced, a link too, not what it points to
    `overwrite`  False: `commit` raises `FileExistsError` where `path` has come to exist
    `mode`       its permissions, from which the umask is taken, as in `os.open`: 0o600 for the user alone

    Raises `OSError` as `open`, `os.fsync` and `os.replace` do; the temporary file is then gone.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = True, mode: int = 0o666) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        # 40 letters are at most 160 bytes: legal beside a target whose name is as long as a name may be
        self.temporary = self.path.with_name(f".{self.path.name[:40]}.{os.urandom(4).hex()}.partial")
        self.file: BinaryIO = open(  # noqa: SIM115 - `commit` and `discard` close it
            self.temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)
        )

    def commit(self) -> None:
        """Put the file in its place. Returns when it would survive a power failure."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            put_in_place(self.temporary, self.path, overwrite=self.overwrite)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Delete the temporary file. Never raises `OSError`."""
        with suppress(OSError):  # closing flushes, and the disk may be full
            self.file.close()
        with suppress(OSError):
            self.temporary.unlink()

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


def write_file(
    path: str | os.PathLike[str], data: bytes, *, overwrite: bool = True, mode: int = 0o666
) -> None:
    """Write `data` to `path`, whole or not at all: see `NewFile`."""
    with NewFile(path, overwrite=overwrite, mode=mode) as file:
        file.write(data)


def put_in_place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Rename `temporary`, complete and closed, to `path`, and make the new name survive a power failure.

    Raises `FileExistsError` where `path` exists, unless `overwrite`; `OSError` as `os.replace` does.
    """
    if overwrite:
        os.replace(temporary, path)
    else:
        _rename_to_new(temporary, path)
    if os.name == "posix":  # Windows cannot open a folder
        with suppress(OSError):  # the file is in its place, and some network file systems cannot do more
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _rename_to_new(temporary: Path, path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    try:
        os.link(temporary, path)  # unlike a rename, it fails where another process was quicker
    except FileExistsError:
        raise
    except OSError:  # FAT and some network file systems have no links
        os.replace(temporary, path)
    else:
        temporary.unlink()


def partial_names(path: Path) -> Iterator[Path]:
    """Names for what there is of `path` and is not all of it: NAME.partial.EXT, NAME.partial2.EXT, and so on,
    each beside it and as long as a name may be. Folders are read without them."""
    for number in count(1):
        ending = os.fsencode(f".partial{'' if number == 1 else number}{path.suffix}")
        yield path.with_name(os.fsdecode(os.fsencode(path.stem)[: LONGEST_NAME - len(ending)] + ending))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in 64 hexadecimal digits. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may read the file: then nobody else is to read what is made of it."""
    with suppress(OSError):
        return os.name == "posix" and not path.stat().st_mode & 0o077
    return False


# the name of a picture with a place for its number
_NUMBERED = re.compile(r"%(0\d)?d[^%/\\]*\.(avif|bmp|jpe?g|png|tiff?|webp)$", re.IGNORECASE)


def is_numbered(target: str) -> bool:
    """Whether `target` stands for numbered pictures, as frames/%05d.png does, and is no file itself."""
    return bool(_NUMBERED.search(target)) and not os.path.exists(target)
