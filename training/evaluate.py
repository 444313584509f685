"""Measure the model that ships against its teacher, on photographs and styles that training never saw.

    python training/evaluate.py --shared ../shared [--json] [--sheet sheet.png]

Runs nstfilter.models.pocket and nstfilter.models.hub as users get them. Definitions:

score    nstfilter.score.style_score, by the teacher's style predictor
l1       mean absolute difference to the teacher's picture of the same content and style, values in [0, 1]
error    |E(style) - z| / |z - mean z|, with E our encoder
flicker  nstfilter.score.Flicker over a stretch of each clip, at dial 0 and at the default

All but flicker at 256x256, as the score is defined.
"""

import argparse
import json
import time
from pathlib import Path

import av
import cv2
import data
import numpy as np

from nstfilter import StyleFilter
from nstfilter.models.hub import HubModel
from nstfilter.models.pocket import WEIGHTS, PocketModel
from nstfilter.parameters import PARAMETERS
from nstfilter.score import Flicker, style_score

CLIP_FRAMES = 24
CLIP_STYLES = ("candy.jpg", "la_muse.jpg", "wave_crop.jpg")


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


def quality(
    teacher: HubModel,
    pocket: PocketModel,
    contents: list[np.ndarray],
    styles: list[np.ndarray],
    sheet: Path | None,
) -> dict[str, float]:
    embeddings = [teacher.embed(s) for s in styles]
    encoded = [pocket.embed(s) for s in styles]
    middle = np.mean(embeddings, axis=0)
    figures = {
        "encoder_error": [
            distance(e, z) / distance(z, middle) for e, z in zip(encoded, embeddings, strict=True)
        ]
    }
    rows = []
    for i, content in enumerate(contents):
        own = teacher.embed(content)
        row = [[content], [content], [content]]
        for k in range(4):  # four styles a photograph, every style equally often
            j = (i + 3 * k) % len(styles)
            z = embeddings[j]
            wanted = teacher.stylize(content, z)
            for row_number, name, out in (
                (0, "teacher", wanted),
                (1, "own_encoder", pocket.stylize(content, encoded[j])),
                (2, "teachers_embedding", pocket.stylize(content, z)),
            ):
                score = style_score(own, z, teacher.embed(out))
                figures.setdefault(f"score_{name}", []).append(score)
                if row_number:
                    l1 = np.abs(out.astype(np.float32) - wanted).mean() / 255
                    figures.setdefault(f"l1_{name}", []).append(float(l1))
                row[row_number].append(out)
        rows += [np.hstack(r) for r in row]
    if sheet:
        cv2.imwrite(str(sheet), np.vstack(rows[:15]))
    return {key: float(np.mean(values)) for key, values in figures.items()}


def frames_of(path: Path) -> list[np.ndarray]:
    """A stretch from the middle of the clip, at most 640 wide."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    first = (len(frames) - CLIP_FRAMES) // 2
    width = min(640, frames[0].shape[1])
    size = (width, round(frames[0].shape[0] * width / frames[0].shape[1]))
    return [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames[first : first + CLIP_FRAMES]]


def calm(teacher: HubModel, pocket: PocketModel, shared: Path) -> dict[str, float]:
    """Flicker at dial 0 and at the default, as shares of the teacher's; and the score at the default."""
    figures: dict[str, list[float]] = {}
    pictures = [
        np.ascontiguousarray(data.read(shared / "data" / "style" / n)[..., ::-1]) for n in CLIP_STYLES
    ]
    for clip in sorted((shared / "data" / "clips").glob("*.mp4")):
        frames = frames_of(clip)
        own = teacher.embed(frames[-1])
        for picture in pictures:
            z, flicker = teacher.embed(picture), {}
            for name, model, stability in (
                ("teacher", teacher, 0.0),
                ("pocket_dial_0", pocket, 0.0),
                ("pocket", pocket, PARAMETERS["stability"].default),
            ):
                paint = StyleFilter(picture, model=model, stability=stability)
                measured = Flicker()
                for frame in frames:
                    painted = paint(frame)
                    measured.add(frame, painted)
                flicker[name] = measured.mean
                figures.setdefault(f"flicker_{name}", []).append(measured.mean)
                score = style_score(own, z, teacher.embed(painted))
                figures.setdefault(f"flicker_score_{name}", []).append(score)
            for name in ("pocket_dial_0", "pocket"):
                figures.setdefault(f"share_{name}", []).append(flicker[name] / flicker["teacher"])
    means = {key: float(np.mean(values)) for key, values in figures.items()}
    return means | {"share_pocket_worst": max(figures["share_pocket"])}


def speed(teacher: HubModel, pocket: PocketModel, exact: PocketModel, rounds: int) -> dict[str, float]:
    """Best of interleaved rounds, in milliseconds; read the ratios, not the times."""
    random = np.random.default_rng(0)
    small, large = (random.integers(0, 256, size, dtype=np.uint8) for size in ((360, 640, 3), (720, 1280, 3)))
    z = teacher.embed(small)
    calls = {
        "teacher_640": lambda: teacher.stylize(small, z),
        "pocket_640": lambda: pocket.stylize(small, z),
        "pocket_1280": lambda: pocket.stylize(large, z),
        "pocket_f32_640": lambda: exact.stylize(small, z),
        "pocket_embed": lambda: pocket.embed(small),
    }
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(3):
                began = time.perf_counter()
                call()
                best[name] = min(best[name], (time.perf_counter() - began) * 1000)
    figures = {f"ms_{name}": value for name, value in best.items()}
    for name in ("pocket_640", "pocket_1280", "pocket_f32_640"):
        figures[f"ratio_{name}"] = best[name] / best["teacher_640"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--contents", type=int, default=30, help="photographs to measure on, of 90")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", choices=("quality", "flicker", "speed"))
    parser.add_argument(
        "--sheet", type=Path, help="write content | teacher, own encoder, teacher's embedding here"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    teacher = HubModel(args.shared / "models" / "magenta-mobile", threads=2)
    pocket = PocketModel(weights=args.weights, threads=2)
    figures: dict[str, float] = {"weights_mb": args.weights.stat().st_size / 1e6}
    if args.only in (None, "quality"):
        paths = data.content_paths(args.shared, held_out=True)
        step = max(1, len(paths) // args.contents)
        contents = [cv2.resize(data.read(p), (256, 256), interpolation=cv2.INTER_AREA) for p in paths[::step]]
        contents = [np.ascontiguousarray(picture[..., ::-1]) for picture in contents]
        styles = [data.read(p, 512)[..., ::-1] for p in data.style_paths(args.shared, held_out=True)]
        figures |= quality(teacher, pocket, contents, styles, args.sheet)
    if args.only in (None, "flicker"):
        figures |= calm(teacher, pocket, args.shared)
    if args.only in (None, "speed"):
        exact = PocketModel(weights=args.weights, threads=2, precision="f32")
        figures |= speed(teacher, pocket, exact, args.rounds)
    if args.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:26} {value:.4f}")
        print(f"{'precision':26} {pocket.precision}")


if __name__ == "__main__":
    main()
