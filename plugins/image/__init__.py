"""Pictures as sources and sinks: PNG, JPEG, WebP, AVIF, TIFF and BMP; HEIC as a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nstfilter.files import is_numbered
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.plugins.image.formats import FORMATS, HEIF

if TYPE_CHECKING:
    from nstfilter.plugins.image.sink import ImageSink
    from nstfilter.plugins.image.source import AnimationSource, ImageSource, PictureHeader


def open_source(
    target: str, *, max_pixels: int = 300_000_000, still: bool = False, describe: bool = False
) -> ImageSource | AnimationSource | PictureHeader:
    """The picture in the file `target`, of whatever format its content is; all pictures of an animated PNG or
    WebP, unless a `still` one is wanted. To `describe` one picture, its header is enough.

    Raises `SourceError` for what is missing, no picture, damaged, truncated, or has more than `max_pixels`.
    """
    from nstfilter.plugins.image.source import AnimationSource, ImageSource, PictureHeader, animation_times

    if not still and (times := animation_times(Path(target))):
        return AnimationSource(target, max_pixels, times)
    if describe:
        return PictureHeader(target, max_pixels)
    return ImageSource(target, max_pixels)


def open_sink(
    target: str, *, overwrite: bool = False, quality: int | None = None, recipe: str | None = None
) -> ImageSink:
    """A picture to be written at `target`; its suffix chooses the format. WebP makes an animation of a video,
    PNG of an animated picture.

    `quality` is 1 to 100, for JPEG, WebP and AVIF only; None means 92, or 80 for AVIF. `recipe` (see
    nstfilter.jobs.recipe) is written into all but BMP files. Raises `UsageError` for a request that cannot be
    meant, and on opening `SinkError` for a place that cannot be written.
    """
    from nstfilter.plugins.image.sink import ImageSink

    return ImageSink(target, overwrite=overwrite, quality=quality, recipe=recipe)


def is_picture(target: str) -> bool:
    """Whether `target` is named like one picture that can be written; it is not looked at."""
    picture = "://" not in target and Path(target).suffix.lower() in FORMATS
    return picture and not is_numbered(target)


def is_readable(target: str) -> bool:
    """Whether `target` is named like a picture that can be read; it is not looked at."""
    return is_picture(target) or ("://" not in target and Path(target).suffix.lower() in HEIF)


@hookimpl
def register_sources(register: Register) -> None:
    register(
        "image", open_source, accepts=is_readable, help="a picture: PNG, JPEG, WebP, AVIF, HEIC, TIFF or BMP"
    )


@hookimpl
def register_sinks(register: Register) -> None:
    register("image", open_sink, accepts=is_picture, help="a picture: PNG, JPEG, WebP, AVIF, TIFF or BMP")
