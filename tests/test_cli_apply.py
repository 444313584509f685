"""`nstfilter apply`, with real files and a model that costs nothing; the real one is in test_whole.py."""

from __future__ import annotations

import contextlib
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
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.cli.apply import _Bar
from nstfilter.errors import NstfilterError
from nstfilter.hookspecs import hookimpl
from nstfilter.jobs.run import Progress
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.testing import FakeModel, FakeSegmenter, MemorySource


class CheapModel:
    """A plugin with one model, called cheap."""

    @hookimpl
    def register_models(self, register):
        register("cheap", lambda _, threads=None: FakeModel())


@pytest.fixture
def apply(tmp_path, monkeypatch, fresh_manager, make_pack):
    """Runs `nstfilter apply` in an empty folder, with the model cheap and the styles ruby and jade."""
    monkeypatch.setenv("NSTFILTER_DISABLE_PLUGINS", "bundled_styles")
    make_pack(tmp_path / "user-data" / "styles" / "mine", "ruby", "jade")
    manager().load("cheap", CheapModel)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    app, runner = build_app(), CliRunner()

    def call(*words):
        defaults = ["-s", "ruby", "--model", "cheap"]  # of an option given twice, the last counts
        return runner.invoke(app, ["apply", *defaults, *words])

    return call


def picture(name, value=90, shape=(20, 30, 3)):
    cv2.imwrite(name, np.full(shape, value, np.uint8))
    return name


def video(name, frames=12):
    source = MemorySource([np.full((48, 64, 3), 10 * i, np.uint8) for i in range(frames)])
    run(source, lambda image: image, open_sink(name))
    return name


def listing(path):
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*"))


def test_a_picture(apply, tmp_path):
    result = apply(picture("a.png"))
    assert result.exit_code == 0
    assert result.stdout.startswith("a-ruby.png  (")
    assert listing(tmp_path / "here") == ["a-ruby.png", "a.png"]


def test_a_video(apply, tmp_path):
    result = apply(video("a.mp4"), "-o", "b.mp4", "--crf", "30")
    assert result.exit_code == 0, result.output
    assert "12 frames" in result.stdout
    assert listing(tmp_path / "here") == ["a.mp4", "b.mp4"]


def test_json_says_what_was_done(apply):
    result = apply(picture("a.png"), video("b.mp4"), "-o", "out/", "--json")
    said = json.loads(result.stdout)
    assert said["style"] == "mine/ruby"
    assert [r["frames"] for r in said["results"]] == [1, 12]
    assert {"input", "output", "seconds", "frames_per_second", "warnings"} <= said["results"][0].keys()


def test_a_folder_goes_on_after_a_bad_file(apply, tmp_path):
    (tmp_path / "here" / "in").mkdir()
    picture("in/a.png")
    (tmp_path / "here" / "in" / "b.png").write_text("not a picture")
    picture("in/c.jpg")
    result = apply("in")
    assert result.exit_code == 1
    assert "in/b.png" in result.stderr
    assert "1 of 3 failed; the rest is done" in result.stderr
    assert listing(tmp_path / "here" / "in-ruby") == ["a.png", "c.jpg"]


def test_a_second_time_refuses_and_overwrite_replaces(apply):
    apply(picture("a.png"))
    before = cv2.imread("a-ruby.png")
    picture("a.png", 200)
    assert isinstance(apply("a.png").exception, NstfilterError)
    assert np.array_equal(cv2.imread("a-ruby.png"), before)
    assert apply("a.png", "--overwrite").exit_code == 0
    assert not np.array_equal(cv2.imread("a-ruby.png"), before)


def test_json_tells_of_a_single_failure_too(apply):
    result = apply("none.png", "--json")
    assert isinstance(result.exception, NstfilterError)
    assert json.loads(result.stdout)["results"] == [
        {
            "input": "none.png",
            "output": "none-ruby.png",
            "state": "failed",
            "error": "there is no file none.png",
        }
    ]


def test_a_folder_is_taken_up_again_where_it_was_left(apply, tmp_path):
    (tmp_path / "here" / "in").mkdir()
    for name in ("a", "b", "c"):
        picture(f"in/{name}.png")
    apply("in")
    (tmp_path / "here" / "in-ruby" / "c.png").unlink()
    (tmp_path / "here" / "in" / "b.png").write_text("not a picture")
    result = apply("in", "--json")
    assert result.exit_code == 0
    assert [r["state"] for r in json.loads(result.stdout)["results"]] == ["skipped", "skipped", "done"]
    assert result.stderr.startswith("2 of 3 results exist and were left as they are, such as ")
    assert result.stderr.endswith("in-ruby/a.png; --overwrite replaces them\n")
    assert result.stderr.count("\n") == 1


def test_an_error_names_its_input_once(apply, tmp_path):
    (tmp_path / "here" / "in").mkdir()
    picture("in/a.png")
    (tmp_path / "here" / "in" / "b.png").touch()
    assert apply("in").stderr.startswith("error: in/b.png is empty\n")


def test_strength_and_colors_reach_the_filter(apply):
    picture("a.png")
    apply("a.png", "-o", "b.png", "--strength", "0")
    assert np.array_equal(cv2.imread("a.png"), cv2.imread("b.png"))


def test_a_mix(apply):
    assert apply(picture("a.png"), "-s", "ruby:0.7+mine/jade").exit_code == 0


def test_a_picture_file_is_a_style(apply):
    assert apply(picture("a.png"), "-s", picture("s.jpg")).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["none.png"], 1, "there is no file none.png"),
        (["a.png", "-s", "rubby"], 2, "did you mean 'ruby'"),
        (["a.png", "--strength", "1.5"], 2, "strength is 1.5; expected a number from 0 to 1"),
        (["a.png", "--size", "3"], 2, "size is 3; expected a whole number from 16 to 16384 pixels"),
        (["a.png", "--stability", "2"], 2, "stability is 2"),
        (["a.png", "--model", "pocet"], 2, "did you mean 'pocket'"),
        (["a.png", "-o", "a.png"], 2, "its own output"),
        (["a.png", "-o", "a.xyz"], 2, "a.xyz"),
        (["a.png", "-o", "missing/b.png"], 1, "missing"),
        (["a.png", "--crf", "20"], 2, "--crf is of no use here"),
        (["a.png", "-o", "b.jpg", "--quality", "900"], 2, "quality is 900"),
        (["a.png", "-o", "b.mp4"], 1, "b.mp4"),
        (["v.mp4", "-o", "v.jpg"], 1, "v.jpg"),
        (["a.png", "v.mp4", "-o", "missing/new/"], 1, "there is no folder missing; make it first"),
        (["a.png", "-o", "a.png/b/"], 1, "there is no folder a.png"),
        (["a.png", "-s", "ruby", "-o", "n" * 300 + ".png"], 1, "too long"),
        (["n" * 300 + ".png"], 1, "there is no file nnn"),
        (["n" * 300 + ".mp4"], 1, "there is no file nnn"),
        (["v.mp4", "-o", "n" * 300 + ".mp4"], 1, "too long"),
        (["empty.png"], 1, "empty.png"),
        (["renamed.jpg"], 1, "renamed.jpg"),
        (["renamed.mp4"], 1, "renamed.mp4"),
        (["notes.txt"], 2, "no source takes .txt files such as notes.txt"),
        (["folder.png"], 1, "folder.png"),
        (["a.png", "-s", "renamed.jpg"], 1, "renamed.jpg"),
        (["a.png", "-s", "gone.jpg"], 1, "there is no style picture at gone.jpg"),
        (["nothere/"], 1, "there is no folder nothere/"),
        (["nothere"], 2, "no source is called 'nothere'; known: demo"),
        (["no\nthere.png"], 1, "there is no file no\\nthere.png"),
        (["a.png", "-s", "no\nthere.jpg"], 1, "there is no style picture at no\\nthere.jpg"),
        (["a.png", "-s", "no\0there"], 2, "no style is called 'no\\x00there'"),
        (["a.png", "-o", "no\nthere/b.png"], 1, "there is no folder no\\nthere; make it first"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(apply, tmp_path, words, code, says):
    here = tmp_path / "here"
    picture("a.png")
    video("v.mp4", frames=3)
    (here / "empty.png").touch()
    (here / "folder.png").mkdir()
    for name in ("renamed.jpg", "renamed.mp4", "notes.txt"):
        (here / name).write_text("just words")
    before = listing(here)
    result = apply(*words)
    assert isinstance(result.exception, NstfilterError), result.exception
    message = str(result.exception)
    assert says in message
    assert "\n" not in message
    assert result.exception.exit_code == code
    assert listing(here) == before


# --- many at once

SLOW = """
    import os, time

    class Slow(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            time.sleep(float(os.environ.get("NSTFILTER_TEST_SLEEP", 0)))
            return super().stylize(frame, embedding, out=out)

    @hookimpl
    def register_models(register):
        register("slow", lambda target, threads=None: Slow())
"""


PAINT = ["-s", "ruby", "--model", "slow", "--stability", "0"]


@pytest.fixture
def installed(apply, site):
    """As `apply`, with a model that worker processes find too."""
    site("slow", SLOW)
    manager.cache_clear()
    return lambda *words: apply(*PAINT, *words)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_thirty_mixed_files_three_of_them_broken(installed, tmp_path, jobs):
    here = tmp_path / "here"
    (here / "in" / "deep" / "deeper").mkdir(parents=True)
    for number in range(20):
        picture(
            f"in/{['.', 'deep', 'deep/deeper'][number % 3]}/{number}.{['png', 'jpg'][number % 2]}", number
        )
    for number in range(7):
        video(f"in/deep/{number}.mp4", frames=3 + number)
    (here / "in" / "not.png").write_text("not a picture")
    (here / "in" / "deep" / "not.mp4").write_bytes(bytes(5000))
    (here / "in" / "deep" / "deeper" / "empty.webp").touch()
    result = installed("in", "-o", "out", "--jobs", str(jobs))
    assert result.exit_code == 1, result.output
    assert result.stderr.endswith("3 of 30 failed; the rest is done\n")
    assert result.stderr.count("error: ") == 3
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows].count("done") == 27
    assert {row[1]: row[5] for row in rows if row[0] == "failed"}["out/deep/deeper/empty.webp"].endswith(
        "empty.webp is empty"
    )
    broken = {"not.png", "deep/not.mp4", "deep/deeper/empty.webp"}
    assert listing(here / "out") == [name for name in listing(here / "in") if name not in broken]

    picture("in/not.png")
    again = installed("in", "-o", "out", "--jobs", str(jobs), "--json")
    states = [r["state"] for r in json.loads(again.stdout)["results"]]
    assert [states.count(state) for state in ("done", "skipped", "failed")] == [1, 27, 2]
    assert again.exit_code == 1


@pytest.mark.slow
def test_several_workers_share_one_video(installed):
    images = [np.full((48, 64, 3), 3 * i, np.uint8) for i in range(70)]
    run(MemorySource(images, rate=Fraction(2)), lambda image: image, open_sink("talk.mp4"))
    for jobs in ("1", "2"):
        ended = installed("talk.mp4", "-o", f"{jobs}.mp4", "--jobs", jobs, "--no-recipe")
        assert ended.exit_code == 0, ended.output
    assert frames("1.mp4") == frames("2.mp4")
    assert len(frames("1.mp4")) == 70


def frames(path):
    with open_source(path) as source:
        return [(frame.pts, frame.image.tobytes()) for frame in source]


def members(group):
    """What runs in a process group, where the system tells; not what has ended and waits to be noticed."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if its_group == str(group) and state != "Z":
                found.append((stat.parent / "cmdline").read_text())
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a terminal's Ctrl-C is sent as POSIX sends it")
def test_ctrl_c_ends_every_worker_and_the_same_command_goes_on(installed, tmp_path):
    images = [np.full((48, 64, 3), 2 * i, np.uint8) for i in range(120)]
    run(MemorySource(images, rate=Fraction(2)), lambda image: image, open_sink("talk.mp4"))
    assert installed("talk.mp4", "-o", "expected.mp4", "--no-recipe").exit_code == 0
    words = ["talk.mp4", "-o", "painted.mp4", "--jobs", "2", "--no-recipe"]
    environ = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site-packages"),
        "NSTFILTER_TEST_SLEEP": "0.05",
    }
    command = [sys.executable, "-m", "nstfilter", "apply", *PAINT, *words]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, start_new_session=True) as render:
        job = Path(".painted.mp4.nstfilter/job.json")
        while not job.exists() or '"hash":"' not in job.read_text().replace(" ", ""):
            assert render.poll() is None
            time.sleep(0.05)
        os.killpg(render.pid, signal.SIGINT)
        said = render.stderr.read().decode()
        assert render.wait() == 130
    assert said.startswith("stopped with 0 of 1 done; ")
    assert said.endswith(" segments of painted.mp4 are done and kept; the same command goes on\n")
    deadline = time.monotonic() + 120
    while alive := members(render.pid):
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)
    assert installed(*words).exit_code == 0
    assert frames("painted.mp4") == frames("expected.mp4")


def test_who_does_the_work_is_asked_by_name(apply):
    for words, says in (
        (["--on", "lokal"], "no executor is called 'lokal'; did you mean 'local'?"),
        (["--on", "local:here"], "local takes nothing after its name"),
    ):
        error = apply(picture("a.png"), *words).exception
        assert isinstance(error, NstfilterError)
        assert says in str(error)


def test_the_bar_counts_frames_and_files():
    from rich.progress import Progress as Bars

    bars = Bars(disable=True)
    bar = _Bar(bars)
    bar.show(Progress(100, 400, files=1, done=0, failed=0, skipped=0))
    (task,) = bars.tasks
    assert (task.completed, task.total, task.description) == (100, 400, "painting")
    bar.show(Progress(250, 400, files=30, done=4, failed=1, skipped=2))
    assert (task.completed, task.description) == (250, "4 of 30 files, 2 skipped, 1 failed")


def test_strict_ends_with_an_error_where_a_result_lacks_something(apply, tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((40, 60), 30_000, np.uint16))
    result = apply(str(tmp_path / "deep.png"), "-o", str(tmp_path / "out.png"), "--strict", "--json")
    assert result.exit_code == 1
    assert (tmp_path / "out.png").exists()
    assert "--strict: 1 of 1 results differ from their inputs" in result.stderr
    (listed,) = json.loads(result.stdout)["results"]
    assert listed["changes"] == ["its 16 bits a channel were reduced to 8"]
    assert not apply(str(tmp_path / "deep.png"), "-o", str(tmp_path / "out.png"), "--overwrite").exit_code


class HalfPeople:
    """A plugin with one segmenter, called half: a person fills the left of every frame."""

    @hookimpl
    def register_segmenters(self, register):
        register("half", lambda _: FakeSegmenter())


def test_people_and_their_background(apply):
    manager().load("half", HalfPeople)
    picture("a.png", shape=(40, 80, 3))
    picture("beach.png", value=20, shape=(40, 80, 3))

    def sides(*words):
        done = apply("a.png", "-o", "b.png", "--overwrite", "--segmenter", "half", "--feather", "0", *words)
        assert done.exit_code == 0, done.output
        painted = cv2.imread("b.png")
        return painted[20, 10].tolist(), painted[20, 70].tolist()

    plain, shown = [90] * 3, [20] * 3
    person, room = sides("--area", "people")
    assert person != plain
    assert room == plain
    assert sides("--area", "background")[0] == plain
    assert sides("--area", "people", "--background", "beach.png") == (person, shown)
    # as it was painted, and as it was but for what is said
    Path("b.png").rename("made.png")

    def by_recipe(*words):
        return CliRunner().invoke(build_app(), ["apply", "a.png", "--model", "cheap", *words])

    again = by_recipe("-o", "c.png", "--recipe", "made.png")
    assert "recipe names its background 'beach.png' but could not hold the picture" in str(again.exception)
    again = by_recipe("-o", "c.png", "--recipe", "made.png", "--background", "beach.png")
    assert again.exit_code == 0, again.output
    assert np.array_equal(cv2.imread("c.png"), cv2.imread("made.png"))
    assert "not the one of this recipe" not in again.output
    again = by_recipe("-o", "e.png", "--recipe", "made.png", "--background", picture("sea.png", value=40))
    assert "the background sea.png is not the one of this recipe, beach.png" in again.output
    both = sides("--background", "jade")
    Path("b.png").rename("two.png")
    assert by_recipe("-o", "d.png", "--recipe", "two.png").exit_code == 0
    assert np.array_equal(cv2.imread("d.png"), cv2.imread("two.png"))
    assert both[0] == person
    assert both[1] not in (plain, person)


def test_several_workers_get_the_background_that_was_named(apply):
    manager().load("half", HalfPeople)
    video("a.mp4")
    done = apply("a.mp4", "-o", "b.mp4", "--segmenter", "half", "--background", picture("beach.png", 20))
    assert done.exit_code == 0, done.output
    with open_source("b.mp4") as source:
        frames = [frame.image for frame in source]
    assert len(frames) == 12
    assert all(frame[:, -3:].max() < 130 for frame in frames)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--area", "face"], "area is 'face'; expected all or people or background"),
        (["--segmenter", "nobody"], "nobody"),
        (["--background", "no-such.jpg"], "no-such.jpg"),
        (["--feather", "2"], "feather is 2.0"),
    ],
)
def test_a_part_that_cannot_be_meant_is_refused(apply, words, says):
    done = apply(picture("a.png"), *words, *([] if "--area" in words else ["--area", "people"]))
    assert isinstance(done.exception, NstfilterError)
    assert says in str(done.exception)
    assert not Path("a-ruby.png").exists()
