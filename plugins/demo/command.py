"""nstfilter demo: what it asks and what it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nstfilter.cli.output import INTERRUPTED, progress, warn


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder to leave the results in.", metavar="FOLDER")
    ] = Path("nstfilter-demo"),
    size: Annotated[str, typer.Option(help="The film's width, height and frames a second.")] = "960x540@30",
    seconds: Annotated[float, typer.Option(help="How long the film is.")] = 8.0,
    model: Annotated[
        str, typer.Option(help="pocket, magenta, a SavedModel's path, or a Hub handle.")
    ] = "pocket",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results of an earlier demo.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Paint a scene that nstfilter draws itself: no picture, camera or network is needed."""
    from nstfilter.plugins.demo.film import make

    with progress() as bars:
        pictures = bars.add_task("styles", total=None, speed="")
        film = bars.add_task("film", total=None, speed="", visible=False)
        try:
            files, styles, report, info = make(
                output,
                size,
                seconds,
                model,
                overwrite=overwrite,
                on_picture=lambda done, of: bars.update(pictures, completed=done, total=of),
                on_frame=lambda done, of: bars.update(film, completed=done, total=of, visible=True),
            )
        except KeyboardInterrupt as stop:
            print("; ".join(["stopped", *getattr(stop, "__notes__", [])]), file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    for warning in report.warnings:
        warn(warning)
    facts = {
        "files": [str(path) for path in files],
        "styles": [style.name for style in styles],
        "model": model,
        "width": info.width,
        "height": info.height,
        "frames": report.frames,
        "seconds": round(report.seconds, 3),
        "frames_per_second": round(report.frames / report.seconds, 2),
        "filter_milliseconds_per_frame": round(1000 * report.filtering / report.frames, 2),
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for path in files:
        print(path)
    print(
        f"{facts['frames']} frames of {info.width}x{info.height} at {facts['frames_per_second']} frames/s, "
        f"drawing and encoding included; the filter took {facts['filter_milliseconds_per_frame']} ms a frame"
    )
