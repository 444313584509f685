"""What segments cost: a video rendered in segments against the same video in one go, in one run.

    python benchmarks/segments.py                  # two minutes of the demo at 640x360
    python benchmarks/segments.py CLIP --json

Each way has a process of its own, and they take turns of two seconds while the other is held, so that both
meet the same computer. Printed are the ratios of the seconds by the clock and of those that the processor was
at work, from the opening of the input to the finished output; loading the model is no part of it. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nstfilter import StyleFilter, open_sink, open_source, run
from nstfilter.jobs.planning import Job
from nstfilter.jobs.run import render_all
from nstfilter.jobs.task import Settings, Task
from nstfilter.jobs.work import filter_for, perform
from nstfilter.manager import open_executor

TURN = 2.0  # seconds


def work(way: str, clip: Path, out: Path, stability: float) -> None:
    """Get ready, wait for a word, render, and say how many seconds the processor was at work."""
    paint = StyleFilter("mosaic", stability=stability)
    shape, embedding = paint.embedding.shape, paint.embedding.tobytes()
    settings = Settings("mosaic", embedding, shape, "pocket", stability=stability)
    filter_for(settings, paint)
    with open_source(clip) as source:
        paint(next(iter(source)).image)  # compiles for this size
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    if way == "straight":
        perform(Task(clip, out, settings))
    else:
        (result,) = render_all([Job(clip, out)], settings, open_executor("local"))
        assert result.state == "done", result.error
    print(time.process_time() - before, flush=True)


class Runner:
    """A process that renders in one `way`; `clock` is the time it was let run."""

    def __init__(self, way: str, clip: Path, folder: Path, stability: float) -> None:
        command = [sys.executable, __file__, str(clip), "--way", way, "--stability", str(stability)]
        self.process: Any = subprocess.Popen(
            [*command, "--out", str(folder / f"{way}.mp4")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        os.kill(self.process.pid, signal.SIGSTOP)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.clock = 0.0

    def turn(self) -> bool:
        """False once it is done."""
        started = time.perf_counter()
        os.kill(self.process.pid, signal.SIGCONT)
        try:
            self.process.wait(TURN)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGSTOP)
        self.clock += time.perf_counter() - started
        return self.process.returncode is None

    def work(self) -> float:
        return float(self.process.stdout.read())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--stability", type=float, default=0.8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        work(arguments.way, arguments.clip, arguments.out, arguments.stability)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = arguments.clip
        if clip is None:
            clip = folder / "clip.mp4"
            run(open_source("demo:640x360", seconds=arguments.seconds), lambda frame: frame, open_sink(clip))
        with open_source(clip) as source:
            frames = source.info.frames
        straight, segments = (
            Runner(way, clip, folder, arguments.stability) for way in ("straight", "segments")
        )
        going = [straight, segments]
        while going:
            going = [runner for runner in going if runner.turn()]
    figures = {
        "frames": frames,
        "straight_seconds": round(straight.clock, 2),
        "segments_seconds": round(segments.clock, 2),
        "ratio": round(segments.clock / straight.clock, 4),
        "processor_ratio": round(segments.work() / straight.work(), 4),
    }
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print(
            f"{frames} frames: in one go {straight.clock:.1f} s, in segments {segments.clock:.1f} s, ratio "
            f"{figures['ratio']:.3f}; of the processor's seconds {figures['processor_ratio']:.3f}"
        )


if __name__ == "__main__":
    main()
