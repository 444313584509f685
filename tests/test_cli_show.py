"""`nstfilter show` and `nstfilter apply --recipe`, on files that `nstfilter apply` made."""

from __future__ import annotations

import json
import shlex
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.hookspecs import hookimpl
from nstfilter.jobs.recipe import Recipe
from nstfilter.jobs.xmp import packet
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.plugins.video.sink import VideoSink
from nstfilter.testing import FakeModel, MemorySource


class OneModel:
    """A plugin with one model, called fake."""

    @hookimpl
    def register_models(self, register):
        register("fake", lambda _, threads=None: FakeModel())


@pytest.fixture
def nstfilter(tmp_path, monkeypatch, fresh_manager):
    """Runs nstfilter in a folder with a picture and a video; with a model that costs nothing, where the test
    names none."""
    monkeypatch.chdir(tmp_path)
    manager().load("fake", OneModel)
    images = [
        np.full((48, 64, 3), 20 * i, np.uint8) + np.arange(64, dtype=np.uint8)[:, None] for i in range(8)
    ]
    run(MemorySource(images), lambda image: image, open_sink("in.mp4"))
    cv2.imwrite("in.png", images[5])
    app, runner = build_app(), CliRunner()

    def call(*words, fails=False):
        cheap = words[0] == "apply" and not {"--model", "--recipe"} & set(words)
        result = runner.invoke(app, [*words, "--model", "fake"] if cheap else [*words])
        assert fails or result.exit_code == 0, result.stderr or repr(result.exception)
        return result

    return call


def pixels(name):
    with open_source(name) as source:
        return np.stack([frame.image for frame in source])


def test_a_picture_is_told_in_words(nstfilter):
    nstfilter("apply", "in.png", "-s", "wave:0.7+mosaic:0.3", "--strength", "0.9", "-o", "a b.png")
    words = nstfilter("show", "a b.png").stdout
    assert words.startswith("a b.png: 64x48, a picture\n")
    for line in (
        "style        atelier/wave:0.7+atelier/mosaic:0.3",
        "strength     0.9",
        "again        nstfilter apply INPUT --recipe 'a b.png'",
    ):
        assert f"\n{line}\n" in words
    assert "stability  " not in words


def test_a_video_in_json(nstfilter):
    nstfilter("apply", "in.mp4", "-s", "mosaic", "--keep-colors", "--crf", "30", "-o", "a.mkv")
    facts = json.loads(nstfilter("show", "a.mkv", "--json").stdout)
    recipe = facts.pop("recipe")
    assert facts == {"file": "a.mkv", "width": 64, "height": 48, "frames": 8, "rate": 30.0}
    assert recipe["style"] == "atelier/mosaic"
    assert (recipe["crf"], recipe["keep_colors"], recipe["stability"]) == (30, True, 0.8)
    words = nstfilter("show", "a.mkv").stdout
    assert words.startswith("a.mkv: 64x48, 8 frames, 30 a second\n")
    assert "\ncolors       kept from the input\n" in words
    assert "\ncrf          30\n" in words


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.png", "in.mp4"])
def test_the_same_frames_are_made_again_where_the_style_is_not_at_hand(
    nstfilter, tmp_path, monkeypatch, name
):
    lossless = ["--codec", "ffv1"] if name == "in.mp4" else []
    suffix = ".mkv" if lossless else ".png"
    cv2.imwrite("my style.png", cv2.applyColorMap(cv2.imread("in.png"), cv2.COLORMAP_JET))
    nstfilter("apply", name, "-s", "my style.png", "--model", "pocket", *lossless, "-o", f"first{suffix}")
    (tmp_path / "my style.png").unlink()
    monkeypatch.setenv("NSTFILTER_CACHE_DIR", str(tmp_path / "nothing-remembered"))
    again = nstfilter("show", f"first{suffix}").stdout.partition("\nagain        ")[2].splitlines()[0]
    words = shlex.split(again.replace("INPUT", name))[1:]
    nstfilter(*words, "-o", f"second{suffix}")
    np.testing.assert_array_equal(pixels(f"second{suffix}"), pixels(f"first{suffix}"))
    # and the second one can stand in for the first
    recipes = [Recipe.read(f"{which}{suffix}")[0] for which in ("first", "second")]
    assert recipes[0] == recipes[1]
    assert recipes[0].style == "my style.png"


def test_a_video_joined_of_segments_carries_its_recipe_too(nstfilter, monkeypatch):
    joined = []
    join = VideoSink.join
    monkeypatch.setattr(VideoSink, "join", lambda sink, *told: joined.append(join(sink, *told)))
    images = [np.full((48, 64, 3), 5 * number, np.uint8) for number in range(45)]
    run(MemorySource(images, rate=Fraction(1)), lambda image: image, open_sink("long.mp4"))
    nstfilter("apply", "long.mp4", "-s", "wave", "--stability", "0", "--codec", "ffv1", "-o", "first.mkv")
    nstfilter("apply", "long.mp4", "--recipe", "first.mkv", "-o", "second.mkv")
    assert len(joined) == 2
    assert Recipe.read("second.mkv")[0] == Recipe.read("first.mkv")[0]
    np.testing.assert_array_equal(pixels("second.mkv"), pixels("first.mkv"))


def test_without_a_name_the_result_has_that_of_the_style(nstfilter, tmp_path):
    nstfilter("apply", "in.png", "-s", "wave:0.7+mosaic:0.3", "-o", "first.png")
    nstfilter("apply", "in.mp4", "--recipe", "first.png")
    assert (tmp_path / "in-wave+mosaic.mp4").exists()


def test_options_beside_a_recipe_go_first(nstfilter):
    nstfilter("apply", "in.mp4", "--strength", "0.8", "--crf", "30", "--size", "32", "-o", "first.mp4")
    nstfilter("apply", "in.png", "--recipe", "first.mp4", "--strength", "0.5", "-o", "second.png")
    recipe, _ = Recipe.read("second.png")
    assert (recipe.strength, recipe.size) == (0.5, 32)
    result = nstfilter("apply", "in.png", "--recipe", "first.mp4", "-s", "wave", "-o", "c.png", fails=True)
    assert "leave out --style" in str(result.exception)


def test_no_recipe(nstfilter):
    nstfilter("apply", "in.png", "--no-recipe", "-o", "a.png")
    nstfilter("apply", "in.mp4", "--no-recipe", "-o", "a.mp4")
    for name in ("a.png", "a.mp4"):
        result = nstfilter("show", name, fails=True)
        assert str(result.exception) == (
            f"{name} holds no recipe: nstfilter did not paint it, or was told not to say"
        )
        assert result.exception.exit_code == 1


def test_a_result_tells_nothing_about_whose_it_is(nstfilter, tmp_path):
    style = tmp_path / "somebody" / "secret + project" / "cat.png"
    style.parent.mkdir(parents=True)
    style.write_bytes((tmp_path / "in.png").read_bytes())
    nstfilter("apply", str(tmp_path / "in.mp4"), "-s", str(style), "-o", str(tmp_path / "a.mp4"))
    nstfilter("apply", str(tmp_path / "in.png"), "-s", f"{style}:0.5+wave:0.5", "-o", str(tmp_path / "a.png"))
    assert Recipe.read("a.mp4")[0].style == "cat.png"
    assert Recipe.read("a.png")[0].style == "cat.png:0.5+atelier/wave:0.5"
    for name in ("a.mp4", "a.png"):
        data = (tmp_path / name).read_bytes()
        assert b"cat.png" in data
        for secret in (b"somebody", b"secret", bytes(tmp_path.parent)):
            assert secret not in data


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("{", "its recipe is damaged"),
        ('{"tool": "other"}', "its recipe is damaged: tool"),
        ("x" * 62_000, "its recipe is over 60 kB"),
    ],
)
def test_a_damaged_recipe_is_one_clear_line(nstfilter, recipe, says):
    Image.new("RGB", (8, 8)).save("bad.jpg", xmp=packet(recipe))
    for words in (["show", "bad.jpg"], ["apply", "in.png", "--recipe", "bad.jpg", "-o", "out.png"]):
        error = nstfilter(*words, fails=True).exception
        assert str(error).startswith("bad.jpg: ")
        assert says in str(error)
        assert "\n" not in str(error)
        assert error.exit_code == 1


def test_what_is_no_painting_is_one_clear_line(nstfilter, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    for name in ("a.txt", "missing.png"):
        assert name in str(nstfilter("show", name, fails=True).exception)


def test_a_recipe_of_another_model_is_refused_with_what_to_type(nstfilter):
    nstfilter("apply", "in.png", "-o", "first.png")
    old = Recipe.read("first.png")[0].model_copy(update={"fingerprint": "0123"})
    Image.new("RGB", (8, 8)).save("old.jpg", xmp=packet(old.to_json()))
    error = nstfilter("apply", "in.png", "--recipe", "old.jpg", "-o", "out.png", fails=True).exception
    assert "made with another fake (0123" in str(error)
    assert "nstfilter apply INPUT --style atelier/mosaic" in str(error)


def test_a_recipe_never_chooses_what_is_loaded(nstfilter):
    nstfilter("apply", "in.png", "-o", "first.png")
    bad = Recipe.read("first.png")[0].model_copy(update={"model": "https://example.org/model"})
    Image.new("RGB", (8, 8)).save("bad.jpg", xmp=packet(bad.to_json()))
    error = nstfilter("apply", "in.png", "--recipe", "bad.jpg", "-o", "out.png", fails=True).exception
    assert "say with --model where it is" in str(error)


def test_a_model_that_is_said_is_the_one_used(nstfilter):
    nstfilter("apply", "in.png", "-o", "first.png")
    moved = Recipe.read("first.png")[0].model_copy(update={"model": "elsewhere"})
    Image.new("RGB", (8, 8)).save("moved.jpg", xmp=packet(moved.to_json()))
    nstfilter("apply", "in.png", "--recipe", "moved.jpg", "--model", "fake", "-o", "second.png")
    np.testing.assert_array_equal(pixels("second.png"), pixels("first.png"))


def test_of_a_folder_what_is_asked_for(nstfilter, tmp_path):
    (tmp_path / "all" / "deep").mkdir(parents=True)
    for name in ("all/a.png", "all/deep/b.png", "all/deep/c.mp4"):
        (tmp_path / name).write_bytes((tmp_path / f"in.{name[-3:]}").read_bytes())
    nstfilter("apply", "all", "--include", "*.png", "--include", "*.mp4", "--exclude", "b.*", "-o", "out/")
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert made == ["a.png", "deep/c.mp4"]
