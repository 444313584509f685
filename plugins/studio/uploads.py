"""Pictures that come from a page: untrusted, so bounded, decoded once and written anew."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from nstfilter.errors import NstfilterError, SinkError, StyleError, UsageError
from nstfilter.files import NewFile
from nstfilter.graphics.opencv import cv2
from nstfilter.packs.manifest import parse
from nstfilter.packs.reading import packs, user_packs_folder
from nstfilter.packs.style import MANIFEST, Style

# bytes of a picture that is to be a style, pixels it may have, its longer side once it is one
MAX_PICTURE, MAX_PIXELS, STYLE_SIDE = 40_000_000, 60_000_000, 1280
# how many uploaded styles are kept; the oldest go
MAX_STYLES = 48
# bytes that stay free on the disk; that are written at once; seconds without a byte after which an upload is
# given up
SPARE, PIECE, STALLED = 500_000_000, 4_000_000, 30
# what the first bytes of a picture may be, and the suffix that its decoder goes by
KINDS = (
    (rb"\xff\xd8\xff", ".jpg"),
    (rb"\x89PNG\r\n\x1a\n", ".png"),
    (rb"RIFF....WEBP", ".webp"),
    (rb"GIF8[79]a", ".gif"),
    (rb"BM", ".bmp"),
    (rb"II\*\0|MM\0\*", ".tif"),
    (rb"....ftypavi[fs]", ".avif"),
)


# the user's own pack, and how its manifest begins
PACK = "mine"
HEADER = f'''[pack]
name = "{PACK}"
version = "1.0"
title = "Mine"
author = "unknown"
licence = "unknown"
'''
_CONTROL = r"[\x00-\x1f\x7f\ud800-\udfff]"


class TooLargeError(NstfilterError):
    """More bytes came than are taken."""


def data_folder() -> Path:
    """The folder for uploaded styles; NSTFILTER_DATA_DIR moves it."""
    base = os.environ.get("NSTFILTER_DATA_DIR") or platformdirs.user_data_dir("nstfilter", appauthor=False)
    return Path(base) / "studio"


def check_room(folder: Path, size: int) -> None:
    """Raises `SinkError` where a file of `size` bytes would leave less than SPARE on the disk of `folder`,
    which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise SinkError(f"nothing can be kept in {folder}: {error.strerror}") from error
    if free < size + SPARE:
        raise SinkError("there is too little room on the disk for this file")


async def receive(stream: AsyncIterator[bytes], path: Path, limit: int) -> int:
    """Write what comes to `path`, a new file, and return its size.

    Raises `TooLargeError` beyond `limit` bytes, `UsageError` where there are none or nothing has come for
    STALLED seconds, `SinkError` where the disk is nearly full or cannot be written to. The file is gone after
    any error.
    """
    size, waiting = 0, bytearray()

    def write() -> None:
        if size > PIECE:  # a length may not have been told, or not the true one
            check_room(path.parent, 0)
        file.write(waiting)
        waiting.clear()

    try:
        with path.open("xb") as file:
            while True:
                async with asyncio.timeout(STALLED):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                size += len(chunk)
                if size > limit:
                    raise TooLargeError(f"the file is larger than {limit // 1_000_000} MB")
                waiting += chunk
                if len(waiting) >= PIECE:
                    await asyncio.to_thread(write)
            await asyncio.to_thread(write)
        if not size:
            raise UsageError("the file is empty")
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, TimeoutError):
            raise UsageError(f"nothing came for {STALLED} seconds; send the file again") from None
        if isinstance(error, OSError) and not isinstance(error, NstfilterError):
            raise SinkError(f"the file cannot be kept: {error.strerror}") from error
        raise
    return size


def plain_name(text: str, default: str = "picture") -> str:
    """`text`, a file's name as a page gives it, as one that is safe anywhere: no folders, no dots in front,
    no control characters, at most 80 characters, its suffix kept."""
    text = unicodedata.normalize("NFC", text).replace("\\", "/").rpartition("/")[2]
    text = re.sub(r'[\x00-\x1f\x7f<>:"|?*+\ud800-\udfff]', " ", text)
    stem, dot, suffix = text.rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9]{1,8}", suffix):
        stem, suffix = text, ""
    stem = re.sub(r"\s+", " ", stem).strip(" .")[:80] or default
    return f"{stem}.{suffix}" if suffix else stem


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


class UploadedStyles:
    """Styles made of pictures that pages sent, in a folder of their own; each is `HASH/NAME.jpg` there."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or data_folder() / "uploads"
        self._lock = threading.Lock()

    def list(self) -> list[Style]:
        """The newest first."""
        found: list[tuple[float, Path]] = []
        for path in self.folder.glob("*/*.jpg"):
            with contextlib.suppress(OSError):  # deleted just now
                found.append((path.stat().st_mtime, path))
        return [Style(path.stem, path, title=path.stem) for _, path in sorted(found, reverse=True)]

    def add(self, upload: Path, name: str) -> Style:
        """A style of the picture in the file `upload`, which stays. Raises `StyleError` for what is not a
        picture of a size that can be taken."""
        from PIL import Image

        from nstfilter.packs.reading import read_picture

        with upload.open("rb") as file:
            head = file.read(16)
        suffix = next((kind for magic, kind in KINDS if re.match(magic, head, re.DOTALL)), None)
        if suffix is None:
            raise StyleError("this is not a picture; expected JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF")
        try:
            with Image.open(upload) as header:
                width, height = header.size
        except Exception:
            raise StyleError("this picture cannot be read: it is damaged") from None
        if width * height > MAX_PIXELS:
            raise StyleError(
                f"the picture is {width}x{height}; at most {MAX_PIXELS // 1_000_000} million pixels are taken"
            )
        with tempfile.TemporaryDirectory(prefix="nstfilter-upload-") as folder:
            picture = Path(folder, f"picture{suffix}")
            try:
                os.link(upload, picture)
            except OSError:
                shutil.copyfile(upload, picture)
            try:
                image = read_picture(Style("picture", picture))
            except NstfilterError as error:
                said = str(error).replace(str(picture), "this file").replace(picture.name, "this file")
                raise StyleError(said) from None
        scale = STYLE_SIDE / max(image.shape[:2])
        if scale < 1:
            size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        if not done:
            raise StyleError("this picture cannot be kept")
        digest = hashlib.sha256(data.tobytes()).hexdigest()[:12]
        path = self.folder / digest / f"{Path(plain_name(name)).stem}.jpg"
        with self._alone():
            self._write(path, data.tobytes())
            for old in self.list()[MAX_STYLES:]:
                shutil.rmtree(old.path.parent, ignore_errors=True)
        return Style(path.stem, path, title=path.stem)

    def keep(self, style: Style, name: str) -> str:
        """Copy an uploaded style into the user's own pack, `mine`, and return what it is called there. Raises
        `UsageError` for a name that cannot be one or is taken, `StyleError` where it cannot be kept."""
        slug = re.sub(r"[^a-z0-9]+", "-", _ascii(name).lower()).strip("-")[:64].strip("-")
        if not slug:
            raise UsageError(f"{name!r} cannot name a style; expected letters or digits")
        folder = user_packs_folder() / PACK
        with self._alone():
            self._enter(style, name, slug, folder)
        packs.cache_clear()
        return f"{PACK}/{slug}"

    def _enter(self, style: Style, name: str, slug: str, folder: Path) -> None:
        """Put the picture into the pack in `folder`, and its entry into the manifest."""
        manifest = folder / MANIFEST
        try:
            text = manifest.read_text("utf-8") if manifest.exists() else HEADER
            if re.search(rf'^name = "{slug}"$', text, re.MULTILINE):
                raise UsageError(f"you have a style called {slug!r} already; choose another name")
            entry = {"name": slug, "title": " ".join(name.split())[:80], "picture": f"{slug}.jpg"}
            entry |= dict.fromkeys(("artist", "licence"), "unknown") | {"source": "a picture of your own"}
            text += "\n[[styles]]\n" + "".join(
                f"{key} = {json.dumps(re.sub(_CONTROL, ' ', value), ensure_ascii=False)}\n"
                for key, value in entry.items()
            )
            parse(text.encode(), manifest)
            folder.mkdir(parents=True, exist_ok=True)
            with NewFile(folder / f"{slug}.jpg", overwrite=False) as file:
                file.write(style.path.read_bytes())
            with NewFile(manifest) as file:
                file.write(text.encode())
        except FileExistsError:
            raise UsageError(f"there is a picture called {slug}.jpg already; choose another name") from None
        except OSError as error:
            raise StyleError(f"the style cannot be kept in {folder}: {error.strerror}") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread and no other process changes the uploads or the user's pack meanwhile."""
        with self._lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / ".lock", timeout=10):
                    yield
            except Timeout:
                raise StyleError("another nstfilter is keeping a style; try again") from None
            except OSError as error:
                raise StyleError(f"nothing can be kept in {self.folder}: {error.strerror}") from error

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with NewFile(path) as file:
                file.write(data)
            for other in set(path.parent.iterdir()) - {path}:  # the same picture under another name
                other.unlink()
        except OSError as error:
            raise StyleError(f"the picture cannot be kept in {self.folder}: {error.strerror}") from error

    def remove(self, style: Style) -> None:
        """Delete an uploaded style. Raises `UsageError` for any other."""
        if style.path.parent.parent != self.folder:
            raise UsageError(f"{style} was not uploaded")
        shutil.rmtree(style.path.parent, ignore_errors=True)
