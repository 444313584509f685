"""What a result will lack of its input, told by its header alone, before a frame is painted."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from typing import Any

import av

from nstfilter.errors import SinkError
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.plugins.video.audit import file_losses, picture_losses, track_losses
from nstfilter.plugins.video.container import origin_of
from nstfilter.plugins.video.encoder import Encoder, GifEncoder
from nstfilter.plugins.video.muxer import Container, Muxer
from nstfilter.plugins.video.tracks import Piped
from nstfilter.streams import Change, StreamInfo

SIDE = 64  # pixels: an encoder of this size starts at once
# a header at the beginning, with all that is known before the first packet
HEADER_FIRST = {"movflags": "empty_moov+frag_keyframe"}


def rehearse(kind: Container, codec: str, info: StreamInfo, crf: int | None) -> list[Change]:
    """Lines that the audit of the result will hold too, word for word, and those of the muxer. Counts and
    times are not among them. Nothing is written. What cannot be told so, as where the encoder does not start,
    is left to be found on the way."""
    lines: list[str] = []
    small = replace(kind.kept(info), width=SIDE + info.width % 2, height=SIDE + info.height % 2)
    in_front = replace(kind, options=HEADER_FIRST) if kind.format in ("mp4", "mov") else kind
    file = io.BytesIO()
    said: list[str] = []
    with interrupted_later():  # FFmpeg may swallow a Ctrl-C
        muxer = Muxer(file, in_front, info.time_base, lines)
        with suppress(OSError, ValueError, av.FFmpegError, SinkError):
            # what the encoder has to say of its own is said when it starts for good
            encoder = (GifEncoder if codec == "gif" else Encoder)(muxer.container, codec, small, crf, [])
            bits = info.details.get("bits")
            alpha = bool(info.details.get("alpha")) and not (kind.alpha and (encoder.alpha or codec == "gif"))
            said = picture_losses(bits if isinstance(bits, int) else 8, encoder.bits, alpha)
            if (origin := origin_of(info)) and origin.is_file():
                muxer.adopt(origin, info.details.get("video_index"), encoder.stream)
                with suppress(ValueError, IndexError, av.FFmpegError):  # some sound has no header by itself
                    muxer.start()
                    said += _read_back(file, muxer)
            elif isinstance(piped := info.details.get("piped"), Piped):
                muxer.adopt_piped(piped, encoder.stream)
        with suppress(ValueError, av.FFmpegError):
            muxer.abandon()
    return [line for line in lines if isinstance(line, Change)] + [Change(line) for line in said]


def _read_back(file: io.BytesIO, muxer: Muxer) -> list[str]:
    assert muxer.origin is not None
    if not muxer.kind.chapters:
        return file_losses(muxer.origin, {}, 0)
    with av.open(io.BytesIO(file.getvalue()), metadata_errors="replace") as header:
        lines: list[str] = []
        for index, number in muxer.carried.items():
            one: Any = muxer.origin.streams[index]
            lines += track_losses(one, header.streams[number])
        return lines + file_losses(muxer.origin, header.metadata, None)
