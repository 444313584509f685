"""Teaches pocket one style: what `nstfilter styles teach` does.

    path = teach(find_style("monet.jpg"), minutes=10)

The weights lie beside the style's picture from then on, and whoever paints in that style uses them. The
method is in models/lesson.py, the file's format in models/taught.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from nstfilter.errors import NstfilterError, SourceError, StyleError, UsageError
from nstfilter.files import write_file
from nstfilter.frames import as_bgr
from nstfilter.graphics.opencv import cv2
from nstfilter.jobs.folders import walk
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.manager import manager, open_source
from nstfilter.models import taught
from nstfilter.models.embeddings import cache_folder
from nstfilter.models.lesson import Dials, Lesson, Progress
from nstfilter.models.perceptual import middle
from nstfilter.models.pocket import WEIGHTS, PocketModel, load
from nstfilter.packs.reading import list_styles, packs, read_picture, taught_file
from nstfilter.packs.style import Style

PICTURES = 60
"""How many pictures a lesson practices on, at most; of a video, frames a second apart."""
DEMO = "demo:640x360@5"
EVERY = 30.0
"""Seconds between two saves, and between two pictures of how it looks so far."""
LARGEST_PROGRESS = 10_000_000
"""In bytes, unpacked: what is larger was not left by a lesson."""
LARGEST_PICTURE = 640
"""Shorter side, in pixels, of pictures that are kept to practice on."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a lesson is. `seconds` of `total` are spent; `loss` is the mean of the latest steps."""

    steps: int
    seconds: float
    total: float
    loss: float


def teach(
    style: Style,
    *,
    minutes: float = 10.0,
    dials: Dials | None = None,
    on: Sequence[str] = (),
    preview: Path | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    on_state: Callable[[State], None] | None = None,
) -> Path:
    """Teach pocket `style`, and return the file with the taught weights: `packs.reading.taught_file`.

    `dials`     stroke size and how much structure is kept; None for the middle
    `on`        what to practice on: pictures, folders of pictures, videos, or any source; by default frames
                of the demo and the pictures of the installed styles
    `preview`   a picture of how it looks so far, rewritten every half minute. A file that is there already
                is only replaced in the cache folder, by a lesson that goes on, and with `overwrite`
    `on_state`  called after every step, in this thread

    What was learned is saved every half minute and on Ctrl-C, which is raised on with a note; the same call,
    without `overwrite`, then goes on where it was. What a lesson before has finished stays until this one is.
    Raises `StyleError` for a style that is taught already, or half taught where the lesson cannot go on
    (unless `overwrite`), for one that another process teaches, and for a file that cannot be written;
    `UsageError` and `SourceError` for what cannot be practiced on or shown, `MissingLibraryError` without
    TensorFlow, and `ModelError` for a lesson that went astray.
    """
    if not 0 < minutes < math.inf:
        raise UsageError(f"minutes is {minutes:g}; expected a number above 0")
    dials = dials or Dials()
    final = taught_file(style)
    unfinished = final.with_name(final.name.removesuffix(".npz") + ".unfinished.npz")
    if preview:
        cached = preview.resolve().is_relative_to(cache_folder().resolve())
        replace = overwrite or cached or unfinished.exists()
        _check_preview(preview, [style.path, final, unfinished], on, replace=replace)
    _check_folder(final.parent)
    with _alone(style, final):
        return _learn(
            style,
            final,
            unfinished,
            minutes=minutes,
            dials=dials,
            on=on,
            preview=preview,
            overwrite=overwrite,
            threads=threads,
            on_state=on_state,
        )


def _learn(
    style: Style,
    final: Path,
    unfinished: Path,
    *,
    minutes: float,
    dials: Dials,
    on: Sequence[str],
    preview: Path | None,
    overwrite: bool,
    threads: int | None,
    on_state: Callable[[State], None] | None,
) -> Path:
    lesson_of = {
        "picture": taught.short_hash(style.path),
        "base": taught.short_hash(WEIGHTS),
        **asdict(dials),
    }
    progress = None if overwrite else _read_progress(unfinished, lesson_of)
    if final.exists() and not overwrite and progress is None:
        there = taught.read(final)
        taught.check_picture(there, final, style.path)
        if _is_whole(there):
            raise StyleError(f"{style} is taught already ({final}); --overwrite teaches it anew")
        raise StyleError(
            f"the lesson of {style} was interrupted and cannot go on: {unfinished} is damaged or gone; "
            "--overwrite begins anew"
        )
    picture = read_picture(style)
    contents = list(_practice_on(on)) if on else list(_our_own())
    if not contents:
        raise SourceError(f"there is no picture in {', '.join(on)} to practice on")
    model = PocketModel(threads=threads)
    embedding = model.embed(picture)
    lesson = Lesson(
        load(WEIGHTS),
        embedding,
        picture,
        contents,
        dials=dials,
        seconds=minutes * 60,
        progress=progress,
        threads=threads,
    )
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StyleError(f"{final.parent} cannot be made: {error.strerror}") from error

    stays = _is_finished(final, lesson_of)

    def save() -> None:
        if not np.isfinite(lesson.vector).all():
            return  # what was saved before is better
        recipe = {
            "style": str(style),
            "model": model.name,
            "fingerprint": model.fingerprint,
            "minutes": round(lesson.spent / 60, 1),
            "steps": lesson.steps,
            "finished": lesson.done,
            "practiced_on": "the user's own" if on else "demo and styles",
            "version": version("nstfilter"),
            **lesson_of,
        }
        with interrupted_later():
            if not lesson.done:  # before the other, which without it is half a lesson that cannot go on
                _write_whole(unfinished, _dump_progress(lesson.progress, lesson_of))
            if lesson.done or not stays:
                _write_whole(final, taught.dump(lesson.vector, recipe))
            if lesson.done:
                unfinished.unlink(missing_ok=True)
        packs.cache_clear()

    losses: list[float] = []
    saved = time.monotonic()
    try:
        while not lesson.done:
            losses = [*losses[-49:], lesson.step()]
            if on_state:
                on_state(State(lesson.steps, lesson.spent, minutes * 60, float(np.mean(losses))))
            if time.monotonic() - saved > EVERY:
                save()
                if preview:
                    _show(preview, model, picture, contents[0], embedding, lesson.vector)
                saved = time.monotonic()
    except KeyboardInterrupt as stop:
        if not lesson.done:  # otherwise nothing is left to be stopped
            if losses:
                kept = f"{unfinished}, and {final} stays until the lesson is over" if stays else f"{final}"
                again = "the same command without --overwrite" if overwrite else "the same command"
                stop.add_note(f"what was learned is in {kept}; {again} goes on")
            raise
    finally:
        if losses or lesson.done:  # it may have been resumed with fewer minutes
            with contextlib.suppress(KeyboardInterrupt):  # it ends anyway
                with interrupted_later():
                    save()
                if preview:
                    _show(preview, model, picture, contents[0], embedding, lesson.vector)
    return final


def _check_preview(path: Path, own: Sequence[Path], on: Sequence[str], *, replace: bool) -> None:
    """Raises `UsageError` for a preview that cannot be written, would replace what is taught from, or, unless
    `replace`, anything else."""
    if path.is_dir() or not cv2.haveImageWriter(f"preview{path.suffix or '.jpg'}"):
        raise UsageError(f"--preview is {path}; expected the name of a picture, such as so-far.jpg")
    place = path.resolve()
    for other in (*own, *map(Path, on)):
        if place == other.resolve() or (os.path.isdir(other) and place.is_relative_to(other.resolve())):
            raise UsageError(f"--preview is {path}, where what is taught from lies; give it another place")
    if os.path.lexists(path) and not replace:
        raise UsageError(f"--preview is {path}, which exists; give it another name, or remove what is there")


def _check_folder(folder: Path) -> None:
    """Raises `StyleError` where nothing can be written there: better now than when all is learned."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise StyleError(
            f"what is taught would lie in {folder}, which may not be written to; copy the style's picture to "
            "another place"
        )


@contextlib.contextmanager
def _alone(style: Style, final: Path) -> Iterator[None]:
    """Raises `StyleError` where another process teaches this style. The lock lies in the cache folder, so
    that none is left beside the picture; where that cannot be written, there is none."""
    name = hashlib.sha256(os.fsencode(final.absolute())).hexdigest()[:32]
    lock = FileLock(cache_folder() / "teaching" / f"{name}.lock")
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise StyleError(f"{style} is being taught by another process; wait for it, or stop it") from None
    except OSError:
        pass
    try:
        yield
    finally:
        lock.release()


def _is_finished(final: Path, lesson_of: dict[str, Any]) -> bool:
    """Whether `final` is the whole result of a lesson with this picture."""
    with contextlib.suppress(StyleError):
        found = taught.read(final)
        return _is_whole(found) and found.recipe.get("picture") == lesson_of["picture"]
    return False


def _is_whole(found: taught.Taught) -> bool:
    """Whether its lesson went to its end; those of styles that come with plugins do not say."""
    return bool(found.recipe.get("finished", True))


def _our_own() -> Iterator[np.ndarray]:
    """Frames of the demo and the pictures of the styles that come with plugins: with these a lesson was
    measured to end within a hundredth of where photographs led it."""
    with open_source(DEMO, sound=False) as source:
        for frame in source:
            yield _small(as_bgr(frame.image)[0])
    for style in list_styles():
        with contextlib.suppress(StyleError):
            yield _small(read_picture(style))


def _practice_on(targets: Sequence[str]) -> Iterator[np.ndarray]:
    """Pictures, and frames a second apart, from each target in turn; up to PICTURES in all."""
    reads = manager().sources.claims
    paths: list[str] = []
    for target in targets:
        if os.path.isdir(target):
            paths += map(str, walk(Path(target), lambda path: bool(reads(str(path)))))
        else:
            paths.append(target)
    each = max(1, PICTURES // max(1, len(paths)))
    for path in paths[:PICTURES]:
        with open_source(path) as source:
            info, count, due = source.info, 0, 0.0
            apart = 1.0
            if info.frames and info.rate:
                apart = min(apart, info.frames / float(info.rate) / each)
            for number, frame in enumerate(source):
                at = number / float(info.rate or 30)
                if at < due:
                    continue
                yield _small(as_bgr(frame.image)[0])
                count, due = count + 1, at + apart
                if count == each:
                    break


def _small(picture: np.ndarray) -> np.ndarray:
    picture = middle(picture)
    scale = LARGEST_PICTURE / min(picture.shape[:2])
    if scale >= 1:
        return picture.copy()  # a source may use its buffer again
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _show(
    path: Path,
    model: PocketModel,
    picture: np.ndarray,
    content: np.ndarray,
    before: np.ndarray,
    now: np.ndarray,
) -> None:
    """Write the style, a painting before it was taught, and one as it is now, side by side. That it cannot be
    written costs nothing but the picture."""
    height = min(480, content.shape[0])
    content = np.ascontiguousarray(_as_high(content, height))
    with contextlib.suppress(NstfilterError, OSError, cv2.error):
        row = [_as_high(picture, height), *(model.stylize(content, embedding) for embedding in (before, now))]
        written, data = cv2.imencode(path.suffix or ".jpg", np.hstack(row))
        if written:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data.tobytes())


def _as_high(picture: np.ndarray, height: int) -> np.ndarray:
    picture = middle(picture)
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _dump_progress(progress: Progress, lesson_of: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {name: np.array(value) for name, value in progress._asdict().items()}
    arrays |= {f"of_{name}": np.array(str(value)) for name, value in lesson_of.items()}
    np.savez(file, **arrays)
    return file.getvalue()


def _read_progress(path: Path, lesson_of: dict[str, Any]) -> Progress | None:
    """What an interrupted lesson left. Raises `StyleError` where that was another lesson."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_PROGRESS:
                return None
        with np.load(path, allow_pickle=False) as file:
            before = {name: str(file[f"of_{name}"]) for name in lesson_of}
            vector, first, second = (file[name].astype(np.float32) for name in ("vector", "first", "second"))
            progress = Progress(vector, first, second, int(file["steps"]), float(file["seconds"]))
    except (OSError, *taught.DAMAGE):
        return None  # there is none, or it is damaged
    changed = [name for name, value in lesson_of.items() if before[name] != str(value)]
    if changed:
        raise StyleError(
            f"an interrupted lesson lies in {path}, with another {' and '.join(changed)}; give it the same "
            "options, or begin anew with --overwrite"
        )
    if any(array.shape != (taught.SIZE,) or not np.isfinite(array).all() for array in progress[:3]):
        return None
    return progress if progress.steps >= 0 and 0 <= progress.seconds < math.inf else None


def _write_whole(path: Path, data: bytes) -> None:
    """The file appears whole or not at all. Raises `StyleError`."""
    try:
        write_file(path, data)
    except OSError as error:
        raise StyleError(f"{path} cannot be written: {error.strerror}") from error
