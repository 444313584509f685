"""`nstfilter jobs`, on a render that was stopped in the middle."""

from __future__ import annotations

import json
import shlex
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.errors import NstfilterError, SinkError, UsageError
from nstfilter.hookspecs import hookimpl
from nstfilter.jobs.job_file import JobFolder
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.testing import FakeModel, MemorySource


class Stopping(FakeModel):
    """Stops like Ctrl-C before the frame number `last`, counted over all that it ever paints."""

    last: int | None = None
    painted = 0

    def stylize(self, frame, embedding, *, out=None):
        if self.painted == Stopping.last:
            Stopping.last = None
            raise KeyboardInterrupt
        Stopping.painted += 1
        return super().stylize(frame, embedding, out=out)


class Models:
    @hookimpl
    def register_models(self, register):
        register("stopping", lambda _, threads=None: Stopping())


@pytest.fixture
def call(tmp_path, monkeypatch, fresh_manager, make_pack):
    """Runs `nstfilter` in an empty folder with one long video, a frame every half second."""
    monkeypatch.setenv("NSTFILTER_DISABLE_PLUGINS", "bundled_styles")
    make_pack(tmp_path / "user-data" / "styles" / "mine", "ruby")
    manager().load("stopping", Models)
    Stopping.painted, Stopping.last = 0, None
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    images = [np.full((48, 64, 3), 3 * i, np.uint8) for i in range(80)]
    run(MemorySource(images, rate=Fraction(2)), lambda image: image, open_sink("talk.mp4"))
    app, runner = build_app(), CliRunner()
    return lambda *words, **more: runner.invoke(app, list(map(str, words)), **more)


APPLY = ["apply", "talk.mp4", "-s", "ruby", "--model", "stopping", "--stability", "0"]


@pytest.fixture
def stopped(call):
    """The same, with the render stopped in its third segment of four."""
    Stopping.last = 45
    ended = call(*APPLY, "-o", "painted.mp4")
    assert ended.exit_code == 130, ended.output
    assert ended.stderr == (
        "stopped with 0 of 1 done; "
        "2 of 4 segments of painted.mp4 are done and kept; the same command goes on\n"
    )
    return call


def test_nothing_unfinished_is_an_empty_list(call):
    assert call("jobs").stdout == ""
    assert json.loads(call("jobs", "--json").stdout) == []
    assert call("jobs", "clean").stdout == "nothing is unfinished here\n"


@pytest.mark.parametrize("words", [["jobs"], ["jobs", "list"], ["jobs", "list", ".."]])
def test_what_is_unfinished_is_listed(stopped, words):
    output, *rest = stopped(*words).stdout.rstrip("\n").split("\t")
    assert Path(output).resolve() == Path("painted.mp4").resolve()
    assert rest[:4] == ["stopped", "2 of 4", "40", "mine/ruby"]


def test_the_command_that_goes_on_finds_a_picture_of_ones_own(call, tmp_path):
    (tmp_path / "looks").mkdir()
    shutil.copy(tmp_path / "user-data/styles/mine/ruby.png", tmp_path / "looks/cat.png")
    Stopping.last = 45
    ended = call("apply", "talk.mp4", "-s", "../looks/cat.png", *APPLY[4:], "-o", "painted.mp4")
    assert ended.exit_code == 130, ended.output
    command = shlex.split(call("jobs", "show", "painted.mp4").stdout.partition("go on")[2])
    assert command[command.index("--style") + 1] == str(tmp_path / "looks/cat.png")
    assert call(*command[1:]).exit_code == 0


def test_the_command_that_goes_on_leaves_the_recipe_out_where_it_was_left_out(call):
    Stopping.last = 45
    assert call(*APPLY, "--no-recipe", "-o", "painted.mp4").exit_code == 130
    command = shlex.split(call("jobs", "show", "painted.mp4").stdout.partition("go on")[2])
    assert "--no-recipe" in command
    assert call(*command[1:]).exit_code == 0
    with open_source("painted.mp4") as painted:
        assert painted.info.details["recipe"] is None


def test_json_says_the_same(stopped):
    (job,) = json.loads(stopped("jobs", "--json").stdout)
    assert (job["output"], job["state"], job["done"], job["segments"]) == ("painted.mp4", "stopped", 2, 4)
    assert job["bytes"] > 1000


def test_show_tells_what_it_is_made_of_and_how_to_go_on(stopped):
    said = stopped("jobs", "show", "painted.mp4").stdout
    assert "segments     2 of 4 done, 40 frames" in said
    assert "style        mine/ruby" in said
    command = shlex.split(said.partition("go on")[2])
    assert command[0] == "nstfilter"
    assert "--no-recipe" not in command
    before = Stopping.painted
    assert stopped(*command[1:]).exit_code == 0
    assert Stopping.painted == before + 40  # the two segments that were not done
    with open_source("painted.mp4") as source:
        assert len(list(source)) == 80
    facts = stopped("jobs", "show", "painted.mp4").exception
    assert isinstance(facts, UsageError)
    assert "no render of painted.mp4 is unfinished" in str(facts)


def test_show_in_json_leaves_the_embedding_out(stopped):
    facts = json.loads(stopped("jobs", "show", "painted.mp4", "--json").stdout)
    assert facts["made_of"]["strength"] == 1.0
    assert "embedding" not in facts["made_of"]


def test_clean_asks_first_and_leaves_results_alone(stopped):
    Path("painted.mov").write_text("a finished one")
    before = sorted(Path.cwd().rglob("*"))
    asked = stopped("jobs", "clean", input="n\n")
    assert asked.exit_code == 1
    assert "painted.mp4  (40 frames, " in asked.stdout
    assert sorted(Path.cwd().rglob("*")) == before
    assert stopped("jobs", "clean", input="y\n").exit_code == 0
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["painted.mov", "talk.mp4"]


def test_clean_without_asking(stopped):
    assert stopped("jobs", "clean", "--yes").exit_code == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["talk.mp4"]


def test_one_that_is_being_worked_on_is_shown_so_and_stays(stopped):
    folder = JobFolder(Path("painted.mp4"))
    folder.acquire()
    try:
        assert stopped("jobs").stdout.split("\t")[1] == "at work"
        error = stopped("jobs", "clean", "--yes").exception
        assert isinstance(error, SinkError)
        assert "1 of 1 were left: painted.mp4 is being rendered by another process" in str(error)
        assert folder.file.exists()
    finally:
        folder.release()


def test_a_damaged_job_file_is_said_to_be_one_and_can_be_cleared_away(stopped):
    JobFolder(Path("painted.mp4")).file.write_text("{")
    assert stopped("jobs").stdout.split("\t")[:2] == ["painted.mp4", "damaged"]
    assert "job.json is damaged" in stopped("jobs", "show", "painted.mp4").stdout
    assert stopped("jobs", "clean", "--yes").exit_code == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["talk.mp4"]


def test_a_name_too_long_for_its_folder_is_told_whole(stopped):
    name = "n" * 250 + ".mp4"
    Stopping.painted, Stopping.last = 0, 45
    assert stopped(*APPLY, "-o", name).exit_code == 130
    assert [job["output"] for job in json.loads(stopped("jobs", "--json").stdout)] == [name, "painted.mp4"]


def test_a_folder_that_is_not_there(call):
    error = call("jobs", "list", "nowhere").exception
    assert isinstance(error, NstfilterError)
    assert str(error) == "there is no folder nowhere"
