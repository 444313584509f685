"""The segmenter in the package: `--segmenter people`, where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter.errors import UsageError
from nstfilter.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nstfilter.people.segmenter import PersonSegmenter


@hookimpl
def register_segmenters(register: Register) -> None:
    register("people", _open_people, help="finds people with the network in the package")


def _open_people(target: str, *, threads: int | None = None) -> PersonSegmenter:
    if target:
        raise UsageError(f"people takes nothing after its name, and was given {target!r}")
    from nstfilter.people.segmenter import PersonSegmenter

    return PersonSegmenter(threads=threads)
