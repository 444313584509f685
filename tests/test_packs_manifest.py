from __future__ import annotations

import re

import pytest

from nstfilter.errors import StyleError
from nstfilter.packs.manifest import MAX_STYLES, parse

PACK = '[pack]\nname = "mine"\nversion = "1.0"\nauthor = "A."\nlicence = "CC0-1.0"\n'
STYLE = (
    '[[styles]]\nname = "wave"\ntitle = "Wave"\npicture = "wave.jpg"\n'
    'artist = "B."\nlicence = "CC0-1.0"\nsource = "painted"\n'
)


def refused(text: str | bytes) -> str:
    """What is said of a manifest that is refused: one line that begins with its place."""
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(StyleError) as caught:
        parse(data, "the.toml")
    said = str(caught.value)
    assert said.startswith("the.toml")
    assert "\n" not in said
    return said


def test_the_shortest_manifest() -> None:
    manifest = parse((PACK + STYLE).encode(), "the.toml")
    assert manifest.pack.title == ""
    assert (manifest.styles[0].year, manifest.styles[0].notes) == (None, "")


@pytest.mark.parametrize("key", re.findall(r"^\w+", PACK, re.M))
def test_a_missing_key_of_the_pack_is_named(key: str) -> None:
    assert f"pack.{key}: Field required" in refused(re.sub(rf"^{key} .*\n", "", PACK, flags=re.M) + STYLE)


@pytest.mark.parametrize("key", re.findall(r"^\w+", STYLE, re.M))
def test_a_missing_key_of_a_style_is_named(key: str) -> None:
    assert f"styles.0.{key}: Field required" in refused(PACK + re.sub(rf"^{key} .*\n", "", STYLE, flags=re.M))


def test_unknown_keys_are_named() -> None:
    assert "styles.0.license: Extra inputs" in refused(PACK + STYLE + 'license = "CC0-1.0"\n')
    assert "pack.homepage: Extra inputs" in refused(PACK + 'homepage = "x"\n' + STYLE)
    assert "packs: Extra inputs" in refused(PACK + STYLE + "[packs]\n")


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ('version = "1.0"', "version = 1.0", "pack.version"),
        ('artist = "B."', 'artist = ["B."]', "styles.0.artist"),
        ('artist = "B."', 'artist = ""', "styles.0.artist"),
        ('artist = "B."', 'artist = "B."\nyear = "2026"', "styles.0.year"),
        ('artist = "B."', 'artist = "B."\nyear = true', "styles.0.year"),
        ('artist = "B."', 'artist = "B."\nyear = 2026-01-01', "styles.0.year"),
        ("[[styles]]", "[styles]", "styles"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(before: str, after: str, place: str) -> None:
    assert f"{place}: Input" in refused((PACK + STYLE).replace(before, after)).replace("String", "Input")


@pytest.mark.parametrize("text", ["", PACK, PACK + "styles = []\n"])
def test_a_pack_without_styles_is_none(text: str) -> None:
    assert "pack" in refused(text) or "styles" in refused(text)


@pytest.mark.parametrize(
    "name", ["Wave", "wave!", "", "-wave", "a/b", "a:b", "a+b", "..", "w" * 65, "wave\\n", "wäve"]
)
def test_a_name_is_small_letters_digits_and_hyphens(name: str) -> None:
    said = refused(PACK + STYLE.replace('"wave"', f'"{name}"'))
    assert "styles.0.name" in said
    assert "expected small letters, digits and hyphens" in said
    assert "pack.name" in refused(PACK.replace('"mine"', f'"{name}"') + STYLE)


def test_two_styles_of_one_name_are_refused() -> None:
    assert "two styles are called 'wave'" in refused(PACK + STYLE + STYLE)


@pytest.mark.parametrize(
    "picture",
    [
        "../wave.jpg",
        "a/../../wave.jpg",
        "a/..",
        "/etc/passwd",
        "//server/share/wave.jpg",
        r"..\\wave.jpg",
        r"C:\\wave.jpg",
        "C:wave.jpg",
        r"wave.jpg\u0000.png",
        r"wave\n.jpg",
        "wave.jpg:stream",
    ],
)
def test_a_picture_lies_inside_its_pack(picture: str) -> None:
    said = refused(PACK + STYLE.replace("wave.jpg", picture))
    assert "styles.0.picture" in said
    assert "does not lie inside the pack's folder" in said


@pytest.mark.parametrize("picture", ["wave.jpg", "sub/wave.jpg", "..wave.jpg", "波 + 2.jpg", "a..b/c.jpg"])
def test_pictures_that_do(picture: str) -> None:
    assert parse((PACK + STYLE.replace("wave.jpg", picture)).encode(), "").styles[0].picture == picture


def test_what_is_not_toml_is_refused_with_its_line() -> None:
    assert "is not TOML" in refused("[pack]\nname = mine\n")
    assert "line 2" in refused("[pack]\nname = mine\n")


def test_what_is_not_utf8_is_refused_with_its_place() -> None:
    assert "is not UTF-8 (byte 8)" in refused(b'name = "\xe9"')
    assert "is not UTF-8" in refused((PACK + STYLE).encode("utf-16"))


def test_a_manifest_made_to_hurt_is_refused() -> None:
    assert "nested too deeply" in refused("a = " + "[" * 100_000)
    many = "".join(STYLE.replace('"wave"', f'"wave{number}"') for number in range(MAX_STYLES + 1))
    assert "at most 1000" in refused(PACK + many)
