"""Video files as sources and sinks: every frame with its time, and everything else the file came with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nstfilter.files import is_numbered
from nstfilter.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nstfilter.plugins.video.pipe import PipeSink, PipeSource
    from nstfilter.plugins.video.sequence import SequenceSink, SequenceSource
    from nstfilter.plugins.video.sink import VideoSink
    from nstfilter.plugins.video.source import VideoSource

READABLE = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".hevc", ".ivf", ".m1v",
    ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut",
    ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})  # fmt: skip
# avi is claimed so that asking for it gets a reason and not a shrug
WRITABLE = frozenset({".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})


def open_source(
    target: str, *, begin: int | None = None, end: int | None = None, pre_roll: int = 0
) -> VideoSource:
    """The video file at `target`, or the part of it with `begin` <= pts < `end` after the `pre_roll` frames
    before it. Raises `SourceError` when there is nothing in it to decode."""
    from nstfilter.plugins.video.source import VideoSource

    if begin is None:
        return VideoSource(target)
    from nstfilter.plugins.video.segment import VideoSegment

    return VideoSegment(target, begin, end, pre_roll)


def open_sink(
    target: str,
    *,
    overwrite: bool = False,
    crf: int | None = None,
    codec: str | None = None,
    recipe: str | None = None,
    segment: bool = False,
) -> VideoSink:
    """A video file to be written at `target`; its suffix chooses the container.

    `crf` is the encoder's constant quality, lower is better, None for the codec's usual; `codec` is one of
    h264, hevc, av1, vp9, prores, ffv1 and gif, as far as the container takes it; `recipe` (see
    nstfilter.jobs.recipe) is written into all but GIF files; a `segment` is the picture alone, to be joined.
    Raises `UsageError` for a request that cannot be meant, `SinkError` for a place that cannot be written.
    """
    from nstfilter.plugins.video.sink import VideoSink

    return VideoSink(target, overwrite=overwrite, crf=crf, codec=codec, recipe=recipe, segment=segment)


def open_pipe_source(target: str) -> PipeSource:
    """What comes through standard input. Raises `SourceError` where that is no video."""
    from nstfilter.plugins.video.pipe import PipeSource

    return PipeSource()


def open_pipe_sink(
    target: str, *, format: str = "mkv", codec: str | None = None, crf: int | None = None
) -> PipeSink:
    """Standard output: `format` is mkv or y4m; `codec` and `crf` are as for files."""
    from nstfilter.plugins.video.pipe import PipeSink

    return PipeSink(format=format, codec=codec, crf=crf)


def open_sequence_source(target: str, *, rate: float = 25.0) -> SequenceSource:
    """The numbered pictures `target`, such as frames/%05d.png, `rate` of them a second. Raises `SourceError`
    where there is none, or one is missing."""
    from nstfilter.plugins.video.sequence import SequenceSource

    return SequenceSource(target, rate)


def open_sequence_sink(target: str, *, overwrite: bool = False, quality: int | None = None) -> SequenceSink:
    """Numbered pictures, such as frames/%05d.png, from 1 on; `quality` is that of the pictures."""
    from nstfilter.plugins.video.sequence import SequenceSink

    return SequenceSink(target, overwrite=overwrite, **({} if quality is None else {"quality": quality}))


def _suffix(target: str) -> str:
    return "" if "://" in target else Path(target).suffix.lower()


@hookimpl
def register_sources(register: Register) -> None:
    register(
        "video",
        open_source,
        accepts=lambda target: _suffix(target) in READABLE,
        help="a video file: mp4, mov, mkv, webm, avi, gif and whatever else FFmpeg reads",
    )
    register("sequence", open_sequence_source, accepts=is_numbered, help="numbered pictures: frames/%05d.png")
    register("pipe", open_pipe_source, accepts=lambda target: target == "-", help="-: standard input")


@hookimpl
def register_sinks(register: Register) -> None:
    register(
        "video",
        open_sink,
        accepts=lambda target: _suffix(target) in WRITABLE,
        help="a video file: mp4, mov, mkv, webm or gif, with the input's sound, subtitles and tags",
    )
    register("sequence", open_sequence_sink, accepts=is_numbered, help="numbered pictures: frames/%05d.png")
    register("pipe", open_pipe_sink, accepts=lambda target: target == "-", help="-: standard output")
