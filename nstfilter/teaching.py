"""Teaches pocket one style: what `nstfilter styles teach` does.

    path = teach(find_style("monet.jpg"), minutes=10)

The weights lie beside the style's picture from then on, and whoever paints in that style uses them. The
method is in models/lesson.py, the file's format in models/taught.py.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.errors import NstfilterError, SourceError, StyleError
from nstfilter.files import write_file
from nstfilter.filter import as_bgr, read_picture
from nstfilter.graphics.opencv import cv2
from nstfilter.jobs.folders import walk
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.manager import manager, open_source
from nstfilter.models import taught
from nstfilter.models.lesson import Dials, Lesson, Progress
from nstfilter.models.pocket import WEIGHTS, PocketModel, load
from nstfilter.packs.reading import list_styles, packs, taught_file
from nstfilter.packs.style import Style

PICTURES = 60
"""How many pictures a lesson practices on, at most; of a video, frames a second apart."""
DEMO = "demo:640x360@5"
EVERY = 30.0
"""Seconds between two saves, and between two pictures of how it looks so far."""
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
    `preview`   a picture of how it looks so far, rewritten every half minute
    `on_state`  called after every step, in this thread

    What was learned is saved every half minute and on Ctrl-C, which is raised on; the same call then goes on
    where it was. Raises `StyleError` for a style that is taught already (unless `overwrite`) or a file that
    cannot be written,
    `UsageError` and `SourceError` for what cannot be practiced on, `MissingLibraryError` without TensorFlow.
    """
    dials = dials or Dials()
    final = taught_file(style)
    unfinished = final.with_name(final.name.removesuffix(".npz") + ".unfinished.npz")
    lesson_of = {
        "picture": taught.short_hash(style.path),
        "base": taught.short_hash(WEIGHTS),
        **asdict(dials),
    }
    progress = None if overwrite else _read_progress(unfinished, lesson_of)
    if final.exists() and not overwrite and progress is None:
        taught.check_picture(taught.read(final), final, style.path)
        raise StyleError(f"{style} is taught already ({final}); --overwrite teaches it anew")
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

    def save() -> None:
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
            _write_whole(final, taught.dump(lesson.vector, recipe))
            if lesson.done:
                unfinished.unlink(missing_ok=True)
            else:
                _write_whole(unfinished, _dump_progress(lesson.progress, lesson_of))
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
    finally:
        if losses:
            save()
            if preview:
                _show(preview, model, picture, contents[0], embedding, lesson.vector)
    return final


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
    row = [_as_high(picture, height), *(model.stylize(content, embedding) for embedding in (before, now))]
    written, data = cv2.imencode(path.suffix or ".jpg", np.hstack(row))
    with contextlib.suppress(NstfilterError, OSError):
        if written:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data.tobytes())


def _as_high(picture: np.ndarray, height: int) -> np.ndarray:
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
        with np.load(path, allow_pickle=False) as file:
            before = {name: str(file[f"of_{name}"]) for name in lesson_of}
            vector, first, second = (file[name] for name in ("vector", "first", "second"))
            progress = Progress(vector, first, second, int(file["steps"]), float(file["seconds"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # there is none, or it is damaged: begin anew
    changed = [name for name, value in lesson_of.items() if before[name] != str(value)]
    if changed:
        raise StyleError(
            f"an interrupted lesson lies in {path}, with another {' and '.join(changed)}; give it the same "
            "options, or begin anew with --overwrite"
        )
    if any(array.shape != (taught.SIZE,) for array in progress[:3]):
        return None
    return progress


def _write_whole(path: Path, data: bytes) -> None:
    """The file appears whole or not at all. Raises `StyleError`."""
    try:
        write_file(path, data)
    except OSError as error:
        raise StyleError(f"{path} cannot be written: {error.strerror}") from error
