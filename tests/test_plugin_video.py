"""Video files in and out, with real files made on the spot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nstfilter.errors import FrameError, NstfilterError, SinkError, SourceError, UsageError
from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.plugins import video
from nstfilter.plugins.video import recipe as video_recipe
from nstfilter.plugins.video.source import VideoSource
from nstfilter.streams import Change, Frame, Source, StreamInfo

av = pytest.importorskip("av")

BUNNY = Path(__file__).parents[1] / "../shared/data/clips/bigbuckbunny.mp4"
WIDTH, HEIGHT = 96, 64

# one row a patch: red, green, blue
CHART = [(r, g, b) for r in (16, 235) for g in (16, 235) for b in (16, 235)] + [
    (128, 128, 128),
    (200, 60, 90),
]
LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # Kr and Kb by H.273 matrix number


def chart(width: int = 320, height: int = 32) -> np.ndarray:
    """The chart as BGR, in columns."""
    columns = np.repeat(np.array(CHART, np.uint8)[:, ::-1], width // len(CHART), axis=0)
    return np.ascontiguousarray(np.broadcast_to(columns, (height, *columns.shape)))


def patches(image: np.ndarray) -> np.ndarray:
    """The mean BGR (or plane) value of each column of the chart, away from its edges."""
    step = image.shape[1] // len(CHART)
    inner = [image[4:-4, i * step + step // 4 : (i + 1) * step - step // 4] for i in range(len(CHART))]
    return np.array([area.reshape(-1, *image.shape[2:]).mean(0) for area in inner])


def ycbcr(matrix: int, full: bool) -> np.ndarray:
    """The chart in YCbCr by the formula of the standards, without asking the library under test."""
    kr, kb = LUMA[matrix]
    r, g, b = (np.array(CHART, float) / 255).T
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    if full:
        return np.stack([y * 255, cb * 255 + 128, cr * 255 + 128], 1)
    return np.stack([y * 219 + 16, cb * 224 + 128, cr * 224 + 128], 1)


def chart_frame(matrix: int, full: bool, width: int = 320) -> Any:
    """The chart in YCbCr, to be encoded as it is."""
    columns = np.repeat(
        ycbcr(matrix, full).round().clip(0, 255).astype(np.uint8), width // len(CHART), axis=0
    )
    planes = np.ascontiguousarray(np.broadcast_to(columns, (32, *columns.shape)))
    return av.VideoFrame.from_ndarray(planes, "yuv444p", channel_last=True)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A frame that differs from its neighbors: a gradient with a moving block."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    image[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    x = number * 3 % max(1, width - 16)
    image[8:24, x : x + 16, 2] = 255
    return image


def film(
    path: Path,
    *,
    times: list[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    images: list[Any] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: dict[str, str] | None = None,
    sound: str | None = None,
    seconds: float = 1.2,
    sound_first: bool = False,
    subtitles: list[tuple[int, int, str]] = [],  # noqa: B006  (only read)
    subtitle_codec: str = "mov_text",
    chapters: bool = False,
    cover: bool = False,
    attachment: bytes = b"",
    turn: tuple[float, bool, bool] | None = None,
    aspect: Fraction | None = None,
    color: dict[str, int] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Make a video file by hand. `images` are BGR arrays or ready VideoFrames."""
    if times is None:
        times = [512 * i for i in range(len(images) if images else 25)]
    with av.open(str(path), "w", container_options=container_options or {}) as out:
        if chapters:
            out.metadata["title"] = "A day out"
            marks = [(0, 500, "Dawn"), (500, 1000, "Noon")]
            out.set_chapters(
                [
                    {"id": i, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": t}}
                    for i, (a, b, t) in enumerate(marks)
                ]
            )

        def add_video() -> Any:
            stream = out.add_stream(codec, rate=rate, options=options or {"crf": "10", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            stream.codec_context.time_base = stream.time_base = time_base
            for tag, value in (color or {}).items():
                setattr(stream.codec_context, tag, value)
            if aspect:
                stream.codec_context.sample_aspect_ratio = aspect
            if turn:
                stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
            return stream

        def add_sound() -> Any:
            stream = out.add_stream(sound, rate=48000)
            stream.codec_context.layout = "stereo"
            stream.metadata["language"] = "deu"
            return stream

        streams: dict[str, Any] = {}
        for kind in ("sound", "video") if sound_first else ("video", "sound"):
            if kind == "video":
                streams[kind] = add_video()
            elif sound:
                streams[kind] = add_sound()
        if subtitles:
            text = streams["text"] = out.add_stream(subtitle_codec)
            text.codec_context.subtitle_header = b"[Script Info]\nScriptType: v4.00+\n"
            text.codec_context.time_base = text.time_base = Fraction(1, 1000)
            text.metadata["language"] = "fra"
            text.disposition = av.stream.Disposition.forced
        if cover:
            art = streams["cover"] = out.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt = 32, 32, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic

        if attachment:
            out.add_attachment("a.ttf", "font/ttf", attachment)

        packets = []
        for number, pts in enumerate(times):
            frame = images[number] if images else picture(number, *size)
            if isinstance(frame, np.ndarray):
                frame = av.VideoFrame.from_ndarray(frame, "bgr24")
            frame.pts, frame.time_base = pts, time_base
            packets += streams["video"].encode(frame)
        packets += streams["video"].encode(None)
        if sound:
            tone = np.sin(np.arange(round(48000 * seconds)) * 0.05).astype(np.float32)
            wave = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
            wave.sample_rate, wave.pts, wave.time_base = 48000, 0, Fraction(1, 48000)
            packets += streams["sound"].encode(wave) + streams["sound"].encode(None)
        for start, end, words in subtitles:
            line = av.subtitles.subtitle.SubtitleSet.create(
                f"0,0,Default,,0,0,0,,{words}".encode(), 0, end - start
            )
            coded = text.codec_context.encode_subtitle(line)
            coded.stream, coded.time_base = text, Fraction(1, 1000)
            coded.pts = coded.dts = start
            coded.duration = end - start
            packets.append(coded)
        if cover:
            art_frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), "bgr24")
            packets = [*art.encode(art_frame), *art.encode(None), *packets]
        out.start_encoding()
        for packet in packets:
            out.mux(packet)
    return path


def read(path: Path) -> list[Frame]:
    with video.open_source(str(path)) as source:
        return list(source)


def carry(source_path: Path, target: Path, **options: Any) -> tuple[list[Frame], list[str]]:
    """Source to sink as a render would do it; the frames that went through and the sink's warnings."""
    frames = []
    with video.open_source(str(source_path)) as source:
        sink = video.open_sink(str(target), **options)
        sink.open(source.info)
        for frame in source:
            frames.append(frame)
            sink.write(frame)
        sink.close()
    assert not list(target.parent.glob("*.partial*"))
    return frames, sink.warnings


def packets_of(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Every packet of the first stream of a kind: when (in seconds) and what."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]


def seconds(frames: list[Frame], path: Path) -> list[Fraction]:
    with video.open_source(str(path)) as source:
        return [f.pts * source.info.time_base for f in frames]


# -- the door --


def test_suffixes_claim_and_nothing_is_touched() -> None:
    registered: dict[str, Any] = {}

    def register(name: str, open: Any, *, accepts: Any = None, help: str = "") -> None:
        registered[name] = accepts

    video.register_sources(register)
    claims = registered["video"]
    assert all(
        claims(f"/no/such/place/a{s}") for s in (".mp4", ".MOV", ".mkv", ".webm", ".avi", ".gif", ".wmv")
    )
    assert not any(claims(t) for t in ("a.png", "webcam:0", "demo", "a.txt", "mp4"))
    video.register_sinks(register)
    assert registered["video"]("out.mp4")
    assert not registered["video"]("out.png")


# -- reading --


def test_frames_come_as_bgr_with_their_times(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    with video.open_source(str(path)) as source:
        assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
        assert source.info.rate == 25
        assert source.info.frames == 25
        assert not source.info.still
        assert source.info.origin == path
        frames = list(source)
        assert not source.warnings
    assert [f.pts for f in frames] == [512 * i for i in range(25)]
    assert all(f.duration == 512 for f in frames)
    assert all(f.image.shape == (HEIGHT, WIDTH, 3) and f.image.dtype == np.uint8 for f in frames)
    assert np.abs(frames[7].image.astype(int) - picture(7)).mean() < 6


@pytest.mark.parametrize("full", [False, True], ids=["tv", "pc"])
@pytest.mark.parametrize("matrix", [1, 6, 9], ids=["bt709", "bt601", "bt2020"])
def test_colors_survive_both_ways(tmp_path: Path, matrix: int, full: bool) -> None:
    frame = chart_frame(matrix, full)
    tags = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": 1, "color_trc": 1}
    path = film(
        tmp_path / "in.mp4",
        images=[frame],
        size=(320, 32),
        pixels="yuv444p",
        color=tags,
        options={"qp": "0"},
    )
    (shown,) = read(path)
    assert np.abs(patches(shown.image) - patches(chart())).max() <= 1

    out = tmp_path / "out.mp4"
    carry(path, out, crf=4)
    (again,) = read(out)
    assert np.abs(patches(again.image) - patches(chart())).max() <= 3
    with av.open(str(out)) as container:
        decoded = next(container.decode(video=0))
        assert (decoded.colorspace, decoded.color_range) == (tags["colorspace"], tags["color_range"])
        luma = decoded.to_ndarray()[:32]
    assert np.abs(patches(luma) - ycbcr(matrix, full)[:, 0]).max() <= 3


@pytest.mark.parametrize(("size", "matrix"), [((640, 32), 6), ((1280, 32), 1)], ids=["SD", "HD"])
def test_untagged_colors_are_guessed_by_size_and_tagged(
    tmp_path: Path, size: tuple[int, int], matrix: int
) -> None:
    frame = chart_frame(matrix, False, size[0])
    path = film(tmp_path / "in.mp4", images=[frame], size=size, pixels="yuv444p", options={"qp": "0"})
    (shown,) = read(path)
    assert np.abs(patches(shown.image) - patches(chart(size[0]))).max() <= 1
    carry(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).colorspace == matrix


QUARTERS = {(0, 0): 40, (0, 1): 100, (1, 0): 160, (1, 1): 220}  # (row, column): gray


def quarters(height: int = 64, width: int = 96) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for (row, column), gray in QUARTERS.items():
        image[
            row * height // 2 : (row + 1) * height // 2, column * width // 2 : (column + 1) * width // 2
        ] = gray
    return image


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ((90, False, False), lambda a: np.rot90(a, 1)),
        ((180, False, False), lambda a: np.rot90(a, 2)),
        ((270, False, False), lambda a: np.rot90(a, 3)),
        ((0, True, False), lambda a: a[:, ::-1]),
        ((0, False, True), lambda a: a[::-1]),
        ((90, True, False), lambda a: np.rot90(a, 1)[:, ::-1]),
    ],
    ids=["90", "180", "270", "mirrored", "upside-down", "90-mirrored"],
)
def test_the_display_matrix_is_applied(tmp_path: Path, turn: Any, expected: Any) -> None:
    path = film(tmp_path / "in.mp4", images=[quarters()] * 3, turn=turn, aspect=Fraction(4, 3))
    upright = expected(quarters())
    with video.open_source(str(path)) as source:
        first = next(iter(source))
        assert (source.info.height, source.info.width) == upright.shape[:2] == first.image.shape[:2]
        across = turn[0] in (90, 270)
        assert source.info.details["sample_aspect_ratio"] == (Fraction(3, 4) if across else Fraction(4, 3))
    assert np.abs(first.image.astype(int) - upright).mean() < 5
    carry(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == source.info.details["sample_aspect_ratio"]
        assert next(container.decode(video=0)).rotation == 0
    assert np.abs(read(tmp_path / "out.mp4")[0].image.astype(int) - upright).mean() < 5


def test_ten_bits_are_read_and_said(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", pixels="yuv420p10le", images=[quarters()] * 2)
    with video.open_source(str(path)) as source:
        assert any("painted in 8" in w for w in source.warnings)
        assert np.abs(next(iter(source)).image.astype(int) - quarters()).mean() < 4


@pytest.mark.parametrize("curve", [16, 18], ids=["PQ", "HLG"])
def test_hdr_is_refused_with_what_to_type(tmp_path: Path, curve: int) -> None:
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": curve}
    path = film(tmp_path / "a.mp4", pixels="yuv420p10le", color=tags)
    with pytest.raises(SourceError, match=r"HDR.*ffmpeg -i"):
        video.open_source(str(path))


def test_the_picture_may_change_its_size_on_the_way(tmp_path: Path) -> None:
    both = b"".join(film(tmp_path / f"{w}.ts", size=(w, 64)).read_bytes() for w in (96, 128))
    path = tmp_path / "both.ts"
    path.write_bytes(both)
    with video.open_source(str(path)) as source:
        frames = list(source)
        assert len([w for w in source.warnings if "128x64" in w]) == 1
    assert len(frames) > 40
    assert {f.image.shape for f in frames} == {(64, 96, 3)}


def test_raw_streams_get_times_from_the_rate(tmp_path: Path) -> None:
    path = film(tmp_path / "a.h264", options={"preset": "ultrafast", "bf": "2"})
    with video.open_source(str(path)) as source:
        frames = list(source)
        assert any("timestamp" in w for w in source.warnings)
        gaps = {(b.pts - a.pts) * source.info.time_base for a, b in pairwise(frames)}
    assert len(frames) == 25
    assert gaps == {Fraction(1, 25)}


@pytest.mark.parametrize(
    ("codec", "options"), [("mpeg4", {"bf": "2", "qscale": "3"}), ("libx264", {"bf": "2"})]
)
def test_avi_with_reordered_frames(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    path = film(
        tmp_path / "a.avi", codec=codec, options=options, time_base=Fraction(1, 25), times=list(range(25))
    )  # fmt: skip
    frames = read(path)
    assert [f.pts for f in frames] == list(range(frames[0].pts, frames[0].pts + 25))
    assert all(np.abs(f.image.astype(int) - picture(i)).mean() < 8 for i, f in enumerate(frames))


def test_what_an_animation_lacks_of_a_video_is_said(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mp4", cover=True, sound="aac", chapters=True)
    with open_source(path) as source:
        sink = open_sink(tmp_path / "out.webp")
        lines = sink.losses(source.info)
        assert lines == [
            "sound track 1 (deu) is left out: WEBP holds none",
            "video track 3 (cover art) is left out: WEBP holds none",
            "0 of 2 chapters are in the result",
            "tags that are not in the result: title",
        ]
        assert all(isinstance(line, Change) for line in lines)
        assert lines == run(source, np.copy, sink).warnings
    bare = film(tmp_path / "bare.mp4")
    with open_source(bare) as source:
        assert open_sink(tmp_path / "bare.webp").losses(source.info) == []


def test_cover_art_is_not_the_video(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", cover=True, sound="aac", sound_first=True)
    with video.open_source(str(path)) as source:
        assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
        assert len(list(source)) == 25


def test_an_impossible_frame_rate_is_not_believed(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mkv", rate=12800, times=[512 * i for i in range(25)], sound="aac")
    with video.open_source(str(path)) as source:
        assert source.info.rate == 25
        assert source.info.frames is not None
        assert source.info.frames < 100
    frames, _ = carry(path, tmp_path / "out.webm")
    assert [f.pts for f in frames] == [40 * i for i in range(25)]
    assert len(read(tmp_path / "out.webm")) == 25


def test_of_several_videos_the_first_is_used_and_the_rest_named(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, width in zip(streams, (96, 64), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 64, "yuv420p"
        for number in range(5):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(picture(number, stream.width), "bgr24")
                frame.pts = number
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    with video.open_source(str(path)) as source:
        assert source.info.width == 96
        assert source.warnings == ["there are several video streams; number 0 is used"]
    _, warnings = carry(path, tmp_path / "out.mp4")
    assert len(warnings) == 1
    assert "video track 1" in warnings[0]


def _sound_with_cover(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        art = out.add_stream("mjpeg", rate=1)
        art.width, art.height, art.pix_fmt = 32, 32, "yuvj420p"
        art.disposition = av.stream.Disposition.attached_pic
        out.mux(art.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), "bgr24")))
        wave = av.AudioFrame.from_ndarray(np.zeros((2, 4096), np.float32), "fltp", "stereo")
        wave.sample_rate = 48000
        for packet in [*stream.encode(wave), *stream.encode(None)]:
            out.mux(packet)


def _no_frames(path: Path) -> None:
    film(path.with_name("whole.mkv"))
    path.write_bytes(path.with_name("whole.mkv").read_bytes()[:700])
    path.with_name("whole.mkv").unlink()


def _no_tracks(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("h264", rate=25)
        stream.width, stream.height = 64, 48
        out.start_encoding()


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("gone.mp4", lambda p: None, "there is no file"),
        ("folder.mp4", Path.mkdir, "is a folder"),
        ("empty.mp4", lambda p: p.write_bytes(b""), "empty"),
        ("text.mp4", lambda p: p.write_text("Dear diary,\nno video today.\n" * 40), "not a video"),
        ("text.mkv", lambda p: p.write_text("Dear diary,\nno video today.\n" * 40), "not a video"),
        ("list.mp4", lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.ts\n"), "not a video"),
        ("noise.avi", lambda p: p.write_bytes(np.random.default_rng(1).bytes(50000)), "not a video"),
        ("song.mp4", _sound_with_cover, "holds no video, only audio and cover art"),
        ("bare.mp4", _no_tracks, "holds no video, nothing at all"),
        ("header.mkv", _no_frames, "no frame of .* can be decoded"),
    ],
)
def test_what_is_no_video_is_one_clear_line(tmp_path: Path, name: str, make: Any, says: str) -> None:
    make(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SourceError, match=says) as caught:
        video.open_source(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_an_mp4_without_its_end_says_so(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="cut short"):
        video.open_source(str(path))


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.mp4"])
def test_a_truncated_file_gives_what_it_has(tmp_path: Path, name: str) -> None:
    index_first = {"movflags": "faststart"} if name.endswith("mp4") else None
    path = film(tmp_path / name, times=[512 * i for i in range(100)], container_options=index_first)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with video.open_source(str(path)) as source:
        frames = list(source)
        assert len(source.warnings) == 1
    assert 30 < len(frames) < 90
    assert frames[20].image.shape == (HEIGHT, WIDTH, 3)


def test_damage_is_counted_and_passed_over(tmp_path: Path) -> None:
    noise = np.random.default_rng(3)
    images = [noise.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(60)]
    path = film(tmp_path / "a.mp4", images=images, codec="mpeg4", options={"g": "5", "qscale": "2"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = bytes(len(data) // 8)
    path.write_bytes(data)
    with video.open_source(str(path)) as source:
        frames = list(source)
        (line,) = [w for w in source.warnings if w.endswith("skipped")]
    assert 30 < len(frames) < 60
    assert line.split()[0] == str(60 - len(frames))
    assert frames[-1].pts == 59 * 512


def test_times_stay_right_after_damage_in_an_avi(tmp_path: Path) -> None:
    path = film(
        tmp_path / "a.avi", times=list(range(60)), time_base=Fraction(1, 25), options={"g": "10", "bf": "1"}
    )  # fmt: skip
    _, lost = packets_of(path, "video")[31]
    path.write_bytes(path.read_bytes().replace(lost, b"\xff" * len(lost)))
    with video.open_source(str(path)) as source:
        frames = list(source)
        assert source.warnings
    assert len(frames) > 50
    assert frames[-1].pts == 59
    assert np.abs(frames[-1].image.astype(int) - picture(59)).mean() < 8


def test_durations_are_those_on_the_screen(tmp_path: Path) -> None:
    times = [0, 500, 900, 3000, 3300, 9000, 9100, 20000]
    path = film(tmp_path / "a.mp4", times=times, options={"preset": "veryfast", "bf": "2"})
    frames = read(path)
    assert [f.pts for f in frames] == times
    assert [f.duration for f in frames[:-1]] == [b - a for a, b in pairwise(times)]


def test_close_is_safe_while_another_thread_reads(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", size=(640, 360), times=[512 * i for i in range(60)])
    for _ in range(5):
        source, closed = video.open_source(str(path)), threading.Event()
        seen: list[Frame] = []

        def read_on(source: Source = source, closed: threading.Event = closed, seen: list = seen) -> None:
            for frame in source:
                seen.append(frame)
                if len(seen) == 55:  # where this thread comes so far before the other comes to close it
                    closed.wait(60)

        reader = threading.Thread(target=read_on)
        reader.start()
        source.close()
        source.close()
        closed.set()
        reader.join(60)
        assert not reader.is_alive()
        assert len(seen) < 60
    source = video.open_source(str(path))
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_close_waits_for_the_frame_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = video.open_source(str(film(tmp_path / "a.mp4")))
    reading, go_on = threading.Event(), threading.Event()

    def held() -> Any:
        reading.set()
        assert go_on.wait(60)
        return VideoSource._next_frame(source)

    monkeypatch.setattr(source, "_next_frame", held)
    reader = threading.Thread(target=lambda: list(source))
    closer = threading.Thread(target=source.close)
    reader.start()
    assert reading.wait(60)
    closer.start()
    closer.join(0.1)
    assert closer.is_alive()
    go_on.set()
    for thread in (closer, reader):
        thread.join(60)
        assert not thread.is_alive()


# -- writing --


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="the priority of threads is asked on Linux")
@pytest.mark.parametrize("codec", ["av1", "hevc"])
def test_an_encoder_comes_before_nothing_else_on_the_computer(tmp_path: Path, codec: str) -> None:
    """SVT-AV1 would, for root."""

    def policies() -> dict[str, int]:
        found = {}
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # it has ended
                found[thread] = os.sched_getscheduler(int(thread))
        return found

    before, own = policies(), os.sched_getscheduler(0)
    sink = video.open_sink(str(tmp_path / "a.mkv"), codec=codec)
    sink.open(StreamInfo(64, 64, rate=Fraction(25)))
    for number in range(3):
        sink.write(Frame(np.zeros((64, 64, 3), np.uint8), pts=number))
    assert os.sched_getscheduler(0) == own
    assert {policy for thread, policy in policies().items() if thread not in before} <= {own}
    sink.close()
    assert os.sched_getscheduler(0) == own


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "h264"), (".mp4", "hevc"), (".mp4", "av1"), (".mp4", "vp9"), (".mov", "h264")],
)
def test_times_are_exact(tmp_path: Path, suffix: str, codec: str) -> None:
    times = [90, 3093, 6096, 7000, 7001, 20000, 50021, 53024, 900000]
    for time_base in (Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 25)):
        path = film(tmp_path / "in.mkv", times=times[:1])  # only so that there is an origin
        info = StreamInfo(WIDTH, HEIGHT, time_base, Fraction(30), origin=path, details={"video_index": 0})
        sink = video.open_sink(str(tmp_path / f"out{suffix}"), overwrite=True, codec=codec)
        sink.open(info)
        for number, pts in enumerate(times):
            sink.write(Frame(picture(number), pts, 777))
        sink.close()
        with video.open_source(str(tmp_path / f"out{suffix}")) as source:
            frames = list(source)
            assert [f.pts * source.info.time_base for f in frames] == [t * time_base for t in times]
            if codec != "vp9":  # which FFmpeg reads by its frame rate, whatever the file says
                assert frames[-1].duration * source.info.time_base == 777 * time_base
            if time_base.numerator == 1:
                assert [f.pts for f in frames] == times


@pytest.mark.parametrize(
    ("suffix", "step"),
    [(".mkv", Fraction(1, 1000)), (".webm", Fraction(1, 1000)), (".gif", Fraction(1, 100))],
)
def test_times_are_as_exact_as_the_format(tmp_path: Path, suffix: str, step: Fraction) -> None:
    times = [0, 3003, 6007, 9100, 20000, 23003]
    path = film(tmp_path / "in.mp4", times=times, time_base=Fraction(1, 90000))
    frames, _ = carry(path, tmp_path / f"out{suffix}")
    written = seconds(read(tmp_path / f"out{suffix}"), tmp_path / f"out{suffix}")
    assert len(written) == len(frames)
    assert all(abs(a - Fraction(b, 90000)) <= step / 2 for a, b in zip(written, times, strict=True))


def test_times_that_run_backwards_are_mended(tmp_path: Path) -> None:
    sink = video.open_sink(str(tmp_path / "a.mp4"))
    sink.open(StreamInfo(WIDTH, HEIGHT, Fraction(1, 1000), Fraction(25)))
    for number, pts in enumerate([0, 40, 40, 30, 120]):
        sink.write(Frame(picture(number), pts))
    sink.close()
    assert [f.pts for f in read(tmp_path / "a.mp4")] == [0, 40, 41, 42, 120]
    assert len(sink.warnings) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("sound_first", "late"), [(False, 0), (True, 0), (False, 2560)])
def test_sound_is_carried_bit_for_bit(tmp_path: Path, suffix: str, sound_first: bool, late: int) -> None:
    times = [late + 512 * i for i in range(25)]
    path = film(tmp_path / "in.mp4", times=times, sound="aac", sound_first=sound_first, seconds=1.6)
    assert [f.pts for f in read(path)] == times
    out = tmp_path / f"out{suffix}"
    frames, warnings = carry(path, out)
    assert warnings == []
    assert len(frames) == len(read(out)) == 25
    before, after = packets_of(path, "audio"), packets_of(out, "audio")
    assert [data for _, data in after] == [data for _, data in before]
    # Matroska has no time before zero: there, sound and picture move together
    shift = seconds(read(out), out)[0] - seconds(frames, path)[0]
    grain = Fraction(1, 1000) if suffix == ".mkv" else 0
    assert all(abs(b - a - shift) <= grain for (a, _), (b, _) in zip(before, after, strict=True))


def test_subtitles_chapters_languages_and_tags_are_carried(tmp_path: Path) -> None:
    lines = [(0, 300, "Good morning"), (400, 700, "and good night")]
    path = film(tmp_path / "in.mp4", sound="aac", subtitles=lines, chapters=True)
    for suffix in (".mp4", ".mov", ".mkv"):
        out = tmp_path / f"out{suffix}"
        _, warnings = carry(path, out)
        assert [w for w in warnings if "subtitle" not in w] == []
        with av.open(str(out)) as container:
            assert container.metadata["title"] == "A day out"
            assert [c["metadata"]["title"] for c in container.chapters()] == ["Dawn", "Noon"]
            assert [c["start"] * c["time_base"] for c in container.chapters()] == [0, Fraction(1, 2)]
            text = container.streams.subtitles[0]
            assert text.language == "fra"
            if suffix != ".mov":  # QuickTime has its own short list of languages, and no forced subtitles
                assert container.streams.audio[0].language == "deu"
                assert text.disposition & av.stream.Disposition.forced
            words = [bytes(p) for p in container.demux(text) if p.size > 2]
            assert [b"Good morning" in words[0], b"and good night" in words[1]] == [True, True]


RECIPE = '{"style": "kätz & <chen>.jpg", "command": "nstfilter apply \'a b\'", "x": "\\n"}'


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
def test_a_recipe_is_carried_beside_the_tags(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / "in.mp4", sound="aac", chapters=True)
    plain, out = tmp_path / f"plain{suffix}", tmp_path / f"out{suffix}"
    carry(path, plain)
    carry(path, out, recipe=RECIPE)
    with VideoSource(plain) as source:
        assert source.info.details["recipe"] is None
    with VideoSource(out) as source:
        assert source.info.details["recipe"] == RECIPE
    with (
        av.open(str(plain)) as before,
        # FFmpeg has its own way to read the box
        av.open(str(out), options={"export_xmp": "1"}) as after,
    ):
        tags = dict(after.metadata)
        found = tags.pop("NSTFILTER", None) or tags.pop("xmp")
        assert "kätz" in found
        assert tags == dict(before.metadata)
        assert tags["title"] == "A day out"
        assert after.chapters() == before.chapters()
    for kind in ("video", "audio"):
        assert packets_of(out, kind) == packets_of(plain, kind)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_painting_of_a_painting_does_not_keep_the_first_ones_recipe(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    carry(film(tmp_path / "in.mp4"), first, recipe=RECIPE)
    carry(first, second)
    with VideoSource(second) as source:
        assert source.info.details["recipe"] is None


def test_a_gif_has_no_room_for_a_recipe(tmp_path: Path) -> None:
    assert carry(film(tmp_path / "in.mp4"), tmp_path / "out.gif", recipe=RECIPE)[1] == []
    with VideoSource(tmp_path / "out.gif") as source:
        assert source.info.details["recipe"] is None


@pytest.mark.parametrize(
    "end",
    [
        b"\0\0\0\x20uuid" + video_recipe.XMP,  # cut short
        b"\xff\xff\xff\xffuuid" + video_recipe.XMP + b"x" * 100,  # promises four gigabytes
        b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff",  # ends far beyond the file
        b"\0\0\0\x07free" * 9,  # smaller than a box can be
        b"\0\0\0\x08free" * 30_000,
    ],
)
def test_odd_boxes_are_no_recipe_and_do_no_harm(tmp_path: Path, end: bytes) -> None:
    path = film(tmp_path / "in.mp4")
    with path.open("ab") as file:
        file.write(end)
    with VideoSource(path) as source:
        assert source.info.details["recipe"] is None
        assert len(list(source)) == 25


def test_what_the_container_cannot_take_is_converted_or_named(tmp_path: Path) -> None:
    lines = [(100, 300, "Good morning")]
    path = film(tmp_path / "in.mp4", sound="aac", subtitles=lines)
    out = tmp_path / "out.webm"
    _, warnings = carry(path, out)
    assert any("aac to opus" in w for w in warnings)
    assert any("mov_text to webvtt" in w for w in warnings)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
        assert container.streams.audio[0].language == "deu"
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert abs(len(sound) / 48000 - 1.2) < 0.05
    assert np.abs(sound).max() > 0.5
    assert any(b"Good morning" in data for _, data in packets_of(out, "subtitle"))

    back = tmp_path / "back.mp4"
    _, warnings = carry(out, back)
    assert b"Good morning" in b"".join(data for _, data in packets_of(back, "subtitle"))

    _, warnings = carry(path, tmp_path / "out.gif")
    assert len([w for w in warnings if "left out" in w]) == 2


@pytest.mark.parametrize(
    ("source", "sound", "target", "becomes", "converted"),
    [
        ("in.ts", "aac", ".mp4", "aac", False),
        ("in.ts", "aac", ".mkv", "aac", False),
        ("in.mov", "pcm_s16le", ".mp4", "pcm_s16le", False),
        ("in.mkv", "flac", ".mov", "aac", True),
        ("in.avi", "mp2", ".mp4", "mp3float", False),  # MP4 does not tell the layers of MPEG audio apart
        ("in.mkv", "libopus", ".mp4", "opus", False),
        ("in.mov", "pcm_s16le", ".webm", "opus", True),
        ("in.mp4", "alac", ".mkv", "alac", False),
    ],
)
def test_sound_of_other_kinds(
    tmp_path: Path, source: str, sound: str, target: str, becomes: str, converted: bool
) -> None:
    path = film(tmp_path / source, sound=sound, time_base=Fraction(1, 25), times=list(range(25)))
    _, warnings = carry(path, tmp_path / f"out{target}")
    with av.open(str(tmp_path / f"out{target}")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name.removeprefix("lib") == becomes
        samples = sum(f.samples for f in container.decode(stream))
        assert abs(samples / 48000 - 1.2) < 0.06
    assert [w for w in warnings if "converted" in w] == warnings
    assert len(warnings) == converted


def test_damaged_sound_costs_only_itself(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mkv", sound="aac")
    data = path.read_bytes()
    for _, packet in packets_of(path, "audio")[10:14]:
        data = data.replace(packet, b"\xff" * len(packet))
    path.write_bytes(data)
    _, warnings = carry(path, tmp_path / "out.webm")
    assert warnings[1:] == ["sound track 1 (deu) has damaged places, which are left out"]
    assert len(read(tmp_path / "out.webm")) == 25
    assert packets_of(tmp_path / "out.webm", "audio")[-1][0] > 1


def test_fonts_go_from_matroska_to_matroska(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mkv", attachment=b"a font" * 50)
    _, warnings = carry(path, tmp_path / "out.mkv")
    assert warnings == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        (font,) = (s for s in container.streams if s.type == "attachment")
        assert (font.name, font.data) == ("a.ttf", b"a font" * 50)
    _, warnings = carry(path, tmp_path / "out.mp4")
    assert len(warnings) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cover_art_is_kept(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / "in.mp4", cover=True, sound="aac")
    out = tmp_path / f"out{suffix}"
    _, warnings = carry(path, out)
    assert warnings == []
    with av.open(str(out)) as container:
        art = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
        assert len(art) == 1
        assert next(container.demux(art[0])).size > 100
        assert len(container.streams.video) == 2, "and no empty track beside it"
    assert len(read(out)) == 25


def test_sound_is_written_along_with_the_picture(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mp4", times=[512 * i for i in range(250)], sound="aac", seconds=10)
    carry(path, tmp_path / "out.mkv")
    reached = {"video": 0.0, "audio": 0.0}
    with av.open(str(tmp_path / "out.mkv")) as container:
        for packet in container.demux():
            if packet.size:
                reached[packet.stream.type] = float(packet.pts * packet.time_base)
                assert abs(reached["video"] - reached["audio"]) < 1


WRITABLE = [
    (".mp4", "h264"), (".mp4", "hevc"), (".mp4", "av1"), (".mp4", "vp9"),
    (".m4v", "h264"), (".mov", "h264"), (".mov", "hevc"), (".mov", "prores"),
    (".mkv", "h264"), (".mkv", "hevc"), (".mkv", "av1"), (".mkv", "vp9"),
    (".mkv", "prores"), (".mkv", "ffv1"),
    (".webm", "vp9"), (".webm", "av1"), (".gif", "gif"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec"), WRITABLE)
@pytest.mark.parametrize("size", [(96, 64), (97, 65)], ids=["even", "odd"])
def test_every_container_and_codec(tmp_path: Path, suffix: str, codec: str, size: tuple[int, int]) -> None:
    out = tmp_path / f"out{suffix}"
    sink = video.open_sink(str(out), codec=codec)
    sink.open(StreamInfo(*size, Fraction(1, 25), Fraction(25)))
    for number in range(6):
        sink.write(Frame(picture(number, *size), number))
    sink.close()
    frames = read(out)
    assert len(frames) == 6
    assert {f.image.shape for f in frames} == {(size[1], size[0], 3)}
    assert all(np.abs(f.image.astype(int) - picture(i, *size)).mean() < 12 for i, f in enumerate(frames))
    if codec == "ffv1":
        assert all((f.image == picture(i, *size)).all() for i, f in enumerate(frames))


def test_gray_and_alpha_are_taken(tmp_path: Path) -> None:
    color = quarters()
    for image in (color[..., 0].copy(), np.dstack([color, np.full(color.shape[:2], 7, np.uint8)])):
        sink = video.open_sink(str(tmp_path / "a.mp4"), overwrite=True)
        sink.open(StreamInfo(96, 64, Fraction(1, 25), Fraction(25)))
        sink.write(Frame(image))
        sink.close()
        assert np.abs(read(tmp_path / "a.mp4")[0].image.astype(int) - color).mean() < 4


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    sink = video.open_sink(str(tmp_path / "a.mp4"))
    sink.open(StreamInfo(96, 64, Fraction(1, 25), Fraction(25)))
    with pytest.raises(FrameError, match="97x65"):
        sink.write(Frame(picture(0, 97, 65)))
    assert sink.abort() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("a.avi", {}, UsageError, "mp4"),
        ("a.xyz", {}, UsageError, "mp4"),
        ("a.mp4", {"codec": "prores"}, UsageError, "takes h264"),
        ("a.mp4", {"codec": "h265"}, UsageError, "takes h264"),
        ("a.mp4", {"crf": 60}, UsageError, "0 .best. to 51"),
        ("a.gif", {"crf": 10}, UsageError, "no constant-quality"),
        ("no/a.mp4", {}, SinkError, "no folder"),
        ("there.mp4", {}, SinkError, "exists already"),
        ("folder.mp4", {"overwrite": True}, SinkError, "is a folder"),
    ],
)
def test_impossible_targets_are_refused_at_once(
    tmp_path: Path, name: str, options: Any, error: type[NstfilterError], says: str
) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(error, match=says):
        video.open_sink(str(tmp_path / name), **options)
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.mp4", "there.mp4"]


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SinkError, match="may not be written"):
        video.open_sink(str(tmp_path / "locked/a.mp4"))


@pytest.mark.parametrize("way", ["itself", "link", "hard link"])
def test_the_input_is_never_overwritten(tmp_path: Path, way: str) -> None:
    path = film(tmp_path / "in.mp4")
    data = path.read_bytes()
    target = path if way == "itself" else tmp_path / "other.mp4"
    if way == "link":
        target.symlink_to(path)
    elif way == "hard link":
        target.hardlink_to(path)
    with video.open_source(str(path)) as source:
        sink = video.open_sink(str(target), overwrite=True)
        with pytest.raises(UsageError, match="the input itself"):
            sink.open(source.info)
    assert path.read_bytes() == data
    assert not list(tmp_path.glob("*.partial*"))


def test_the_final_name_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"the last version")
    sink = video.open_sink(str(target), overwrite=True)
    sink.open(StreamInfo(WIDTH, HEIGHT, Fraction(1, 25), Fraction(25)))
    sink.write(Frame(picture(0)))
    assert target.read_bytes() == b"the last version"
    assert (tmp_path / "a.partial.mp4").exists()
    sink.close()
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert len(read(target)) == 1


def test_an_earlier_partial_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "a.partial.mp4").write_bytes(b"all that is left")
    sink = video.open_sink(str(tmp_path / "a.mp4"))
    sink.open(StreamInfo(WIDTH, HEIGHT, Fraction(1, 25), Fraction(25)))
    sink.write(Frame(picture(0)))
    assert sink.abort() == tmp_path / "a.partial2.mp4"
    assert (tmp_path / "a.partial.mp4").read_bytes() == b"all that is left"


def test_very_long_and_foreign_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ä漢" * 50 + ".mp4"
    sink = video.open_sink(str(tmp_path / name))
    sink.open(StreamInfo(WIDTH, HEIGHT, Fraction(1, 25), Fraction(25)))
    sink.write(Frame(picture(0)))
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert len(read(tmp_path / name)) == 1
    monkeypatch.chdir(tmp_path)
    odd = Path("http:100%d 'x'.mp4")
    odd.write_bytes(Path(name).read_bytes())
    assert len(read(odd)) == 1
    carry(odd, Path("ftp:%d.mp4"))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif"])
def test_abort_keeps_what_was_done(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / "in.mp4", times=[512 * i for i in range(100)], sound="aac", seconds=4)
    out = tmp_path / f"out{suffix}"
    with video.open_source(str(path)) as source:
        sink = video.open_sink(str(out))
        sink.open(source.info)
        for _, frame in zip(range(30), source, strict=False):
            sink.write(frame)
        part = sink.abort()
    assert part == tmp_path / f"out.partial{suffix}"
    assert not out.exists()
    assert len(read(part)) == 30
    if suffix != ".gif":
        last, _ = packets_of(part, "audio")[-1]
        assert 1 < last < 1.4
    assert sink.abort() is None


def test_abort_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    sink = video.open_sink(str(tmp_path / "a.mp4"))
    assert sink.abort() is None
    sink.open(StreamInfo(WIDTH, HEIGHT, Fraction(1, 25), Fraction(25)))
    assert sink.abort() is None
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_frames_is_not_written(tmp_path: Path) -> None:
    sink = video.open_sink(str(tmp_path / "a.mp4"))
    sink.open(StreamInfo(WIDTH, HEIGHT, Fraction(1, 25), Fraction(25)))
    with pytest.raises(SinkError, match="no frame"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from nstfilter.plugins import video
from nstfilter.plugins.video import recipe as video_recipe
from nstfilter.plugins.video.source import VideoSource
source = video.open_source(sys.argv[1])
sink = video.open_sink(sys.argv[2])
sink.open(source.info)
for number, frame in enumerate(source):
    if number == 240:
        print("now", flush=True)
        time.sleep(60)
    sink.write(frame)
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif"])
def test_a_killed_render_leaves_a_playable_part(tmp_path: Path, suffix: str) -> None:
    path = film(
        tmp_path / "in.mp4", times=[512 * i for i in range(250)], sound="aac", seconds=10,
        subtitles=[(100, 300, "Good morning")],
    )  # fmt: skip
    out = tmp_path / f"out{suffix}"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), str(out)], stdout=subprocess.PIPE, text=True
    ) as render:
        assert render.stdout is not None
        assert render.stdout.readline() == "now\n"
        render.send_signal(signal.SIGKILL)
    assert not out.exists()
    part = tmp_path / f"out.partial{suffix}"
    frames = read(part)
    assert len(frames) > 180
    whole = seconds(read(path), path)
    step = {".gif": Fraction(1, 100), ".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000)}.get(suffix, 0)
    shift = seconds(frames, part)[0] - whole[0]
    assert shift < Fraction(1, 20)
    assert all(abs(a - shift - b) <= step for a, b in zip(seconds(frames, part), whole, strict=False))
    if suffix != ".gif":
        assert packets_of(part, "audio")[-1][0] > 6


INTERRUPTED = """
import sys
from nstfilter.plugins import video
from nstfilter.plugins.video import recipe as video_recipe
from nstfilter.plugins.video.source import VideoSource
source = video.open_source(sys.argv[1])
sink = video.open_sink(sys.argv[2])
sink.open(source.info)
first = next(iter(source))
pts = 0
try:
    while True:
        first.pts = pts
        sink.write(first)
        pts += 512
        if pts == 512 * 50:
            print("now", flush=True)
except KeyboardInterrupt:
    print(pts // 512, sink.abort(), flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_writing(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mp4", sound="aac", seconds=1)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(path), str(tmp_path / "out.mp4")],
        stdout=subprocess.PIPE,
        text=True,
    ) as render:
        assert render.stdout is not None
        assert render.stdout.readline() == "now\n"
        render.send_signal(signal.SIGINT)
        count, part = render.stdout.readline().split()
    assert render.returncode == 0
    times = [f.pts // 512 for f in read(Path(part))]
    assert times == list(range(len(times)))  # not one is lost between encoder and file
    assert len(times) - int(count) in (0, 1)
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["in.mp4", "out.partial.mp4"]


def test_ctrl_c_while_the_header_is_written_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nstfilter.plugins.video.muxer import Muxer

    start = Muxer.start

    def swallow(muxer: Muxer) -> None:
        """As FFmpeg does with what its callbacks raise."""
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        start(muxer)

    monkeypatch.setattr(Muxer, "start", swallow)
    sink = video.open_sink(str(tmp_path / "a.mkv"))
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a script's background
    try:
        with pytest.raises(KeyboardInterrupt):
            sink.open(StreamInfo(320, 240, Fraction(1, 25), Fraction(25)))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert sink.abort() is None
    assert not list(tmp_path.iterdir())


def fill(sink: Any) -> None:
    """Write far more than three megabytes."""
    noise = np.random.default_rng(5)
    for number in range(300):
        sink.write(Frame(noise.integers(0, 255, (240, 320, 3), np.uint8), number))
    sink.close()


@pytest.mark.parametrize(("room", "playable"), [(3_000_000, True), (3_000, False)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_said_and_the_part_kept(
    tmp_path: Path, suffix: str, room: int, playable: bool
) -> None:
    resource = pytest.importorskip("resource", reason="limits on file size need POSIX")
    sink = video.open_sink(str(tmp_path / f"a{suffix}"))
    sink.open(StreamInfo(320, 240, Fraction(1, 25), Fraction(25)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(SinkError, match="larger than this system") as caught:
            fill(sink)
        part = sink.abort()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    if playable:
        assert part == tmp_path / f"a.partial{suffix}"
        assert len(read(part)) > 10
    else:
        assert part is None
    assert not (tmp_path / f"a{suffix}").exists()
    assert len(list(tmp_path.iterdir())) == playable


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_really_full_disk(tmp_path: Path, suffix: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        sink = video.open_sink(str(disk / f"a{suffix}"))
        sink.open(StreamInfo(320, 240, Fraction(1, 25), Fraction(25)))
        with pytest.raises(SinkError, match="disk is full"):
            fill(sink)
        part = sink.abort()
        assert part is not None
        assert len(read(part)) > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_real_clip_goes_through_whole(tmp_path: Path) -> None:
    if not BUNNY.exists():
        pytest.skip("needs ../shared/data/clips/bigbuckbunny.mp4 beside the repository")
    out = tmp_path / "out.mp4"
    frames, warnings = carry(BUNNY, out)
    again = read(out)
    assert warnings == []
    assert len(frames) == len(again) == 132
    assert [(f.pts, f.duration) for f in again] == [(f.pts, f.duration) for f in frames]
    assert packets_of(out, "audio") == packets_of(BUNNY, "audio")
    assert max(np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(again, frames, strict=True)) < 3
