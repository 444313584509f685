"""The whole house, as its user meets it: the real command, the real model, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from nstfilter import StyleFilter, open_sink, open_source, run
from nstfilter.testing import MemorySource

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "nstfilter"]


FRAMES = 400  # enough to be interrupted in the middle of them, quick as the model is


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Sixteen seconds of a bright square that moves over soft noise, 320x180."""
    noise = np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)
    ground = cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)
    frames = []
    for index in range(FRAMES):
        frame = ground.copy()
        cv2.rectangle(frame, (index % 200, 40), (index % 200 + 60, 120), (40, 200, 250), -1)
        frames.append(frame)
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    run(MemorySource(frames, rate=Fraction(25)), lambda image: image, open_sink(path))
    return path


def frames_of(path: Path) -> int:
    """How many frames play; the last ones may be cut off."""
    with open_source(path) as source:
        return sum(1 for _ in source)


def start(*words: str | Path, **more) -> subprocess.Popen[str]:
    words = [*COMMAND, *map(str, words)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def wait_for_some(path: Path, ended: subprocess.Popen[str]) -> None:
    """Until a render has written something into its folder that is worth interrupting."""
    for _ in range(60_000):
        partial = [p for p in path.parent.rglob("*.partial*") if p.stat().st_size > 20_000]
        if partial:
            return
        assert ended.poll() is None, ended.communicate()[1]
        time.sleep(0.01)
    pytest.fail("the render never began")


def slow_arguments(clip: Path, out: Path) -> list[str | Path]:
    return ["apply", clip, "-o", out, "-s", "mosaic", "--threads", "1"]


def finish(clip: Path, out: Path) -> None:
    """The same command goes on, and leaves the whole film and nothing else."""
    render = start(*slow_arguments(clip, out))
    assert render.wait(timeout=600) == 0, render.communicate()[1]
    assert frames_of(out) == FRAMES
    assert {path.name for path in out.parent.iterdir()} == {out.name}


def test_ctrl_c_leaves_no_half_film_and_the_same_command_makes_it(clip, tmp_path):
    out = tmp_path / "film" / "out.mp4"
    out.parent.mkdir()
    render = start(*slow_arguments(clip, out))
    wait_for_some(out, render)
    render.send_signal(signal.SIGINT)
    _, said = render.communicate(timeout=600)
    assert render.returncode == 130, said
    assert "Traceback" not in said
    # so few seconds of work are not worth a folder; on a slow machine they are many
    assert [path.name for path in out.parent.iterdir()] in ([], [".out.mp4.nstfilter"])
    finish(clip, out)


def test_a_killed_render_leaves_no_half_film_and_the_same_command_makes_it(clip, tmp_path):
    out = tmp_path / "film" / "out.mp4"
    out.parent.mkdir()
    render = start(*slow_arguments(clip, out))
    wait_for_some(out, render)
    render.kill()
    render.communicate()
    assert not out.exists()
    finish(clip, out)


@pytest.mark.skipif(
    sys.platform == "win32", reason="file sizes are limited with resource, which Windows lacks"
)
@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_a_full_disk_is_one_clear_line(clip, tmp_path, name):
    import resource

    picture = tmp_path / "in.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8))
    before = set(tmp_path.iterdir())
    render = start(
        *slow_arguments(clip if name.endswith("mp4") else picture, tmp_path / name),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
        env=os.environ | {"NSTFILTER_CACHE_DIR": str(tmp_path / "cache")},
    )
    _, said = render.communicate(timeout=600)
    assert render.returncode == 1, said
    assert "Traceback" not in said
    assert said.count("\n") == 1
    assert not (tmp_path / name).exists()
    left = {p for p in tmp_path.iterdir() if p.is_file()} - before
    assert all("partial" in p.name and frames_of(p) > 0 for p in left)


def test_a_second_process_finds_the_embedding_and_loads_no_tensorflow(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 60, 3), np.uint8))
    code = (
        "import sys, cv2, nstfilter; f = nstfilter.StyleFilter('mosaic'); f(cv2.imread('a.png')); "
        "print('tensorflow' in sys.modules)"
    )
    for _ in range(2):
        said = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    pytest.importorskip("openvino", reason="without OpenVINO the model runs through TensorFlow")
    assert said.stdout.strip() == "False"


def test_a_huge_picture_is_painted_in_tiles_without_a_seam():
    side = 2800
    small = np.random.default_rng(2).integers(0, 256, (28, 28, 3), np.uint8)
    picture = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    painted = StyleFilter("mosaic", size=side)(picture).astype(np.float32)
    assert painted.shape == picture.shape
    # a seam is a line across which neighbors differ more than they do elsewhere
    for axis in (0, 1):
        steps = np.abs(np.diff(painted, axis=axis)).mean(axis=(1 - axis, 2))
        for border in (1024, 2048):
            around = np.r_[steps[border - 40 : border - 4], steps[border + 4 : border + 40]]
            assert steps[border - 1] < around.max() * 1.2


def test_a_long_thin_picture_of_any_width_is_painted_in_tiles():
    picture = np.random.default_rng(3).integers(0, 256, (201, 31_000, 3), np.uint8)
    assert StyleFilter("mosaic")(picture).shape == picture.shape


def test_a_known_clip_keeps_its_times_and_its_sound(shared, tmp_path):
    import av

    clip, out = shared / "data/clips/bigbuckbunny.mp4", tmp_path / "out.mp4"
    said, errors = start("apply", clip, "-o", out, "--size", "120", "--json").communicate(timeout=600)
    assert json.loads(said)["results"][0]["frames"] == 132, errors
    times, sound = [], []
    for path in (clip, out):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times.append([(f.pts * stream.time_base) for f in container.decode(stream)])
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            sound.append([(bytes(p), p.pts * stream.time_base) for p in container.demux(stream) if p.size])
    assert len(times[0]) == 132
    assert times[0] == times[1]
    assert sound[0] == sound[1]
