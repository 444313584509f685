"""What reading and writing a video cost beside the filter: the whole run over the filter alone, in one run.

    python benchmarks/overlap.py            # the demo at 640x360
    python benchmarks/overlap.py CLIP

Rounds alternate between the two, and the median of their ratios is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from nstfilter import StyleFilter, open_sink, open_source, run


def prepare(clip: str | None, folder: Path) -> Path:
    """The clip, or the demo scene as a file."""
    if clip:
        return Path(clip)
    path = folder / "demo.mp4"
    run(open_source("demo:640x360", seconds=6.0), lambda frame: frame, open_sink(path))
    return path


def alone(paint: StyleFilter, frames: list[np.ndarray]) -> float:
    paint.reset()
    started = time.perf_counter()
    for frame in frames:
        paint(frame)
    return time.perf_counter() - started


def whole(paint: StyleFilter, clip: Path, out: Path) -> float:
    paint.reset()
    return run(open_source(clip), paint, open_sink(out, overwrite=True)).seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stability", type=float, default=0.8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    paint = StyleFilter("mosaic", stability=arguments.stability)
    with tempfile.TemporaryDirectory() as folder:
        clip = prepare(arguments.clip, Path(folder))
        with open_source(clip) as source:
            frames = [frame.image for frame in source]
        paint(frames[0])  # compiles for this size
        pairs = [
            (whole(paint, clip, Path(folder, "out.mp4")), alone(paint, frames))
            for _ in range(arguments.rounds)
        ]
    figures = {
        "frames": len(frames),
        "size": f"{frames[0].shape[1]}x{frames[0].shape[0]}",
        "filter_ms": 1000 * statistics.median(a for _, a in pairs) / len(frames),
        "whole_ms": 1000 * statistics.median(w for w, _ in pairs) / len(frames),
        "ratio": statistics.median(w / a for w, a in pairs),
    }
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print(
            f"{figures['frames']} frames of {figures['size']}: filter alone {figures['filter_ms']:.1f} ms "
            f"a frame, the whole run {figures['whole_ms']:.1f} ms, ratio {figures['ratio']:.2f}"
        )


if __name__ == "__main__":
    main()
