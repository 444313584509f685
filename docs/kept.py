"""Writes kept.md: awkward recordings at strength 0 into every container, and what the audit says of each.

python docs/kept.py      # needs FFmpeg's ffmpeg and ffprobe; takes a minute or two
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from nstfilter.errors import NstfilterError
from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.streams import Change

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
import corpus  # noqa: E402

CONTAINERS = ("mp4", "mkv", "mov", "webm")
INPUTS = {
    "plain": "H.264 and AAC in MP4",
    "plain_mkv": "the same in MKV",
    "plain_mov": "the same in MOV",
    "plain_webm": "VP9 and Opus in WebM",
    "vfr": "variable frame rate",
    "open_gop": "open GOPs",
    "edit_list": "cut by an edit list",
    "late_sound": "sound that begins later",
    "far": "starts at 95,000 s",
    "back": "joined MPEG-TS, the clock jumps back",
    "ahead": "joined MPEG-TS, the clock jumps an hour ahead",
    "wmv": "WMV",
    "avi": "MPEG-4 and MP3 in AVI",
    "subtitles": "MKV with subtitles and languages",
    "subtitles_mp4": "MP4 with subtitles and languages",
    "cover": "MP4 with cover art",
    "surround": "5.1 sound",
    "surround71": "7.1 sound, FLAC",
    "full_range": "full range",
    "hevc10": "HEVC, 10 bits",
    "av1_10": "AV1, 10 bits",
    "prores": "ProRes 422 HQ",
    "prores4444": "ProRes 4444 with transparency",
    "vp9_alpha": "VP9 with transparency",
    "gif": "GIF",
    "damaged_hevc": "HEVC, damaged",
    "truncated": "an MP4 cut short",
}


def said(source: Path, target: Path) -> str:
    try:
        with open_source(source) as frames:
            report = run(frames, lambda image: image, open_sink(target))
    except NstfilterError as error:
        return f"refused: {error}"
    return "; ".join(line for line in report.warnings if isinstance(line, Change)) or "all kept"


def table() -> str:
    head = ["input", *(f".{name}" for name in CONTAINERS)]
    rows = [" | ".join(["", *head, ""]).strip(), "|".join(["", *("---" for _ in head), ""])]
    with tempfile.TemporaryDirectory() as folder:
        for name, called in INPUTS.items():
            source = corpus.make(name, Path(folder))
            cells = [said(source, Path(folder) / f"{name}-result.{suffix}") for suffix in CONTAINERS]
            rows.append(" | ".join(["", called, *cells, ""]).strip())
            print(rows[-1], file=sys.stderr)
    return "\n".join(rows)


if __name__ == "__main__":
    page = HERE / "kept.md"
    before, mark, _ = page.read_text("utf-8").partition("<!-- table -->\n")
    page.write_text(f"{before}{mark}\n{table()}\n", "utf-8")
