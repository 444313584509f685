"""Awkward recordings through the source and the sink, checked with FFmpeg's own tools."""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
from fractions import Fraction
from pathlib import Path

import corpus
import numpy as np
import pytest
from PIL import Image

from nstfilter.errors import NstfilterError
from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import Report, run
from nstfilter.plugins.video.muxer import Muxer
from nstfilter.plugins.video.source import dithered
from nstfilter.streams import Change, Frame, StreamInfo

pytestmark = pytest.mark.skipif(not corpus.AVAILABLE, reason=corpus.REASON)

CONTAINERS = (".mp4", ".mov", ".mkv", ".webm")
# one by default, the others with `pytest -m ""`
MP4_FIRST = [".mp4", *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in CONTAINERS[1:])]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def carry(source: Path, target: Path, **options: object) -> Report:
    """`source` at strength 0 into `target`."""
    with open_source(source) as frames:
        return run(frames, lambda image: image, open_sink(target, **options))


# -- subtitles --


@pytest.mark.parametrize("suffix", MP4_FIRST)
@pytest.mark.parametrize("name", ["subtitles", "subtitles_mp4"])
def test_cues_keep_their_times(clips: Path, tmp_path: Path, name: str, suffix: str) -> None:
    source, target = corpus.make(name, clips), tmp_path / f"result{suffix}"
    carry(source, target)
    assert _cues_from_the_picture(target) == _cues_from_the_picture(source)


def _cues_from_the_picture(path: Path) -> list[tuple[int, int, str]]:
    """In milliseconds after the first frame: some formats begin with the sound's run-up."""
    first = float(corpus.times(path)[0])
    return [(round(1000 * (a - first)), round(1000 * (b - first)), text) for a, b, text in corpus.cues(path)]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_languages_are_kept(clips: Path, tmp_path: Path, suffix: str) -> None:
    carry(corpus.make("subtitles", clips), tmp_path / f"result{suffix}")
    languages = [stream["tags"]["language"] for stream in corpus.streams(tmp_path / f"result{suffix}")[1:]]
    assert languages == (["fra", "ger"] if suffix == ".mov" else ["fra", "deu"])


# -- sound --


@pytest.mark.parametrize(("name", "layout"), [("surround", "5.1"), ("surround71", "7.1")])
@pytest.mark.parametrize("suffix", MP4_FIRST)
def test_surround_sound_survives_a_conversion(
    clips: Path, tmp_path: Path, name: str, layout: str, suffix: str
) -> None:
    carry(corpus.make(name, clips), tmp_path / f"result{suffix}")
    (sound,) = corpus.streams(tmp_path / f"result{suffix}", "audio")
    assert sound["channels"] == {"5.1": 6, "7.1": 8}[layout]
    assert sound["channel_layout"] == layout


# -- time --


@pytest.mark.parametrize("suffix", MP4_FIRST)
@pytest.mark.parametrize("name", ["offset", "offset_ts", "far", "far_ts", "wraps"])
def test_a_recording_that_starts_far_from_zero_starts_at_zero(
    clips: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    source, target = corpus.make(name, clips), tmp_path / f"result{suffix}"
    report = carry(source, target)
    assert _steps(target) == pytest.approx(_steps(source), abs=0.0011)
    assert corpus.duration(target) == pytest.approx(2.02, abs=0.03)
    assert _sync(target) == pytest.approx(_sync(source), abs=0.0011 if suffix != ".webm" else 0.03)
    assert not [line for line in report.warnings if "converted" not in line]


@pytest.mark.parametrize("suffix", [".mp4", pytest.param(".mkv", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["back", "ahead"])
def test_a_jump_of_the_clock_is_closed(clips: Path, tmp_path: Path, name: str, suffix: str) -> None:
    source, target = corpus.make(name, clips), tmp_path / f"result{suffix}"
    carry(source, target)
    steps = _steps(target)
    assert len(steps) == 99
    assert all(0.03 < step < 0.1 for step in steps)
    sound = corpus.packets(target, "a:0")
    assert len(sound) == len(corpus.packets(source, "a:0"))
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(sound)]
    assert max(map(abs, gaps)) < 0.05
    # the second half's picture and sound begin together, as those of the first
    assert corpus.times(target)[50] == pytest.approx(
        sound[len(sound) // 2][0] + float(_sync(target)), abs=0.01
    )
    assert corpus.duration(target) == pytest.approx(4.05, abs=0.03)


def test_stretches_of_a_broken_clock_are_those_of_the_whole(clips: Path) -> None:
    source = corpus.make("back", clips)
    with open_source(source) as whole:
        span = whole.span()
        frames = [(frame.pts, frame.image) for frame in whole]
    assert span
    borders = [span[0] + (span[1] - span[0]) * part // 4 for part in range(4)]
    found = []
    for begin, end in zip(borders, [*borders[1:], None], strict=True):
        with open_source(source, begin=begin, end=end) as part:
            found += [(frame.pts, frame.image) for frame in part]
    assert [pts for pts, _ in found] == [pts for pts, _ in frames]
    assert all((one == other).all() for (_, one), (_, other) in zip(found, frames, strict=True))


def test_one_wrong_timestamp_is_no_jump(tmp_path: Path) -> None:
    source, target = tmp_path / "one.ts", tmp_path / "result.mp4"
    corpus.make("ts", tmp_path).rename(source)
    data = bytearray(source.read_bytes())
    starts = [n for n in range(0, len(data), 188) if data[n + 1] & 0x40 and b"\0\0\1\xe0" in data[n : n + 60]]
    begin = data.index(b"\0\0\1\xe0", starts[20])
    data[begin + 9] |= 0x0E  # the highest bits of its time: many hours later
    source.write_bytes(data)
    carry(source, target)
    assert corpus.duration(target) < 2.1
    assert len(corpus.times(target)) == 50


def test_what_an_edit_list_hides_stays_hidden(clips: Path, tmp_path: Path) -> None:
    source = corpus.make("edit_list", clips)
    for suffix in CONTAINERS:
        carry(source, tmp_path / f"result{suffix}")
        assert corpus.duration(tmp_path / f"result{suffix}") == pytest.approx(2.28, abs=0.08)


def _steps(path: Path) -> list[float]:
    times = corpus.times(path)
    return [float(later - earlier) for earlier, later in itertools.pairwise(times)]


def _sync(path: Path) -> float:
    """How much later the picture begins than the sound."""
    return float(corpus.times(path)[0]) - corpus.packets(path, "a:0")[0][0]


# -- the audit --


def changes(source: Path, target: Path, **options: object) -> list[str]:
    return [line for line in carry(source, target, **options).warnings if isinstance(line, Change)]


QUICK = ["plain", "vfr", "edit_list", "back", "cover", "avi", "gif"]
SLOW = [
    "plain_mkv",
    "plain_mov",
    "ntsc",
    "open_gop",
    "late_sound",
    "offset",
    "far_ts",
    "wraps",
    "subtitles",
    "subtitles_mp4",
    "surround",
    "surround71",
    "full_range",
    "ts",
    "y4m",
]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_nothing_is_said_where_all_is_kept(clips: Path, tmp_path: Path, name: str) -> None:
    source = corpus.make(name, clips)
    suffix = source.suffix if source.suffix in (*CONTAINERS, ".gif") else ".mkv"
    assert changes(source, tmp_path / f"result{suffix}") == []


def test_a_file_that_was_cut_short_says_so(clips: Path, tmp_path: Path) -> None:
    assert changes(corpus.make("truncated_gif", clips), tmp_path / "result.gif")
    lines = changes(corpus.make("truncated", clips), tmp_path / "result.mp4")
    written = len(corpus.times(tmp_path / "result.mp4"))
    assert f"picture: {written} of 50 frames are in the result" in lines


@pytest.mark.parametrize("seed", range(6))
def test_frames_that_do_not_decode_are_counted(tmp_path: Path, seed: int) -> None:
    source, target = corpus.make("hevc", tmp_path), tmp_path / "result.mp4"
    corpus.damage(source, 6, seed)
    lines = changes(source, target)
    written = len(corpus.times(target))
    missing = [line for line in lines if f"{written} of 50 frames are in the result" in line]
    assert bool(missing) == (written < 50)


def test_what_is_lost_is_named(clips: Path, tmp_path: Path) -> None:
    lines = changes(corpus.make("subtitles", clips), tmp_path / "result.gif")
    assert any("sound track 1 (fra) (aac) is left out" in line for line in lines)
    assert any("subtitle track 2 (deu) (srt) is left out" in line for line in lines)
    lines = changes(corpus.make("hevc10", clips), tmp_path / "result.mp4", codec="h264")
    assert "picture: 10 bits a channel are 8 in the result" in lines


def test_the_audit_sees_what_a_muxer_does_wrong(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mux = Muxer._copy_until

    def lose_some(muxer: Muxer, limit: Fraction | None) -> None:
        packets = muxer._next_packet()
        if packets is not None and packets.stream.type == "audio" and (packets.pts or 0) > 1:
            muxer._pending = None
        mux(muxer, limit)

    monkeypatch.setattr(Muxer, "_copy_until", lose_some)
    lines = changes(corpus.make("plain", clips), tmp_path / "result.mp4")
    assert len(lines) == 1
    assert "packets are in the result" in lines[0]


# -- transparency and depth --


@pytest.mark.parametrize(
    ("name", "suffix", "form", "decoder"),
    [
        ("prores4444", ".mov", "yuva444p12le", None),
        ("qtrle", ".mov", "yuva444p12le", None),
        ("png_mov", ".mov", "yuva444p12le", None),
        ("vp9_alpha", ".webm", "yuva420p", "libvpx-vp9"),
        ("vp8_alpha", ".webm", "yuva420p", "libvpx-vp9"),
        ("vp9_alpha", ".mkv", "yuva420p", "libvpx-vp9"),
        ("gif_alpha", ".gif", "bgra", None),
    ],
)
def test_transparency_is_kept(
    clips: Path, tmp_path: Path, name: str, suffix: str, form: str, decoder: str | None
) -> None:
    source, target = corpus.make(name, clips), tmp_path / f"result{suffix}"
    assert changes(source, target) in ([], ["picture: 10 bits a channel are 8 in the result"])
    before = corpus.pixels(source, "rgba", decoder={"vp8_alpha": "libvpx"}.get(name, decoder))
    after = corpus.pixels(target, "rgba", decoder=decoder)
    was, now = (
        np.frombuffer(data, np.uint8).reshape(-1, 120, 160, 4).astype(int) for data in (before, after)
    )
    assert was.shape == now.shape
    assert was[..., 3].min() < 10
    assert np.abs(was[..., 3] - now[..., 3]).mean() < 3
    seen = was[..., 3] > 200
    assert np.abs(was[seen] - now[seen]).mean() < (12 if suffix == ".gif" else 8)


def test_transparency_that_a_container_cannot_hold_is_said(clips: Path, tmp_path: Path) -> None:
    assert "picture: its transparency is not in the result" in changes(
        corpus.make("vp9_alpha", clips), tmp_path / "result.mp4"
    )
    assert not changes(corpus.make("gif", clips), tmp_path / "gif.mp4"), "a GIF with nothing to see through"


LATE = ("skipped", "cut short", "damaged places", "frames are in the result", "packets are in the result")
SOME = [
    ("subtitles", ".webm"),
    ("vp9_alpha", ".mp4"),
    ("prores4444", ".mkv"),
    ("cover", ".mov"),
    ("plain", ".gif"),
]
ALL = [
    pytest.param(name, suffix, marks=pytest.mark.slow)
    for name, suffix in zip(corpus.RECIPES, itertools.cycle(CONTAINERS), strict=False)
    if (name, suffix) not in SOME
]


@pytest.mark.parametrize(("name", "suffix"), [*SOME, *ALL])
def test_what_will_be_lost_is_said_before_it_starts(
    clips: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    """Word for word what is said in the end, but for what only shows on the way."""
    source, target = corpus.make(name, clips), tmp_path / f"result{suffix}"
    with open_source(source) as frames:
        before = open_sink(target).losses(frames.info)
    assert list(tmp_path.glob("result*")) == []
    after = changes(source, target)
    assert set(before) <= set(after)
    assert [line for line in after if line not in before and not any(late in line for late in LATE)] == []
    assert before or (name, suffix) not in SOME


def test_a_language_that_quicktime_does_not_know_is_said_before_it_starts(
    clips: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.mkv"
    odd = ["-metadata:s:a:0", "language=gsw", "-metadata:s:s:0", "language=deu"]
    corpus.ffmpeg("-i", corpus.make("subtitles", clips), "-c", "copy", "-map", "0", *odd, source)
    with open_source(source) as frames:
        before = open_sink(tmp_path / "out.mov").losses(frames.info)
    assert any("its language is" in line and "was gsw" in line for line in before), before
    assert set(before) <= set(changes(source, tmp_path / "out.mov"))


def test_transparency_survives_segments(clips: Path, tmp_path: Path) -> None:
    for name in ("vp9_alpha", "prores4444"):
        source = corpus.make(name, clips)
        final = open_sink(tmp_path / f"{name}{source.suffix}")
        with open_source(source) as frames:
            info, every = frames.info, list(frames)
        suffix, options = final.segment_format(info)
        parts = [tmp_path / f"{name}{n}{suffix}" for n in range(2)]
        for path, some in zip(parts, (every[:8], every[8:]), strict=True):
            sink = open_sink(path, **options)
            sink.open(info)
            for frame in some:
                sink.write(frame)
            sink.close()
        final.join(info, parts)
        assert not [line for line in final.warnings if "transparency" in line]
        with open_source(tmp_path / f"{name}{source.suffix}") as frames:
            images = [frame.image for frame in frames]
        assert len(images) == len(every)
        assert all(image.shape[2] == 4 for image in images)
        for frame, image in zip(every, images, strict=True):
            assert np.abs(frame.image[..., 3].astype(int) - image[..., 3]).mean() < 3


@pytest.mark.parametrize(
    ("name", "suffix", "codec", "pixels"),
    [
        ("hevc10", ".mp4", "hevc", "yuv420p10le"),
        ("hevc10", ".mkv", "hevc", "yuv420p10le"),
        ("av1_10", ".mkv", "av1", "yuv420p10le"),
        ("av1_10", ".webm", "av1", "yuv420p10le"),
        ("prores", ".mov", "prores", "yuv422p10le"),
        ("prores", ".mp4", "hevc", "yuv420p10le"),
    ],
)
def test_ten_bits_in_are_ten_bits_out(
    clips: Path, tmp_path: Path, name: str, suffix: str, codec: str, pixels: str
) -> None:
    target = tmp_path / f"result{suffix}"
    assert not [line for line in changes(corpus.make(name, clips), target) if "picture" in line]
    stream = corpus.streams(target, "video")[0]
    assert (stream["codec_name"], stream["pix_fmt"]) == (codec, pixels)


def test_a_dark_gradient_in_ten_bits_has_no_bands() -> None:
    ramp = np.linspace(20 * 257, 24 * 257, 256).round().astype(np.uint16)
    image = np.broadcast_to(ramp[None, :, None], (64, 256, 3))
    means = dithered(image).astype(float).mean(axis=(0, 2)).reshape(32, 8).mean(1)
    assert np.abs(means - ramp.reshape(32, 8).mean(1) / 257).max() < 0.08
    for level in (0, 128, 255):
        flat = np.full((8, 8, 3), level * 257, np.uint16)
        assert (dithered(flat) == level).all(), "what needs no dither gets none"


def test_full_range_becomes_limited_in_prores_and_keeps_its_colors(clips: Path, tmp_path: Path) -> None:
    source, target = corpus.make("full_range", clips), tmp_path / "result.mov"
    carry(source, target, codec="prores")
    was, now = (np.frombuffer(corpus.pixels(path, "gray"), np.uint8).astype(int) for path in (source, target))
    assert np.abs(was - now).mean() < 1.5
    (stream,) = corpus.streams(target, "video")
    assert stream.get("color_range") in ("tv", None)


@pytest.mark.parametrize("location", ["left", "center", "topleft"])
def test_five_passes_leave_color_where_it_is(clips: Path, tmp_path: Path, location: str) -> None:
    source = corpus.make(f"dot_{location}", clips)
    before = _dot(source)
    for number, suffix in enumerate([".mp4", ".mkv", ".mov", ".mkv", ".mp4"]):
        target = tmp_path / f"{number}{suffix}"
        carry(source, target, crf=10)
        source = target
    assert np.abs(_dot(source) - before).max() < 0.25, "pixels; half a pixel a pass is a common mistake"
    luma = np.frombuffer(corpus.pixels(source, "yuv420p"), np.uint8)[: 128 * 96]
    assert abs(luma.mean() - 128) < 0.5, "levels; swscale's usual way darkens by one a pass"
    assert corpus.streams(source, "video")[0]["chroma_location"] == location


def _dot(path: Path) -> np.ndarray:
    """Where the dot is in the first frame's plane of blue chroma, in pixels of the picture."""
    planes = np.frombuffer(corpus.pixels(path, "yuv420p"), np.uint8)[: 128 * 96 * 3 // 2]
    blue = np.maximum(planes[128 * 96 :][: 64 * 48].reshape(48, 64)[12:37, 20:45] - 134.0, 0)
    x, y = (np.average(np.arange(25), weights=blue.sum(axis)) for axis in (0, 1))
    return np.array([2 * (20 + x), 2 * (12 + y)])


def test_a_drawing_is_written_with_its_color_in_place(tmp_path: Path) -> None:
    """What comes from no video has its chroma where players look for it: in line with the left pixels."""
    image = np.full((96, 128, 3), 128, np.uint8)
    y, x = np.mgrid[:96, :128]
    image[..., 0] += np.rint(80 * np.exp(-((x - 64) ** 2 + (y - 48) ** 2) / 160)).astype(np.uint8)
    sink = open_sink(tmp_path / "a.mp4", crf=8)
    sink.open(StreamInfo(128, 96, rate=Fraction(25)))
    sink.write(Frame(image))
    sink.close()
    assert np.abs(_dot(tmp_path / "a.mp4") - [64, 47.5]).max() < 0.1, "samples lie half a pixel below"
    assert corpus.streams(tmp_path / "a.mp4", "video")[0]["chroma_location"] == "left"


# -- any damage whatever --

FRAGILE = [
    "plain",
    "hevc",
    "plain_mkv",
    "ts",
    "back",
    "plain_webm",
    "gif_alpha",
    "subtitles_mp4",
    "avi",
    "wmv",
]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 105, 15))
def test_bytes_cut_and_flipped_are_refused_or_counted(clips: Path, tmp_path: Path, first: int) -> None:
    """No traceback, no hang, and no frame missing without a word, whatever is done to a file."""
    for seed in range(first, first + 15):
        dice = random.Random(seed)
        source = corpus.make(dice.choice(FRAGILE), clips)
        damaged, target = tmp_path / f"{seed}{source.suffix}", tmp_path / f"{seed}-out.mkv"
        damaged.write_bytes(_spoiled(source.read_bytes(), dice))
        report = None
        with contextlib.suppress(NstfilterError):
            report = carry(damaged, target)
        if report is None:
            assert list(tmp_path.iterdir()) == [damaged], seed
        else:
            written = len(corpus.times(target))
            assert written == report.frames
            assert report.warnings or written >= _readable(damaged), (seed, written)
            target.unlink()
        damaged.unlink()


def _readable(damaged: Path) -> int:
    """How many frames ffprobe reads; none where it refuses the file."""
    try:
        return len(corpus.times(damaged))
    except subprocess.CalledProcessError:
        return 0


def _spoiled(data: bytes, dice: random.Random) -> bytes:
    spoiled, way = bytearray(data), dice.choice(["flip", "flip", "cut", "zero", "insert"])
    if way == "cut":
        return data[: dice.randrange(len(data))]
    if way == "insert":
        place = dice.randrange(len(data))
        spoiled[place:place] = dice.randbytes(dice.randrange(1, 400))
        return bytes(spoiled)
    for _ in range(dice.choice([1, 4, 40])):
        place = dice.randrange(len(data) - 64)
        if way == "flip":
            spoiled[place] ^= 1 << dice.randrange(8)
        else:
            spoiled[place : place + 64] = bytes(64)
    return bytes(spoiled)


@pytest.mark.parametrize("loop", [-1, 0, 3])
def test_a_gif_starts_over_as_often_as_it_did(tmp_path: Path, loop: int) -> None:
    corpus.ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=40x30:rate=10:duration=0.5",
        "-loop",
        str(loop),
        tmp_path / "a.gif",
    )
    carry(tmp_path / "a.gif", tmp_path / "b.gif")
    with Image.open(tmp_path / "a.gif") as before, Image.open(tmp_path / "b.gif") as after:
        assert before.info.get("loop") == after.info.get("loop")


@pytest.mark.parametrize("suffix", MP4_FIRST)
def test_titles_of_tracks_are_kept(clips: Path, tmp_path: Path, suffix: str) -> None:
    carry(corpus.make("subtitles", clips), tmp_path / f"result{suffix}")
    (sound,) = corpus.streams(tmp_path / f"result{suffix}", "audio")
    assert "Director's cut" in (sound["tags"].get("title"), sound["tags"].get("handler_name"))
