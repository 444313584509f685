"""`nstfilter apply - -o -` and `frames/%05d.png`: what is painted here and now, from beginning to end."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstfilter.cli.output import warn
from nstfilter.errors import UsageError
from nstfilter.files import is_numbered
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.pipeline import Report, run
from nstfilter.streams import Change, Closed

if TYPE_CHECKING:
    from nstfilter.filter import StyleFilter

PIPE = "-"
# how pictures begin, and the suffix they are given
PICTURES = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"RIFF": ".webp",
    b"II*\0": ".tiff",
    b"MM\0*": ".tiff",
    b"BM": ".bmp",
}
VIDEOS = {"mkv", "y4m"}


def is_direct(inputs: Sequence[str], output: str | None) -> bool:
    """Whether a pipe or numbered pictures are among these."""
    return any(target == PIPE or is_numbered(target) for target in (*inputs, output or ""))


def paint_directly(
    inputs: list[str],
    output: str | None,
    paint: StyleFilter,
    options: dict[str, Any],
    to: str | None,
    rate: float | None,
) -> bool:
    """Read what is called, paint it, write it. Returns whether the result has all that the input had. Raises
    `UsageError` for what cannot be meant."""
    if len(inputs) != 1:
        raise UsageError("a pipe or numbered pictures are one input; give no others beside them")
    if is_numbered(inputs[0]) and output is None:
        raise UsageError(f"say with -o what {inputs[0]} becomes")
    if rate is not None and not is_numbered(inputs[0]):
        raise UsageError("--rate is for numbered pictures; everything else has times of its own")
    into = PIPE if output is None else output
    if into == PIPE and sys.__stdout__ is None:  # closed when the program began
        raise UsageError("standard output is closed; send it into a program or a file, or say -o")
    if into == PIPE and sys.stdout.isatty():
        raise UsageError("the result would go to this terminal; send it into a program or a file, or say -o")
    with tempfile.TemporaryDirectory() as folder:
        source = inputs[0]
        if source == PIPE and sys.stdin is None:
            raise UsageError("standard input is closed; send a picture or a video into it, or name a file")
        picture = _picture() if source == PIPE else _suffix_of(source)
        if source == PIPE and picture:
            source = os.path.join(folder, f"in{picture}")
            with open(source, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        through = Path(folder) / f"out{'.' + to if to else picture}"
        if into != PIPE:
            sink = open_sink(into, **_known(into, options))
        elif picture:
            if to in VIDEOS:
                raise UsageError(f"one picture is no {to}; say --to png, jpg or webp")
            sink = open_sink(through, **_known(str(through), options))
        else:
            wanted = {"format": to} if to else {}
            sink = open_sink(PIPE, **wanted, **_known(PIPE, options))
        try:
            opened = open_source(source, **({} if rate is None else {"rate": rate}))
            before = [*opened.warnings, *sink.losses(opened.info)]
            for line in before:
                warn(line)
            report = run(opened, paint, sink)
        except Closed:  # whoever read it has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed
            return True
        if into == PIPE and picture:
            with through.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return _warned(report, before)


def _picture() -> str:
    """The suffix of the picture that standard input begins with; empty where it is none."""
    start = sys.stdin.buffer.peek(12)  # type: ignore[attr-defined,union-attr]
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    webp = start[8:12] == b"WEBP"
    found = (suffix for head, suffix in PICTURES.items() if start.startswith(head))
    return next((suffix for suffix in found if suffix != ".webp" or webp), "")


def _suffix_of(path: str) -> str:
    """That of a picture; empty for what is none."""
    claims = [registration.name for registration in manager().sources.claims(path)]
    return Path(path).suffix.lower() if claims == ["image"] else ""


def _known(target: str, options: dict[str, Any]) -> dict[str, Any]:
    taken = manager().sinks.options(target)
    return {name: value for name, value in options.items() if name in taken}


def _warned(report: Report, before: list[str]) -> bool:
    for line in report.warnings:
        if line not in before:
            warn(line)
    return not any(isinstance(line, Change) for line in report.warnings)
