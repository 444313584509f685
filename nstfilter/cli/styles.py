"""nstfilter styles: list and show styles; make, add and remove packs of them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstfilter.cli.output import INTERRUPTED, progress, table, warn
from nstfilter.errors import one_line

if TYPE_CHECKING:
    import numpy as np

    from nstfilter.packs.style import Style

app = typer.Typer(help="List, show, add and make styles.", invoke_without_command=True)

TILE = 320  # the longer side of a picture on the sheet, in pixels
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def styles(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        list_styles(as_json)


@app.command("list")
def list_styles(as_json: AsJson = False) -> None:
    """List the styles of every pack."""
    from nstfilter.errors import StyleError
    from nstfilter.packs.reading import read_packs

    found: list[Style] = []
    for pack, _ in read_packs():
        if isinstance(pack, StyleError):
            warn(str(pack))
        else:
            found += pack.styles
    if as_json:
        print(json.dumps([_facts(style) for style in found], indent=2))
    else:
        table(["pack", "style", "title", "licence"], [[s.pack, s.name, s.title, s.licence] for s in found])


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A style, as NAME or PACK/NAME.")], as_json: AsJson = False
) -> None:
    """Show everything known of a style."""
    from nstfilter.packs.reading import find_style

    facts = _facts(find_style(name))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        if value not in ("", None):
            print(f"{key + ':':9}{value}")


@app.command()
def sheet(
    picture: Annotated[
        str, typer.Argument(help="The picture to paint; by default a frame of the demo.")
    ] = "demo",
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the sheet goes.")] = Path(
        "styles.jpg"
    ),
    model: Annotated[str, typer.Option(help="The model to paint with.")] = "pocket",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a sheet that exists.")] = False,
) -> None:
    """Paint one picture in every style, side by side."""
    from nstfilter.errors import SinkError, StyleError, UsageError
    from nstfilter.filter import StyleFilter
    from nstfilter.graphics.sheet import contact_sheet
    from nstfilter.manager import open_model, open_sink
    from nstfilter.packs.reading import list_styles
    from nstfilter.streams import Frame, StreamInfo

    # what would fail in the end is refused before anything is painted
    if output.exists() and Path(picture).exists() and output.samefile(picture):
        raise UsageError(f"{output} is the picture to be painted; choose another name with -o")
    if output.exists() and not overwrite:
        raise SinkError(f"{output} exists; choose another name with -o, or --overwrite it")
    if not output.parent.is_dir():
        raise SinkError(f"there is no folder {output.parent}; make it first")
    sink = open_sink(output, overwrite=overwrite)
    found = list_styles()
    image = _picture_for_sheet(picture)
    painter = open_model(model)
    tiles: list[tuple[str, np.ndarray]] = [(Path(picture).stem, image)]
    with progress() as bars:
        bar = bars.add_task("styles", total=len(found), speed="")
        for style in found:
            try:
                tiles.append((_label(style, found), StyleFilter(style, model=painter)(image)))
            except StyleError as error:
                warn(str(error))
            bars.advance(bar)
    height, width = image.shape[:2]
    scale = TILE / max(height, width)
    page = contact_sheet(tiles, tile=(max(TILE // 3, round(width * scale)), round(height * scale) or 1))
    sink.open(StreamInfo(page.shape[1], page.shape[0], frames=1))
    try:
        sink.write(Frame(page))
        sink.close()
    except BaseException:
        sink.abort()
        raise
    print(output)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures.")],
    name: Annotated[str | None, typer.Option(help="The pack's name; by default the folder's.")] = None,
    author: Annotated[str | None, typer.Option(help="Who put the pack together.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="The licence of the pack and its pictures, such as CC0-1.0.")
    ] = None,
) -> None:
    """Make a pack out of a folder of pictures."""
    from nstfilter.packs.making import create_pack

    draft = create_pack(folder, name=name, author=author, licence=licence)
    for reason in draft.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    count = "1 style" if len(draft.styles) == 1 else f"{len(draft.styles)} styles"
    print(f"{draft.manifest}: {count}: {', '.join(draft.styles)}")
    if draft.unknown:
        print("still to fill in:")
        for number, line in draft.unknown:
            print(f"{number:5}: {line}")


@app.command()
def add(
    pack: Annotated[Path, typer.Argument(help="A pack: its folder, or a .zip of it.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a pack of the same name.")] = False,
) -> None:
    """Add a pack to your styles."""
    from nstfilter.packs.adding import add_pack

    added = add_pack(pack, overwrite=overwrite)
    print(f"added {added.name}: {', '.join(style.name for style in added.styles)}")


@app.command()
def remove(pack: Annotated[str, typer.Argument(help="The name of a pack that was added.")]) -> None:
    """Remove a pack that was added."""
    from nstfilter.packs.adding import remove_pack

    print(f"removed {remove_pack(pack)}")


@app.command(no_args_is_help=True)
def teach(
    style: Annotated[str, typer.Argument(help="A style's name, or any picture.")],
    minutes: Annotated[
        float,
        typer.Option(
            help="How long the lesson lasts. Ctrl-C keeps what was learned, and the same command goes on.",
            min=0.05,
            max=600,
        ),
    ] = 10.0,
    draft: Annotated[bool, typer.Option("--draft", help="A lesson of two minutes.")] = False,
    stroke: Annotated[float, typer.Option(help="Size of the strokes, 0.5 to 2.", min=0.5, max=2)] = 1.0,
    content: Annotated[
        float, typer.Option(help="How much of the input's structure is kept, 0 to 1.", min=0, max=1)
    ] = 0.5,
    on: Annotated[
        list[str] | None,
        typer.Option(help="Pictures, folders or videos to practice on; may be given several times."),
    ] = None,
    preview: Annotated[
        Path | None, typer.Option(help="A picture of how it looks so far, rewritten every half minute.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="How many threads TensorFlow may use.", min=1)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Teach a taught style anew.")] = False,
) -> None:
    """Teach pocket one style, on this computer; it is painted with what was learned from then on."""
    from nstfilter.models.embeddings import cache_folder
    from nstfilter.models.lesson import Dials
    from nstfilter.packs.reading import find_style
    from nstfilter.teaching import State
    from nstfilter.teaching import teach as teach_style

    found = find_style(style)
    total = (2.0 if draft else minutes) * 60
    preview = preview or cache_folder() / "teaching" / f"{found.name}.jpg"
    print(f"how it looks so far: {one_line(str(preview))}", file=sys.stderr)
    try:
        with progress() as bars:
            bar = bars.add_task(f"teaching {one_line(str(found))}", total=round(total), speed="")

            def show(state: State) -> None:
                bars.update(bar, completed=round(state.seconds), speed=f"s  loss {state.loss:.4f}")

            file = teach_style(
                found,
                minutes=total / 60,
                dials=Dials(stroke, content),
                on=on or [],
                preview=preview,
                overwrite=overwrite,
                threads=threads,
                on_state=show,
            )
    except KeyboardInterrupt as stop:
        print("; ".join(["stopped", *map(one_line, getattr(stop, "__notes__", []))]), file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print(one_line(str(file)))


def _facts(style: Style) -> dict[str, Any]:
    facts = asdict(style)
    facts["path"] = str(style.path)
    facts["taught"] = str(style.taught) if style.taught else None
    return {key: facts[key] for key in ("pack", *facts)}


def _label(style: Style, found: list[Style]) -> str:
    alone = [other.name for other in found].count(style.name) == 1
    return style.name if alone else f"{style.pack}/{style.name}"


def _picture_for_sheet(target: str) -> np.ndarray:
    """The first frame, HxWx3 BGR, no larger than what models work at: tiles are smaller still."""
    from nstfilter.errors import SourceError
    from nstfilter.frames import as_bgr, default_size
    from nstfilter.graphics.opencv import cv2
    from nstfilter.manager import open_source

    with open_source(target) as source:
        frame = next(iter(source), None)
    if frame is None:
        raise SourceError(f"{target} has no picture in it")
    image, _ = as_bgr(frame.image)
    height, width = image.shape[:2]
    scale = min(1, default_size(height, width) / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
