"""nstfilter show, which prints the recipe of a painting, and `apply --recipe`, which follows it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from nstfilter.parameters import PARAMETERS, PEOPLE

if TYPE_CHECKING:
    from nstfilter.streams import StreamInfo


def show(
    file: Annotated[str, typer.Argument(help="A picture or video that nstfilter painted.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a painting was made with, and how to make it again."""
    from nstfilter.jobs.recipe import Recipe

    recipe, info = Recipe.read(file)
    if as_json:
        facts = {
            "file": file,
            "width": info.width,
            "height": info.height,
            "frames": info.frames,
            "rate": float(info.rate) if info.rate else None,
        }
        print(json.dumps(facts | {"recipe": json.loads(recipe.to_json())}, indent=2))
        return
    print(f"{file}: {_stream(info)}")
    print(f"style        {recipe.style}")
    print(f"strength     {recipe.strength:g}")
    print(f"colors       {'kept from the input' if recipe.keep_colors else 'those of the style'}")
    if not info.still:
        print(f"stability    {recipe.stability:g}")
    for name in PEOPLE:
        if (value := getattr(recipe, name)) != PARAMETERS[name].default:
            print(f"{name:12} {value}")
    print(f"model        {recipe.model} ({recipe.fingerprint}), at {recipe.size or 'its usual'} size")
    for name, value in recipe.options.items():
        print(f"{name:12} {value}")
    print(f"painted by   nstfilter {recipe.version}")
    if recipe.style_at_hand:
        again = ["nstfilter", "apply", "INPUT", "--recipe", file]
        again += [] if recipe.background_at_hand else ["--background", recipe.background or ""]
        print(f"again        {shlex.join(again)}")
    print(f"command      {recipe.command}")


def by_recipe(context: typer.Context, file: str | None) -> str | None:
    """The callback of --recipe, called before the other options are read: what the recipe says becomes their
    defaults. The recipe itself is kept as `context.obj`."""
    if file:
        from nstfilter.jobs.recipe import Recipe

        recipe, _ = Recipe.read(file)
        dials = {"style", "strength", "keep_colors", "stability", "size", "quality", "crf", "codec", *PEOPLE}
        context.obj = recipe
        context.default_map = recipe.model_dump(include=dials, exclude_none=True)
    return file


def _stream(info: StreamInfo) -> str:
    if info.still:
        return f"{info.width}x{info.height}, a picture"
    frames = "frames" if info.frames is None else f"{info.frames} frames"
    return f"{info.width}x{info.height}, {frames}" + (f", {float(info.rate):g} a second" if info.rate else "")
