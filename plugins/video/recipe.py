"""Where a video keeps its recipe: in a tag of its own in Matroska and WebM, in a box behind the rest in MP4
and MOV.

MP4 has tags too, but no more than a dozen that players read, and all of those are for people to write in;
FFmpeg's `use_metadata_tags` would allow others, and takes title and artist away from where players look. The
box is that of XMP Specification part 3, section 1.1.6: programs that do not know it pass it over.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from av.container import InputContainer

from nstfilter.jobs.xmp import packet, recipe_in

TAG = "NSTFILTER"
XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
# so much is looked at, whatever a file claims
MOST_BOXES = 10_000
LONGEST_PACKET = 200_000


def tags(format: str, recipe: str) -> dict[str, str]:
    """What to add to the tags of a file of this format, by FFmpeg's name for it."""
    return {TAG: recipe} if format in ("matroska", "webm") else {}


def append(file: BinaryIO, format: str, recipe: str) -> None:
    """Add what stands outside of tags to a file that is complete."""
    if format in ("mp4", "mov"):
        xmp = packet(recipe)
        file.seek(0, 2)
        file.write((24 + len(xmp)).to_bytes(4, "big") + b"uuid" + XMP + xmp)


def find(path: Path, container: InputContainer) -> str | None:
    """The recipe in the file at `path`, which `container` has open."""
    if "mov" not in container.format.name:
        return container.metadata.get(TAG)
    with suppress(OSError), path.open("rb") as file:
        position, end = 0, file.seek(0, 2)
        for _ in range(MOST_BOXES):
            if position >= end:
                break
            file.seek(position)
            head = file.read(24)
            size = int.from_bytes(head[:4], "big")
            if head[4:] == b"uuid" + XMP and 24 < size < LONGEST_PACKET:
                recipe = recipe_in(file.read(size - 24))
                if recipe is not None:
                    return recipe
            if size == 1:  # too large for four bytes: eight follow
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # 0 is the rest of the file
                break
            position += size
    return None
