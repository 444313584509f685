from __future__ import annotations

import io
import random
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nstfilter.errors import StyleError
from nstfilter.packs import adding
from nstfilter.packs.adding import add_pack
from nstfilter.packs.reading import user_packs_folder

MakePack = Callable[..., Path]
Pack = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_pack: MakePack) -> Path:
    return make_pack(tmp_path / "from" / "mine", "dots", "lines")


@pytest.fixture
def zipped(tmp_path: Path, folder: Path) -> Pack:
    """Zips the pack, `inside` a folder, with `more` entries."""

    def make(
        *more: tuple[str | zipfile.ZipInfo, bytes], inside: str = "", method: int = zipfile.ZIP_DEFLATED
    ) -> Path:
        path = tmp_path / "mine.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, inside + file.name)
            for name, data in more:
                archive.writestr(name, data)
        return path

    return make


def refused(source: Path, *, saying: str) -> None:
    """`source` cannot be added, in one line, and nothing of it is left anywhere."""
    before = sorted(source.parents[0].rglob("*"))
    with pytest.raises(StyleError) as caught:
        add_pack(source)
    assert saying in str(caught.value)
    assert "\n" not in str(caught.value)
    new = set(source.parents[0].rglob("*")) - set(before) - {user_packs_folder(), user_packs_folder().parent}
    assert not new
    assert not user_packs_folder().exists() or list(user_packs_folder().iterdir()) == []


def names(source: Path) -> list[str]:
    folder = add_pack(source).folder
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("inside", ["", "mine/", "A pack of mine/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_added(zipped: Pack, folder: Path, inside: str, method: int) -> None:
    added = add_pack(zipped(inside=inside, method=method)).folder
    assert added == user_packs_folder() / "mine"
    for file in folder.iterdir():
        assert (added / file.name).read_bytes() == file.read_bytes()


def test_only_what_belongs_to_the_pack_is_taken(zipped: Pack) -> None:
    more = [
        "LICENSE",
        "readme.md",
        "setup.py",
        "sub/README",
        "__MACOSX/._dots.png",
        "not-named.png",
        "../evil.png",
        "/etc/evil",
        "../../.ssh/README",
    ]
    source = zipped(*((name, b"text") for name in more))
    assert names(source) == ["LICENSE", "dots.png", "lines.png", "pack.toml", "readme.md"]
    assert not list(source.parents[1].rglob("*evil*"))


def test_only_what_belongs_to_the_pack_is_taken_from_a_folder(folder: Path) -> None:
    for name in ["LICENCE.txt", "COPYING", "notes.txt", ".hidden", "other.png"]:
        (folder / name).write_text("text")
    assert names(folder) == ["COPYING", "LICENCE.txt", "dots.png", "lines.png", "pack.toml"]


def test_pictures_may_lie_in_folders_and_be_shared(folder: Path, zipped: Pack) -> None:
    (folder / "sub").mkdir()
    (folder / "dots.png").rename(folder / "sub" / "d.png")
    manifest = (folder / "pack.toml").read_text().replace('"dots.png"', '"./sub/d.png"')
    (folder / "pack.toml").write_text(manifest.replace('"lines.png"', '"sub//d.png"'))
    (folder / "lines.png").unlink()
    assert names(folder) == ["pack.toml", "sub/d.png"]
    picture = (folder / "sub" / "d.png").read_bytes()
    (folder / "sub" / "d.png").unlink()
    (folder / "sub").rmdir()
    added = add_pack(zipped(("sub/d.png", picture)), overwrite=True)
    assert added.styles[0].path.samefile(added.styles[1].path)


@pytest.mark.parametrize(
    "picture", ["../dots.png", "/etc/hostname", r"..\\dots.png", "C:/dots.png", "a/../../dots.png"]
)
def test_a_picture_cannot_lie_outside(folder: Path, zipped: Pack, picture: str) -> None:
    manifest = (folder / "pack.toml").read_text()
    (folder / "pack.toml").write_text(manifest.replace('"dots.png"', f'"{picture}"'))
    refused(folder, saying="does not lie inside the pack's folder")
    refused(zipped((picture, b"x")), saying="does not lie inside the pack's folder")


@pytest.mark.parametrize("name", ["dots.png", "pack.toml", "README"])
def test_links_in_a_folder_are_refused(folder: Path, name: str) -> None:
    outside = folder.parent / "outside"
    if (folder / name).exists():
        (folder / name).rename(outside)
    else:
        outside.write_text("secret")
    (folder / name).symlink_to(outside)
    refused(folder, saying=f"{name} is a link")


def test_linked_folders_are_refused(folder: Path) -> None:
    (folder.parent / "outside").mkdir()
    (folder / "dots.png").rename(folder.parent / "outside" / "dots.png")
    (folder / "sub").symlink_to(folder.parent / "outside")
    manifest = (folder / "pack.toml").read_text()
    (folder / "pack.toml").write_text(manifest.replace('"dots.png"', '"sub/dots.png"'))
    refused(folder, saying="sub is a link")


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    assert add_pack(folder.parent / "link").name == "mine"


@pytest.mark.parametrize("name", ["dots.png", "README"])
def test_links_in_a_zip_are_refused(folder: Path, zipped: Pack, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(zipped((link, b"/etc/hostname")), saying=f"{name} in")


def test_a_zip_bomb_is_stopped_while_it_is_read(
    folder: Path, zipped: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dots.png").unlink()
    bomb = zipped(("dots.png", bytes(80_000_000)))
    assert bomb.stat().st_size < 100_000
    written: list[int] = []
    at_most = adding._at_most
    monkeypatch.setattr(
        adding, "_at_most", lambda *a: (chunk for chunk in at_most(*a) if not written.append(len(chunk)))
    )
    refused(bomb, saying="dots.png is too large; a picture may have 50 MB")
    assert sum(written) <= 51_000_000


def test_a_zip_bomb_with_a_modest_header_is_stopped(folder: Path, zipped: Pack) -> None:
    """One whose directory claims 100 bytes where there are many more."""
    (folder / "dots.png").unlink()
    bomb = zipped(("dots.png", bytes(60_000_000)))
    data = bomb.read_bytes()
    assert data.count(struct.pack("<L", 60_000_000)) == 2
    bomb.write_bytes(data.replace(struct.pack("<L", 60_000_000), struct.pack("<L", 100)))
    refused(bomb, saying="is damaged")


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MAX_PICTURE", 70, "png is too large"), ("MAX_PACK", 150, "lines.png is too large")],
)
def test_sizes_are_bounded(
    folder: Path,
    zipped: Pack,
    monkeypatch: pytest.MonkeyPatch,
    as_zip: bool,
    limit: str,
    value: int,
    said: str,
) -> None:
    assert 75 < (folder / "dots.png").stat().st_size < 150
    monkeypatch.setattr(adding, limit, value)
    refused(zipped() if as_zip else folder, saying=said)


@pytest.mark.parametrize("name", ["pack.toml", "README.md"])
def test_texts_are_bounded(folder: Path, zipped: Pack, name: str) -> None:
    (folder / name).write_text("#" * 1_000_001)
    refused(zipped(), saying=f"{name} is too large")
    refused(folder, saying=f"{name} is too large")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_stopped_is_not_begun(zipped: Pack, method: int) -> None:
    refused(zipped(method=method), saying="unpack it and add the folder")


def test_a_zip_with_a_password_is_named_as_such(zipped: Pack) -> None:
    source = zipped()
    data = bytearray(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            data[entry.header_offset + 6] |= 1
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1
    source.write_bytes(data)
    refused(source, saying="locked with a password")


def test_a_zip_of_several_packs_is_refused(zipped: Pack, folder: Path) -> None:
    source = zipped(("other/pack.toml", (folder / "pack.toml").read_bytes()), inside="mine/")
    refused(source, saying="holds several packs (mine/, other/)")


def test_a_zip_without_a_manifest_is_no_pack(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/b/pack.toml", "too deep")
    refused(tmp_path / "x.zip", saying="is not a style pack: it has no pack.toml")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 only its beginning"])
def test_what_is_no_zip_is_no_pack(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    refused(tmp_path / "x.zip", saying="is not a pack; expected a pack's folder, or a .zip of it")


def test_a_missing_file_is_named(tmp_path: Path, folder: Path, zipped: Pack) -> None:
    refused(tmp_path / "gone.zip", saying="there is no")
    (folder / "lines.png").unlink()
    refused(folder, saying="names lines.png, which is not there")
    refused(zipped(), saying="names lines.png, which is not there")


def test_a_cut_zip_is_damaged(zipped: Pack) -> None:
    source = zipped(method=zipfile.ZIP_STORED)
    data = source.read_bytes()
    source.write_bytes(data[:-200])
    refused(source, saying="is not a pack")
    source.write_bytes(data[:100] + data[400:])
    refused(source, saying="is damaged")


def test_a_wrong_byte_is_noticed(zipped: Pack, folder: Path) -> None:
    source = zipped(method=zipfile.ZIP_STORED)
    picture = (folder / "lines.png").read_bytes()
    spoiled = picture[:50] + bytes([picture[50] ^ 1]) + picture[51:]
    source.write_bytes(source.read_bytes().replace(picture, spoiled))
    refused(source, saying="is damaged: Bad CRC-32 for file 'lines.png'")


def test_no_damage_is_unexpected(zipped: Pack) -> None:
    """Whatever bytes are changed: the pack is added, or refused with a StyleError."""
    source = zipped(inside="mine/")
    data = source.read_bytes()
    chance = random.Random(7)
    refusals: list[str] = []
    for _ in range(120):
        spoiled = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            spoiled[chance.randrange(len(spoiled))] = chance.choice([0, 1, 8, 255, chance.randrange(256)])
        source.write_bytes(spoiled)
        try:
            add_pack(source, overwrite=True)
        except StyleError as error:
            refusals.append(str(error))
    assert len(refusals) > 30
    assert "\n" not in "".join(refusals)
    assert [path.name for path in user_packs_folder().iterdir()] in ([], ["mine"])


def test_a_zip_from_memory_is_a_zip(tmp_path: Path, folder: Path) -> None:
    """One written as a stream has its sizes behind the data; some programs write all theirs so."""

    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for file in folder.iterdir():
            archive.write(file, file.name)
    (tmp_path / "streamed.zip").write_bytes(stream.data)
    assert add_pack(tmp_path / "streamed.zip").name == "mine"
