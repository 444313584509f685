"""Planning and making results, with real picture files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.jobs.planning import Job, check_jobs, clear_folder, make_folder, plan
from nstfilter.manager import open_sink, open_source
from nstfilter.packs.style import Style, StyleMix
from nstfilter.pipeline import run

WAVE = Style("wave", None, "atelier")
STYLE = StyleMix(((WAVE, 1.0),))
MIX = StyleMix(((WAVE, 0.7), (Style("mosaic", None, "atelier"), 0.3)))


def picture(path, value=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 30, 3), value, np.uint8))
    return path


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_result_lies_beside_its_input():
    assert plan(["a/photo.jpg"], None, STYLE)[0].output.as_posix() == "a/photo-wave.jpg"


def test_a_mix_makes_a_name_that_every_system_takes():
    assert plan(["photo.png"], None, MIX)[0].output.name == "photo-wave+mosaic.png"


def test_output_names_the_result_or_its_folder(tmp_path):
    (tmp_path / "there").mkdir()
    assert plan(["a.jpg"], "b.png", STYLE)[0].output.name == "b.png"
    assert plan(["a.jpg"], "there", STYLE)[0].output.as_posix() == "there/a.jpg"
    assert plan(["a.jpg"], "new/", STYLE)[0].output.as_posix() == "new/a.jpg"
    assert [job.output.as_posix() for job in plan(["a.jpg", "b.jpg"], "new/", STYLE)] == [
        "new/a.jpg",
        "new/b.jpg",
    ]


def test_several_folders_go_into_one_that_is_made_for_them(tmp_path):
    for name in ("one", "two"):
        picture(tmp_path / name / "a.png")
    jobs = plan(["one", "two"], "both/", STYLE)
    check_jobs(jobs, {})
    assert [job.output.as_posix() for job in jobs] == ["both/one/a.png", "both/two/a.png"]


def test_a_tilde_that_no_shell_saw_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert plan(["a.jpg"], "~/b.jpg", STYLE)[0].output == tmp_path / "b.jpg"


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    job = Job(picture(tmp_path / "a.png"), tmp_path / "a.png" / "b" / "a.png", tmp_path / "a.png")
    with pytest.raises(SinkError, match=r"cannot make the folder .*; choose another with -o"):
        make_folder(job)


def test_several_inputs_need_a_folder():
    with pytest.raises(UsageError, match=r"out\.jpg/ with a slash"):
        plan(["a.jpg", "b.jpg"], "out.jpg", STYLE)


def test_a_folder_gives_a_folder_with_the_same_names(tmp_path):
    for name in ("b.png", "a.JPG", "deep/er/c.webp", ".hidden.png", "notes.txt", "x.partial.png"):
        picture(tmp_path / "in" / name.replace("txt", "png")).rename(tmp_path / "in" / name)
    jobs = plan(["in"], None, STYLE)
    made = [job.output.relative_to(tmp_path).as_posix() for job in jobs]
    assert made == ["in-wave/a.JPG", "in-wave/b.png", "in-wave/deep/er/c.webp"]


def test_results_inside_the_folder_itself_are_not_taken_as_inputs(tmp_path):
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "painted" / "a.png")
    assert [job.input.as_posix() for job in plan(["in"], "in/painted", STYLE)] == ["in/a.png"]


def test_a_folder_without_pictures_says_so(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(SourceError, match="no picture or video in in"):
        plan(["in"], None, STYLE)


def test_include_and_exclude_choose_within_folders(tmp_path):
    for name in ("a.png", "b.jpg", "deep/c.png", "drafts/d.png"):
        picture(tmp_path / "in" / name)
    jobs = plan(["in", "in/b.jpg"], "out/", STYLE, include=["*.png"], exclude=["drafts"])
    # a file that was named is taken
    assert [job.input.as_posix() for job in jobs] == ["in/a.png", "in/deep/c.png", "in/b.jpg"]
    assert jobs[1].output.as_posix() == "out/in/deep/c.png"
    with pytest.raises(SourceError, match="no picture or video in in that --include and --exclude let"):
        plan(["in"], None, STYLE, include=["*.mp4"])
    with pytest.raises(UsageError, match="--include and --exclude choose among the files of a folder"):
        plan(["in/a.png"], None, STYLE, exclude=["*.mp4"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no colon in file names")
def test_a_path_that_begins_like_a_source_is_a_path(tmp_path):
    picture(tmp_path / "demo:.jpg")
    (job,) = plan(["./demo:.jpg"], "./demo:.png", STYLE)
    check_jobs([job], {})
    run(open_source(job.input), lambda image: 255 - image, open_sink(job.output))
    assert cv2.imread(str(tmp_path / "demo:.png")).shape == (20, 30, 3)


def test_an_input_is_never_its_own_output(tmp_path):
    picture(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "same.png")
    for output in ("a.png", "same.png", "./a.png"):
        with pytest.raises(UsageError, match="its own output"):
            plan(["a.png"], output, STYLE)


def test_no_input_is_overwritten_by_the_result_of_another():
    picture(Path("a.png"))
    picture(Path("a-wave.png"))
    jobs = [Job(Path("a.png"), Path("a-wave.png")), Job(Path("a-wave.png"), Path("a-wave-wave.png"))]
    check_jobs(jobs, {})  # it is there, and passed over
    with pytest.raises(UsageError, match=r"a-wave\.png is an input, and --overwrite would replace it"):
        check_jobs(jobs, {}, overwrite=True)


def test_two_inputs_with_one_result_are_refused():
    with pytest.raises(UsageError, match="several inputs would become"):
        plan(["x/a.png", "y/a.png"], "out/", STYLE)


def test_an_option_that_no_result_knows_is_refused():
    jobs = [Job(Path("a.png"), Path("b.png")), Job(Path("c.png"), Path("d.jpg"))]
    check_jobs(jobs, {"quality": 80})
    with pytest.raises(UsageError, match="--crf is of no use here"):
        check_jobs(jobs, {"crf": 18})


def test_a_result_that_nobody_can_write_is_refused():
    with pytest.raises(UsageError, match=r"no sink takes \.xyz files such as b\.xyz"):
        check_jobs([Job(Path("a.png"), Path("b.xyz"))], {})


def test_a_folder_is_made_for_results_but_not_its_parents(tmp_path):
    a = picture(tmp_path / "a.png")
    make_folder(Job(a, tmp_path / "new" / "deep" / "a.png", tmp_path / "new"))
    assert (tmp_path / "new" / "deep").is_dir()
    with pytest.raises(SinkError, match="there is no folder"):
        make_folder(Job(a, tmp_path / "far" / "new" / "a.png", tmp_path / "far" / "new"))
    assert not (tmp_path / "far").exists()


def test_an_empty_folder_is_taken_away_again_and_a_full_one_is_not(tmp_path):
    jobs = [
        Job(tmp_path / "a.png", tmp_path / "new" / name, tmp_path / "new") for name in ("a.png", "d/a.png")
    ]
    for job in jobs:
        make_folder(job)
    picture(jobs[0].output)
    clear_folder(jobs[1])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png"]
    jobs[0].output.unlink()
    clear_folder(jobs[0])
    assert not (tmp_path / "new").exists()
    clear_folder(Job(tmp_path / "a.png", tmp_path / "b.png"))
    assert tmp_path.exists()


def outputs(jobs):
    return sorted(job.output.name for job in jobs)


def test_what_cannot_be_written_as_it_is_becomes_mp4_or_png(tmp_path):
    for name in ("a.wmv", "b.ts", "c.mkv", "d.avi", "e.heic", "f.png", "c.flv"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).touch()
    jobs = plan(["in"], "out", STYLE)
    assert outputs(jobs) == ["a.mp4", "b.mp4", "c.mkv", "c.mp4", "d.mp4", "e.png", "f.png"]
    check_jobs(jobs, {})
    assert plan(["in/a.wmv"], None, STYLE)[0].output.name == "a-wave.mp4"


def test_to_chooses_what_results_become(tmp_path):
    for name in ("a.wmv", "a.mp4", "b.png", "c.jpg"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).touch()
    assert outputs(plan(["in"], "out", STYLE, to="webm")) == ["a.mp4.webm", "a.wmv.webm", "b.png", "c.jpg"]
    assert outputs(plan(["in"], "out/", STYLE, to="jpg", exclude=["a.*"])) == ["b.jpg", "c.jpg"]
    assert plan(["in/c.jpg"], None, STYLE, to="png")[0].output.name == "c-wave.png"
    with pytest.raises(UsageError, match="--to is 'bmpx'; expected one of mp4, "):
        plan(["in"], None, STYLE, to="bmpx")
    with pytest.raises(UsageError, match="leave out --to"):
        plan(["in/c.jpg"], "out.png", STYLE, to="webp")
