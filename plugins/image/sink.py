"""Writes one picture, whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffTags
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from nstfilter.errors import SinkError, UsageError
from nstfilter.files import NewFile, is_private, partial_names, put_in_place
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.jobs.xmp import packet
from nstfilter.plugins.image.animation import PngWriter, WebpWriter
from nstfilter.plugins.image.formats import FORMATS
from nstfilter.plugins.image.gamut import WideGamut
from nstfilter.streams import Change, Frame, Sink, StreamInfo

# The strokes of a painting are as sharp in color as in lightness, hence 4:4:4. PNG's level 1 takes half the
# time of its default for a file a seventh larger.
ENCODING: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 80, "subsampling": "4:4:4", "speed": 8},
    "BMP": {},
    "JPEG": {"quality": 92, "subsampling": "4:4:4"},
    "PNG": {"compress_level": 1},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"quality": 92},
}
ANIMATIONS = frozenset({"PNG", "WEBP"})
MAX_SIDE = {"JPEG": 65_535, "WEBP": 16_383}


class ImageSink(Sink):
    """Takes one frame: gray, BGR or BGRA. Until `close` it is a hidden `.partial` file beside its target.

    Of a stream that is no still picture, WebP takes all frames, as an animation; so does PNG, of an animated
    picture or a GIF. Other formats take the first one of an animated picture, and say so. What there is of an
    animation that is not whole is kept by `abort` as NAME.partial.EXT, up to its last whole picture.

    The EXIF tags and the resolution of the picture it was made from ("exif" and "dpi" in `info.details`) are
    written too, where the format holds them; so is `recipe`, as XMP, in all but BMP.
    """

    def __init__(
        self, target: str, *, overwrite: bool = False, quality: int | None = None, recipe: str | None = None
    ) -> None:
        super().__init__()
        self.path = Path(target)
        self.overwrite = overwrite
        self.recipe = recipe
        suffix = self.path.suffix.lower()
        if suffix not in FORMATS:
            raise UsageError(f"{target} is not named like a picture; end it with one of {' '.join(FORMATS)}")
        self.format = FORMATS[suffix]
        self._encoding = dict(ENCODING[self.format])
        if quality is not None:
            if not 1 <= quality <= 100:
                raise UsageError(f"quality is {quality}; it goes from 1 to 100")
            # no error: a folder may hold pictures of both sorts
            if "quality" in self._encoding:
                self._encoding["quality"] = quality
            else:
                self.warnings.append(f"{suffix} files have no quality setting; they are as good as it gets")
        self._written = False
        self._whole = 0  # bytes of an animation, up to the end of its last whole picture

    def _open(self, info: StreamInfo) -> None:
        if info.live:
            raise SinkError(f"{self.path} holds one picture, and a live run has many; name a .mp4")
        self.warnings += self.losses(info)
        self._info = info
        # somebody who names a .png rarely wants a whole film in it
        self._animated = not info.still and (
            self.format == "WEBP" or (self.format == "PNG" and _is_animation(info))
        )
        limit = MAX_SIDE.get(self.format)
        if limit and max(info.width, info.height) > limit:
            size = f"{info.width}x{info.height}"
            raise SinkError(
                f"{size} is too large for {self.format}, which ends at {limit} pixels a side; write .png"
            )
        self._wide = info.details.get("wide_gamut")
        if isinstance(self._wide, WideGamut):
            if self.format == "BMP":
                self.warnings.append(Change("BMP has no color profiles; the result is sRGB"))
                self._wide = None
            else:
                self._encoding["icc_profile"] = self._wide.profile
        self._encoding |= {tag: info.details[tag] for tag in ("exif", "dpi") if tag in info.details}
        self._directories: dict[int, dict[int, Any]] = {}
        if self.format == "TIFF":
            exif = Image.Exif()
            exif.load(self._encoding.pop("exif", b""))
            self._encoding["tiffinfo"] = _tiff_tags(exif)
            self._directories = {tag: exif.get_ifd(tag) for tag in (IFD.Exif, IFD.GPSInfo) if tag in exif}
        if self.recipe:
            self._add_xmp(packet(self.recipe))
        with _writing(self.path):
            self._refuse_existing(info.origin)
            mode = 0o600 if info.origin and is_private(info.origin) else 0o666
            self._new = NewFile(self.path, overwrite=self.overwrite, mode=mode)
        if self._animated:
            self._writer = self._new_writer()

    def losses(self, info: StreamInfo) -> list[str]:
        tracks, chapters, tags = (info.details.get(name) for name in ("tracks", "chapters", "tags"))
        lost = []
        if isinstance(tracks, list):
            lost += [f"{track} is left out: {self.format} holds none" for track in tracks]
        if isinstance(chapters, int) and chapters:
            lost.append(f"0 of {chapters} chapters are in the result")
        if isinstance(tags, list) and tags:
            lost.append(f"tags that are not in the result: {', '.join(map(str, tags[:10]))}")
        if self.most_frames(info) and info.frames != 1:
            of = f" of its {info.frames}" if info.frames else ""
            lost.append(f"{self.format} holds one picture: only the first{of} is kept")
        return [Change(line) for line in lost]

    def most_frames(self, info: StreamInfo) -> int | None:
        return 1 if _is_animation(info) and self.format not in ANIMATIONS else None

    def _new_writer(self) -> PngWriter | WebpWriter:
        loop = self._info.details.get("loop", 0)
        plays = 0 if not isinstance(loop, int) or loop == 0 else max(1, loop + 1)
        if self.format == "PNG":
            return PngWriter(self._new.file, plays)
        names = {"icc_profile": "profile", "exif": "exif", "xmp": "xmp"}
        tags = {name: self._encoding.pop(key) for key, name in names.items() if key in self._encoding}
        self._encoding.pop("dpi", None)
        return WebpWriter(self._new.file, plays, **tags)

    def _add_xmp(self, xmp: bytes) -> None:
        if self.format == "PNG":
            chunks = self._encoding["pnginfo"] = PngInfo()
            chunks.add_itxt("XML:com.adobe.xmp", xmp.decode())
        elif self.format == "TIFF":
            self._encoding["tiffinfo"][Base.XMLPacket] = xmp
        elif self.format != "BMP":
            self._encoding["xmp"] = xmp

    def _write(self, frame: Frame) -> None:
        if self._animated:
            self._add(frame)
            self._written = True
            return
        if self._written:
            raise SinkError(f"{self.path} holds one picture and a second one came; write to a video file")
        encoded = self._encoded(frame.image)
        with _writing(self.path, size=encoded.tell()):
            self._new.file.write(encoded.getbuffer())
            self._new.file.flush()
        self._written = True

    def _add(self, frame: Frame) -> None:
        image, alpha = frame.image, bool(self._info.details.get("alpha"))
        if image[0, 0].size == 4 and not alpha:
            image = image[..., :3]
        data = self._encoded(image).getvalue()
        nominal = 1 / (self._info.rate or 25) / self._info.time_base
        begin = frame.pts * self._info.time_base
        end = begin + Fraction(frame.duration or nominal) * self._info.time_base
        try:
            with _writing(self.path, size=len(data)):
                if isinstance(self._writer, PngWriter):
                    self._writer.write(data, begin, end)
                else:
                    self._writer.write(data, begin, end, image.shape[1::-1], alpha)
                self._whole = self._new.file.tell()
        except OverflowError:
            raise SinkError(
                f"{self.path} would be larger than the 4 GB that a WebP can have, at {float(begin):.0f} s; "
                "write a .webm, or choose a lower --quality"
            ) from None

    def _encoded(self, image: np.ndarray) -> io.BytesIO:
        encoded = io.BytesIO()
        picture = self._picture(image)
        try:
            picture.save(encoded, self.format, **self._encoding)
        except (MemoryError, OSError, OverflowError, RuntimeError, ValueError, struct.error) as error:
            size = f"{picture.width}x{picture.height}"
            raise SinkError(
                f"{self.path} cannot be encoded as {self.format} with {size} pixels; "
                f"Pillow says: {' '.join(str(error).split()) or type(error).__name__}; try another format"
            ) from error
        return _with_directories(encoded, self._directories) if self._directories else encoded

    def _close(self) -> None:
        if not self._written:
            raise SinkError(f"no picture came for {self.path}; nothing was written")
        with _writing(self.path):
            if self._animated:
                self._writer.finish()
            self._refuse_existing()
            self._new.commit()

    def _abort(self) -> Path | None:
        if self._whole:
            with suppress(OSError), interrupted_later():
                return self._keep()
        self._new.discard()
        return None

    def _keep(self) -> Path:
        """Give the animation, as far as it got, a name beside its own."""
        with suppress(OSError):  # what it has not written yet belongs to a picture that is not whole
            self._new.file.close()
        with self._new.temporary.open("r+b") as self._writer.file:
            self._writer.file.truncate(self._whole)
            self._writer.file.seek(self._whole)
            self._writer.finish()
            self._writer.file.flush()
            os.fsync(self._writer.file.fileno())
        names = partial_names(self.path)
        while True:
            partial = next(names)
            with suppress(FileExistsError):
                put_in_place(self._new.temporary, partial, overwrite=False)
                return partial

    def _refuse_existing(self, origin: Path | None = None) -> None:
        try:
            self.path.lstat()
        except FileNotFoundError:
            return
        if self.path.is_dir():
            raise SinkError(f"{self.path} is a folder; name a file in it")
        if not self.overwrite:
            raise SinkError(f"{self.path} exists; choose another name, or allow overwriting")
        if origin and origin.exists() and self.path.exists() and self.path.samefile(origin):
            raise SinkError(f"{self.path} is the picture being read; choose another name")

    def _picture(self, image: np.ndarray) -> Image.Image:
        mode, order = {1: ("L", "L"), 3: ("RGB", "BGR"), 4: ("RGBA", "BGRA")}[image[0, 0].size]
        size = image.shape[1], image.shape[0]
        picture = Image.frombytes(mode, size, image.tobytes(), "raw", order)
        if isinstance(self._wide, WideGamut):
            own = Image.fromarray(self._wide.restore(np.asarray(picture.convert("RGB"))))
            if mode == "RGBA":
                own.putalpha(picture.getchannel("A"))
            picture, mode = own, own.mode
        if mode != "RGBA" or self.format not in ("BMP", "JPEG"):
            return picture
        alpha = picture.getchannel("A")
        if alpha.getextrema()[0] != 255:
            self.warnings.append(Change(f"{self.format} has no transparency; the picture was put on white"))
        flat = Image.new("RGB", size, "white")
        flat.paste(picture, mask=alpha)
        return flat


def _is_animation(info: StreamInfo) -> bool:
    """Whether a stream is an animated picture, and no film."""
    return not info.still and (bool(info.details.get("animated")) or info.details.get("codec") == "gif")


def _tiff_tags(tags: Image.Exif) -> dict[int, Any]:
    """The tags of a TIFF: its predictor, which makes files a quarter smaller, and all of `tags` but its
    directories."""
    kept = {tag: tags[tag].encode("latin-1") for tag in tags if isinstance(tags[tag], str)}
    return {Base.Predictor: 2, **kept}


def _with_directories(encoded: io.BytesIO, directories: dict[int, dict[int, Any]]) -> io.BytesIO:
    """A TIFF with directories of tags beside those it has, which Pillow cannot write into a compressed one:
    they are added at its end, and after them its first directory anew (TIFF 6.0, section 2)."""
    data = bytearray(encoded.getvalue())
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}L", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    places = [start + 2 + 12 * number for number in range(count)]
    entries = {struct.unpack_from(f"{order}H", data, place)[0]: data[place : place + 12] for place in places}
    following = data[start + 2 + 12 * count :][:4]
    for tag, values in directories.items():
        directory = ImageFileDirectory_v2(bytes(data[:8]), group=tag)
        for name, value in values.items():
            directory[name] = value
        data += bytes(len(data) % 2)
        entries[tag] = bytearray(struct.pack(f"{order}HHLL", tag, TiffTags.LONG, 1, len(data)))
        data += directory.tobytes(len(data))
    data += bytes(len(data) % 2)
    struct.pack_into(f"{order}L", data, 4, len(data))
    data += struct.pack(f"{order}H", len(entries))
    data += b"".join(entries[tag] for tag in sorted(entries)) + following
    result = io.BytesIO()
    result.write(data)
    return result


@contextmanager
def _writing(path: Path, size: int | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = path.parent
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            wanted = f"; {path.name} needs {size / 1e6:.1f} MB" if size else ""
            problem = f"the disk that holds {folder} is full{wanted}"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem = f"not allowed to write in {folder}; choose another place"
        elif error.errno in (errno.ENOENT, errno.ENOTDIR):
            problem = f"there is no folder {folder}; make it first"
        else:
            problem = f"cannot write {path}: {error.strerror}"
        raise SinkError(problem) from error
