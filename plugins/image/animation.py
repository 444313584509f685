"""Animated PNG and WebP: their times, and what goes around their pictures in a file.

Pillow decodes and encodes the pictures. It could write whole animations too, but keeps all of an APNG in
memory until then, not compressed. The formats are those of the PNG specification (third edition, section
11.3.6) and of Google's WebP container specification.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

PNG = b"\x89PNG\r\n\x1a\n"
ANIMATED, PROFILE, EXIF, XMP, ALPHA = 0x02, 0x20, 0x08, 0x04, 0x10  # flags of a WebP
LARGEST_WEBP = (1 << 32) - 10  # bytes: sizes are written with 32 bits
BLIND = b"\x02"  # a frame takes the place of the one before, and is not blended with it


@dataclass(frozen=True, slots=True)
class Times:
    """`seconds` each picture is shown, and how often all of them are: `plays`, 0 without end."""

    seconds: tuple[Fraction, ...]
    plays: int


def times(path: Path) -> Times | None:
    """Those of the animation at `path`; None for what is none. Raises `OSError`."""
    seconds: list[Fraction] = []
    plays = None
    with path.open("rb") as file:
        start = file.read(12)
        if start.startswith(PNG):
            file.seek(8)
            for kind, data in _png_chunks(file, (b"acTL", b"fcTL")):
                if kind == b"acTL":
                    plays = int.from_bytes(data[4:8], "big")
                elif len(data) >= 24:
                    ticks, each = struct.unpack_from(">HH", data, 20)
                    seconds.append(Fraction(ticks, each or 100))
        elif start[:4] == b"RIFF" and start[8:] == b"WEBP":
            for kind, data in _webp_chunks(file, (b"ANIM", b"ANMF")):
                if kind == b"ANIM":
                    plays = int.from_bytes(data[4:6], "little")
                else:
                    seconds.append(Fraction(int.from_bytes(data[12:15], "little"), 1000))
    return None if plays is None else Times(tuple(seconds), plays)


def _png_chunks(file: BinaryIO, wanted: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in wanted and size < 100:
            yield kind, file.read(size)
            file.seek(4, 1)
        else:
            file.seek(size + 4, 1)


def _webp_chunks(file: BinaryIO, wanted: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8:
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        data = file.read(min(size, 16)) if kind in wanted else b""
        if kind in wanted:
            yield kind, data
        file.seek(size + size % 2 - len(data), 1)


class PngWriter:
    """Writes an animation into `file` of whole PNGs, all of one size and kind. Another file that holds the
    same may take its place."""

    def __init__(self, file: BinaryIO, plays: int) -> None:
        self.file, self._plays = file, plays
        self._frames = self._parts = self._place = 0

    def write(self, png: bytes, begin: Fraction, end: Fraction) -> None:
        """Add a picture, shown from `begin` to `end`, in seconds. Profile and tags are those of the first.
        Where it raises, the picture is not counted, and the file may hold half of it."""
        place, first, controlled, size = len(PNG), not self._frames, False, b""
        while place < len(png):
            length, kind = struct.unpack_from(">L4s", png, place)
            data = png[place + 8 : place + 8 + length]
            place += length + 12
            if kind == b"IHDR":
                size = data[:8]
                if first:
                    self.file.write(PNG)
                    self._put(kind, data)
                    self._place = self.file.tell()
                    self._put(b"acTL", bytes(8))  # filled in by `finish`
            elif kind == b"IDAT":
                if not controlled:
                    self._put(b"fcTL", self._number() + size + bytes(8) + _delay(end - begin) + bytes(2))
                    controlled = True
                self._put(*((b"IDAT", data) if first else (b"fdAT", self._number() + data)))
            elif first and kind != b"IEND":
                self._put(kind, data)
        self.file.flush()
        self._frames += 1

    def finish(self) -> None:
        self._put(b"IEND", b"")
        self.file.seek(self._place)
        self._put(b"acTL", struct.pack(">LL", self._frames, self._plays))
        self.file.seek(0, 2)

    def _number(self) -> bytes:
        self._parts += 1
        return struct.pack(">L", self._parts - 1)

    def _put(self, kind: bytes, data: bytes) -> None:
        self.file.write(
            struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        )


def _delay(seconds: Fraction) -> bytes:
    """As two numbers of 16 bits."""
    for most in (0xFFFF, 1000, 100, 1):
        ticks = seconds.limit_denominator(most)
        if ticks.numerator <= 0xFFFF:
            break
    return struct.pack(">HH", min(ticks.numerator, 0xFFFF), ticks.denominator)


class WebpWriter:
    """Writes an animation into `file` of whole WebPs, all of one size, with an ICC `profile` and packets of
    tags where there are any. Another file that holds the same may take its place."""

    def __init__(
        self, file: BinaryIO, plays: int, *, profile: bytes = b"", exif: bytes = b"", xmp: bytes = b""
    ) -> None:
        self.file, self._plays = file, plays
        self._profile, self._exif, self._xmp = profile, exif.removeprefix(b"Exif\0\0"), xmp
        self._begun = False

    def write(self, webp: bytes, begin: Fraction, end: Fraction, size: tuple[int, int], alpha: bool) -> None:
        """Add a picture of this `size`, shown from `begin` to `end`, in seconds. Raises `OverflowError` where
        the file would grow larger than a WebP can be."""
        area = b"".join((side - 1).to_bytes(3, "little") for side in size)
        if not self._begun:
            flags = ANIMATED | PROFILE * bool(self._profile) | EXIF * bool(self._exif) | XMP * bool(self._xmp)
            self.file.write(b"RIFF" + bytes(4) + b"WEBP")
            self._put(b"VP8X", bytes([flags | ALPHA * alpha, 0, 0, 0]) + area)
            if self._profile:
                self._put(b"ICCP", self._profile)
            self._put(b"ANIM", bytes(4) + struct.pack("<H", min(self._plays, 0xFFFF)))
            self._begun = True
        data = b"".join(_picture_chunks(webp))
        left = sum(map(len, (self._exif, self._xmp))) + 100  # with what goes around all these
        if self.file.tell() + len(data) + left > LARGEST_WEBP:
            raise OverflowError
        shown = max(1, round(end * 1000) - round(begin * 1000))
        head = bytes(6) + area + min(shown, 0xFFFFFF).to_bytes(3, "little") + BLIND
        self._put(b"ANMF", head + data)
        self.file.flush()

    def finish(self) -> None:
        for kind, data in ((b"EXIF", self._exif), (b"XMP ", self._xmp)):
            if data:
                self._put(kind, data)
        size = self.file.tell()
        self.file.seek(4)
        self.file.write(struct.pack("<L", size - 8))
        self.file.seek(0, 2)

    def _put(self, kind: bytes, data: bytes) -> None:
        self.file.write(kind + struct.pack("<L", len(data)) + data + bytes(len(data) % 2))


def _picture_chunks(webp: bytes) -> Iterator[bytes]:
    place = 12
    while place + 8 <= len(webp):
        (length,) = struct.unpack_from("<L", webp, place + 4)
        whole = 8 + length + length % 2
        if webp[place : place + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            yield webp[place : place + whole]
        place += whole
