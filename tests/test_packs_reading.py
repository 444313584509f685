from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nstfilter.errors import StyleError, UnknownNameError, UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.manager import manager
from nstfilter.packs.reading import find_style, list_styles, packs, parse_style, read_packs, user_packs_folder
from nstfilter.packs.style import Style, StylePack

pytestmark = pytest.mark.usefixtures("own_packs_only")
MakePack = Callable[..., Path]


@pytest.fixture
def pack(make_pack: MakePack) -> Path:
    """A pack of the user's own, with the styles wave, mosaic and ink."""
    return make_pack(user_packs_folder() / "mine", "wave", "mosaic", "ink")


@pytest.fixture
def picture(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Puts a picture under a name in the current folder."""
    monkeypatch.chdir(tmp_path)

    def put(name: str) -> str:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes((pack / "wave.png").read_bytes())
        return name

    return put


def weights(text: str) -> dict[str, float]:
    return {style.name: weight for style, weight in parse_style(text).parts}


def plugin_with(opened: Any) -> object:
    """A plugin whose one style pack opens as `opened`, which is raised if it is an exception."""

    def open(_: str) -> Any:
        if isinstance(opened, Exception):
            raise opened
        return opened

    class Guest:
        @hookimpl
        def register_styles(self, register: Register) -> None:
            register("guest", open)

    return Guest()


def test_a_pack_says_everything_about_its_styles(pack: Path) -> None:
    loaded = StylePack.load(pack)
    assert (loaded.name, loaded.version, loaded.title, loaded.author) == ("mine", "1.0", "mine", "A. Author")
    assert loaded.styles[0] == Style(
        "wave",
        pack / "wave.png",
        pack="mine",
        title="Wave",
        artist="B. Artist",
        year=2026,
        licence="CC0-1.0",
        source="made for a test",
    )


def test_a_pack_whose_picture_is_missing_names_it(pack: Path) -> None:
    (pack / "mosaic.png").unlink()
    with pytest.raises(StyleError, match=r"'mosaic' names mosaic\.png, which is not there"):
        StylePack.load(pack)


@pytest.mark.parametrize("folder", ["nothing", "mine/wave.png"])
def test_what_is_no_pack_is_called_so(pack: Path, folder: str) -> None:
    with pytest.raises(StyleError, match=r"is not a style pack: it has no pack\.toml"):
        StylePack.load(pack.parent / folder)


@pytest.mark.parametrize("text", ["wave", "mine/wave", " wave ", "wave:0.2"])
def test_one_style_by_name(pack: Path, text: str) -> None:
    assert weights(text) == {"wave": 1.0}


def test_weights_are_scaled_to_sum_to_one(pack: Path) -> None:
    assert weights("wave:3+mosaic:1") == {"wave": 0.75, "mosaic": 0.25}
    assert weights("wave+mosaic") == {"wave": 0.5, "mosaic": 0.5}
    assert weights("wave:1e-1 + mosaic:.3+ink:0.6") == pytest.approx({"wave": 0.1, "mosaic": 0.3, "ink": 0.6})
    assert sum(weights("wave:1000000+mosaic:1000000+ink:0.001").values()) == pytest.approx(1)


def test_a_mix_reads_as_it_is_written(pack: Path) -> None:
    assert str(parse_style("wave:7+mosaic:3")) == "wave:0.7+mosaic:0.3"
    assert str(parse_style("wave:0.7")) == "wave"


def test_a_mix_can_be_spelled_so_that_it_means_the_same_anywhere(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a + b").mkdir()
    shutil.copy(pack / "wave.png", tmp_path / "a + b" / "wave.png")
    monkeypatch.chdir(tmp_path / "a + b")
    mix = parse_style("mine/wave:1+wave.png:3")
    assert mix.spelled == f"mine/wave:0.25+{tmp_path}/a + b/wave.png:0.75"
    assert mix.without_folders == "mine/wave:0.25+wave.png:0.75"
    monkeypatch.chdir(tmp_path)
    assert parse_style(mix.spelled) == mix


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "-inf", "1e7", "0.0"])
def test_a_weight_that_weighs_nothing_sensible_is_refused(pack: Path, weight: str) -> None:
    with pytest.raises(UsageError, match="must be positive, a million at most"):
        parse_style(f"wave:{weight}+mosaic:1")


def test_a_weight_that_is_lost_beside_the_others_is_refused(pack: Path) -> None:
    with pytest.raises(UsageError, match="is nothing beside the others"):
        parse_style("wave:5e-324+mosaic:1e6")


@pytest.mark.parametrize("weight", ["heavy", "0.7.1", "", "1,5"])
def test_a_weight_that_is_no_number_is_refused(pack: Path, weight: str) -> None:
    with pytest.raises(UsageError, match=r"is not a weight; expected a number such as 0\.7"):
        parse_style(f"wave:{weight}+mosaic:1")


@pytest.mark.parametrize("text", ["", "  ", "+", "wave+", "+wave", "wave++mosaic", ":0.5", "wave+:1"])
def test_a_mix_with_a_hole_in_it_is_refused(pack: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"the style is empty|is not a mix of styles"):
        parse_style(text)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("wav", "wave"), ("mosiac", "mosaic"), ("mine/wavy", "mine/wave")]
)
def test_a_misspelt_name_suggests_the_nearest(pack: Path, wrong: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match="did you mean") as caught:
        parse_style(f"ink:0.5+{wrong}:0.5")
    assert caught.value.suggestions[0] == meant


def test_with_no_style_at_all_the_message_still_helps() -> None:
    with pytest.raises(UnknownNameError, match=r"none is registered.*the path of a picture works too"):
        parse_style("wave")


def test_a_name_in_two_packs_wants_its_pack(pack: Path, make_pack: MakePack) -> None:
    make_pack(user_packs_folder() / "other", "wave", name="other")
    with pytest.raises(UsageError, match="say mine/wave or other/wave"):
        parse_style("wave:0.5+ink:0.5")
    assert parse_style("other/wave").parts[0][0].pack == "other"


@pytest.mark.parametrize(
    "name",
    [
        "photo.jpg",
        "a+b.jpg",
        "a+b+c.jpg",
        "12:30.jpg",
        "wave:0.5",
        "half:0.5.png",
        "sub folder/ünïcödé 波.png",
        r"C:\pictures\wave.jpg",
        "no suffix",
    ],
)
def test_the_path_of_any_picture_is_a_style(picture: Callable[[str], str], name: str) -> None:
    path = picture(name)
    (style, weight), *rest = parse_style(path).parts
    assert (style.path, style.pack, weight, rest) == (Path(path).resolve(), "", 1.0, [])
    mixed = parse_style(f"ink:1+{path}:3").parts
    assert [(style.path.name, weight) for style, weight in mixed] == [
        ("ink.png", 0.25),
        (Path(path).name, 0.75),
    ]
    twice = parse_style(f"{path}:3+{path}").parts
    assert [(style.path.name, weight) for style, weight in twice] == [
        (Path(path).name, 0.75),
        (Path(path).name, 0.25),
    ]
    first = parse_style(f"{path}+ink").parts
    assert [style.path.name for style, _ in first] == [Path(path).name, "ink.png"]


def test_a_path_may_begin_at_home(picture: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.getcwd())
    monkeypatch.setenv("USERPROFILE", os.getcwd())
    picture("a+b.jpg")
    assert parse_style("~/a+b.jpg:0.5+wave:0.5").parts[0][0].path == Path("a+b.jpg").resolve()


def test_a_style_goes_before_a_file_of_its_name(picture: Callable[[str], str]) -> None:
    picture("wave")
    assert find_style("wave").pack == "mine"
    assert find_style("./wave").pack == ""


def test_a_style_can_be_a_path_object(picture: Callable[[str], str]) -> None:
    assert parse_style(Path(picture("photo.jpg"))).parts[0][0].name == "photo"


@pytest.mark.parametrize(
    "text",
    ["gone.jpg", "no/such/photo.PNG", r"C:\pictures\wave.jpg", "~/gone.webp", "~nobody-here/gone.webp"],
)
def test_a_picture_that_is_not_there_is_named(pack: Path, text: str) -> None:
    with pytest.raises(StyleError, match="there is no style picture at") as caught:
        parse_style(f"{text}:0.5+wave:0.5")
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["x" * 5000, "a/" * 3000, "~nobody-here", "wave\0", "/dev/null"])
def test_odd_names_are_unknown_names(pack: Path, text: str) -> None:
    with pytest.raises(UnknownNameError):
        parse_style(text)


def test_a_folder_is_no_style(pack: Path) -> None:
    with pytest.raises(UsageError, match="is a folder where a style picture was expected"):
        parse_style(str(pack))


def test_a_broken_pack_costs_only_itself(pack: Path, make_pack: MakePack) -> None:
    broken = make_pack(user_packs_folder() / "broken", "dots", name="broken")
    (broken / "pack.toml").write_text("[pack")
    make_pack(user_packs_folder() / "zebra", "stripes", name="zebra")
    found = list(read_packs())
    assert [origin for _, origin in found] == [str(broken), str(pack), str(user_packs_folder() / "zebra")]
    assert isinstance(found[0][0], StyleError)
    assert [style.name for style in list_styles()] == ["wave", "mosaic", "ink", "stripes"]


def test_of_two_packs_with_one_name_the_second_is_reported(pack: Path, make_pack: MakePack) -> None:
    make_pack(user_packs_folder() / "yours", "dots", name="mine")
    (_, first), (second, _) = read_packs()
    assert isinstance(second, StyleError)
    assert first in str(second)
    assert packs()["mine"].folder == pack


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_plugin_brings_a_pack(pack: Path, tmp_path: Path, make_pack: MakePack, as_folder: bool) -> None:
    folder = make_pack(tmp_path / "guest", "dots", name="guest")
    status = manager().load("guest", lambda: plugin_with(folder if as_folder else StylePack.load(folder)))
    assert status.error is None
    assert find_style("guest/dots").path == folder / "dots.png"
    assert next(iter(read_packs()))[1] == "plugin guest"


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        (ValueError("no network"), "ValueError: no network"),
        (None, "not a NoneType"),
        ("a/path", "not a str"),
        (Path("nowhere"), "nowhere is not a style pack"),
    ],
)
def test_a_plugin_whose_pack_fails_is_named(pack: Path, opened: object, said: str) -> None:
    manager().load("guest", lambda: plugin_with(opened))
    (error, origin), (fine, _) = read_packs()
    assert isinstance(error, StyleError)
    assert said in str(error)
    assert origin in str(error)
    assert origin == "plugin guest"
    assert isinstance(fine, StylePack)
