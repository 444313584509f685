"""nstfilter apply: pictures, folders and videos through the filter."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstfilter.cli.output import INTERRUPTED, progress, warn
from nstfilter.cli.show import by_recipe
from nstfilter.errors import NstfilterError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from nstfilter.filter import StyleFilter
    from nstfilter.pipeline import Report
    from nstfilter.render import Job
    from nstfilter.streams import StreamInfo


def apply(
    context: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(help="Pictures, videos and folders of them.", metavar="INPUT")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="Where the result goes; by default beside the input as NAME-STYLE."
        ),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            "-s", "--style", help="A style's name, pack/name, a picture, or a mix: wave:0.7+mosaic:0.3."
        ),
    ] = "mosaic",
    strength: Annotated[float, typer.Option(help="0 gives the input back, 1 the full style.")] = 1.0,
    keep_colors: Annotated[bool, typer.Option("--keep-colors", help="Keep the input's own colours.")] = False,
    model: Annotated[
        str, typer.Option(help="pocket, magenta, a SavedModel's path, or a Hub handle.")
    ] = "pocket",
    size: Annotated[
        int | None, typer.Option(help="The shorter side the network works at, in pixels.")
    ] = None,
    stability: Annotated[
        float | None, typer.Option(help="How calm videos are: 0 paints every frame on its own, 1 is calmest.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="How many threads the model may use.", min=1)] = None,
    quality: Annotated[int | None, typer.Option(help="1 to 100, for JPEG and WebP.")] = None,
    crf: Annotated[
        int | None, typer.Option(help="Constant rate factor of the video: smaller is better.")
    ] = None,
    codec: Annotated[str | None, typer.Option(help="The video codec: h264, hevc, av1, vp9, prores.")] = None,
    include: Annotated[
        list[str],
        typer.Option(help="Of a folder, only files like this: *.mp4, raw/**/*.png. Several are allowed."),
    ] = [],  # noqa: B006  (typer copies it)
    exclude: Annotated[
        list[str], typer.Option(help="Of a folder, no files like this, nor folders. Several are allowed.")
    ] = [],  # noqa: B006
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Paint as this painting was; options given beside it go first.",
            metavar="PAINTING",
            callback=by_recipe,
            is_eager=True,
        ),
    ] = None,
    no_recipe: Annotated[
        bool, typer.Option("--no-recipe", help="Leave out of the result how it was made.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Paint pictures, folders and videos in a style."""
    from nstfilter.filter import StyleFilter
    from nstfilter.recipe import Recipe
    from nstfilter.render import check, plan
    from nstfilter.stability import DEFAULT_STABILITY
    from nstfilter.style import parse_style
    from nstfilter.work import Settings, filter_for

    given = _given(context)
    made: Recipe | None = context.obj
    if made and "style" in given:
        raise UsageError("--recipe says what the style is; leave out --style, or --recipe")
    mix = made.mix if made else parse_style(style)
    jobs = plan(inputs, output, mix, include=include, exclude=exclude)
    options = {k: v for k, v in {"quality": quality, "crf": crf, "codec": codec}.items() if v is not None}
    check(jobs, {name: value for name, value in options.items() if name in given})
    dials: dict[str, Any] = {
        "strength": strength,
        "keep_colors": keep_colors,
        "size": size,
        "stability": DEFAULT_STABILITY if stability is None else stability,
        "threads": threads,
    }
    if made:
        settings = replace(made.settings(model=model if "model" in given else None), **dials)
        paint = filter_for(settings)
        made.check_model(paint.model)
    else:
        paint = StyleFilter(mix, model=model, **dials)
        look = paint.embedding
        settings = Settings(str(mix), look.tobytes(), look.shape, model, **dials)
    if not no_recipe:
        options["recipe"] = Recipe.of(settings, paint.model.fingerprint, **options).to_json()
    results: list[dict[str, Any]] = []
    existing: list[Job] = []
    try:
        with progress() as bars:
            total = bars.add_task("files", total=len(jobs), speed="", visible=len(jobs) > 1)
            for job in jobs:
                result: dict[str, Any] = {"input": str(job.input), "output": str(job.output)}
                try:
                    if len(jobs) > 1 and not overwrite and os.path.exists(job.output):
                        existing.append(job)
                        result["error"] = "the output exists"
                    else:
                        result |= _one(job, paint, bars, overwrite=overwrite, options=options)
                except NstfilterError as error:
                    result["error"] = "; ".join([str(error), *getattr(error, "__notes__", [])])
                    results.append(result)
                    if len(jobs) == 1:
                        raise
                    about = "" if str(job.input) in result["error"] else f"{job.input}: "
                    print(f"error: {about}{result['error']}", file=sys.stderr)
                else:
                    results.append(result)
                bars.advance(total)
    except KeyboardInterrupt as stop:
        notes = getattr(stop, "__notes__", [])
        done = sum("error" not in result for result in results)
        print("; ".join([f"stopped with {done} of {len(jobs)} done", *notes]), file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if as_json:
            print(json.dumps({"style": str(mix), "model": paint.model.name, "results": results}, indent=2))
    failed = sum("error" in result for result in results)
    if not as_json:
        for result in results:
            if "error" not in result:
                print(_summary(result))
    if existing:
        print(
            f"error: {len(existing)} of {len(jobs)} results exist and were left as they are, such as "
            f"{existing[0].output}; --overwrite replaces them",
            file=sys.stderr,
        )
    if failed > len(existing):
        print(f"{failed - len(existing)} of {len(jobs)} failed; the rest is done", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _given(context: typer.Context) -> set[str]:
    """The options that the user wrote."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _one(
    job: Job, paint: StyleFilter, bars: Progress, *, overwrite: bool, options: dict[str, Any]
) -> dict[str, Any]:
    from nstfilter.render import render

    bar = bars.add_task(job.input.name, total=None, speed="", visible=False)
    started = time.perf_counter()

    def show(frames: int) -> None:
        bars.update(bar, completed=frames, speed=f"{frames / (time.perf_counter() - started):.1f} frames/s")

    def opened(info: StreamInfo) -> None:
        paint.reset()
        bars.update(bar, total=info.frames, visible=not info.still)

    try:
        report = render(
            job,
            paint,
            overwrite=overwrite,
            options=options,
            on_open=opened,
            on_frame=show,
        )
    finally:
        bars.remove_task(bar)
    for warning in report.warnings:
        warn(f"{job.input}: {warning}")
    return _figures(report)


def _figures(report: Report) -> dict[str, Any]:
    return {
        "frames": report.frames,
        "seconds": round(report.seconds, 3),
        "filter_seconds": round(report.filtering, 3),
        "frames_per_second": round(report.frames / report.seconds, 2),
        "warnings": report.warnings,
    }


def _summary(result: dict[str, Any]) -> str:
    if result["frames"] == 1:
        return f"{result['output']}  ({result['seconds']:.1f} s)"
    return f"{result['output']}  ({result['frames']} frames, {result['frames_per_second']:.1f} a second)"
