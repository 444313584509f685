"""Files in, files out: which result each input gets, and the folders for them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.jobs.folders import walk
from nstfilter.manager import manager
from nstfilter.packs.style import StyleMix

# what results can be made to be, and which source an input must come from to become that
KINDS = {
    **dict.fromkeys(("mp4", "mkv", "webm", "mov", "gif"), "video"),
    **dict.fromkeys(("png", "jpg", "webp", "avif", "tiff"), "image"),
}
# what the others become, by their source
FALLBACK = {"video": ".mp4", "image": ".png"}
UNWRITTEN = {".avi"}  # which the video sink claims only to say why


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its result goes. `input` is a file, or names a source, as `demo:640x360` does.
    `folder` is one that may be made for the result; its parent must exist."""

    input: Path
    output: Path
    folder: Path | None = None


def plan(
    inputs: Sequence[str],
    output: str | None,
    style: StyleMix,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    to: str | None = None,
) -> list[Job]:
    """What to make of `inputs` (files, folders, and sources called by name, which need an `output`).

    Without `output`, a file's result lies beside it as NAME-STYLE.ext, and a folder's in FOLDER-STYLE under
    the files' own names. With it, one file's result is `output`, unless that is a folder; several inputs need
    a folder. `include` and `exclude` choose among the files of folders, as in `folders.walk`. `to` is one of
    `KINDS`: results that have no name of their own are of that kind, as far as their inputs can be. Those of
    a kind that nobody writes, such as .wmv, become .mp4. Raises `UsageError` for what cannot be meant,
    `SourceError` for what is not there.
    """
    if to is not None and to not in KINDS:
        raise UsageError(f"--to is {to!r}; expected one of {', '.join(KINDS)}")
    a_folder = output is None or _is_folder(output) or any(os.path.isdir(text) for text in inputs)
    if to is not None and not a_folder:
        raise UsageError(f"{output} says what the result is; leave out --to, or name a folder")
    label = "+".join(part.name for part, _ in style.parts)
    into = _path(output).expanduser() if output is not None else None  # shells leave --output=~/x as it is
    into_folder = output is not None and _is_folder(output)
    if into and not into_folder and len(inputs) > 1:
        raise UsageError(f"several inputs need a folder to go to; write {output}/ with a slash at its end")
    if (include or exclude) and not any(os.path.isdir(text) for text in inputs):
        raise UsageError("--include and --exclude choose among the files of a folder, and none is given")
    reads = manager().sources.claims
    jobs = []
    for text in inputs:
        path = _path(text)
        if os.path.isdir(path):  # unlike Path's own, no error for a name that is too long
            root = into or path.resolve().with_name(f"{path.resolve().name}-{label}")
            if len(inputs) > 1 and into:
                root = into / path.resolve().name
            files = walk(path, lambda p: bool(reads(str(p))), include=include, exclude=exclude, skip=root)
            found = [
                Job(file, root / _called(file, to, file.relative_to(path)), into or root) for file in files
            ]
            if not found:
                chosen = " that --include and --exclude let through" if include or exclude else ""
                raise SourceError(f"there is no picture or video in {text}{chosen}")
            jobs += found
        elif text.endswith(("/", os.sep)):
            raise SourceError(f"there is no folder {text}")
        elif into is None:
            if manager().sources.named(text):
                raise UsageError(f"{text} is no file to put a result beside; say with -o where it goes")
            jobs.append(Job(path, _called(path, to, path.with_name(f"{path.stem}-{label}{path.suffix}"))))
        else:
            jobs.append(
                Job(path, into / _called(path, to, Path(path.name)), into) if into_folder else Job(path, into)
            )
    jobs = _told_apart(jobs)
    for job in jobs:
        if _same(job.output, job.input):
            raise UsageError(f"{job.input} would be its own output; choose another place with -o")
    for output_path, count in Counter(job.output for job in jobs).items():
        if count > 1:
            raise UsageError(f"several inputs would become {output_path}; give them different names")
    return jobs


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or os.path.isdir(_path(output).expanduser())


def _called(input: Path, to: str | None, output: Path) -> Path:
    """`output` with the suffix of `to`, where the input can become that, or of what can be written."""
    (source, *others) = [registration.name for registration in manager().sources.claims(str(input))] or [""]
    if others or source not in FALLBACK:
        return output
    if to is not None and KINDS[to] == source:
        return output.with_suffix(f".{to}")
    suffix = output.suffix.lower()
    written = suffix.removeprefix(".") in KINDS or (
        suffix not in UNWRITTEN and manager().sinks.claims(str(output))
    )
    return output if written else output.with_suffix(FALLBACK[source])


def _told_apart(jobs: Sequence[Job]) -> list[Job]:
    """Inputs whose names differ only in their suffix may become the same: those keep it, as in a.wmv.mp4."""
    counts = Counter(job.output for job in jobs)
    return [
        replace(job, output=job.output.with_suffix(f"{job.input.suffix}{job.output.suffix}"))
        if counts[job.output] > 1 and job.input.suffix != job.output.suffix
        else job
        for job in jobs
    ]


def _path(text: str) -> Path:
    """`text` as a path. One that says where it is stays one: `./demo:.jpg` is a file, and Path drops the `./`
    that tells it from the demo."""
    path = Path(text)
    names = (registry.named(str(path)) for registry in (manager().sources, manager().sinks))
    return path.absolute() if os.path.dirname(text) and any(names) else path


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def check_jobs(jobs: Sequence[Job], options: dict[str, Any], *, overwrite: bool = False) -> None:
    """Raises `UsageError` for inputs nobody reads, results nobody writes, options of no use, and results that
    would `overwrite` an input of another job; `SinkError` where there is no folder to write in."""
    sources, sinks = manager().sources, manager().sinks
    for job in jobs:
        sources.resolve(str(job.input))
        if not sinks.named(str(job.output)):
            _need_parent(job)
    inputs = {os.path.realpath(job.input) for job in jobs} if overwrite else set[str]()
    for job in jobs:
        if os.path.realpath(job.output) in inputs:
            raise UsageError(
                f"{job.output} is an input, and --overwrite would replace it by the result of {job.input}; "
                "leave one of them out, or choose another place with -o"
            )
    taken = set[str]().union(*(sinks.options(str(job.output)) for job in jobs))
    for option in options:
        if option not in taken:
            raise UsageError(
                f"--{option} is of no use here: {jobs[0].output.suffix} files have no such setting"
            )


def make_folder(job: Job) -> None:
    """Make the output's folder, where it may be made. Raises `SinkError`."""
    if job.folder:
        _need_parent(job)
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(
                f"cannot make the folder {job.output.parent}: {error.strerror}; choose another with -o"
            ) from None


def clear_folder(job: Job) -> None:
    """Take the output's folder away again if nothing came to lie in it."""
    if job.folder:
        for folder in [job.output.parent, *job.output.parent.parents]:
            if not folder.is_relative_to(job.folder) or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _need_parent(job: Job) -> None:
    parent = job.folder.parent if job.folder else job.output.parent
    if not os.path.isdir(parent):
        raise SinkError(f"there is no folder {parent}; make it first")
