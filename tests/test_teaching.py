"""Teaching a style: where the weights go, what an interruption leaves, and what is refused."""

from __future__ import annotations

import os
import signal

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from nstfilter import teaching
from nstfilter.cli.app import build_app
from nstfilter.errors import ModelError, NstfilterError, StyleError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.models import taught
from nstfilter.models.lesson import Dials, Progress
from nstfilter.models.perceptual import style_picture
from nstfilter.models.pocket import WEIGHTS, PocketModel, load
from nstfilter.packs.reading import find_style, read_picture, taught_file
from nstfilter.teaching import teach

pytestmark = pytest.mark.slow


class FakeLesson:
    """Moves every weight by a hundredth a step, and is done after ten seconds, one a step."""

    interrupted_at = None

    def __init__(self, weights, embedding, picture, contents, *, dials, seconds, progress=None, threads=None):
        self.start = progress.vector if progress else taught.base(weights, embedding)
        self.steps, self.spent = (progress.steps, progress.seconds) if progress else (0, 0.0)
        self.vector, self.contents, self.seconds = self.start, contents, seconds
        type(self).latest = self

    def step(self) -> float:
        if self.steps == self.interrupted_at:
            raise KeyboardInterrupt
        self.steps, self.spent = self.steps + 1, self.spent + 1
        self.vector = self.vector * np.float32(1.001)
        return 1 / self.steps

    @property
    def done(self) -> bool:
        return self.spent >= self.seconds

    @property
    def progress(self) -> Progress:
        return Progress(self.vector, self.vector, self.vector, self.steps, self.spent)


@pytest.fixture
def lesson(monkeypatch):
    monkeypatch.setattr(FakeLesson, "interrupted_at", None)
    monkeypatch.setattr(teaching, "Lesson", FakeLesson)
    return FakeLesson


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "own.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 256, (80, 90, 3), dtype=np.uint8))
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(3):
        cv2.imwrite(str(folder / f"{k}.png"), np.full((100 + k, 1500, 3), 50 * k, np.uint8))
    return folder


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_picture_s_weights_lie_beside_it_and_are_painted_with(lesson, picture, photos, tmp_path) -> None:
    states = []
    preview = tmp_path / "preview" / "so-far.png"
    path = teach(
        find_style(picture), minutes=1 / 6, on=[str(photos)], preview=preview, on_state=states.append
    )
    assert path == tmp_path / "own.taught.npz"
    assert files(tmp_path) == ["own.png", "own.taught.npz"]
    assert [state.steps for state in states] == list(range(1, 11))
    recipe = taught.read(path).recipe
    assert (recipe["steps"], recipe["finished"], recipe["stroke"]) == (10, True, 1.0)
    assert StyleFilter(picture).embedding.shape == (taught.SIZE,)
    assert cv2.imread(str(preview)).shape[0] == 100


def test_a_bundled_style_is_taught_in_the_user_s_folder(lesson, photos) -> None:
    path = teach(find_style("atelier/ember"), minutes=1 / 6, on=[str(photos)], overwrite=True)
    assert path == taught_file(find_style("atelier/ember"))
    assert "user-data" in str(path)
    assert find_style("ember").taught == path


def test_ctrl_c_keeps_what_was_learned_and_the_same_call_goes_on(
    lesson, picture, photos, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(lesson, "interrupted_at", 4)
    with pytest.raises(KeyboardInterrupt):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert files(tmp_path) == ["own.png", "own.taught.npz", "own.taught.unfinished.npz"]
    half = taught.read(tmp_path / "own.taught.npz")
    assert (half.recipe["steps"], half.recipe["finished"]) == (4, False)
    with np.load(tmp_path / "own.taught.unfinished.npz") as unfinished:
        exact = unfinished["vector"]
    with pytest.raises(StyleError, match="another stroke"):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)], dials=Dials(stroke=2))
    monkeypatch.setattr(lesson, "interrupted_at", None)
    teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    np.testing.assert_array_equal(lesson.latest.start, exact)
    assert np.abs(half.vector - exact).max() < 0.01  # the file that is painted with holds it in whole numbers
    assert lesson.latest.steps == 10
    assert files(tmp_path) == ["own.png", "own.taught.npz"]


def test_what_is_taught_is_not_taught_anew_unasked(lesson, picture, photos) -> None:
    path = teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    before = path.read_bytes()
    with pytest.raises(StyleError, match="--overwrite teaches it anew"):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert path.read_bytes() == before
    teach(find_style(picture), minutes=1 / 6, on=[str(photos)], overwrite=True)


def test_a_finished_lesson_stays_until_the_next_one_is_finished(
    lesson, picture, photos, tmp_path, monkeypatch
) -> None:
    path = teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    before = path.read_bytes()
    monkeypatch.setattr(lesson, "interrupted_at", 4)
    with pytest.raises(KeyboardInterrupt) as stop:
        teach(find_style(picture), minutes=1 / 3, on=[str(photos)], overwrite=True)
    (note,) = stop.value.__notes__
    assert f"{path} stays until the lesson is over; the same command without --overwrite goes on" in note
    assert path.read_bytes() == before
    monkeypatch.setattr(lesson, "interrupted_at", None)
    teach(find_style(picture), minutes=1 / 3, on=[str(photos)])
    assert taught.read(path).recipe["steps"] == 20
    assert files(tmp_path) == ["own.png", "own.taught.npz"]


def test_a_lesson_that_goes_on_with_fewer_minutes_than_it_has_had_is_finished(
    lesson, picture, photos, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(lesson, "interrupted_at", 8)
    with pytest.raises(KeyboardInterrupt):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    path = teach(find_style(picture), minutes=0.1, on=[str(photos)])
    assert taught.read(path).recipe["finished"]
    assert files(tmp_path) == ["own.png", "own.taught.npz"]


def test_a_second_ctrl_c_takes_nothing_away(lesson, picture, photos, tmp_path, monkeypatch) -> None:
    def press(path, data) -> None:
        signal.raise_signal(signal.SIGINT)
        write(path, data)

    write = teaching._write_whole
    monkeypatch.setattr(teaching, "_write_whole", press)
    monkeypatch.setattr(lesson, "interrupted_at", 4)
    with pytest.raises(KeyboardInterrupt) as stop:
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert "the same command goes on" in stop.value.__notes__[0]
    assert files(tmp_path) == ["own.png", "own.taught.npz", "own.taught.unfinished.npz"]
    monkeypatch.setattr(lesson, "interrupted_at", None)
    assert teach(find_style(picture), minutes=1 / 6, on=[str(photos)]) == tmp_path / "own.taught.npz"
    assert files(tmp_path) == ["own.png", "own.taught.npz"]


def test_ctrl_c_in_the_last_step_is_no_interruption(lesson, picture, photos) -> None:
    def press(state) -> None:
        if state.steps == 10:
            raise KeyboardInterrupt

    path = teach(find_style(picture), minutes=1 / 6, on=[str(photos)], on_state=press)
    assert taught.read(path).recipe["finished"]


def test_a_lesson_goes_on_whose_first_save_came_half_way(
    lesson, picture, photos, tmp_path, monkeypatch
) -> None:
    def write(path, data) -> None:
        if any(tmp_path.glob("own.taught*")):
            raise StyleError("the disk is full")
        path.write_bytes(data)

    monkeypatch.setattr(lesson, "interrupted_at", 4)
    whole = teaching._write_whole
    monkeypatch.setattr(teaching, "_write_whole", write)
    with pytest.raises(StyleError, match="the disk is full"):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    monkeypatch.setattr(teaching, "_write_whole", whole)
    monkeypatch.setattr(lesson, "interrupted_at", None)
    teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert lesson.latest.steps == 10
    assert not np.array_equal(
        lesson.latest.start,
        taught.base(load(WEIGHTS), PocketModel().embed(read_picture(find_style(picture)))),
    )


def test_a_lesson_that_went_astray_does_not_replace_what_was_saved(
    lesson, picture, photos, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(teaching, "EVERY", 0.0)
    step = lesson.step

    def astray(self) -> float:
        if self.steps == 3:
            self.vector = self.vector * np.float32("nan")
            raise ModelError("the lesson went astray")
        return step(self)

    monkeypatch.setattr(lesson, "step", astray)
    with pytest.raises(ModelError, match="astray"):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert taught.read(tmp_path / "own.taught.npz").recipe["steps"] == 3


def test_one_style_is_taught_by_one_process_at_a_time(lesson, picture, photos, tmp_path) -> None:
    def other(state) -> None:
        with pytest.raises(StyleError, match="is being taught by another process"):
            teach(find_style(picture), minutes=1 / 6, on=[str(photos)])

    teach(find_style(picture), minutes=1 / 6, on=[str(photos)], on_state=other)
    assert files(tmp_path) == ["own.png", "own.taught.npz"]


def test_a_place_that_cannot_be_written_is_said_before_the_lesson(lesson, picture, monkeypatch) -> None:
    monkeypatch.setattr(teaching.os, "access", lambda *_: False)
    with pytest.raises(StyleError, match="copy the style's picture to another place"):
        teach(find_style(picture), minutes=1 / 6)


@pytest.mark.parametrize("name", ["own.png", "own.taught.npz", "so-far.doc", "photos", "photos/0.png"])
def test_a_preview_replaces_nothing_and_is_a_picture(lesson, picture, photos, tmp_path, name) -> None:
    before = picture.read_bytes()
    with pytest.raises(UsageError, match="--preview is"):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)], preview=tmp_path / name)
    assert picture.read_bytes() == before
    assert files(tmp_path) == ["own.png"]


def test_a_preview_replaces_a_picture_only_where_a_lesson_goes_on_or_begins_anew(
    lesson, picture, photos, tmp_path, monkeypatch
) -> None:
    preview = tmp_path / "paris.jpg"
    preview.write_bytes(b"precious")
    words = {"minutes": 1 / 6, "on": [str(photos)], "preview": preview}
    with pytest.raises(UsageError, match=r"--preview is .*paris\.jpg, which exists; give it another name"):
        teach(find_style(picture), **words)
    assert preview.read_bytes() == b"precious"
    preview.unlink()
    monkeypatch.setattr(lesson, "interrupted_at", 4)
    with pytest.raises(KeyboardInterrupt):
        teach(find_style(picture), **words)
    monkeypatch.setattr(lesson, "interrupted_at", None)
    for overwrite in (False, True):
        preview.write_bytes(b"as it was half way")
        teach(find_style(picture), **words, overwrite=overwrite)
        assert cv2.imread(str(preview)) is not None


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_a_lesson_without_an_end_is_refused(lesson, picture, minutes) -> None:
    with pytest.raises(UsageError, match="expected a number above 0"):
        teach(find_style(picture), minutes=minutes)


@pytest.mark.parametrize("spoil", ["cut", "nan", "seconds", "bomb", "text", "npy"])
def test_progress_that_is_damaged_is_not_gone_on_with(
    lesson, picture, photos, tmp_path, monkeypatch, spoil
) -> None:
    monkeypatch.setattr(lesson, "interrupted_at", 4)
    with pytest.raises(KeyboardInterrupt):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    path, half = tmp_path / "own.taught.unfinished.npz", tmp_path / "own.taught.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays |= {
        "nan": {"second": np.full(taught.SIZE, np.nan, np.float32)},
        "seconds": {"seconds": np.array(np.nan)},
        "text": {"steps": np.array("many")},
        "bomb": {"more": np.zeros(3_000_000)},
    }.get(spoil, {})
    np.savez_compressed(path, **arrays)
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    if spoil == "npy":
        with path.open("wb") as file:
            np.save(file, arrays["vector"])
    before = half.read_bytes()
    with pytest.raises(StyleError, match=r"cannot go on: .* is damaged or gone; --overwrite begins anew"):
        teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert half.read_bytes() == before
    half.unlink()
    monkeypatch.setattr(lesson, "interrupted_at", None)
    teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    assert lesson.latest.start is not None
    np.testing.assert_array_equal(
        lesson.latest.start,
        taught.base(load(WEIGHTS), PocketModel().embed(read_picture(find_style(picture)))),
    )


def test_pictures_as_thin_as_a_line_cost_no_more_memory_than_others(lesson, picture, tmp_path) -> None:
    line = tmp_path / "line.png"
    cv2.imwrite(str(line), np.zeros((1, 30_000, 3), np.uint8))
    teach(find_style(line), minutes=1 / 6, on=[str(line)], preview=tmp_path / "so-far.jpg")
    assert lesson.latest.contents[0].shape == (1, 16, 3)
    assert style_picture(np.zeros((1, 30_000, 3), np.uint8)).shape == (512, 1536, 3)


def test_names_with_bytes_that_are_no_letters_are_printed(lesson, picture, photos, tmp_path) -> None:
    odd = tmp_path / os.fsdecode(b"m\xffnet\n.png")
    try:
        picture.rename(odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    words = ["styles", "teach", str(odd), "--on", str(photos), "--minutes", "0.2"]
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, result.exception
    assert result.stdout.count("\n") == 1


def test_pictures_that_share_a_file_name_do_not_share_what_was_taught(lesson, picture, photos) -> None:
    other = picture.with_suffix(".jpg")
    cv2.imwrite(str(other), np.zeros((80, 90, 3), np.uint8))
    path = teach(find_style(picture), minutes=1 / 6, on=[str(photos)])
    before = path.read_bytes()
    with pytest.raises(StyleError, match=r"own\.taught\.npz was taught to another picture than own\.jpg"):
        teach(find_style(other), minutes=1 / 6, on=[str(photos)])
    with pytest.raises(StyleError, match="another picture"):
        StyleFilter(other)
    assert path.read_bytes() == before
    assert StyleFilter(picture).embedding.shape == (taught.SIZE,)
    teach(find_style(other), minutes=1 / 6, on=[str(photos)], overwrite=True)
    assert StyleFilter(other).embedding.shape == (taught.SIZE,)


def test_it_practices_on_pictures_folders_and_videos_up_to_a_number(
    lesson, picture, photos, monkeypatch
) -> None:
    monkeypatch.setattr(teaching, "PICTURES", 8)
    teach(find_style(picture), minutes=1 / 6, on=[str(photos), "demo:320x180@10"])
    shapes = [content.shape for content in lesson.latest.contents]
    assert shapes == [(100, 1500, 3), (101, 1500, 3), (102, 1500, 3), (180, 320, 3), (180, 320, 3)]
    assert not np.array_equal(*lesson.latest.contents[-2:])


@pytest.mark.slow
def test_without_pictures_it_practices_on_the_demo_and_the_styles(lesson, picture) -> None:
    teach(find_style(picture), minutes=1 / 6)
    shapes = [content.shape for content in lesson.latest.contents]
    assert shapes.count((360, 640, 3)) >= 40
    assert len(shapes) >= 60


def test_what_cannot_be_practiced_on_leaves_nothing(lesson, picture, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    for target in (str(tmp_path / "empty"), str(tmp_path / "missing.png"), "nobody reads this"):
        with pytest.raises(NstfilterError) as raised:
            teach(find_style(picture), on=[target])
        assert "\n" not in str(raised.value)
    assert files(tmp_path) == ["own.png"]


def test_the_command_says_where_the_weights_are(lesson, picture, photos, monkeypatch) -> None:
    words = ["styles", "teach", str(picture), "--on", str(photos), "--minutes", "0.2"]
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, result.exception
    assert result.stdout.strip() == str(picture.with_suffix(".taught.npz"))
    monkeypatch.setattr(lesson, "interrupted_at", 2)
    result = CliRunner().invoke(build_app(), [*words, "--overwrite"])
    assert result.exit_code == 130
    assert "the same command without --overwrite goes on" in result.stderr


def test_the_command_refuses_what_makes_no_sense(lesson, picture) -> None:
    for words in (["--stroke", "9"], ["--content", "2"], ["--minutes", "0"]):
        assert CliRunner().invoke(build_app(), ["styles", "teach", str(picture), *words]).exit_code == 2
    assert isinstance(
        CliRunner().invoke(build_app(), ["styles", "teach", "no-such-style"]).exception,
        UsageError | NstfilterError,
    )
