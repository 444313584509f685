"""Awkward recordings, and what FFmpeg's own tools say of a file.

`make(name, folder)` makes one of `RECIPES` with the `ffmpeg` command, never with the library under test;
`python tests/corpus.py FOLDER` makes them all. Every clip is small and drawn by FFmpeg's test sources.
"""

# ruff: noqa: E501  (a table: one clip a line)

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

AVAILABLE = bool(shutil.which("ffmpeg") and shutil.which("ffprobe"))
REASON = "needs FFmpeg's own tools (ffmpeg, ffprobe)"

PICTURE = "testsrc2=size=160x120:rate=25:duration={seconds}"
SOUND = "sine=frequency=440:sample_rate=48000:duration={seconds}"
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "64k"]
# cues that FFmpeg's MP4 muxer moves by up to 0.7 s where fragments end
CUES = (
    (0.123, 0.456, "one"),
    (0.456, 2.007, "two"),
    (2.207, 2.935, "three"),
    (2.935, 4.223, "four"),
    (4.423, 5.808, "five"),
)
# a gradient of transparency from left to right
ALPHA = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*X/W'"


def ffmpeg(*arguments: str | Path) -> None:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)


def _inputs(seconds: float = 2, sound: bool = True) -> list[str]:
    inputs = ["-f", "lavfi", "-i", PICTURE.format(seconds=seconds)]
    return inputs + (["-f", "lavfi", "-i", SOUND.format(seconds=seconds)] if sound else [])


def _clip(*options: str, seconds: float = 2, sound: bool = True) -> Callable[[Path], None]:
    return lambda path: ffmpeg(*_inputs(seconds, sound), *options, path)


def _plain(*options: str, **how: Any) -> Callable[[Path], None]:
    return _clip(*X264, *AAC, *options, **how)


# -- clips that take more than one command --


def _subtitles(path: Path) -> None:
    text = path.with_suffix(".srt")
    text.write_text(
        "\n".join(f"{n}\n{_clock(a)} --> {_clock(b)}\n{words}\n" for n, (a, b, words) in enumerate(CUES, 1))
    )
    codec = "mov_text" if path.suffix in (".mp4", ".mov") else "srt"
    tags = ["-metadata:s:s:0", "language=deu", "-metadata:s:a:0", "language=fra"]
    tags += ["-metadata:s:a:0", "title=Director's cut"]
    ffmpeg(
        *_inputs(6),
        "-i",
        text,
        *X264,
        *AAC,
        "-c:s",
        codec,
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "2",
        *tags,
        path,
    )
    text.unlink()


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{thousandths:03}"


def _edit_list(path: Path) -> None:
    """Cut without encoding anew: the beginning is there and hidden by an edit list."""
    whole = path.with_suffix(".whole.mp4")
    _plain(seconds=3)(whole)
    ffmpeg("-ss", "0.72", "-i", whole, "-c", "copy", path)
    whole.unlink()


def _joined(second_starts: float) -> Callable[[Path], None]:
    """Two transport streams one behind the other, as `cat` joins them."""

    def make_it(path: Path) -> None:
        one, two = path.with_suffix(".1.ts"), path.with_suffix(".2.ts")
        _plain()(one)
        _plain("-output_ts_offset", str(second_starts))(two)
        path.write_bytes(one.read_bytes() + two.read_bytes())
        one.unlink()
        two.unlink()

    return make_it


def _cover(path: Path) -> None:
    picture = path.with_suffix(".jpg")
    ffmpeg("-f", "lavfi", "-i", "color=orange:size=64x64", "-frames:v", "1", picture)
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c:v:1", "copy", "-disposition:v:1", "attached_pic"]
    ffmpeg(*_inputs(), "-i", picture, *X264, *AAC, *maps, path)
    picture.unlink()


def _damaged(make_it: Callable[[Path], None], places: int, seed: int) -> Callable[[Path], None]:
    """Bytes in the last three quarters of a file are replaced at `places` places; the index is left alone
    where it stands at the front."""

    def damage_it(path: Path) -> None:
        make_it(path)
        damage(path, places, seed)

    return damage_it


def damage(path: Path, places: int, seed: int) -> None:
    data, dice = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(places):
        place = dice.randrange(len(data) // 4, len(data) - 16)
        data[place : place + 12] = dice.randbytes(12)
    path.write_bytes(data)


def _truncated(make_it: Callable[[Path], None], share: float) -> Callable[[Path], None]:
    def cut_it(path: Path) -> None:
        make_it(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return cut_it


HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=12"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]
OPUS = ["-c:a", "libopus"]
INDEX_FIRST = ["-movflags", "+faststart"]
IRREGULAR = ["-vf", "setpts=(N+0.4*mod(N\\,3))/25/TB", "-fps_mode", "passthrough", "-enc_time_base", "1/1000"]
HALF_GONE = (
    "fps=10,format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*gt(X,W/2)',"
    "split[a][b];[a]palettegen=reserve_transparent=1[p];[b][p]paletteuse"
)


def _same_on_all(layout: str, channels: int) -> list[str]:
    return ["-filter:a", f"pan={layout}|" + "|".join(f"c{n}=c0" for n in range(channels))]


def _see_through(*options: str) -> Callable[[Path], None]:
    return _clip("-vf", ALPHA, *options, seconds=0.6)


def _late_sound(path: Path) -> None:
    picture, sound = _inputs()[:4], _inputs()[4:]
    ffmpeg(*picture, "-itsoffset", "0.3", *sound, *X264, *AAC, path)


def _dot(location: int) -> Callable[[Path], None]:
    """A blue dot on gray, its chroma around x=32, y=24; and where samples of chroma lie, by H.264's numbers."""
    dot = "format=yuv420p,geq=lum=128:cb='128+45*exp(-((X-32)^2+(Y-24)^2)/40)':cr=128"
    tag = ["-bsf:v", f"h264_metadata=chroma_sample_loc_type={location}"]
    gray = ["-f", "lavfi", "-i", "color=gray:size=128x96:rate=5:duration=0.4"]
    return lambda path: ffmpeg(*gray, "-vf", dot, "-c:v", "libx264", "-crf", "8", *tag, path)


# name -> (suffix, how it is made)
RECIPES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "plain": (".mp4", _plain()),
    "plain_mkv": (".mkv", _plain()),
    "plain_mov": (".mov", _plain()),
    "plain_webm": (".webm", _clip(*VP9, *OPUS)),
    "vfr": (".mkv", _plain(*IRREGULAR)),
    "ntsc": (".mp4", _plain("-r", "30000/1001")),
    "open_gop": (".mp4", _plain("-x264-params", "open-gop=1:keyint=10:bframes=3:scenecut=0")),
    "edit_list": (".mp4", _edit_list),
    "late_sound": (".mkv", _late_sound),
    "offset": (".mkv", _plain("-output_ts_offset", "12.5")),
    "offset_ts": (".ts", _plain("-output_ts_offset", "12.5")),
    "far": (".mkv", _plain("-output_ts_offset", "95000")),
    "far_ts": (".ts", _plain("-output_ts_offset", "95000")),
    "wraps": (".ts", _plain("-output_ts_offset", "95441")),
    "back": (".ts", _joined(0)),
    "ahead": (".ts", _joined(3600)),
    "hevc": (".mp4", _clip(*HEVC, *AAC, *INDEX_FIRST)),
    "hevc10": (".mp4", _clip(*HEVC, "-pix_fmt", "yuv420p10le", *AAC)),
    "av1_10": (".mkv", _clip(*["-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p10le"], *AAC)),
    "prores": (".mov", _clip(*["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"], *AAC)),
    "prores4444": (".mov", _see_through(*["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"], *AAC)),
    "qtrle": (".mov", _see_through(*["-c:v", "qtrle", "-pix_fmt", "argb"], *AAC)),
    "png_mov": (".mov", _see_through(*["-c:v", "png", "-pix_fmt", "rgba"], *AAC)),
    "vp9_alpha": (".webm", _see_through(*VP9, "-pix_fmt", "yuva420p", *OPUS)),
    "vp8_alpha": (".webm", _see_through(*["-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0"], *OPUS)),
    "gif": (".gif", _clip("-vf", "fps=10", sound=False)),
    "gif_alpha": (".gif", _clip("-vf", HALF_GONE, "-loop", "3", sound=False, seconds=1)),
    "surround": (".mkv", _plain(*_same_on_all("5.1", 6))),
    "surround71": (".mkv", _clip(*X264, *_same_on_all("7.1", 8), "-c:a", "flac")),
    "subtitles": (".mkv", _subtitles),
    "subtitles_mp4": (".mp4", _subtitles),
    "subtitles_mov": (".mov", _subtitles),
    "cover": (".mp4", _cover),
    "full_range": (".mp4", _plain(*["-vf", "scale=out_range=full", "-color_range", "pc", "-colorspace", "smpte170m"])),
    "dot_left": (".mp4", _dot(0)),
    "dot_center": (".mp4", _dot(1)),
    "dot_topleft": (".mp4", _dot(2)),
    "wmv": (".wmv", _clip(*["-c:v", "wmv2", "-c:a", "wmav2"])),
    "ts": (".ts", _plain()),
    "avi": (".avi", _clip(*["-c:v", "mpeg4", "-c:a", "mp3"])),
    "y4m": (".y4m", _clip(sound=False)),
    "truncated": (".mp4", _truncated(_plain(*INDEX_FIRST), 0.6)),
    "truncated_gif": (".gif", _truncated(_clip("-vf", "fps=10", sound=False), 0.5)),
    "damaged_h264": (".mkv", _damaged(_plain(), 8, 1)),
    "damaged_hevc": (".mp4", _damaged(_clip(*HEVC, *AAC, *INDEX_FIRST), 8, 2)),
    "damaged_ts": (".ts", _damaged(_plain(), 12, 3)),
}  # fmt: skip


def make(name: str, folder: Path) -> Path:
    """The clip `name` in `folder`, made where it is not there yet."""
    suffix, make_it = RECIPES[name]
    path = folder / f"{name}{suffix}"
    if not path.exists():
        make_it(path)
    return path


# -- what FFmpeg's own tools say --


def probe(path: Path, *options: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "quiet", "-of", "json", *options, f"file:{path}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout)


def streams(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    found = probe(path, "-show_streams")["streams"]
    return [stream for stream in found if kind in (None, stream["codec_type"])]


def duration(path: Path) -> float:
    return float(probe(path, "-show_format")["format"]["duration"])


def times(path: Path, stream: str = "v:0") -> list[Fraction]:
    """When each frame is shown, in seconds, as FFmpeg's decoder gives them."""
    shown = probe(path, "-select_streams", stream, "-show_entries", "frame=pts_time")["frames"]
    return [Fraction(frame["pts_time"]) for frame in shown if "pts_time" in frame]


def packets(path: Path, stream: str) -> list[tuple[float, float]]:
    """Start and end of each packet with something in it, in seconds."""
    found = probe(path, "-select_streams", stream, "-show_entries", "packet=pts_time,duration_time,size")[
        "packets"
    ]
    return [
        (float(p["pts_time"]), float(p["pts_time"]) + float(p.get("duration_time", 0)))
        for p in found
        if "pts_time" in p and int(p["size"]) > 0
    ]


def cues(path: Path) -> list[tuple[float, float, str]]:
    """The first track of subtitles, as a player shows it."""
    command = ["ffmpeg", "-v", "error", "-copyts", "-i", f"file:{path}", "-map", "0:s:0", "-f", "srt", "-"]
    text = subprocess.run(command, check=True, capture_output=True, timeout=600).stdout.decode()
    found = []
    for block in text.strip().replace("\r", "").split("\n\n"):
        _, clocks, *words = block.split("\n")
        begin, end = (_seconds(clock) for clock in clocks.split(" --> "))
        found.append((begin, end, " ".join(words)))
    return found


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 3)


def pixels(path: Path, form: str = "rgb24", stream: str = "v:0", decoder: str | None = None) -> bytes:
    """Every frame's pixels, one after the other, as FFmpeg converts them."""
    choice = ["-c:v", decoder] if decoder else []
    command = ["ffmpeg", "-nostdin", "-v", "error", *choice, "-i", f"file:{path}", "-map", f"0:{stream}"]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", form, "-"]
    return subprocess.run(command, check=True, capture_output=True, timeout=600).stdout


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for each in RECIPES:
        print(make(each, target))
