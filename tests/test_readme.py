"""The commands in the README and in docs/ run as written, links lead somewhere, the reference is current."""

from __future__ import annotations

import os
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
# plugins.md and packs.md have examples of their own, which test_packaging.py installs
GUIDES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("files", "live", "python"))]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, kind):
    """The fenced blocks of a page in this language."""
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the README speaks of."""
    folder = tmp_path / "readme"
    folder.mkdir()
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_page_that_is_linked_is_there(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_page_is_reached_from_the_readme():
    def linked(page):
        links = re.findall(r"\]\(([^)#]+\.md)", page.read_text("utf-8"))
        return {(page.parent / link).resolve() for link in links if "://" not in link}

    reached = linked(ROOT / "README.md")
    for page in [*reached]:
        reached |= linked(page) if page.exists() else set()
    assert {page.resolve() for page in PAGES} - reached <= {ROOT / "README.md"}


def test_the_reference_is_current():
    """Where this fails: python docs/generate.py"""
    written = subprocess.run(
        [sys.executable, "-c", "import generate; print(generate.page(), end='')"],
        cwd=ROOT / "docs",
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ROOT / "docs/commands.md").read_text("utf-8") == written.stdout, "run: python docs/generate.py"


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
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_commands_run_as_written(folder, page):
    lines = [line for text in blocks(page, "sh") for line in text.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("nstfilter ")]
    for command in commands:
        ended = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr}"
    named = {word for command in commands for word in command if word == "painted.mp4"}
    assert all((folder / name).exists() for name in named)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in GUIDES if blocks(page, "python")], ids=lambda page: page.name
)
def test_python_runs_as_written(folder, page):
    made = [folder / name for name in ("painted.png", "painted.mp4", "call.mp4")]
    for result in made:
        result.unlink(missing_ok=True)
    code = "\n".join(blocks(page, "python"))
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    assert [path.name for path in made if path.exists()] == [path.name for path in made if path.name in code]
