"""nstfilter apply: pictures, folders and videos through the filter."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstfilter.cli.options import option
from nstfilter.cli.output import INTERRUPTED, progress, table, warn
from nstfilter.cli.show import by_recipe
from nstfilter.errors import NstfilterError, UsageError, one_line
from nstfilter.parameters import PARAMETERS

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from nstfilter.jobs.planning import Job
    from nstfilter.jobs.run import Progress, Result
    from nstfilter.models.refining import Refined


def apply(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(help="Pictures, videos and folders of them; - is standard input.", metavar="INPUT"),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Where the result goes, - for standard output; by default beside the input as NAME-STYLE.",
        ),
    ] = None,
    style: Annotated[str, option("style", "-s")] = PARAMETERS["style"].default,
    strength: Annotated[float, option("strength")] = PARAMETERS["strength"].default,
    keep_colors: Annotated[bool, option("keep_colors")] = PARAMETERS["keep_colors"].default,
    model: Annotated[str, option("model")] = PARAMETERS["model"].default,
    size: Annotated[int | None, option("size")] = PARAMETERS["size"].default,
    stability: Annotated[float, option("stability")] = PARAMETERS["stability"].default,
    area: Annotated[str, option("area")] = PARAMETERS["area"].default,
    background: Annotated[str | None, option("background")] = PARAMETERS["background"].default,
    feather: Annotated[float, option("feather")] = PARAMETERS["feather"].default,
    face: Annotated[float, option("face")] = PARAMETERS["face"].default,
    segmenter: Annotated[str, option("segmenter")] = PARAMETERS["segmenter"].default,
    device: Annotated[str | None, option("device")] = PARAMETERS["device"].default,
    threads: Annotated[int | None, option("threads", min=1)] = PARAMETERS["threads"].default,
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
    to: Annotated[
        str | None,
        typer.Option(
            help="What videos become: mp4, mkv, webm, mov or gif; or pictures: png, jpg, webp, avif, tiff.",
            metavar="KIND",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Pictures a second, for numbered ones such as frames/%05d.png; usually 25."),
    ] = None,
    refine: Annotated[
        int | None,
        typer.Option(
            help="Of pictures: bring the painting nearer to its style in so many steps, such as 100.",
            metavar="STEPS",
            min=1,
            max=10_000,
        ),
    ] = None,
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
    jobs: Annotated[
        int | None, typer.Option(help="How many workers at once; on this computer one, if not said.", min=1)
    ] = None,
    on: Annotated[
        str,
        typer.Option("--on", help="Who does the work: local, ray or ray:ADDRESS.", metavar="NAME[:ADDRESS]"),
    ] = "local",
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 where a result lacks or changes something of its input."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Paint pictures, folders and videos in a style."""
    from nstfilter.cli.pipes import is_direct, paint_directly
    from nstfilter.cli.refining import Refining
    from nstfilter.cli.refining import check as check_refinable
    from nstfilter.filter import StyleFilter
    from nstfilter.jobs.planning import check_jobs, plan
    from nstfilter.jobs.recipe import Recipe
    from nstfilter.jobs.run import render_all
    from nstfilter.jobs.task import Settings
    from nstfilter.jobs.work import filter_for, room_of
    from nstfilter.manager import open_executor
    from nstfilter.packs.reading import parse_style

    given = _given(context)
    made: Recipe | None = context.obj
    if made and "style" in given:
        raise UsageError("--recipe says what the style is; leave out --style, or --recipe")
    mix = made.mix if made else parse_style(style)
    direct = is_direct(inputs, output)
    if direct and (as_json or jobs or on != "local"):
        raise UsageError(
            "pipes and numbered pictures are painted here and now: --json, --jobs and --on are for files"
        )
    if rate is not None and not direct:
        raise UsageError("--rate is for numbered pictures, such as frames/%05d.png")
    work = [] if direct else plan(inputs, output, mix, include=include, exclude=exclude, to=to)
    options = {k: v for k, v in {"quality": quality, "crf": crf, "codec": codec}.items() if v is not None}
    if not direct:
        chosen = {name: value for name, value in options.items() if name in given}
        check_jobs(work, chosen, overwrite=overwrite)
    if refine or (made and made.refine):
        if jobs or on != "local":
            raise UsageError("--refine works here, on one picture at a time: leave out --jobs and --on")
        if made:
            raise UsageError(
                "a painting is refined by its style's picture, which a recipe does not hold; to paint in the "
                f"same way: {made.command}"
            )
        check_refinable(work, direct=direct, model=model, background=background)
    dials: dict[str, Any] = {
        "strength": strength,
        "keep_colors": keep_colors,
        "size": size,
        "stability": stability,
        "area": area,
        "background": background,
        "feather": feather,
        "face": face,
        "segmenter": segmenter,
        "device": device,
        "threads": threads,
    }
    refining = Refining(mix, refine, threads=threads, device=device) if refine else None
    executor = refining or open_executor(on, **({} if jobs is None else {"jobs": jobs}))
    with executor:
        if made:
            settings = made.settings(
                model=model if "model" in given else None,
                segmenter=segmenter if "segmenter" in given else None,
                background="background" not in given,
            )
            settings = replace(settings, **dials | {"background": settings.background})
            paint = filter_for(settings)
            made.check_model(paint.model)
            if "background" in given:
                paint.background = background
                settings = replace(settings, background=background, **room_of(paint))
                filter_for(settings, paint)
                if (
                    settings.room
                    and made.room_hash
                    and made.room_hash != hashlib.sha256(settings.room).hexdigest()
                ):
                    warn(f"the background {background} is not the one of this recipe, {made.background}")
            if "segmenter" not in given:
                made.check_segmenter(paint.segmenter_fingerprint)
        else:
            paint = StyleFilter(mix, model=refining.model if refining else model, **dials)
            look = paint.embedding
            settings = Settings(mix.spelled, look.tobytes(), look.shape, model, **dials, **room_of(paint))
            filter_for(settings, paint)
        if not no_recipe:
            options["recipe"] = Recipe.of(
                settings, paint.model.fingerprint, paint.segmenter_fingerprint, refine=refine or 0, **options
            ).to_json()
        if direct:
            try:
                whole = paint_directly(inputs, output, paint, {**options, "overwrite": overwrite}, to, rate)
            except KeyboardInterrupt as stop:
                if notes := getattr(stop, "__notes__", []):
                    print("; ".join(["stopped", *notes]), file=sys.stderr)
                raise typer.Exit(INTERRUPTED) from None
            if strict and not whole:
                raise typer.Exit(1)
            return
        results: list[Result] = []
        refined = refining.refined if refining else {}
        try:
            with progress() as bars:
                bar = _Bar(bars)
                if refining:
                    refining.show(bars)

                said: dict[Path, set[str]] = {}  # before a render began, by its output

                def begin(job: Job, warnings: list[str]) -> None:
                    said[job.output] = set(warnings)
                    for warning in warnings:
                        warn(f"{job.input}: {warning}")

                def tell(result: Result) -> None:
                    results.append(result)
                    before = said.pop(result.job.output, set())
                    for warning in (line for line in result.warnings if line not in before):
                        warn(f"{result.job.input}: {warning}")
                    if result.state == "failed" and len(work) > 1:
                        print(f"error: {_about(result)}", file=sys.stderr)

                render_all(
                    work,
                    settings,
                    executor,
                    overwrite=overwrite,
                    options=options,
                    on_progress=bar.show,
                    on_begin=begin,
                    on_result=tell,
                )
        except KeyboardInterrupt as stop:
            notes = getattr(stop, "__notes__", [])
            done = sum(result.state == "done" for result in results)
            print("; ".join([f"stopped with {done} of {len(work)} done", *notes]), file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        finally:
            order = {job.output: number for number, job in enumerate(work)}
            results.sort(key=lambda result: order[result.job.output])
            if as_json:
                listing = [_figures(result, refined.get(result.job.output)) for result in results]
                told = {"style": settings.style, "model": paint.model.name, "results": listing}
                print(json.dumps(told, indent=2))
    if len(work) == 1:
        _end_of_one(results[0], refined.get(work[0].output), quiet=as_json)
    else:
        _end_of_many(results, quiet=as_json)
    changed = sum(bool(result.changes) for result in results)
    if strict and changed:
        print(f"--strict: {changed} of {len(results)} results differ from their inputs", file=sys.stderr)
        raise typer.Exit(1)


def _given(context: typer.Context) -> set[str]:
    """The options that the user wrote."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


class _Bar:
    """One bar for all: the frames, and what has become of the files."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.bar = bars.add_task("", total=None, speed="")
        self.began: tuple[float, int] | None = None  # when, and how many frames there were from earlier runs

    def show(self, now: Progress) -> None:
        at, before = self.began = self.began or (time.monotonic(), now.frames)
        seconds = time.monotonic() - at
        if now.joined:
            frames, total = now.joined
            self.bars.update(self.bar, completed=frames, total=total, description="joining", speed="")
            return
        self.bars.update(
            self.bar,
            completed=now.frames,
            total=now.total,
            description=_counted(now),
            speed=f"{(now.frames - before) / seconds:.1f} frames/s" if seconds > 0.5 else "",
        )


def _counted(now: Progress) -> str:
    if now.files == 1:
        return "painting"
    counts = {"skipped": now.skipped, "failed": now.failed}
    others = [f"{count} {state}" for state, count in counts.items() if count]
    return ", ".join([f"{now.done} of {now.files} files", *others])


def _end_of_one(result: Result, refined: Refined | None, *, quiet: bool) -> None:
    error = result.cause
    if isinstance(error, NstfilterError):
        failure = NstfilterError(result.error)
        failure.exit_code = error.exit_code
        raise failure from error
    if error:
        raise error
    if quiet:
        return
    output = one_line(str(result.job.output))
    if refined:
        losses = (f"{name} {pair[0]:.4f} to {pair[1]:.4f}" for name, pair in refined._asdict().items())
        print(f"{output}  ({result.seconds:.1f} s; losses: {', '.join(losses)})")
    elif result.frames == 1:
        print(f"{output}  ({result.seconds:.1f} s)")
    else:
        print(f"{output}  ({result.frames} frames, {_speed(result):.1f} a second)")


def _end_of_many(results: list[Result], *, quiet: bool) -> None:
    if not quiet:
        colors = {"done": "green", "failed": "red"}
        table(
            ["", "result", "frames", "seconds", "a second", "why"],
            [_row(result) for result in results],
            [colors.get(result.state, "") for result in results],
        )
    skipped = [result for result in results if result.state == "skipped"]
    failed = [result for result in results if result.state == "failed"]
    if skipped:
        print(
            f"{len(skipped)} of {len(results)} results exist and were left as they are, such as "
            f"{one_line(str(skipped[0].job.output))}; --overwrite replaces them",
            file=sys.stderr,
        )
    if failed:
        print(f"{len(failed)} of {len(results)} failed; the rest is done", file=sys.stderr)
        raise typer.Exit(1)


def _row(result: Result) -> list[str]:
    path, why = str(result.job.output), ""
    if result.state == "done":
        return [result.state, path, str(result.frames), f"{result.seconds:.1f}", f"{_speed(result):.1f}", why]
    if result.state == "failed":
        why = _about(result).splitlines()[-1]  # of a traceback, what it says
    return [result.state, path, "", "", "", why]


def _about(result: Result) -> str:
    error = result.error or ""
    name = one_line(str(result.job.input))
    return error if name in error else f"{name}: {error}"


def _speed(result: Result) -> float:
    return result.frames / result.seconds if result.seconds else 0.0


def _figures(result: Result, refined: Refined | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "input": str(result.job.input),
        "output": str(result.job.output),
        "state": result.state,
    }
    if result.error:
        told["error"] = result.error
    if result.kept:
        told["kept"] = str(result.kept)
    if result.state == "done":
        told |= {
            "frames": result.frames,
            "seconds": round(result.seconds, 3),
            "frames_per_second": round(_speed(result), 2),
            "warnings": result.warnings,
            "changes": result.changes,
        }
        if refined:
            told["losses"] = {k: {"before": b, "after": a} for k, (b, a) in refined._asdict().items()}
    return told
