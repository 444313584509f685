"""Flicker and sharpness of painted videos against the stability dial, and against the Hub model's flicker.

    python benchmarks/stability.py CLIP... [--hub PATH] [--frames 60] [--style NAME...]

Flicker is the warping error of nstfilter.score.Flicker; sharpness the mean absolute Laplacian of the painted
frames, as a share of that at dial 0. All at 360 pixels of the shorter side, or the clip's own if smaller.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import islice

import numpy as np

from nstfilter import StyleFilter, open_model, open_source
from nstfilter.graphics.opencv import cv2
from nstfilter.score import Flicker

DIALS = (0.0, 0.4, 0.6, 0.8, 1.0)


def frames_of(clip: str, count: int) -> list[np.ndarray]:
    with open_source(clip) as source:
        frames = [frame.image for frame in islice(source, count)]
    scale = min(1.0, 360 / min(frames[0].shape[:2]))
    return [cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for frame in frames]


def measure(paint: Callable[[np.ndarray], np.ndarray], frames: list[np.ndarray]) -> tuple[float, float]:
    """Flicker, and sharpness of the second half, when the dial has settled."""
    flicker, sharpness = Flicker(), []
    for frame in frames:
        painted = paint(frame)
        flicker.add(frame, painted)
        gray = cv2.cvtColor(painted, cv2.COLOR_BGR2GRAY)
        sharpness.append(float(np.abs(cv2.Laplacian(gray, cv2.CV_32F)).mean()))
    return flicker.mean, float(np.mean(sharpness[len(sharpness) // 2 :]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--hub", help="a SavedModel of the Hub model's form, to compare with")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--style", nargs="+", default=["mosaic", "starry", "watercolor"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    pocket, hub = open_model("pocket"), open_model(arguments.hub) if arguments.hub else None
    rows = []
    for clip in arguments.clips:
        frames = frames_of(clip, arguments.frames)
        for style in arguments.style:
            teacher = measure(StyleFilter(style, model=hub, size=360), frames)[0] if hub else None
            found = {}
            for dial in DIALS:
                found[dial] = measure(StyleFilter(style, model=pocket, size=360, stability=dial), frames)
            rows.append(
                {
                    "clip": clip,
                    "style": style,
                    "hub_flicker": teacher,
                    "flicker": {dial: flicker for dial, (flicker, _) in found.items()},
                    "sharpness": {dial: sharp / found[0.0][1] for dial, (_, sharp) in found.items()},
                }
            )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        base = row["hub_flicker"] or row["flicker"][0.0]
        shares = "  ".join(
            f"{d:.1f}: {row['flicker'][d] / base:.2f}/{row['sharpness'][d]:.2f}" for d in DIALS
        )
        print(f"{row['clip'].rsplit('/', 1)[-1]:24} {row['style']:12} {shares}")
    means = [
        np.mean([row["flicker"][d] / (row["hub_flicker"] or row["flicker"][0.0]) for row in rows])
        for d in DIALS
    ]
    sharps = [np.mean([row["sharpness"][d] for row in rows]) for d in DIALS]
    mean = "  ".join(f"{d:.1f}: {m:.2f}/{s:.2f}" for d, m, s in zip(DIALS, means, sharps, strict=True))
    print(f"{'mean (flicker/sharpness)':37} {mean}")


if __name__ == "__main__":
    main()
