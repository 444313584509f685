"""`nstfilter apply --refine`: what it says of a painting, and what it refuses."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.cli.refining import Refining, check
from nstfilter.errors import UsageError
from nstfilter.jobs.planning import Job
from nstfilter.jobs.recipe import Recipe
from nstfilter.models import perceptual
from nstfilter.models.tensorflow import tf

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        cv2.imwrite(name, np.random.default_rng(0).integers(0, 256, (64, 72, 3), dtype=np.uint8))
    monkeypatch.setattr(perceptual, "STYLE_SIZE", 128)
    tf.config.run_functions_eagerly(True)  # tracing a graph takes longer than these few steps
    yield tmp_path
    tf.config.run_functions_eagerly(False)


def apply(*words: str):
    return CliRunner().invoke(build_app(), ["apply", *words])


def test_losses_are_told_and_the_recipe_says_how_often(folder) -> None:
    result = apply("a.png", "b.png", "-s", "mosaic", "--refine", "3", "--json")
    assert result.exit_code == 0, result.exception
    for told in json.loads(result.stdout)["results"]:
        assert told["state"] == "done"
        assert set(told["losses"]) == {"style", "content"}
        assert told["losses"]["style"]["after"] < told["losses"]["style"]["before"]
    recipe, _ = Recipe.read(folder / "a-mosaic.png")
    assert recipe.refine == 3
    assert recipe.command.endswith("--refine 3")
    result = apply("b.png", "--recipe", "a-mosaic.png", "-o", "c.png")
    assert isinstance(result.exception, UsageError)
    assert recipe.command in str(result.exception)


def test_losses_are_those_of_the_painting_itself(monkeypatch) -> None:
    refining = Refining.__new__(Refining)
    refining.model, refining.refined = SimpleNamespace(refined=None), {}

    def attempt(task, *, stop=None):
        if task.output == "first":
            refining.model.refined = "its losses"
        return SimpleNamespace(frames=1)

    monkeypatch.setattr("nstfilter.jobs.work.attempt", attempt)
    assert len(list(refining.run([SimpleNamespace(output=name) for name in ("first", "second")]))) == 2
    assert refining.refined == {"first": "its losses"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("a.png", "film.mp4"), "film.mp4 is none"),
        (("a.png", "flip.png"), "flip.png is an animation of 2 pictures, which would flicker"),
        (("-", "-o", "b.png"), "not for pipes"),
        (("a.png", "--jobs", "2"), "leave out --jobs"),
        (("a.png", "--on", "ray"), "leave out --jobs and --on"),
        (("a.png", "--model", "magenta"), "leave out --model"),
        (("a.png", "--background", "wave"), "knows one style"),
    ],
)
def test_what_cannot_be_refined_is_one_line(folder, words, says) -> None:
    (folder / "film.mp4").write_bytes(b"")
    first, second = (Image.new("L", (64, 64), light) for light in (0, 255))
    first.save(folder / "flip.png", save_all=True, append_images=[second])
    result = apply(*words, "-s", "mosaic", "--refine", "3")
    assert isinstance(result.exception, UsageError), result.output
    assert says in str(result.exception)
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png", "film.mp4", "flip.png"]


def test_a_picture_that_cannot_be_read_is_no_reason_to_refuse_the_others(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("needs-a-library.heic", "broken.png"):
        (tmp_path / name).write_bytes(b"x")
    jobs = [Job(path, path.with_suffix(".jpg")) for path in tmp_path.iterdir()]
    check(jobs, direct=False, model="pocket", background=None)
