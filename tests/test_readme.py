"""The README's commands run as written, and its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from nstfilter import open_sink, run
from nstfilter.testing import MemorySource

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the README speaks of."""
    folder = tmp_path_factory.mktemp("readme")
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    photo = cv2.resize(noise, (240, 180), interpolation=cv2.INTER_CUBIC)
    for name in (
        "photo.jpg",
        "grandmothers-quilt.jpg",
        "holiday/a.jpg",
        "holiday/b.png",
        "my-pictures/c.jpg",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(folder / name), photo)
    run(MemorySource([photo] * 5), lambda image: image, open_sink(folder / "talk.mp4"))
    return folder


def test_every_picture_and_page_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_room_of_the_map_is_there():
    rooms = README.partition("| room |")[2].partition("\n\n")[0]
    named = 0
    for row in rooms.splitlines()[2:]:
        folder = Path()
        for name in re.findall(r"`([^`]+)`", row.split("|")[1]):
            path = folder / name if (ROOT / folder / name).exists() else Path(name)
            assert (ROOT / path).exists(), f"{path} is on the map and not in the tree"
            folder, named = path.parent, named + 1
    assert named > 15


@pytest.mark.slow
def test_commands_run_as_written(folder):
    lines = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("nstfilter ")]
    assert len(commands) > 8
    for command in commands:
        ended = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr}"
    assert (folder / "photo-mosaic.jpg").exists()
    assert (folder / "painted.mp4").exists()


@pytest.mark.slow
def test_python_runs_as_written(folder):
    code = "\n".join(text for kind, text in BLOCKS if kind == "python")
    for result in [*folder.glob("painted.*"), *folder.glob("call.*")]:
        result.unlink()
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    assert (folder / "painted.png").exists()
    assert (folder / "painted.mp4").exists()
    assert (folder / "call.mp4").exists()
