"""The boxes that an MP4 or MOV file is made of (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST = 10_000  # are looked at, whatever a file claims


@dataclass(frozen=True, slots=True)
class Box:
    """`kind` is its four letters; the rest are positions: of its head, of what follows that, and its end."""

    kind: bytes
    begin: int
    body: int
    end: int


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """Those between two positions of a file; none behind one that claims what cannot be."""
    for _ in range(MOST):
        if end - begin < 8:
            return
        file.seek(begin)
        head = file.read(16)
        size, body = int.from_bytes(head[:4], "big"), begin + 8
        if size == 1:  # too large for four bytes: eight follow
            size, body = int.from_bytes(head[8:16], "big"), begin + 16
        elif size == 0:  # the rest of the file
            size = end - begin
        if begin + size < body:
            return
        yield Box(head[4:8], begin, body, min(begin + size, end))
        begin += size


def hide_tracks(file: BinaryIO, numbers: list[int]) -> None:
    """Make the tracks with these numbers, from 0, free space; they must hold nothing. `file` is complete, and
    open for reading and writing."""
    for movie in boxes(file, 0, file.seek(0, 2)):
        if movie.kind != b"moov":
            continue
        tracks = [box for box in boxes(file, movie.body, movie.end) if box.kind == b"trak"]
        for number in numbers:
            if number < len(tracks):
                file.seek(tracks[number].begin + 4)
                file.write(b"free")
