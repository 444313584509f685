"""nstfilter score: how a painting turned out, in numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Any

import typer

from nstfilter.cli.output import progress, table, warn
from nstfilter.errors import SourceError, UsageError

# of a video, the style score and the losses are means over every tenth frame
EVERY = 10


def score(
    content: Annotated[str, typer.Argument(help="The input: a picture or a video.")],
    style: Annotated[str, typer.Argument(help="The style: a name, a picture, or a mix.")],
    output: Annotated[str, typer.Argument(help="The painting made of it.")],
    model: Annotated[str, typer.Option(help="The model that computes the embeddings.")] = "pocket",
    alpha: Annotated[float, typer.Option(help="Weight of the content loss.")] = 1.0,
    beta: Annotated[float, typer.Option(help="Weight of the style loss.")] = 1000.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how a painting turned out.

    Prints the style score, Gatys' content and style losses, and, for videos, the flicker.
    """
    import numpy as np

    from nstfilter.filter import StyleFilter
    from nstfilter.frames import as_bgr
    from nstfilter.manager import open_source
    from nstfilter.models.eye import CONTENT_LAYER, Eye
    from nstfilter.packs.reading import parse_style, read_picture
    from nstfilter.packs.style import StyleMix
    from nstfilter.score import Flicker, losses, style_score

    mix = parse_style(style)
    # the score is about what the pictures show: a taught style is its picture too
    untaught = StyleMix(tuple((replace(part, taught=None), weight) for part, weight in mix.parts))
    judge = StyleFilter(untaught, model=model)
    see = Eye() if len(mix.parts) == 1 else None
    if see is None:
        warn("the losses compare with one picture and are left out for a mix")
    style_layers = see(read_picture(mix.parts[0][0])) if see else {}
    flicker = Flicker()
    scores: list[float] = []
    found: list[Any] = []
    count = 0
    with open_source(content) as before, open_source(output) as after, progress() as bars:
        if (before.info.width, before.info.height) != (after.info.width, after.info.height):
            raise UsageError(
                f"{content} is {before.info.width}x{before.info.height} and {output} "
                f"{after.info.width}x{after.info.height}; a painting has its content's size"
            )
        video = not before.info.still
        bar = bars.add_task("frames", total=before.info.frames, speed="", visible=video)
        for plain, painted in zip_longest(before, after):
            if plain is None or painted is None:
                shorter, longer = (content, output) if plain is None else (output, content)
                warn(f"{shorter} ends after {count} frames and {longer} goes on; only these were compared")
                break
            index, count = count, count + 1
            bars.update(bar, completed=count)
            pair = as_bgr(plain.image)[0], as_bgr(painted.image)[0]
            if video:
                flicker.add(*pair)
            if index % EVERY == 0:
                embeddings = [judge.model.embed(picture) for picture in pair]
                scores.append(style_score(embeddings[0], judge.embedding, embeddings[1]))
                if see:
                    layers = [see(picture) for picture in pair]
                    found.append(
                        losses(
                            layers[0],
                            style_layers,
                            layers[1],
                            content_layers=[CONTENT_LAYER],
                            alpha=alpha,
                            beta=beta,
                        )
                    )
    if not scores:
        raise SourceError(f"there is no frame in {content} or {output}")
    figures: dict[str, Any] = {"frames": count, "style_score": float(np.mean(scores))}
    if video:
        figures["flicker"] = flicker.mean
    if found:
        figures["content_loss"] = {k: float(np.mean([f.content[k] for f in found])) for k in found[0].content}
        figures["style_loss"] = {k: float(np.mean([f.style[k] for f in found])) for k in found[0].style}
        figures["total_loss"] = float(np.mean([f.total for f in found]))
    if as_json:
        print(json.dumps({"model": judge.model.name, "alpha": alpha, "beta": beta} | figures, indent=2))
        return
    rows = []
    for name, value in figures.items():
        layers_of = value if isinstance(value, dict) else {"": value}
        rows += [[name.replace("_", " "), layer, f"{number:.4g}"] for layer, number in layers_of.items()]
    table(["measure", "layer", judge.model.name], rows)
