from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nstfilter.errors import StyleError, UnknownNameError, UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.manager import manager
from nstfilter.packs.adding import add_pack, check_picture, remove_pack
from nstfilter.packs.reading import find_style, packs, read_packs, read_picture, user_packs_folder
from nstfilter.packs.style import StylePack

pytestmark = pytest.mark.usefixtures("own_packs_only")
MakePack = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_pack: MakePack) -> Path:
    return make_pack(tmp_path / "from" / "anything", "dots", "lines")


@pytest.fixture
def guest(tmp_path: Path, make_pack: MakePack) -> str:
    """The name of a pack that a plugin brought."""
    folder = make_pack(tmp_path / "guest", "ink", name="guest")

    class Guest:
        @hookimpl
        def register_styles(self, register: Register) -> None:
            register("guest", lambda _: folder)

    manager().load("visitor", Guest)
    return "guest"


def everything() -> list[str]:
    return sorted(str(path.relative_to(user_packs_folder())) for path in user_packs_folder().rglob("*"))


def test_an_added_pack_is_there_at_once_and_gone_at_once(folder: Path) -> None:
    assert packs() == {}
    added = add_pack(folder)
    assert added == StylePack.load(user_packs_folder() / "mine")
    assert find_style("dots").path == user_packs_folder() / "mine" / "dots.png"
    assert everything() == ["mine", "mine/dots.png", "mine/lines.png", "mine/pack.toml"]
    assert remove_pack("mine") == added.folder
    assert packs() == {}
    assert everything() == []
    assert (folder / "dots.png").exists()


def test_a_pack_is_not_replaced_unasked(folder: Path, tmp_path: Path, make_pack: MakePack) -> None:
    add_pack(folder)
    before = everything()
    newer = make_pack(tmp_path / "newer", "stripes")
    with pytest.raises(StyleError, match="you have a pack called 'mine' already; --overwrite replaces it"):
        add_pack(newer)
    assert everything() == before
    add_pack(newer, overwrite=True)
    assert everything() == ["mine", "mine/pack.toml", "mine/stripes.png"]


def test_a_pack_that_fails_leaves_the_old_one(folder: Path, tmp_path: Path, make_pack: MakePack) -> None:
    add_pack(folder)
    before = everything()
    newer = make_pack(tmp_path / "newer", "stripes", "checks")
    (newer / "checks.png").write_bytes(b"no picture")
    with pytest.raises(StyleError, match=r"style 'checks' of .*newer: checks\.png is not a picture"):
        add_pack(newer, overwrite=True)
    assert everything() == before
    assert StylePack.load(user_packs_folder() / "mine").styles[0].name == "dots"


def test_when_the_last_step_fails_the_old_one_comes_back(
    folder: Path, tmp_path: Path, make_pack: MakePack, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pack(folder)
    before = everything()
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StyleError, match=r"cannot be added: .*mine: No space left on device"):
        add_pack(make_pack(tmp_path / "newer", "stripes"), overwrite=True)
    assert everything() == before


def test_ctrl_c_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Path) -> None:
        assert any(path.startswith(".adding-") for path in everything())
        assert list(read_packs()) == []
        raise KeyboardInterrupt

    monkeypatch.setattr("nstfilter.packs.adding.check_picture", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add_pack(folder)
    assert everything() == []


def test_a_pack_can_be_added_from_where_it_is(folder: Path) -> None:
    added = add_pack(folder)
    before = everything()
    add_pack(added.folder, overwrite=True)
    assert everything() == before


def test_a_broken_pack_can_be_replaced_and_removed(folder: Path) -> None:
    added = add_pack(folder)
    (added.folder / "pack.toml").write_text("broken")
    with pytest.raises(StyleError, match="already"):
        add_pack(folder)
    add_pack(folder, overwrite=True)
    assert list(packs()) == ["mine"]
    (added.folder / "pack.toml").write_text("broken")
    remove_pack("mine")
    assert everything() == []


def test_a_pack_laid_there_by_hand_goes_by_its_name(folder: Path) -> None:
    by_hand = user_packs_folder() / "some folder"
    by_hand.parent.mkdir(parents=True)
    folder.rename(by_hand)
    with pytest.raises(UnknownNameError):
        remove_pack("some folder")
    add_pack(by_hand, overwrite=True)
    assert [path.name for path in user_packs_folder().iterdir()] == ["some folder"]
    remove_pack("mine")
    assert everything() == []


def test_a_linked_pack_is_unlinked(folder: Path) -> None:
    user_packs_folder().mkdir(parents=True)
    (user_packs_folder() / "mine").symlink_to(folder)
    remove_pack("mine")
    assert everything() == []
    assert (folder / "dots.png").exists()


def test_what_is_no_pack_is_not_overwritten(folder: Path) -> None:
    in_the_way = user_packs_folder() / "mine" / "letters.txt"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("dear")
    with pytest.raises(StyleError, match="mine is in the way; move it elsewhere first"):
        add_pack(folder, overwrite=True)
    assert in_the_way.read_text() == "dear"


def test_a_plugins_pack_is_neither_hidden_nor_removed(
    guest: str, tmp_path: Path, make_pack: MakePack
) -> None:
    mine = make_pack(tmp_path / "mine", "dots", name=guest)
    with pytest.raises(
        StyleError, match="a pack called 'guest' comes with plugin visitor; give yours another"
    ):
        add_pack(mine, overwrite=True)
    with pytest.raises(UsageError, match="'guest' comes with plugin visitor and cannot be removed"):
        remove_pack(guest)
    assert find_style("guest/ink").path.exists()


def test_the_users_pack_hidden_by_a_plugins_can_be_removed(guest: str, make_pack: MakePack) -> None:
    make_pack(user_packs_folder() / guest, "dots", name=guest)
    remove_pack(guest)
    assert everything() == []
    assert find_style("guest/ink").path.exists()


@pytest.mark.parametrize("name", ["nim", "", ".", "..", "../..", "/", "mine/../mine", "*"])
def test_what_cannot_be_removed_is_unknown(folder: Path, name: str) -> None:
    add_pack(folder)
    before = everything()
    with pytest.raises(UnknownNameError, match="no added pack is called"):
        remove_pack(name)
    assert everything() == before


def test_a_place_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("a file where the folder should be")
    with pytest.raises(StyleError, match=r"cannot be added: .*user-data"):
        add_pack(folder)


@pytest.mark.parametrize(("name", "said"), [("clip.mp4", "mp4"), ("notes.txt", "notes.txt is not a picture")])
def test_a_style_must_be_a_picture(folder: Path, name: str, said: str) -> None:
    (folder / "dots.png").rename(folder / name)
    (folder / "pack.toml").write_text((folder / "pack.toml").read_text().replace("dots.png", name))
    with pytest.raises(StyleError, match=said):
        add_pack(folder)
    assert everything() == []


def test_a_picture_far_larger_than_any_style_needs_is_refused_before_it_is_decoded(folder: Path) -> None:
    Image.new("1", (10_000, 8_000)).save(folder / "dots.png")  # 10 kB
    with pytest.raises(StyleError, match=r"dots.png has 10000x8000 pixels.*at most 64 million"):
        add_pack(folder)
    assert everything() == []
    with pytest.raises(StyleError, match="at most 64 million"):
        read_picture(find_style(folder / "dots.png"))


def test_a_video_is_no_picture(shared: Path) -> None:
    with pytest.raises(StyleError, match="is not a still picture"):
        check_picture(shared / "data" / "clips" / "carphone_pristine.mp4")
