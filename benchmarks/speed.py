"""Milliseconds a frame, all from one run: the whole Hub model on every frame (what the usual tutorial
does), the same model with the style's embedding cached, and pocket.

    python benchmarks/speed.py --hub PATH        # a SavedModel of the Hub model's form, or its handle

Rounds go around all paths in turn, so that a machine that slows down slows all of them; medians are
printed, and the ratio to the cached Hub model at 640x360.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SIZES = [(256, 256), (360, 640), (720, 1280)]


def paths(hub: str, threads: int | None) -> dict[str, Callable[[np.ndarray], object]]:
    """What to time: each takes a BGR uint8 frame and paints it at its own size."""
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    import tensorflow_hub

    from nstfilter import open_model

    style = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    cached, pocket = open_model(hub, threads=threads), open_model("pocket", threads=threads)
    whole = tensorflow_hub.load(hub)
    style_rgb = tf.constant(style[None, ..., ::-1].astype(np.float32) / 255)

    def seed(frame: np.ndarray) -> object:
        content = tf.constant(frame[None, ..., ::-1].astype(np.float32) / 255)
        return (whole(content, style_rgb)[0].numpy()[0, ..., ::-1] * 255).astype(np.uint8)

    z_cached, z_pocket = cached.embed(style), pocket.embed(style)
    return {
        "Hub model, whole": seed,
        "Hub model, cached": lambda frame: cached.stylize(frame, z_cached),
        "pocket": lambda frame: pocket.stylize(frame, z_pocket),
    }


def measure(hub: str, rounds: int, threads: int | None) -> dict[str, dict[str, float]]:
    """Median milliseconds a frame, by path and size."""
    random = np.random.default_rng(1)
    frames = [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]
    times: dict[str, dict[str, list[float]]] = {}
    timed = paths(hub, threads)
    for turn in range(rounds + 2):  # the first two rounds compile and warm up
        for name, paint in timed.items():
            for frame in frames:
                started = time.perf_counter()
                paint(frame)
                taken = 1000 * (time.perf_counter() - started)
                if turn >= 2:
                    size = f"{frame.shape[1]}x{frame.shape[0]}"
                    times.setdefault(name, {}).setdefault(size, []).append(taken)
    return {name: {size: statistics.median(t) for size, t in sizes.items()} for name, sizes in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hub", default="magenta", help="a SavedModel's path or handle (default: magenta)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.hub, arguments.rounds, arguments.threads)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    base = figures["Hub model, cached"]["640x360"]
    print(f"{'':20}" + "".join(f"{w}x{h}".rjust(20) for h, w in SIZES))
    for name, sizes in figures.items():
        cells = (f"{ms:.1f} ms ({ms / base:.2f})".rjust(20) for ms in sizes.values())
        print(f"{name:20}" + "".join(cells))


if __name__ == "__main__":
    main()
