"""Reads a picture upright, in sRGB, with 8 bits a channel.

Pillow decodes: it knows the color profiles, palettes and tags that OpenCV skips.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

from nstfilter.errors import MissingLibraryError, SourceError
from nstfilter.graphics.opencv import cv2
from nstfilter.jobs.xmp import recipe_in
from nstfilter.plugins.image.animation import Times, times
from nstfilter.plugins.image.formats import FORMATS, HEIF
from nstfilter.plugins.image.gamut import WideGamut
from nstfilter.streams import Change, Frame, Source, StreamInfo

SIGNATURES = (b"BM", b"\xff\xd8\xff", b"\x89PNG", b"II", b"MM", b"RIFF")
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
OTHER_MODES = {"F": "floating-point", "I": "32-bit integer", "LAB": "CIELAB"}

# What of EXIF is still true of the painting: who made it, when, where and with which camera. The thumbnail,
# the orientation (already applied) and the layout of the old file are not; the camera maker's own notes
# break when they are moved.
KEPT_TAGS = {
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
}
DROPPED_TAGS = {
    Base.MakerNote,
    Base.ColorSpace,
    Base.ExifImageWidth,
    Base.ExifImageHeight,
    Base.ExifInteroperabilityOffset,
}
CLOCK = Fraction(1, 90_000)  # seconds, of which the usual frame rates and milliseconds are multiples
MAX_EXIF = 65_000  # bytes; a JPEG's tags must fit into one segment


class ImageSource(Source):
    """One picture: HxWx3 BGR, or HxWx4 BGRA where it has transparency; uint8, sRGB, upright.

    The content decides the format, not the name. Gray pictures come as BGR, so that they are painted in
    color; 16 bits a channel become 8; of several pages, or of an animation, the first is taken. EXIF tags
    and the resolution travel in `info.details` as "exif" (bytes) and "dpi" (two floats, dots per inch), and a
    painting's recipe as "recipe" (a string). Of a picture with a profile other than sRGB, "wide_gamut" is
    what sRGB could not hold (a `WideGamut`).

    Raises `SourceError` for what is missing, no picture, damaged, truncated, or has more than `max_pixels`.
    """

    def __init__(self, target: str, max_pixels: int) -> None:
        super().__init__()
        path = Path(target)
        with _pillow_to_ourselves():
            picture, details = _load(path, max_pixels, self.warnings)
            self._image, wide = _to_bgr(picture, self.warnings)
        if wide:
            details["wide_gamut"] = wide
        height, width = self._image.shape[:2]
        self.info = StreamInfo(width, height, frames=1, origin=path, details=details)

    def _frames(self) -> Iterator[Frame]:
        yield Frame(self._image)


class PictureHeader(Source):
    """What the header of one picture tells: `info` (the size as it is stored) and `warnings`, but no frame.
    Raises as an `ImageSource` does."""

    def __init__(self, target: str, max_pixels: int) -> None:
        super().__init__()
        path = Path(target)
        with _pillow_to_ourselves(), _opened(path, max_pixels) as picture:
            self.warnings += _pages_lost(picture)
            self.info = StreamInfo(*picture.size, frames=1, origin=path)

    def _frames(self) -> Iterator[Frame]:
        return iter(())


def animation_times(path: Path) -> Times | None:
    """Those of an animation with several pictures that can be painted; None for any other file, also one
    that cannot be read."""
    with suppress(OSError):
        found = times(path)
        if found and len(found.seconds) > 1:
            with _pillow_to_ourselves(), suppress(Exception), Image.open(path) as picture:
                whole = picture.mode in MODES and ";16" not in str(picture.tile)
                return found if whole and getattr(picture, "n_frames", 1) > 1 else None
    return None


class AnimationSource(Source):
    """The pictures of an animated PNG or WebP, each for as long as it is shown: HxWx3 BGR, or HxWx4 BGRA
    where the first one has transparency; uint8, sRGB, upright.

    `info.details` are an `ImageSource`'s but for "wide_gamut", and "animated": True, "alpha", and "loop": how
    often it starts over, 0 without end and -1 never. Raises as an `ImageSource` does.
    """

    def __init__(self, target: str, max_pixels: int, times: Times) -> None:
        super().__init__()
        self.path = Path(target)
        self._lock = threading.Lock()
        with _pillow_to_ourselves(), _reading(self.path):
            self._picture = Image.open(self.path, formats=_formats(self.path))
            try:
                _check_size(self.path, self._picture, max_pixels)
                # the picture for viewers that know no animations may be one of its own
                self._first = int(bool(self._picture.info.get("default_image")))
                claimed, held = getattr(self._picture, "n_frames", 1) - self._first, len(times.seconds)
                self._count = max(1, min(claimed, held))  # a broken file may claim billions
                self._image = self._read(0)
                details = _details(self._picture)
            except BaseException:
                self._picture.close()
                raise
        if self._first:
            self.warnings.append(Change("its picture for viewers without animations is not kept"))
        if claimed != held:
            self.warnings.append(
                Change(f"it claims {claimed} pictures and has {held}; {self._count} are used")
            )
        seconds = times.seconds[: self._count]
        if not all(seconds):
            self.warnings.append(Change("pictures without a duration are shown for 0.1 s, as browsers do"))
        self._seconds = [each or Fraction(1, 10) for each in seconds]
        height, width, channels = self._image.shape
        self.info = StreamInfo(
            width,
            height,
            time_base=CLOCK,
            rate=(self._count / sum(self._seconds, Fraction(0))).limit_denominator(1001),
            frames=self._count,
            origin=self.path,
            details={
                **details,
                "animated": True,
                "alpha": channels == 4,
                "loop": -1 if times.plays == 1 else max(0, times.plays - 1),
            },
        )

    def _read(self, number: int) -> np.ndarray:
        """Raises whatever a broken file makes Pillow raise."""
        self._picture.seek(number + self._first)
        picture = self._picture.copy()
        with suppress(Exception):  # as in _details
            ImageOps.exif_transpose(picture, in_place=True)
        remarks: list[str] = []
        image, wide = _to_bgr(picture, remarks)
        if wide:
            remarks.append(Change("its wide colors are sRGB in the result"))
        self.warnings += [line for line in remarks if line not in self.warnings]
        return image

    def _frames(self) -> Iterator[Frame]:
        begin = Fraction(0)
        for number, seconds in enumerate(self._seconds):
            try:
                with self._lock, _pillow_to_ourselves():
                    if self.closed:
                        return
                    image = self._read(number) if number else self._image
            except Exception:
                left = self._count - number
                self.warnings.append(Change(f"the last {left} of its {self._count} pictures are damaged"))
                return
            if image.shape[2] != self._image.shape[2]:
                change = cv2.COLOR_BGR2BGRA if image.shape[2] == 3 else cv2.COLOR_BGRA2BGR
                image = cv2.cvtColor(image, change)
            pts, end = round(begin / CLOCK), round((begin + seconds) / CLOCK)
            yield Frame(image, pts, end - pts)
            begin += seconds

    def _close(self) -> None:
        with self._lock:
            self._picture.close()


_PILLOW = threading.Lock()


@contextmanager
def _pillow_to_ourselves() -> Iterator[None]:
    """With Pillow's size limit off, since ours is higher, and its remarks on odd tags kept from stderr. Both
    are settings of the whole process, hence the lock."""
    with _PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _load(path: Path, max_pixels: int, remarks: list[str]) -> tuple[Image.Image, dict[str, object]]:
    """The picture in `path`, upright and with 8 bits a channel, and what `StreamInfo.details` is to hold."""
    with _opened(path, max_pixels) as picture:
        remarks += _pages_lost(picture)
        deep = ";16" in str(picture.tile)
        tiff = getattr(picture, "tag_v2", {})
        bits, inverted = tiff.get(Base.BitsPerSample, (16,))[0], tiff.get(Base.PhotometricInterpretation) == 0
        if tiff.get(Base.PlanarConfiguration) == 2 and bits > 8:
            raise SourceError(f"{path} keeps its 16-bit colors in separate planes; save it interleaved")
        picture.load()
        with suppress(Exception):  # as in _details
            ImageOps.exif_transpose(picture, in_place=True)
        details = _details(picture)
    if deep:
        remarks.append(Change("its 16 bits a channel were reduced to 8"))
        if picture.info.pop("transparency", None) is not None:
            remarks.append(Change("its one transparent color is painted like the others"))
    if picture.mode.startswith("I;16"):
        return _gray_to_8_bits(picture, 2**bits - 1, inverted), details
    if picture.mode not in MODES:
        kind = OTHER_MODES.get(picture.mode, picture.mode)
        raise SourceError(f"{path} has {kind} pixels; save it with 8 or 16 bits a channel")
    return picture, details


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    with _reading(path), Image.open(path, formats=_formats(path)) as picture:
        _check_size(path, picture, max_pixels)
        yield picture


def _pages_lost(picture: Image.Image) -> list[str]:
    # an MPO is a phone's JPEG with depth or previews behind it: its first picture is the photograph
    pages = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    return [Change(f"only the first of its {pages} pictures is used")] if pages > 1 else []


def _check_size(path: Path, picture: Image.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise SourceError(
            f"{path} has {width}x{height} pixels, {width * height / 1e6:.0f} million; "
            f"at most {max_pixels / 1e6:.0f} million are taken, so make it smaller first"
        )


def _formats(path: Path) -> list[str]:
    """Pillow's names of the formats that the file may be of. Raises `MissingLibraryError`."""
    formats = set(FORMATS.values())
    if path.suffix.lower() in HEIF:
        try:
            import pillow_heif
        except ModuleNotFoundError:
            raise MissingLibraryError(
                f'{path} is HEIC, and pillow-heif is not installed; pip install "nstfilter[heic]" brings it'
            ) from None
        pillow_heif.register_heif_opener()
        formats.add("HEIF")
    return sorted(formats)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (SourceError, MissingLibraryError):
        raise
    except UnidentifiedImageError as error:
        raise SourceError(f"{path} {_what_instead(path)}") from error
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder, not a picture") from error
    except PermissionError as error:
        raise SourceError(f"not allowed to read {path}; its permissions forbid it") from error
    except MemoryError as error:
        raise SourceError(f"{path} does not fit into memory; make it smaller first") from error
    except Exception as error:
        # a broken file makes Pillow's decoders raise whatever they stumble over
        if isinstance(error, OSError) and error.strerror:
            raise SourceError(f"cannot read {path}: {error.strerror}") from error
        raise SourceError(
            f"{path} is truncated or damaged; Pillow says: {' '.join(str(error).split())}"
        ) from error


def _what_instead(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(12)
    if not start:
        return "is empty"
    if start.startswith(SIGNATURES) or start[4:8] == b"ftyp":
        return "is truncated, or of a kind that is not read; save it with 8 or 16 bits a channel"
    return "is not a picture, whatever its name says; PNG, JPEG, WebP, AVIF, TIFF and BMP are read"


def _details(picture: Image.Image) -> dict[str, object]:
    details: dict[str, object] = {}
    # tags in the wild are broken in every way there is, and no tag is worth a picture
    with suppress(Exception):
        x, y = (float(d) for d in picture.info["dpi"])
        if min(x, y) > 1 and max(x, y) < 10_000:
            details["dpi"] = x, y
    with suppress(Exception):
        tags, kept = picture.getexif(), Image.Exif()
        for tag in KEPT_TAGS & set(tags):
            # read as Latin-1, but often UTF-8, and written as ASCII: only bytes come through unharmed
            kept[tag] = tags[tag].encode("latin-1")
        for directory in {IFD.Exif, IFD.GPSInfo} & set(tags):
            entries = tags.get_ifd(directory)
            kept[directory] = {tag: entries[tag] for tag in set(entries) - DROPPED_TAGS}
        if len(kept) and len(encoded := kept.tobytes()) < MAX_EXIF:
            details["exif"] = encoded
    xmp = picture.info.get("xmp")
    if isinstance(xmp, bytes) and (recipe := recipe_in(xmp)):
        details["recipe"] = recipe
    return details


def _gray_to_8_bits(picture: Image.Image, white: int, inverted: bool) -> Image.Image:
    gray = cv2.convertScaleAbs(np.asarray(picture).astype(np.uint16, copy=False), alpha=255 / white)
    result = Image.fromarray(255 - gray if inverted else gray)
    result.info = picture.info
    return result


def _to_bgr(picture: Image.Image, remarks: list[str]) -> tuple[np.ndarray, WideGamut | None]:
    """The picture in sRGB as BGR or BGRA, and what that could not hold of it."""
    (colors, profile), order = _to_srgb(picture, remarks), cv2.COLOR_RGB2BGR
    wide = None
    if profile:
        wide = WideGamut(profile, np.asarray(picture.convert("RGB")), np.asarray(colors))
    if picture.has_transparency_data:
        colors.putalpha(picture.convert("RGBA").getchannel("A"))
        order = cv2.COLOR_RGBA2BGRA
    image: np.ndarray = cv2.cvtColor(np.asarray(colors), order)
    return image, wide


def _to_srgb(picture: Image.Image, remarks: list[str]) -> tuple[Image.Image, bytes | None]:
    """`picture` in mode RGB, by way of its color profile where it has one; and that, where it is for RGB and
    not just sRGB by another name."""
    embedded = picture.info.get("icc_profile")
    if embedded:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            mode = {"CMYK": "CMYK", "GRAY": "L", "RGB": "RGB"}[profile.profile.xcolor_space.strip()]
            if (mode == "CMYK") != (picture.mode == "CMYK"):
                raise ValueError(f"it is for {mode}")
            to_srgb = ImageCms.buildTransform(
                profile,
                ImageCms.createProfile("sRGB"),
                mode,
                "RGB",
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if mode != "RGB" or _changes_colors(to_srgb):
                converted = ImageCms.applyTransform(picture.convert(mode), to_srgb)
                assert converted is not None
                if mode == "CMYK":
                    remarks.append(Change("its CMYK colors are sRGB in the result"))
                return converted, embedded if mode == "RGB" else None
        except (ImageCms.PyCMSError, OSError, KeyError, ValueError) as error:
            remarks.append(Change(f"its color profile is not used ({error}); colors may be off"))
    elif picture.mode == "CMYK":
        remarks.append(Change("its CMYK colors have no profile; they are matched roughly"))
    return picture if picture.mode == "RGB" else picture.convert("RGB"), None


def _changes_colors(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether `transform` moves any color by more than a rounding error. Most profiles are sRGB by one name
    or another, and a large picture takes seconds to send through one."""
    lattice = np.mgrid[0:256:17, 0:256:17, 0:256:17].astype(np.uint8).reshape(3, 64, 64).transpose(1, 2, 0)
    moved = ImageCms.applyTransform(Image.fromarray(lattice), transform)
    return bool(np.abs(np.asarray(moved).astype(int) - lattice).max() > 1)
