"""How fast it is, all from one run on one computer, with the ratios that hold elsewhere too.

    python benchmarks/speed.py --hub PATH        # a SavedModel of the Hub model's form, or its handle
    python benchmarks/speed.py --only stability  # one of the tables: paint, open, stability, run

paint      milliseconds a frame: the whole Hub model on every frame, which is what the usual tutorial does,
           the same with the style's embedding cached, in TensorFlow and in OpenVINO, and pocket
open       seconds from `StyleFilter(..., model=PATH)` to the first frame, in a fresh process: the first time,
           from the cache, and in TensorFlow
stability  milliseconds a frame of StyleFilter with pocket on the moving demo scene, with and without; each
           paints a few frames in a row before the next one's turn, as in a video
run        a whole video run over the filter alone, and frames a second from the demo to a sink in memory

Rounds go around all that is compared, so that a computer that slows down slows all of it, and medians are
printed. On a quiet computer it takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from overlap import alone, prepare, whole

from nstfilter import Frame, Sink, StreamInfo, StyleFilter, open_model, open_source, run
from nstfilter.graphics.opencv import cv2
from nstfilter.models import StyleModel

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SIZES = [(256, 256), (360, 640), (720, 1280)]
STABILITY_SIZES = [(360, 640), (720, 1280), (1080, 1920)]
STABILITY = 0.8
IN_A_ROW = 5
TABLES = ("paint", "open", "stability", "run")
SEED, REFERENCE = "Hub model, whole, TensorFlow", "Hub model, cached, TensorFlow"
OPEN = """
import pathlib, sys, time
import numpy as np
began = time.perf_counter()
from nstfilter import StyleFilter
from nstfilter.models.hub import HubModel
style = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
model = sys.argv[1] if sys.argv[2] == "default" else HubModel(pathlib.Path(sys.argv[1]), engine=sys.argv[2])
StyleFilter(style, model=model)(np.zeros((360, 640, 3), np.uint8))
print(time.perf_counter() - began)
"""


class Memory(Sink):
    """Keeps the latest frame."""

    def _open(self, info: StreamInfo) -> None:
        self.latest: Frame | None = None

    def _write(self, frame: Frame) -> None:
        self.latest = frame

    def _close(self) -> None:
        pass


def computer() -> dict[str, Any]:
    """The processor, how many of its cores we may use, and which wide instructions it has."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        name = next(line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name"))
        flags = next(line for line in text.splitlines() if line.startswith("flags")).split()
    except (OSError, StopIteration):
        name, flags = platform.processor() or platform.machine(), []
    wide = {"AVX2": "avx2", "AVX-512": "avx512f", "AVX-512 BF16": "avx512_bf16", "AMX BF16": "amx_bf16"}
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": name,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "instructions": [label for label, flag in wide.items() if flag in flags] or "unknown",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def interleaved(timed: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, float]:
    """Median milliseconds of each; the first two rounds compile and warm up."""
    times: dict[Any, list[float]] = {key: [] for key in timed}
    for turn in range(rounds + 2):
        for key, call in timed.items():
            started = time.perf_counter()
            call()
            if turn >= 2:
                times[key].append(1000 * (time.perf_counter() - started))
    return {key: statistics.median(values) for key, values in times.items()}


def named(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def paint(hub: str, rounds: int, threads: int | None) -> dict[str, dict[str, float]]:
    """Milliseconds a frame, by path and size; each path paints at the frame's own size."""
    from nstfilter.models.fetch import fetch
    from nstfilter.models.tensorflow import tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    random = np.random.default_rng(1)
    style = random.integers(0, 256, (256, 256, 3), np.uint8)
    frames = [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]
    loaded = tf.saved_model.load(str(fetch(hub)))
    style_rgb = tf.constant(style[None, ..., ::-1].astype(np.float32) / 255)

    def seed(frame: np.ndarray) -> object:
        content = tf.constant(frame[None, ..., ::-1].astype(np.float32) / 255)
        return (loaded(content, style_rgb)[0].numpy()[0, ..., ::-1] * 255).astype(np.uint8)

    paths: dict[str, Callable[[np.ndarray], object]] = {SEED: seed}
    for engine in ("tensorflow", "openvino"):
        model = open_model(hub, threads=threads, engine=engine)
        name = REFERENCE if engine == "tensorflow" else f"Hub model, cached, OpenVINO {model.precision}"
        paths[name] = painter(model, style)
    pocket = open_model("pocket", threads=threads)
    paths[f"pocket, OpenVINO {pocket.precision}"] = painter(pocket, style)
    timed = {
        (name, named(frame.shape)): (lambda path=path, frame=frame: path(frame))
        for name, path in paths.items()
        for frame in frames
    }
    found = interleaved(timed, rounds)
    return {name: {named(size): found[name, named(size)] for size in SIZES} for name in paths}


def painter(model: StyleModel, style: np.ndarray) -> Callable[[np.ndarray], object]:
    embedding = model.embed(style)
    return lambda frame: model.stylize(frame, embedding)


def opening(hub: str, rounds: int) -> dict[str, float]:
    """Seconds to the first frame of a model: its graphs made anew, read from the cache, or in TensorFlow."""
    from nstfilter.models.fetch import fetch

    path, times = str(fetch(hub)), {"first time": [], "cached": [], "TensorFlow, cached": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"NSTFILTER_CACHE_DIR": folder}
            for name, taken in times.items():
                engine = "tensorflow" if name.startswith("TensorFlow") else "default"
                command = [sys.executable, "-c", OPEN, path, engine]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                taken.append(float(done.stdout))
    return {name: statistics.median(taken) for name, taken in times.items()}


def stability(rounds: int, threads: int | None) -> dict[str, dict[str, float]]:
    """Milliseconds a frame without and with stability, by size of the frame; the network at its default."""
    pocket = open_model("pocket", threads=threads)
    with open_source("demo:1920x1080", seconds=0.5, sound=False) as source:
        scene = [frame.image for frame in source][:10]
    scene += scene[-2:0:-1]  # to and fro
    timed: dict[Any, Callable[[], object]] = {}
    for height, width in STABILITY_SIZES:
        frames = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in scene]
        for dial in (0.0, STABILITY):
            filter = StyleFilter("mosaic", model=pocket, stability=dial)

            def step(filter: StyleFilter = filter, frames: list[np.ndarray] = frames, at: Any = [0]) -> None:  # noqa: B006
                for _ in range(IN_A_ROW):
                    filter(frames[at[0] % len(frames)])
                    at[0] += 1

            timed[named((height, width)), dial] = step
    found = interleaved(timed, rounds)
    return {
        size: {
            "without": (off := found[size, 0.0] / IN_A_ROW),
            "with": (on := found[size, STABILITY] / IN_A_ROW),
            "ratio": on / off,
        }
        for size in map(named, STABILITY_SIZES)
    }


def runs(rounds: int, threads: int | None) -> dict[str, float]:
    """A whole video run over the filter alone, and from the demo to memory."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = prepare(None, Path(folder))
        with open_source(clip) as source:
            frames = [frame.image for frame in source]
        filters = {dial: StyleFilter("mosaic", stability=dial, threads=threads) for dial in (0.0, STABILITY)}
        ratios: dict[float, list[float]] = {dial: [] for dial in filters}
        for turn in range(rounds + 1):
            for dial, filter in filters.items():
                ratio = whole(filter, clip, Path(folder, "out.mp4")) / alone(filter, frames)
                if turn:  # the first round compiles
                    ratios[dial].append(ratio)
    for dial, values in ratios.items():
        figures[f"640x360 video to video over the filter alone, stability {dial:g}"] = statistics.median(
            values
        )
    rates: dict[str, list[float]] = {"painted": [], "plain": []}
    for _ in range(rounds):
        for name, filter in (("painted", filters[STABILITY]), ("plain", lambda frame: frame)):
            report = run(open_source("demo:1920x1080", seconds=3.0, sound=False), filter, Memory())
            rates[name].append(report.frames / report.seconds)
    for name, values in rates.items():
        label = f"{name}, stability {STABILITY:g}" if name == "painted" else "not painted, only drawn"
        figures[f"1920x1080 demo to memory, {label}, frames a second"] = statistics.median(values)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hub", default="magenta", help="a SavedModel's path or handle (default: magenta)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    wanted = [arguments.only] if arguments.only else TABLES
    few = max(1, arguments.rounds // 5)
    figures: dict[str, Any] = {"computer": computer(), "threads": arguments.threads}
    if "paint" in wanted:
        figures["paint"] = paint(arguments.hub, arguments.rounds, arguments.threads)
    if "open" in wanted:
        figures["open"] = opening(arguments.hub, few)
    if "stability" in wanted:
        figures["stability"] = stability(2 * arguments.rounds, arguments.threads)
    if "run" in wanted:
        figures["run"] = runs(few, arguments.threads)
    figures["computer"]["load_after"] = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    print(json.dumps(figures, indent=2) if arguments.json else table(figures))


def table(figures: dict[str, Any]) -> str:
    about = figures["computer"]
    instructions = about["instructions"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, "
        + (instructions if isinstance(instructions, str) else ", ".join(instructions))
        + ("" if "AMX BF16" in instructions else ", no AMX")
        + f"; load {about['load']} before, {about['load_after']} after"
    ]
    if "paint" in figures:
        base = figures["paint"][REFERENCE]
        lines += ["", "milliseconds a frame (over the cached Hub model in TensorFlow at that size)"]
        lines += [f"{'':34}" + "".join(named(size).rjust(18) for size in SIZES)]
        for name, sizes in figures["paint"].items():
            cells = (f"{ms:.1f} ({ms / base[size]:.2f})".rjust(18) for size, ms in sizes.items())
            lines.append(f"{name:34}" + "".join(cells))
    if "open" in figures:
        lines += ["", "seconds from StyleFilter(model=PATH) to the first frame, in a fresh process"]
        lines += [f"{name:34}{seconds:18.2f}" for name, seconds in figures["open"].items()]
    if "stability" in figures:
        lines += ["", f"milliseconds a frame, stability 0 and {STABILITY:g}, and their ratio"]
        lines += [
            f"{size:34}{row['without']:12.1f}{row['with']:12.1f}{row['ratio']:12.2f}"
            for size, row in figures["stability"].items()
        ]
    if "run" in figures:
        lines += [""] + [f"{name:70}{value:8.2f}" for name, value in figures["run"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
