"""Stretches of videos: every part must hold just what the whole has there, however the file was made."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_plugin_video import film, packets_of

from nstfilter.plugins import video
from nstfilter.streams import Frame
from nstfilter.testing import check_segments

pytestmark = pytest.mark.slow

FRAMES = 120
REGULAR = [512 * i for i in range(FRAMES)]
MS = [40 * i for i in range(FRAMES)]


def h264(*, bframes: int = 3, x264: str = "keyint=24:scenecut=0") -> dict[str, str]:
    return {"crf": "24", "preset": "veryfast", "bf": str(bframes), "x264-params": x264}


OPEN_GOP = h264(x264="open-gop=1:keyint=24:scenecut=0")
HEVC = {"preset": "ultrafast", "x265-params": "log-level=error:bframes=3:keyint=24:open-gop=1"}
TS = {"time_base": Fraction(1, 90000), "times": [3600 * i for i in range(FRAMES)]}
BY_FRAME = {"time_base": Fraction(1, 25), "times": list(range(FRAMES))}
KINDS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {"options": h264()},
    "fragments.mp4": {"options": h264(), "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "open-gop.mp4": {"options": OPEN_GOP},
    "open-gop.mkv": {"options": OPEN_GOP},
    "open-gop.ts": {"options": OPEN_GOP, **TS},
    "refreshing.mp4": {"options": h264(x264="intra-refresh=1:keyint=24")},
    "one-key-frame.mp4": {"options": h264(x264="keyint=infinite:scenecut=0")},
    "starts-late.mp4": {"options": h264(), "times": [t + 90000 for t in REGULAR]},
    "starts-before-zero.mp4": {"options": h264(), "times": [t - 5000 for t in REGULAR]},
    "starts-before-zero.nut": {"options": h264(), "times": [t - 5000 for t in REGULAR]},
    "sound-first.mp4": {"options": h264(), "sound": "aac", "seconds": 5.0, "sound_first": True},
    "hevc.mp4": {"codec": "libx265", "options": HEVC},
    "hevc.mkv": {"codec": "libx265", "options": HEVC},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2", "g": "15"}, **BY_FRAME},
    "vp8.webm": {"codec": "libvpx", "options": {"cpu-used": "8", "g": "24"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "g": "24", "deadline": "realtime"}},
    "motion-jpeg.mov": {"codec": "mjpeg", "pixels": "yuvj420p", "options": {}},
    "flash.flv": {"codec": "flv1", "options": {"g": "20"}, "time_base": Fraction(1, 1000), "times": MS},
    "windows.wmv": {"codec": "wmv2", "options": {"g": "20"}, "time_base": Fraction(1, 1000), "times": MS},
}


def irregular() -> list[int]:
    steps = np.random.default_rng(3).choice([256, 512, 512, 1024, 9000], FRAMES)
    return [int(t) for t in np.cumsum(steps)]


def make(path: Path, **how: Any) -> Path:
    generator = np.random.default_rng(5)
    noise = generator.integers(0, 64, (FRAMES, 48, 64, 3), dtype=np.uint8)
    images = [picture + np.uint8(number % 190) for number, picture in enumerate(noise)]
    return film(path, **{"times": REGULAR, "images": images, "size": (64, 48), **how})


def opener(path: Path) -> Any:
    return lambda **part: video.open_source(str(path), **part)


@pytest.mark.parametrize("name", KINDS)
def test_parts_are_what_the_whole_has_there(tmp_path, name):
    check_segments(opener(make(tmp_path / name, **KINDS[name])))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_parts_of_a_video_with_frames_of_all_lengths(tmp_path, suffix):
    check_segments(opener(make(tmp_path / f"vfr{suffix}", options=h264(), times=irregular())))


def cut(path: Path, *stretches: tuple[int, int]) -> None:
    """Give an MP4 an edit list by hand, as a camera's "trim" does: milliseconds, and the media time where
    they begin. The index must lie behind the pictures."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    edits = b"".join(struct.pack(">Iii", *stretch, 1 << 16) for stretch in stretches)
    box = struct.pack(">I4sII", 16 + len(edits), b"elst", 0, len(stretches)) + edits
    for name in (b"edts", b"trak", b"moov"):
        place = data.rindex(name, 0, at) - 4
        (outer,) = struct.unpack(">I", data[place : place + 4])
        data[place : place + 4] = struct.pack(">I", outer + len(box) - size)
    data[at : at + size] = box
    path.write_bytes(data)


@pytest.mark.parametrize(
    "stretches",
    [
        [(3000, 12800 + 512 * 5)],
        [(1000, 512 * 7), (2000, 12800 * 2 + 512 * 3)],
        [(960, 512 * 72), (1000, 512 * 5), (960, 512 * 48)],
    ],
    ids=["trimmed", "a segment cut out", "put in another order"],
)
@pytest.mark.parametrize("options", [h264(), OPEN_GOP], ids=["closed", "open"])
def test_parts_of_a_video_with_an_edit_list(tmp_path, options, stretches):
    path = make(tmp_path / "cut.mp4", options=options)
    cut(path, *stretches)
    with video.open_source(str(path)) as source:
        assert abs(len(list(source)) - sum(ms for ms, _ in stretches) / 40) <= 3
    check_segments(opener(path))


@pytest.mark.slow
def test_parts_of_a_real_clip(shared):
    check_segments(opener(shared / "data/clips/bigbuckbunny.mp4"))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("avi.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
        ("program.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
        ("raw.h264", {"options": h264()}),
    ],
)
def test_where_times_depend_on_where_one_begins_reading_begins_at_the_start(tmp_path, name, how):
    path = make(tmp_path / name, **BY_FRAME, **how)
    with video.open_source(str(path)) as source:
        assert source.span()
        assert not source.seekable, "resumed by reading up to there, but not cut in segments"


def test_a_video_with_key_frames_far_apart_is_not_worth_searching(tmp_path, monkeypatch):
    path = make(tmp_path / "one.mp4", options=h264(x264="keyint=infinite:scenecut=0"))
    with video.open_source(str(path)) as source:
        assert source.span() == (0, 512 * FRAMES)
    monkeypatch.setattr("nstfilter.plugins.video.container.FARTHEST_KEY", 2)
    with video.open_source(str(path)) as source:
        assert source.span()
        assert not source.seekable, "resumed by reading up to there, but not cut in segments"


def test_a_part_without_frames_says_so(tmp_path):
    path = make(tmp_path / "gap.mp4", times=[0, 512, 128000, 128512], images=None, size=(96, 64))
    with video.open_source(str(path), begin=25600, end=51200, pre_roll=1) as source:
        assert source.info.frames == 0
        assert [frame.pts for frame in source] == [512]
    with video.open_source(str(path), begin=256000) as source:
        assert source.info.frames == 0
        assert list(source) == []


def test_damage_is_reported_where_it_is(tmp_path):
    path = make(tmp_path / "damaged.mp4", options=h264(bframes=0))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 6
    data[start : start + 400] = b"\xff" * 400
    path.write_bytes(data)
    borders: list[int | None] = [0, 512 * 60, None]
    warned, frames = [], list[Frame]()
    for begin, end in pairwise(borders):
        with video.open_source(str(path), begin=begin, end=end) as source:
            frames += source
            warned.append(bool(source.warnings))
    assert warned == [True, False]
    with video.open_source(str(path)) as source:
        whole = list(source)
    assert [frame.pts for frame in frames] == [frame.pts for frame in whole]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("bframes", [0, 3])
def test_a_damaged_frame_beside_a_border_is_counted_once(tmp_path, monkeypatch, bframes, threads):
    monkeypatch.setattr("os.cpu_count", lambda: threads)
    path = make(tmp_path / "whole.mp4", options=h264(bframes=bframes))
    content, border = path.read_bytes(), 512 * 48  # a key frame
    packets = packets_of(path, "video")
    for number in (44, 45, 46, 47, 49, 50):
        lost = next(data for time, data in packets if time == Fraction(number, 25))
        path.write_bytes(content.replace(lost, b"\xff" * len(lost)))
        skipped = []
        for begin, end in ((0, border), (border, None)):
            with video.open_source(str(path), begin=begin, end=end) as source:
                list(source)
                skipped.append([line for line in source.warnings if line.endswith("skipped")])
        once = ["1 damaged frame was skipped"]
        assert skipped == ([once, []] if number < 48 else [[], once]), number
