"""What painting parts of a frame costs beside painting all of it, and where the time goes: milliseconds of
the processor a frame at 1280x720 on one thread, the ways in turn on every frame.

python benchmarks/people.py CLIP
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from nstfilter import PersonSegmenter, StyleFilter
from nstfilter.people.blend import Blend
from nstfilter.people.calm import Calm
from nstfilter.people.edge import EdgeFilter, guide

FRAMES, WARM = 30, 5
WAYS: dict[str, dict[str, Any]] = {
    "all": {},
    "--area people": {"area": "people"},
    "--area background": {"area": "background"},
    "--background blur": {"background": "blur"},
    "--background plain --area people": {"background": "plain", "area": "people"},
    "--face 0.3": {"face": 0.3},
}


def milliseconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return 1000 * (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    video, frames = cv2.VideoCapture(args.clip), []
    while len(frames) < FRAMES and (read := video.read())[0]:
        frames.append(cv2.resize(read[1], (1280, 720)))
    filters = {way: StyleFilter("mosaic", stability=0.8, threads=1, **dials) for way, dials in WAYS.items()}
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    for frame in frames:
        for way, paint in filters.items():
            spent[way].append(milliseconds(lambda paint=paint, frame=frame: paint(frame)))
    for way, times in spent.items():
        print(f"{way:34} {np.median(times[WARM:]):6.1f} ms, {ratio(times, spent['all']):.2f} of all")
    segmenter, calm, edge, blend = PersonSegmenter(threads=1), Calm(), EdgeFilter(), Blend()
    frame = frames[0]
    seen = guide(frame)
    gray = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)
    small = segmenter.find(seen)
    smaller = cv2.resize(gray, small.shape[::-1])
    mask = edge(gray, small, frame.shape)
    steps: dict[str, Callable[[], object]] = {
        "halving": lambda: guide(frame),
        f"the network ({segmenter.precision})": lambda: segmenter.find(seen),
        "calm": lambda: calm(smaller, small, 0.8),
        "the mask before, carried": lambda: calm.carried(smaller),
        "edge": lambda: edge(gray, small, frame.shape),
        "mixing": lambda: blend(frame, frame, mask),
    }
    for name, step in steps.items():
        times = [milliseconds(step) for _ in range(60)]
        print(f"{name:34} {np.median(times):6.1f} ms, at least {np.min(times):.1f}")


def ratio(times: list[float], others: list[float]) -> float:
    return float(np.median(np.array(times[WARM:]) / np.array(others[WARM:])))


if __name__ == "__main__":
    main()
