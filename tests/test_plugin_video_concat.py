"""Pieces of videos, joined: nobody must be able to tell the result from one that was written in one go."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from test_plugin_video import film, picture

from nstfilter.errors import SinkError
from nstfilter.plugins import video
from nstfilter.streams import StreamInfo
from nstfilter.testing import check_joining

pytestmark = pytest.mark.slow

KINDS: list[tuple[str, dict[str, Any]]] = [
    (".mp4", {}),
    (".mkv", {}),
    (".webm", {}),
    (".mov", {"codec": "prores"}),
    (".mp4", {"codec": "hevc"}),
    (".mp4", {"codec": "av1"}),
    (".mkv", {"codec": "ffv1"}),
    (".mkv", {"codec": "vp9"}),
]


def write(source: Path, target: Path, part: dict[str, Any], **options: Any) -> list[str]:
    with video.open_source(str(source), **part) as opened:
        sink = video.open_sink(str(target), **options)
        sink.open(opened.info)
        for frame in opened:
            sink.write(frame)
        sink.close()
    return sink.warnings


def in_pieces(source: Path, target: Path, borders: list[int], **options: Any) -> list[str]:
    with video.open_source(str(source)) as opened:
        info = opened.info
    final = video.open_sink(str(target), **options)
    form = final.segment_format(info)
    assert form
    suffix, how = form
    paths = []
    for number, (begin, end) in enumerate(zip(borders, [*borders[1:], None], strict=True)):
        paths.append(target.with_name(f"{number}{suffix}"))
        write(source, paths[-1], {"begin": begin, "end": end}, **how)
    final.join(info, paths)
    return final.warnings


def described(path: Path) -> Any:
    """Everything there is to know of a file but when it was written."""
    with av.open(str(path)) as container:
        streams = []
        for stream in container.streams:
            context: Any = stream.codec_context
            said: list[Any] = [stream.type, context and context.name, stream.time_base, stream.start_time]
            said += [stream.duration, stream.frames, dict(stream.metadata), stream.disposition]
            if stream.type == "video":
                names = "pix_fmt color_range colorspace color_primaries color_trc width height extradata"
                said += [getattr(context, name) for name in names.split()]
                said += [stream.average_rate, stream.sample_aspect_ratio]
            streams.append(said)
        packets = [
            (packet.stream_index, packet.pts, packet.dts, packet.duration, bytes(packet))
            for packet in container.demux()
            if packet.size and packet.stream.type != "video"
        ]
        about = dict(container.metadata), container.chapters()
    with av.open(str(path)) as container:
        frames = [(frame.pts, frame.duration) for frame in container.decode(video=0)]
    return streams, packets, about, frames


@pytest.mark.parametrize(("suffix", "options"), KINDS, ids=lambda value: str(value).replace("'", ""))
def test_pieces_joined_are_as_if_written_in_one_go(tmp_path, suffix, options):
    times = [341 + t for t in np.cumsum([512, 512, 700, 256, 1900] * 10).tolist()]
    source = film(
        tmp_path / "in.mp4",
        times=times,
        sound="aac",
        seconds=3.0,
        chapters=True,
        subtitles=[(200, 900, "good morning")],
        aspect=Fraction(4, 3),
    )
    with video.open_source(str(source)) as opened:
        shown = [frame.pts for frame in opened]
    warned = write(source, tmp_path / f"straight{suffix}", {}, **options)
    borders = [shown[0], shown[17], shown[30] - 1, shown[48] + 1]
    assert in_pieces(source, tmp_path / f"joined{suffix}", borders, **options) == warned
    assert described(tmp_path / f"joined{suffix}") == described(tmp_path / f"straight{suffix}")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_the_contract(tmp_path, suffix):
    path = tmp_path / "own" / f"video{suffix}"
    path.parent.mkdir()
    check_joining(
        lambda target, **options: video.open_sink(str(target), **options),
        path,
        lambda target: video.open_source(str(target)),
    )


def test_a_piece_plays_by_itself_and_has_no_sound(tmp_path):
    source = film(tmp_path / "in.mp4", sound="aac", seconds=1.0)
    form = video.open_sink(str(tmp_path / "out.mp4"), crf=10).segment_format(StreamInfo(96, 64))
    assert form == (".mp4", {"segment": True, "codec": "h264", "crf": 10})
    write(source, tmp_path / "segment.mp4", {"begin": 5120}, **form[1])
    with av.open(str(tmp_path / "segment.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert next(container.decode(video=0)).pts == 5120


def test_pieces_of_another_kind_are_refused_and_nothing_is_left(tmp_path):
    for name, codec in (("1.mp4", "h264"), ("2.mp4", "hevc")):
        write(film(tmp_path / "in.mp4"), tmp_path / name, {}, segment=True, codec=codec)
    before = sorted(tmp_path.iterdir())
    for segments, message in (
        (["1.mp4", "2.mp4"], r"2\.mp4 does not fit to .*1\.mp4"),
        (["1.mp4", "3.mp4"], r"3\.mp4 cannot be read"),
        (["3.mp4"], r"3\.mp4 cannot be read"),
        ([], "there was no frame"),
    ):
        sink = video.open_sink(str(tmp_path / "out.mp4"))
        with pytest.raises(SinkError, match=message):
            sink.join(StreamInfo(96, 64, Fraction(1, 12800), Fraction(25)), [tmp_path / n for n in segments])
        assert sorted(tmp_path.iterdir()) == before


def test_a_result_that_appears_while_segments_are_joined_is_not_replaced(tmp_path, monkeypatch):
    write(film(tmp_path / "in.mp4", images=[picture(0), picture(1)]), tmp_path / "1.mp4", {}, segment=True)
    sink = video.open_sink(str(tmp_path / "out.mp4"))
    finish = sink._finish_file

    def slowly():
        finish()
        (tmp_path / "out.mp4").write_text("somebody's")

    monkeypatch.setattr(sink, "_finish_file", slowly)
    with pytest.raises(SinkError, match="has appeared meanwhile"):
        sink.join(StreamInfo(96, 64, Fraction(1, 12800), Fraction(25)), [tmp_path / "1.mp4"])
    assert (tmp_path / "out.mp4").read_text() == "somebody's"


def test_a_result_that_appeared_meanwhile_is_not_replaced(tmp_path):
    write(film(tmp_path / "in.mp4", images=[picture(0), picture(1)]), tmp_path / "1.mp4", {}, segment=True)
    sink = video.open_sink(str(tmp_path / "out.mp4"))
    (tmp_path / "out.mp4").write_text("somebody's")
    with pytest.raises(SinkError, match="exists already"):
        sink.join(StreamInfo(96, 64, Fraction(1, 12800), Fraction(25)), [tmp_path / "1.mp4"])
    assert (tmp_path / "out.mp4").read_text() == "somebody's"
