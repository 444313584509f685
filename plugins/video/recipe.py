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
from nstfilter.plugins.video.boxes import boxes

TAG = "NSTFILTER"
XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
LONGEST_PACKET = 200_000  # bytes that are looked at, whatever a file claims


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
        for box in boxes(file, 0, file.seek(0, 2)):
            size = box.end - box.body - len(XMP)
            if box.kind == b"uuid" and 0 < size < LONGEST_PACKET:
                file.seek(box.body)
                if file.read(len(XMP)) == XMP and (recipe := recipe_in(file.read(size))) is not None:
                    return recipe
    return None
