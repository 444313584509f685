"""nstfilter jobs: renders that were begun and are not finished."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstfilter.cli.output import table
from nstfilter.errors import SinkError, UsageError
from nstfilter.parameters import PARAMETERS, PEOPLE

if TYPE_CHECKING:
    from nstfilter.jobs.job_file import JobFile, JobFolder

app = typer.Typer(help="List, show and clear away unfinished renders.", invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Below = Annotated[Path, typer.Argument(help="The folder to look in, and below.", metavar="FOLDER")]


@app.callback()
def jobs(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        list_jobs(as_json=as_json)


@app.command("list")
def list_jobs(folder: Below = Path(), as_json: AsJson = False) -> None:
    """List unfinished renders; the same command goes on with each."""
    found = [_facts(job) for job in _below(folder)]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    rows = [
        [f["output"], f["state"], f"{f['done']} of {f['segments']}", str(f["frames"]), f["style"], f["size"]]
        for f in (fact | {"size": _megabytes(fact["bytes"])} for fact in found)
    ]
    table(["output", "", "segments", "frames", "style", "on disk"], rows)


@app.command()
def show(
    output: Annotated[Path, typer.Argument(help="The output that is not finished.", metavar="OUTPUT")],
    as_json: AsJson = False,
) -> None:
    """Show what an unfinished render is made of, and how far it is."""
    from nstfilter.jobs.job_file import JobFolder

    folder = JobFolder(output)
    if not folder.path.is_dir():
        raise UsageError(f"no render of {output} is unfinished; nstfilter jobs lists those that are")
    facts = _facts(folder)
    job, damage = _read(folder)
    made_of = (
        {name: value for name, value in job.made_of.items() if name not in ("embedding", "room")}
        if job
        else {}
    )
    if as_json:
        print(json.dumps(facts | {"made_of": made_of, "folder": str(folder.path)}, indent=2))
        return
    print(f"{output}: {facts['state']}" + (f" ({damage})" if damage else ""))
    print(f"kept in      {folder.path}, {_megabytes(facts['bytes'])}")
    if job:
        print(f"input        {job.input}")
        print(f"segments     {job.done} of {len(job.segments)} done, {facts['frames']} frames")
        print(f"worked on    {facts['seconds']:.0f} s")
        names = ("style", "model", "strength", "keep_colors", "size", "stability", *PEOPLE, "codec", "crf")
        for name in names:
            if made_of.get(name) not in (None, False):
                print(f"{name:12} {made_of[name]}")
        print(f"go on        {_command(job, output)}")


@app.command()
def clean(
    folder: Below = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the segments of unfinished renders. Finished results stay."""
    found = list(_below(folder))
    if not found:
        print("nothing is unfinished here")
        return
    facts = [_facts(job) for job in found]
    for fact in facts:
        print(f"{fact['output']}  ({fact['frames']} frames, {_megabytes(fact['bytes'])})")
    if not yes:
        typer.confirm(f"Remove what there is of {len(found)} unfinished renders?", abort=True)
    busy = []
    for job in found:
        try:
            job.acquire()
        except SinkError as error:
            busy.append(str(error))
            continue
        job.remove()
        job.release()
    if busy:
        raise SinkError(f"{len(busy)} of {len(found)} were left: {busy[0]}")


def _below(folder: Path) -> list[JobFolder]:
    from nstfilter.jobs.job_file import JobFolder

    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    return list(JobFolder.below(folder))


def _read(folder: JobFolder) -> tuple[JobFile | None, str]:
    """The job file, or why there is none."""
    try:
        job = folder.read()
    except (ValueError, SinkError) as error:
        return None, str(error)
    return job, "" if job else "its job file is gone"


def _facts(folder: JobFolder) -> dict[str, Any]:
    job, damage = _read(folder)
    segments = job.segments if job else []
    files = [path.stat().st_size for path in folder.path.iterdir() if path.is_file()]
    return {
        "output": str(folder.output),
        "state": _state(folder, damage),
        "style": job.made_of.get("style", "") if job else "",
        "segments": len(segments),
        "done": job.done if job else 0,
        "frames": sum(segment.frames or 0 for segment in segments),
        "seconds": round(sum(segment.seconds for segment in segments), 1),
        "bytes": sum(files),
    }


def _state(folder: JobFolder, damage: str) -> str:
    if folder.busy:
        return "at work"
    return "damaged" if damage else "stopped"


def _command(job: JobFile, output: Path) -> str:
    """What goes on with it, where its input lies here."""
    words = ["nstfilter", "apply", job.input, "-o", str(output)]
    for name in ("style", "model", "strength", "size", "stability", *PEOPLE, "codec", "crf"):
        value = job.made_of.get(name)
        usual = PARAMETERS[name].default if name in PEOPLE else None
        words += [] if value in (None, usual) else [f"--{name}", str(value)]
    words += ["--keep-colors"] if job.made_of.get("keep_colors") else []
    words += [] if job.recipe else ["--no-recipe"]
    return shlex.join(words)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
