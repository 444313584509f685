"""What `nstfilter demo` makes of the scene: a film in several styles, a comparison and a contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from nstfilter.errors import SinkError, StyleError
from nstfilter.filter import StyleFilter
from nstfilter.graphics.sheet import contact_sheet
from nstfilter.graphics.text import draw_overlay
from nstfilter.manager import open_sink
from nstfilter.packs.reading import packs
from nstfilter.packs.style import Style, StyleMix
from nstfilter.parameters import PARAMETERS
from nstfilter.pipeline import Report, run
from nstfilter.plugins.demo.source import open_demo
from nstfilter.streams import Frame, StreamInfo

FILM, COMPARISON, SHEET = "demo.mp4", "before-after.jpg", "styles.jpg"
PACK = "atelier"
SHOWN = ("mosaic", "wave", "fauve", "starry")  # in the film, one after the other
# the film starts unpainted; the paint then comes up between these two parts of the first style's time
UNPAINTED, PAINTED = 0.25, 0.5
GLIDE = 0.2  # the last part of a style's time, spent on the way to the next


def make(
    folder: Path,
    size: str,
    seconds: float,
    model: str,
    *,
    overwrite: bool,
    on_picture: Callable[[int, int], None],
    on_frame: Callable[[int, int], None],
) -> tuple[list[Path], list[Style], Report, StreamInfo]:
    """Write the film, the comparison and the contact sheet into `folder`.

    Returns the paths of the three files, the styles of the film, the report of its run and its stream info.
    `size` is what follows `demo:`. `on_picture` and `on_frame` are called with how many are done and how many
    there are. Raises `SinkError` when a result exists and `overwrite` is not given, or when the folder
    cannot be made.
    """
    film, comparison, sheet = files = [folder / name for name in (FILM, COMPARISON, SHEET)]
    for path in files:
        if path.exists() and not overwrite:
            raise SinkError(f"{path} exists; choose another folder with -o, or --overwrite it")
    if PACK not in packs():
        raise StyleError(f"the bundled styles, pack {PACK!r}, are not there; nstfilter plugins tells why")
    styles = packs()[PACK].styles
    shown = [next(style for style in styles if style.name == name) for name in SHOWN]
    with _Folder(folder), open_demo(size, seconds=seconds) as source:
        image = source.scene.draw(0)
        paint = StyleFilter(shown[0], model=model)
        _save(comparison, _side_by_side(image, paint(image)), overwrite)
        tiles = [("unpainted", image)]
        for style in styles:
            paint.style = style
            tiles.append((style.title, paint(image)))
            on_picture(len(tiles) - 1, len(styles))
        _save(sheet, contact_sheet(tiles), overwrite)
        paint.stability = PARAMETERS["stability"].default
        frames = source.info.frames or 1
        tour = Tour(paint, shown, frames)
        sink = open_sink(film, overwrite=overwrite)
        report = run(source, tour, sink, on_frame=lambda done: on_frame(done, frames))
    return files, shown, report, source.info


class Tour:
    """A filter for the demo's film of `frames` frames: unpainted for a moment, then one style after the
    other, with a glide between two. The style's title is written on top."""

    def __init__(self, paint: StyleFilter, styles: Sequence[Style], frames: int) -> None:
        self.paint = paint
        self.styles = styles
        self.frames = frames
        self.index = 0

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        which, part = divmod(self.index * len(self.styles) / self.frames, 1)
        self.index += 1
        style = self.styles[int(which)]
        after = self.styles[min(int(which) + 1, len(self.styles) - 1)]
        glide = max(0.0, 1 - (1 - part) / GLIDE) if self.paint.model.mixes and after is not style else 0.0
        self.paint.style = StyleMix(((style, 1 - glide), (after, glide))) if glide else style
        self.paint.strength = 1.0 if which else float(np.interp(part, (UNPAINTED, PAINTED), (0, 1)))
        title = (style if glide < 0.5 else after).title
        painted = self.paint(frame)
        draw_overlay(painted, (title if self.paint.strength else "unpainted",))
        return painted


def _side_by_side(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    divider = np.full((before.shape[0], max(2, before.shape[0] // 180), 3), 255, np.uint8)
    return np.hstack([before, divider, after])


class _Folder:
    """The folder of the results. Created if it is missing, and removed again if it stays empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        try:
            self.path.mkdir()
            self.made = True
        except FileExistsError:
            self.made = False
            if not self.path.is_dir():
                raise SinkError(f"{self.path} is a file; choose another folder with -o") from None
        except OSError as error:
            raise SinkError(f"cannot make the folder {self.path}: {error.strerror}") from None

    def __exit__(self, *_: object) -> None:
        if self.made:
            with suppress(OSError):  # it has something in it
                self.path.rmdir()


def _save(path: Path, picture: np.ndarray, overwrite: bool) -> None:
    sink = open_sink(path, overwrite=overwrite)
    sink.open(StreamInfo(picture.shape[1], picture.shape[0], frames=1))
    try:
        sink.write(Frame(picture))
    except BaseException:
        sink.abort()
        raise
    sink.close()
