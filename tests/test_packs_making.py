from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from nstfilter.errors import StyleError, UsageError
from nstfilter.packs import making
from nstfilter.packs.adding import add_pack
from nstfilter.packs.making import create_pack
from nstfilter.packs.style import StylePack

MakePack = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_pack: MakePack) -> Path:
    """A folder with one picture, `Starry Night.png`."""
    folder = make_pack(tmp_path / "My Pictures", "x")
    (folder / "pack.toml").unlink()
    (folder / "x.png").rename(folder / "Starry Night.png")
    return folder


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes((folder / "Starry Night.png").read_bytes())


def test_a_folder_becomes_a_pack(folder: Path) -> None:
    made = create_pack(folder)
    assert (made.manifest, made.styles, made.left_out) == (folder / "pack.toml", ["starry-night"], [])
    pack = StylePack.load(folder)
    assert (pack.name, pack.title, pack.author) == ("my-pictures", "My Pictures", "unknown")
    assert (pack.styles[0].title, pack.styles[0].path.name) == ("Starry Night", "Starry Night.png")
    assert add_pack(folder).name == "my-pictures"


def test_what_is_known_is_written_and_the_rest_pointed_out(folder: Path) -> None:
    put(folder, "wave.png")
    made = create_pack(folder, name="night", author='Jo "J" \\ Ünï 😀', licence="CC0-1.0")
    lines = made.manifest.read_text("utf-8").split("\n")
    assert [line for _, line in made.unknown] == ['artist = "unknown"', 'source = "unknown"'] * 2
    assert [lines[number - 1] for number, _ in made.unknown] == [line for _, line in made.unknown]
    pack = StylePack.load(folder)
    assert (pack.name, pack.author, pack.licence) == ("night", 'Jo "J" \\ Ünï 😀', "CC0-1.0")
    assert {style.licence for style in pack.styles} == {"CC0-1.0"}


def test_names_are_plain_and_distinct(folder: Path) -> None:
    put(
        folder, "starry-night.png", "STARRY_NIGHT!.png", "Ünï cödé.png", "波.png", "海.png", "a" * 90 + ".png"
    )
    put(folder, "a" * 91 + ".png", "quo\"te'd #1.png", "tab=[x]  {y}.png", "--.png")
    made = create_pack(folder)
    short = "starry-night starry-night-2 starry-night-3 uni-code style style-2 style-3 quo-te-d-1 tab-x-y"
    assert sorted(made.styles) == sorted([*short.split(), "a" * 64, "a" * 60 + "-2"])
    found = {style.name: style for style in StylePack.load(folder).styles}
    assert found["quo-te-d-1"].path.name == "quo\"te'd #1.png"
    assert {found[name].path.name for name in ("style", "style-2", "style-3")} == {
        "波.png",
        "海.png",
        "--.png",
    }


def test_a_name_already_numbered_is_not_given_twice(folder: Path) -> None:
    put(folder, "wave.png", "Wave.png", "wave-2.png")
    assert len(set(create_pack(folder).styles)) == 4


def test_what_is_left_out_is_named(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "cut.png").write_bytes((folder / "Starry Night.png").read_bytes()[:-30])
    (folder / "notes.txt").write_text("text")
    (folder / "sub").mkdir()
    (folder / "link.png").symlink_to(folder / "Starry Night.png")
    put(folder, "line\nbreak.png", "co:lon.png")
    (folder / "README.md").write_text("comes along")
    (folder / ".hidden.png").write_bytes(b"")
    made = create_pack(folder)
    assert made.styles == ["starry-night"]
    left_out = ["bad.png", "cut.png", "'co:lon.png'", "'line\\nbreak.png'", "link.png", "notes.txt", "sub"]
    assert sorted(reason.split(" ")[0] for reason in made.left_out) == sorted(left_out)
    assert not any("\n" in reason or str(folder) in reason for reason in made.left_out)


def test_sizes_and_numbers_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "wave.png", "ink.png")
    monkeypatch.setattr(making, "MAX_STYLES", 2)
    with pytest.raises(StyleError, match="has 3 pictures; a pack holds 2 at most"):
        create_pack(folder)
    monkeypatch.setattr(making, "MAX_PICTURE", 10)
    with pytest.raises(StyleError, match=r"there is no picture in .*; wave\.png is larger than"):
        create_pack(folder)
    assert not (folder / "pack.toml").exists()


@pytest.mark.parametrize("content", ["mine", None])
def test_a_manifest_is_never_overwritten(folder: Path, content: str | None) -> None:
    if content:
        (folder / "pack.toml").write_text(content)
    else:
        (folder / "pack.toml").symlink_to("nowhere")
    with pytest.raises(StyleError, match=r"pack\.toml exists"):
        create_pack(folder)
    assert not content or (folder / "pack.toml").read_text() == content


@pytest.mark.parametrize("name", ["My Pack", "", "a/b", "-x", "x" * 65])
def test_a_name_that_cannot_be_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a pack"):
        create_pack(folder, name=name)
    assert not (folder / "pack.toml").exists()


def test_what_is_no_folder_of_pictures_is_refused(folder: Path) -> None:
    with pytest.raises(StyleError, match="is not a folder"):
        create_pack(folder / "gone")
    with pytest.raises(StyleError, match="is not a folder"):
        create_pack(folder / "Starry Night.png")
    (folder / "Starry Night.png").unlink()
    with pytest.raises(StyleError, match="there is no picture in"):
        create_pack(folder)


def test_nothing_half_written_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StyleError, match=r"pack\.toml cannot be written: No space left on device"):
        create_pack(folder)
    assert [path.name for path in folder.iterdir()] == ["Starry Night.png"]


@pytest.mark.parametrize(
    "character", [chr(c) for c in (0, 1, 9, 10, 13, 31, 34, 92, 127, 133, 0x2028, 0xDCFF)]
)
def test_any_character_can_stand_in_a_title(folder: Path, character: str) -> None:
    made = create_pack(folder, author=f"a{character}b")
    written = tomllib.loads(made.manifest.read_text("utf-8"))["pack"]["author"]
    assert written in (f"a{character}b", "a b")
    assert [made.manifest.read_text("utf-8").split("\n")[n - 1] for n, _ in made.unknown] == [
        line for _, line in made.unknown
    ]
