"""Live, from the demo scene to a sink in memory, with pocket: frames a second, latency, stopping, starting.

    python benchmarks/live.py               # about a minute
    python benchmarks/live.py --soak 600    # ten minutes at 1280x720, with a recording: what stays behind?
    python benchmarks/live.py --steady 60   # sizes, jitter, hitches; the middle third beside two busy loops
    python benchmarks/live.py --latency 20  # a bar code that is filmed, painted and read again

At 640x360 neither source nor output hold the run back, and rounds alternate with the same filter on the same
frames without a run around it; the median of their ratios is printed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter import (
    Figures,
    Frame,
    Governor,
    Live,
    Sink,
    Source,
    StreamInfo,
    StyleFilter,
    open_sink,
    open_source,
)
from nstfilter.graphics.opencv import cv2
from nstfilter.models import spare_threads

STYLE = "mosaic"
FIRST = """
import time, nstfilter
class First(nstfilter.Sink):
    def _open(self, info): pass
    def _write(self, frame):
        if frame.captured is not None: print("painted", flush=True); live.stop()
    def _close(self): pass
paint = nstfilter.StyleFilter("mosaic", stability=0.8)
began = time.perf_counter()
source = nstfilter.open_source("demo:1280x720", sound=False)
print(time.perf_counter() - began, flush=True)
live = nstfilter.Live(source, paint, [First()], governor=nstfilter.Governor(30))
live.run()
"""


class Memory(Sink):
    """Keeps the latest frame."""

    def _open(self, info: StreamInfo) -> None:
        self.latest: Frame | None = None

    def _write(self, frame: Frame) -> None:
        self.latest = frame

    def _close(self) -> None:
        pass


class Loop(Source):
    """Frames drawn beforehand, over and over, at `rate`."""

    def __init__(self, images: list[np.ndarray], rate: int) -> None:
        super().__init__()
        height, width = images[0].shape[:2]
        self.images = images
        self.info = StreamInfo(width, height, Fraction(1, rate), Fraction(rate))

    def _frames(self) -> Iterator[Frame]:
        index = 0
        while True:
            yield Frame(self.images[index % len(self.images)], index, 1)
            index += 1


def run_for(seconds: float, live: Live) -> tuple[Figures, float]:
    """The figures of `seconds` of `live`, and how long it took to stop."""
    asked = [0.0]

    def stop() -> None:
        asked[0] = time.monotonic()
        live.stop()

    timer = threading.Timer(seconds, stop)
    timer.start()
    figures = live.run()
    timer.join()
    return figures, time.monotonic() - asked[0]


def governed(seconds: float, stability: float, threads: int) -> dict[str, Any]:
    """The demo at 1280x720 and 30 a second, after some seconds in which the governor finds its size."""
    paint = StyleFilter(STYLE, stability=stability, threads=threads)
    governor = Governor(30)
    for lasting in (6.0, seconds):
        source = open_source("demo:1280x720", sound=False, seconds=1000)
        live = Live(source, paint, [Memory()], governor=governor)
        figures, stopping = run_for(lasting, live)
    assert figures.latency
    filter_seconds = live.filtering / figures.painted
    return {
        "rate": figures.rate,
        "size": figures.size,
        "p50_ms": 1000 * figures.latency[0],
        "p95_ms": 1000 * figures.latency[1],
        "allowed_ms": 1000 * (2 / 30 + filter_seconds),
        "filter_ms": 1000 * filter_seconds,
        "dropped": figures.dropped,
        "captured": figures.captured,
        "skipped_ticks": figures.skipped,
        "stop_s": stopping,
    }


def beside_the_filter(rounds: int, stability: float, threads: int) -> dict[str, Any]:
    """At 640x360: frames a second of the run, of the filter alone, and of the model alone."""
    paint = StyleFilter(STYLE, stability=stability, threads=threads)
    with open_source("demo:640x360", sound=False, seconds=2) as demo:
        images = [frame.image for frame in demo]
    images += images[-2:0:-1]  # and back, so that there is no cut
    paint(images[0])
    results: dict[str, list[float]] = {"live": [], "filter": [], "model": []}

    def alone(filter: Any) -> float:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 2:
            filter(images[count % len(images)])
            count += 1
        return count / (time.perf_counter() - began)

    for _ in range(rounds):
        paint.reset()
        results["filter"].append(alone(paint))
        results["model"].append(alone(lambda image: paint.model.stylize(image, paint.embedding)))
        live = Live(Loop(images, 200), paint, [Memory()], rate=200)
        results["live"].append(run_for(2.0, live)[0].rate)
    ratios = {
        f"to_{name}": statistics.median(a / b for a, b in zip(results["live"], results[name], strict=True))
        for name in ("filter", "model")
    }
    return {name: statistics.median(values) for name, values in results.items()} | ratios


def first_frame(rounds: int) -> dict[str, float]:
    """Seconds from the start of Python to the first painted frame at the sink, with the embedding cached; and
    how many of them the demo took to draw its scenery, which no camera needs."""
    times, drawing = [], []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        with subprocess.Popen([sys.executable, "-c", FIRST], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            drawing.append(float(process.stdout.readline()))
            process.stdout.readline()
            times.append(time.perf_counter() - began)
    return {"seconds": statistics.median(times[1:]), "scenery": statistics.median(drawing[1:])}


def memory() -> float:
    """MiB this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def soak(seconds: float, stability: float, threads: int) -> dict[str, Any]:
    """The demo at 1280x720 and 30 a second to memory and to a recording."""
    with tempfile.TemporaryDirectory() as folder:
        files = lambda: sorted(os.listdir("/proc/self/fd"))  # noqa: E731
        paint = StyleFilter(STYLE, stability=stability, threads=threads)
        begun = threading.active_count(), len(files())
        path = Path(folder, "take.mp4")
        source = open_source("demo:1280x720", sound=False, seconds=2 * seconds)
        live = Live(source, paint, [Memory(), open_sink(path)], governor=Governor(30))
        used: list[float] = []
        over = threading.Event()

        def watch() -> None:
            began = time.monotonic()
            while not over.wait(1):
                used.append(memory())
                if len(used) % 30 == 0:
                    print(f"{time.monotonic() - began:.0f} s: {used[-1]:.0f} MiB", file=sys.stderr)

        watcher = threading.Thread(target=watch)
        watcher.start()
        figures, stopping = run_for(seconds, live)
        over.set()
        watcher.join()
        with open_source(path) as take:
            pts = [float(frame.pts * take.info.time_base) for frame in take]
        ended = threading.active_count(), len(files())
        left = sorted(os.listdir(folder))
    steady = used[60:] or used
    return {
        "seconds": figures.seconds,
        "rate": figures.rate,
        "size": figures.size,
        "memory_after_a_minute_mib": steady[0],
        "memory_most_after_mib": max(steady),
        "memory_in_the_end_mib": steady[-1],
        "threads_before_after": [begun[0], ended[0]],
        "open_files_before_after": [begun[1], ended[1]],
        "folder": left,
        "captured": figures.captured,
        "shown": figures.shown,
        "dropped": figures.dropped,
        "captured_not_accounted_for": figures.captured - figures.shown - figures.dropped,
        "ticks": figures.ticks,
        "repeated": figures.repeated,
        "skipped_ticks": figures.skipped,
        "sinks": {s.name: {"written": s.written, "dropped": s.dropped} for s in figures.sinks},
        "ticks_not_accounted_for": [figures.ticks - s.written - s.dropped for s in figures.sinks],
        "recorded_frames": len(pts),
        "recorded_seconds": pts[-1],
        "p95_ms": 1000 * figures.latency[1] if figures.latency else None,
        "stop_s": stopping,
    }


class Times(Sink):
    """Keeps when each frame came, and when each new picture did."""

    def _open(self, info: StreamInfo) -> None:
        self.frames: list[float] = []
        self.pictures: list[float] = []
        self._captured: float | None = None

    def _write(self, frame: Frame) -> None:
        self.frames.append(time.monotonic())
        if frame.captured is not None and frame.captured != self._captured:
            self._captured = frame.captured
            self.pictures.append(self.frames[-1])

    def _close(self) -> None:
        pass


def steady(seconds: float, stability: float, threads: int) -> dict[str, Any]:
    """The demo at 1280x720 and 30 a second: alone for a third of the time, beside two busy loops, and alone
    again. The first five seconds of each third do not count."""
    paint = StyleFilter(STYLE, stability=stability, threads=threads)
    source = open_source("demo:1280x720", sound=False, seconds=seconds + 100)
    sink, sizes, over = Times(), [], threading.Event()
    live = Live(source, paint, [sink], governor=Governor(30))
    begun = time.monotonic()

    def watch() -> None:
        loops: list[subprocess.Popen[bytes]] = []
        while not over.wait(0.05):
            now = time.monotonic() - begun
            if not sizes or sizes[-1][1] != paint.size:
                sizes.append((round(now, 1), paint.size))
            busy = seconds / 3 < now < 2 * seconds / 3
            if busy and not loops:
                loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
            if not busy:
                while loops:
                    loops.pop().kill()

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_for(seconds, live)
    over.set()
    watcher.join()
    result: dict[str, Any] = {"sizes": sizes, "largest_change": fades(stability, threads)}
    for third, name in enumerate(("alone", "beside two busy loops", "alone again")):
        first, last = (begun + (third + part) * seconds / 3 for part in (0, 1))
        frames, pictures = (
            np.diff([at for at in times if first + 5 < at < last]) for times in (sink.frames, sink.pictures)
        )
        result[name] = {
            "new_pictures_a_second": float(1 / pictures.mean()),
            "interval_sd_ms": float(1000 * frames.std()),
            "interval_most_ms": float(1000 * frames.max()),
            "hitches_over_100_ms": int((pictures > 0.1).sum()),
        }
    return result


# a frame's number in black and white cells along the lower edge, the lowest bit first, in Gray's code, where
# one bit changes at a time; before them a black cell and a white one, to compare with
BITS = 10


class BarCode(Source):
    """A camera of `rate` frames a second, each with its number on it. `drawn` is when each was."""

    def __init__(self, width: int = 1280, height: int = 720, rate: int = 30) -> None:
        super().__init__()
        self.info = StreamInfo(width, height, Fraction(1, rate), Fraction(rate), live=True)
        self.drawn: list[float] = []
        with open_source(f"demo:{width}x{height}", sound=False, seconds=1) as demo:
            self._scene = next(iter(demo)).image

    def _frames(self) -> Iterator[Frame]:
        begun = time.monotonic()
        for number in itertools.count():
            time.sleep(max(0.0, begun + number * float(self.info.time_base) - time.monotonic()))
            image = self._scene.copy()
            code = number ^ number >> 1
            for cell, white in zip(
                cells(image), [0, 1, *(code >> bit & 1 for bit in range(BITS))], strict=True
            ):
                cell[:] = 255 * white
            self.drawn.append(time.monotonic())
            yield Frame(image, number, 1, captured=self.drawn[-1])


def cells(image: np.ndarray) -> list[np.ndarray]:
    """Views of the cells of the bar code."""
    height, width = image.shape[:2]
    edges = np.linspace(0, width, BITS + 3).astype(int)
    return [image[-height // 5 :, left:right] for left, right in itertools.pairwise(edges)]


class BarReader(Sink):
    """Keeps the number that each frame shows, modulo 2 ** BITS, and when it came."""

    def _open(self, info: StreamInfo) -> None:
        self.seen: list[tuple[int, float]] = []

    def _write(self, frame: Frame) -> None:
        now = time.monotonic()
        black, white, *bits = (
            float(
                cell[
                    cell.shape[0] // 4 : -cell.shape[0] // 4, cell.shape[1] // 4 : -cell.shape[1] // 4
                ].mean()
            )
            for cell in cells(frame.image)
        )
        code = sum((bit > (black + white) / 2) << place for place, bit in enumerate(bits))
        number = 0
        while code:
            number, code = number ^ code, code >> 1
        self.seen.append((number, now))

    def _close(self) -> None:
        pass


def latency(seconds: float, stability: float, threads: int) -> dict[str, Any]:
    """From the moment a frame was drawn to that at which the sink has it painted; the governor's first ten
    seconds do not count."""
    paint = StyleFilter(STYLE, stability=stability, threads=threads)
    source, sink = BarCode(), BarReader()
    live = Live(source, paint, [sink], governor=Governor(30))
    figures, _ = run_for(seconds + 10, live)
    turn, drawn = 2**BITS, source.drawn
    latencies, first_seen, wrong, last = [], [], 0, -1
    for number, at in sink.seen:
        if at < sink.seen[0][1] + 10:
            continue
        newest = int(np.searchsorted(drawn, at)) - 1
        shown = newest - (newest - number) % turn
        if shown < 0 or at - drawn[shown] > 2:
            wrong += 1  # a card, or a number that could not be read
        elif shown != last:
            last = shown
            latencies.append(at - drawn[shown])
            first_seen.append(at)
    intervals = np.diff(first_seen)
    return {
        "size": figures.size,
        "latency_p50_ms": float(1000 * np.percentile(latencies, 50)),
        "latency_p95_ms": float(1000 * np.percentile(latencies, 95)),
        "told_p50_ms": 1000 * figures.latency[0] if figures.latency else None,
        "new_pictures_a_second": float(1 / intervals.mean()),
        "interval_sd_ms": float(1000 * intervals.std()),
        "not_read": wrong,
    }


def fades(stability: float, threads: int) -> dict[str, float]:
    """The largest mean change, in gray levels, between two frames of a still picture whose size changes."""
    with open_source("demo:1280x720", sound=False, seconds=1) as demo:
        still = next(iter(demo)).image
    largest = {}
    for before, after in ((480, 432), (336, 288), (288, 336), (480, 288)):
        paint = StyleFilter(STYLE, stability=stability, threads=threads, size=before)
        shown = [paint(still).astype(int) for _ in range(8)][-1:]
        paint.size = after
        shown += [paint(still).astype(int) for _ in range(20)]
        changes = (np.abs(now - last).mean() for last, now in itertools.pairwise(shown))
        largest[f"{before} to {after}"] = float(max(changes))
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soak", type=float, metavar="SECONDS")
    parser.add_argument("--steady", type=float, metavar="SECONDS")
    parser.add_argument("--latency", type=float, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stability", type=float, default=0.8)
    parser.add_argument("--threads", type=int, default=spare_threads(), help="default: all but one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    stability, threads = arguments.stability, arguments.threads
    cv2.setNumThreads(threads)
    if arguments.soak:
        figures = soak(arguments.soak, stability, threads)
    elif arguments.steady:
        figures = steady(arguments.steady, stability, threads)
    elif arguments.latency:
        figures = latency(arguments.latency, stability, threads)
    else:
        figures = {
            "1280x720": governed(arguments.seconds, stability, threads),
            "640x360": beside_the_filter(arguments.rounds, stability, threads),
            "640x360, stability 0": beside_the_filter(arguments.rounds, 0, threads),
            "first frame": first_frame(3),
        }
    print(json.dumps(figures, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
