"""What it costs and what it brings to work in several processes, and on Ray.

    python benchmarks/executors.py                  # everything; Ray where it is installed
    python benchmarks/executors.py --only workers   # or: overhead, scale, join

`workers`   two local workers against one process with all threads, on clips of 640x360 with pocket
`overhead`  what a task costs beside its work, one worker, a picture a task
`scale`     frames a second against the number of workers, with a model that only sleeps, so that the engine
            is measured and not this computer; and what a task costs whoever hands it out, in processor time
`join`      how fast segments of 640x360 become one file
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nstfilter import StyleFilter, open_sink, open_source, run
from nstfilter.graphics.opencv import cv2
from nstfilter.jobs.task import Executor, Segment, Settings, Task
from nstfilter.manager import open_executor
from nstfilter.streams import JoiningSink
from nstfilter.testing import MemorySource

SLEEPER = """
import time
from nstfilter import hookimpl
from nstfilter.testing import FakeModel

class Sleeper(FakeModel):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def stylize(self, frame, embedding, *, out=None):
        time.sleep(self.seconds)
        return super().stylize(frame, embedding, out=out)

@hookimpl
def register_models(register):
    register("sleeper", lambda target, threads=None: Sleeper(float(target)))
"""


def install_sleeper(folder: Path) -> None:
    """A model that sleeps, for this process and all that it starts."""
    about = folder / "sleeper-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "sleeper.py").write_text(SLEEPER)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sleeper\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[nstfilter]\nsleeper = sleeper\n")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def sleeping(seconds: float) -> Settings:
    return Settings("none", np.zeros(3, np.float32).tobytes(), (3,), f"sleeper:{seconds}", threads=1)


def timed(executor: Executor, tasks: Iterator[Task] | list[Task]) -> tuple[float, int, float]:
    """Seconds by the clock, frames, and seconds of this process's processor time."""
    started, busy, frames = time.perf_counter(), time.process_time(), 0
    for _, report in executor.run(tasks):
        if isinstance(report, Exception):
            raise report
        frames += report.frames
    return time.perf_counter() - started, frames, time.process_time() - busy


def outputs(folder: Path, input: Path, settings: Settings, count: int) -> Iterator[Task]:
    for number in range(count):
        output = folder / f"{number}-out{input.suffix}"
        output.unlink(missing_ok=True)
        yield Task(input, output, settings)


def workers(folder: Path, rounds: int) -> None:
    clip = folder / "clip.mp4"
    run(open_source("demo:640x360", seconds=2.0, sound=False), lambda frame: frame, open_sink(clip))
    look = StyleFilter("mosaic").embedding
    settings = Settings("mosaic", look.tobytes(), look.shape, "pocket", stability=0.8)
    with open_executor("local") as one, open_executor("local", jobs=2) as two:
        for executor in (one, two):
            timed(executor, outputs(folder, clip, settings, 2))  # loads the models
        pairs = []
        for number in range(rounds):
            order = [one, two] if number % 2 else [two, one]
            speeds = {id(e): timed(e, outputs(folder, clip, settings, 4)) for e in order}
            pairs.append([speeds[id(e)][1] / speeds[id(e)][0] for e in (one, two)])
    ratio = statistics.median(b / a for a, b in pairs)
    here, there = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    print(f"one process with all threads {here:.1f} frames/s, two workers {there:.1f}, ratio {ratio:.2f}")
    sizes = [path.stat().st_size / 60 / 1000 for path in (clip, folder / "0-out.mp4")]
    print(f"a frame is {sizes[0]:.1f} kB to read and {sizes[1]:.1f} kB to write")


def overhead(folder: Path, engines: list[str], count: int = 100) -> None:
    picture = folder / "picture.png"
    cv2.imwrite(str(picture), np.zeros((16, 16, 3), np.uint8))
    settings = sleeping(0.01)
    seconds = {}
    for name in ("here", *engines):
        options = {} if name == "here" else {"jobs": 2 if name == "local" else 1}
        with open_executor("local" if name == "here" else name, **options) as executor:
            executor.workers = 1
            timed(executor, outputs(folder, picture, settings, 3))
            clock, _, _ = timed(executor, outputs(folder, picture, settings, count))
        seconds[name] = clock / count
    for name in engines:
        print(f"{name}: {1000 * (seconds[name] - seconds['here']):.1f} ms a task beside its work")


def scale(folder: Path, engines: list[str], most: int, frames: int = 10, sleep: float = 0.25) -> None:
    clip = folder / "tiny.mp4"
    images = [np.full((48, 64, 3), 9 * i, np.uint8) for i in range(frames)]
    run(MemorySource(images), lambda frame: frame, open_sink(clip))
    settings = sleeping(sleep)
    for name in engines:
        print(f"{name}: workers, frames/s, share of what so many sleepers could do, ms a task at the desk")
        with open_executor(name, jobs=most) as executor:
            for count in (2**n for n in range(most.bit_length())):
                executor.workers = count
                for _ in range(20):  # until those that are new have started, and take one task each
                    lasted = timed(executor, outputs(folder, clip, settings, count))[0]
                    executor.workers = count  # Ray's has counted the cluster as it began
                    if lasted < 1.3 * frames * sleep:
                        break
                seconds, painted, busy = timed(executor, outputs(folder, clip, settings, 4 * count))
                speed = painted / seconds
                desk = 1000 * busy / (4 * count)
                print(f"{count:4} {speed:7.1f} {speed * sleep / count:6.2f} {desk:6.2f}", flush=True)


def join(folder: Path, segments: int = 12) -> None:
    whole = folder / "whole.mp4"
    run(open_source("demo:640x360", seconds=24.0), lambda frame: frame, open_sink(whole))
    sink = open_sink(folder / "joined.mp4")
    assert isinstance(sink, JoiningSink)
    form = sink.segment_format()
    assert form
    with open_source(whole) as source:
        begin, end = source.span() or (0, 0)
        info = source.info
    borders = [begin + (end - begin) * n // segments for n in range(segments)]
    parts = [Segment(a, b) for a, b in zip(borders, [*borders[1:], None], strict=True)]
    suffix, options = form
    paths = [folder / f"segment{number}{suffix}" for number in range(segments)]
    tasks = [Task(whole, out, sleeping(0), part, options) for out, part in zip(paths, parts, strict=True)]
    with open_executor("local") as executor:
        _, frames, _ = timed(executor, tasks)
    started = time.perf_counter()
    sink.join(info, paths)
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in paths)
    print(
        f"joined {segments} segments, {frames} frames, at {frames / seconds:.0f} frames/s, "
        f"{size / seconds / 1e6:.0f} MB/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["workers", "overhead", "scale", "join"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=["local", "ray"], help="only this, of `overhead` and `scale`")
    parser.add_argument("--most", type=int, default=32, help="workers of `scale`")
    arguments = parser.parse_args()
    engines = [name for name in ("local", "ray") if arguments.engine in (None, name)]
    if not importlib.util.find_spec("ray"):
        engines = [name for name in engines if name != "ray"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_sleeper(folder / "site")
        if "ray" in engines and arguments.only in (None, "overhead", "scale"):
            import ray

            ray.init("local", num_cpus=arguments.most, log_to_driver=False, logging_level="ERROR")
        steps = {
            "workers": lambda: workers(folder, arguments.rounds),
            "overhead": lambda: overhead(folder, engines),
            "scale": lambda: scale(folder, engines, arguments.most),
            "join": lambda: join(folder),
        }
        for step, measure in steps.items():
            if arguments.only in (None, step):
                measure()


if __name__ == "__main__":
    main()
