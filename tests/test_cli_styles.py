from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from nstfilter.cli import styles as cli
from nstfilter.cli.app import build_app
from nstfilter.errors import NstfilterError, SinkError, StyleError, UnknownNameError, UsageError
from nstfilter.graphics.opencv import cv2
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.manager import manager
from nstfilter.packs.reading import user_packs_folder
from nstfilter.testing import FakeModel

pytestmark = pytest.mark.usefixtures("own_packs_only")
MakePack = Callable[..., Path]


class FakePlugin:
    @hookimpl
    def register_models(self, register: Register) -> None:
        register("fake", lambda _: FakeModel())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def pack(make_pack: MakePack) -> Path:
    return make_pack(user_packs_folder() / "mine", "dots", "lines")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(build_app(), ["styles", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit | NstfilterError):
        raise result.exception
    return result


def printed(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def refused(*arguments: object, kind: type[NstfilterError]) -> str:
    result = run(*arguments)
    assert type(result.exception) is kind, result.exception
    assert result.stdout == ""
    return str(result.exception)


def test_styles_are_listed(pack: Path) -> None:
    rows = "mine\tdots\tDots\tCC0-1.0\nmine\tlines\tLines\tCC0-1.0\n"
    assert printed() == printed("list") == rows


def test_styles_are_listed_for_scripts(pack: Path) -> None:
    dots, _ = json.loads(printed("list", "--json"))
    assert dots == {
        "pack": "mine",
        "name": "dots",
        "path": str(pack / "dots.png"),
        "title": "Dots",
        "artist": "B. Artist",
        "year": 2026,
        "licence": "CC0-1.0",
        "source": "made for a test",
        "notes": "",
        "taught": None,
    }
    assert json.loads(printed("show", "dots", "--json")) == dots


def test_a_broken_pack_is_reported_and_the_rest_listed(pack: Path, make_pack: MakePack) -> None:
    broken = make_pack(user_packs_folder() / "broken", "ink", name="broken")
    (broken / "ink.png").unlink()
    result = run("list")
    assert result.exit_code == 0
    assert "dots" in result.stdout
    assert "ink" not in result.stdout
    assert result.stderr.startswith("warning: ")
    assert "ink.png, which is not there" in result.stderr
    assert len(json.loads(run("list", "--json").stdout)) == 2
    assert run("--json").stdout == run("list", "--json").stdout


def test_a_style_is_shown(pack: Path) -> None:
    shown = dict(line.split(":", 1) for line in printed("show", "mine/dots").splitlines())
    assert shown["path"].strip() == str(pack / "dots.png")
    assert shown["artist"].strip() == "B. Artist"
    assert "notes" not in shown


def test_an_unknown_style_is_not_shown(pack: Path) -> None:
    assert "did you mean 'dots'?" in refused("show", "dosts", kind=UnknownNameError)


def test_a_pack_is_made_added_listed_and_removed(pack: Path, here: Path) -> None:
    (here / "Pictures").mkdir()
    (pack / "dots.png").rename(here / "Pictures" / "Night Sky.png")
    (here / "Pictures" / "bad.png").write_bytes(b"no picture")
    made = run("new", "Pictures", "--name", "sky", "--author", "Jo", "--licence", "CC0-1.0")
    assert made.exit_code == 0
    assert made.stdout.startswith("Pictures/pack.toml: 1 style: night-sky\nstill to fill in:\n")
    assert [line.split() for line in made.stdout.splitlines()[2:]] == [
        ["12:", "artist", "=", '"unknown"'],
        ["14:", "source", "=", '"unknown"'],
    ]
    assert made.stderr.startswith("left out: bad.png is not a picture")
    assert printed("add", "Pictures") == "added sky: night-sky\n"
    assert "sky\tnight-sky\tNight Sky\tCC0-1.0\n" in printed("list")
    assert "--overwrite" in refused("add", "Pictures", kind=StyleError)
    printed("add", "Pictures", "--overwrite")
    assert printed("remove", "sky") == f"removed {user_packs_folder() / 'sky'}\n"
    assert "sky" not in printed("list")
    assert (here / "Pictures" / "Night Sky.png").exists()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["new", "gone"], StyleError),
        (["new", "."], StyleError),
        (["new", ".", "--name", "My Pack"], UsageError),
        (["add", "gone.zip"], StyleError),
        (["add", "."], StyleError),
        (["remove", "gone"], UnknownNameError),
        (["show", "gone.jpg"], StyleError),
        (["sheet", "gone.jpg"], NstfilterError),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    here: Path, arguments: list[str], kind: type[NstfilterError]
) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, kind)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""
    assert list(here.iterdir()) == []


@pytest.fixture
def photo(here: Path) -> np.ndarray:
    """A gray picture of 300x200, also in photo.png."""
    picture = np.full((200, 300, 3), 100, np.uint8)
    assert cv2.imwrite("photo.png", picture)
    manager().load("fake", FakePlugin)
    return picture


def tile(number: int) -> np.ndarray:
    """The color in the middle of a tile on sheet.png, tiles being 320x213 with margins and captions."""
    page = cv2.imread("sheet.png")
    assert page is not None
    middle: np.ndarray = page[14 + 106, 14 + 160 + number * (320 + 14)]
    return middle


def test_a_sheet_shows_every_style(pack: Path, photo: np.ndarray) -> None:
    assert printed("sheet", "photo.png", "-o", "sheet.png", "--model", "fake") == "sheet.png\n"
    np.testing.assert_array_equal(tile(0), [100, 100, 100])
    # the fake mixes a style's mean color with the picture by half: BGR (0, 90, 200) for dots, (40, 90, 200)
    np.testing.assert_array_equal(tile(1), [50, 95, 150])
    np.testing.assert_array_equal(tile(2), [70, 95, 150])


def test_a_broken_style_costs_the_sheet_one_tile(pack: Path, photo: np.ndarray) -> None:
    (pack / "dots.png").write_bytes(b"no picture")
    result = run("sheet", "photo.png", "-o", "sheet.png", "--model", "fake")
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "dots.png" in result.stderr
    np.testing.assert_array_equal(tile(1), [70, 95, 150])


@pytest.mark.parametrize("shape", [(200, 300), (200, 300, 4), (1, 1, 3), (2, 900, 3), (2000, 1100, 3)])
def test_any_picture_makes_a_sheet(pack: Path, photo: np.ndarray, shape: tuple[int, ...]) -> None:
    cv2.imwrite("photo.png", np.full(shape, 100, np.uint8))
    printed("sheet", "photo.png", "-o", "sheet.png", "--model", "fake")
    assert cv2.imread("sheet.png").std() > 0


@pytest.mark.slow
def test_a_sheet_of_the_demo_is_called_styles(pack: Path, photo: np.ndarray, here: Path) -> None:
    assert printed("sheet", "--model", "fake") == "styles.jpg\n"
    page = cv2.imread("styles.jpg")
    assert page.shape[1] == 14 + 3 * (320 + 14)
    assert page[14:194, 14:334].std() > 10
    assert sorted(path.name for path in here.iterdir()) == ["photo.png", "styles.jpg"]


def test_styles_of_one_name_are_told_apart(
    pack: Path, photo: np.ndarray, make_pack: MakePack, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pack(user_packs_folder() / "other", "dots", name="other")
    names: list[str] = []

    def sheet(tiles: list[tuple[str, np.ndarray]], **_: object) -> np.ndarray:
        names.extend(name for name, _ in tiles)
        return tiles[0][1]

    monkeypatch.setattr("nstfilter.graphics.sheet.contact_sheet", sheet)
    printed("sheet", "photo.png", "-o", "sheet.png", "--model", "fake")
    assert names == ["photo", "mine/dots", "lines", "other/dots"]


def test_a_sheet_overwrites_nothing_unasked(pack: Path, photo: np.ndarray, here: Path) -> None:
    Path("sheet.png").write_text("precious")
    arguments = ["sheet", "photo.png", "--model", "fake", "-o"]
    assert "--overwrite" in refused(*arguments, "sheet.png", kind=SinkError)
    assert Path("sheet.png").read_text() == "precious"
    before = Path("photo.png").read_bytes()
    assert "is the picture" in refused(*arguments, "photo.png", "--overwrite", kind=UsageError)
    assert Path("photo.png").read_bytes() == before
    assert "make it first" in refused(*arguments, "no/sheet.png", kind=SinkError)
    assert sorted(path.name for path in here.iterdir()) == ["photo.png", "sheet.png"]
    printed(*arguments, "sheet.png", "--overwrite")
    np.testing.assert_array_equal(tile(0), [100, 100, 100])


def test_a_sheet_that_fails_leaves_nothing(
    pack: Path, photo: np.ndarray, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SinkError("the disk is full")

    monkeypatch.setattr("nstfilter.plugins.image.sink.ImageSink._write", fail)
    refused("sheet", "photo.png", "-o", "sheet.png", "--model", "fake", kind=SinkError)
    assert [path.name for path in here.iterdir()] == ["photo.png"]


def test_every_command_explains_itself() -> None:
    for command in cli.app.registered_commands:
        assert command.callback
        name = command.name or command.callback.__name__
        assert " ".join((command.callback.__doc__ or "").split()) in " ".join(printed(name, "--help").split())


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nstfilter", "styles", *map(str, arguments)],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_program_adds_a_zip_and_refuses_a_damaged_one(pack: Path, here: Path) -> None:
    with zipfile.ZipFile("other.zip", "w") as archive:
        archive.writestr("x/pack.toml", (pack / "pack.toml").read_text().replace('"mine"', '"other"'))
        for name in ("dots.png", "lines.png"):
            archive.write(pack / name, f"x/{name}")
    done = program("add", "other.zip")
    assert (done.returncode, done.stdout, done.stderr) == (0, "added other: dots, lines\n", "")
    Path("other.zip").write_bytes(Path("other.zip").read_bytes()[:300])
    failed = program("add", "other.zip", "--overwrite")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == ("error: other.zip is not a pack; expected a pack's folder, or a .zip of it\n")
    assert sorted(path.name for path in user_packs_folder().iterdir()) == ["mine", "other"]


def test_the_program_ends_with_2_for_an_unknown_name(pack: Path) -> None:
    failed = program("show", "dosts")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: no style is called 'dosts'; did you mean 'dots'?")
    assert len(failed.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_default_model_paints_a_sheet(pack: Path, photo: np.ndarray) -> None:
    done = program("sheet", "photo.png", "-o", "sheet.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sheet.png\n", "")
    np.testing.assert_array_equal(tile(0), [100, 100, 100])
    assert np.abs(tile(1).astype(int) - tile(0)).max() > 5
