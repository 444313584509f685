from __future__ import annotations

from pathlib import Path

import nstfilter.styles
from nstfilter.manager import manager
from nstfilter.packs.reading import find_style, packs, read_packs, read_picture


def test_the_pack_comes_from_the_folder_of_styles_through_the_plugin_door():
    (registration,) = [r for r in manager().packs.registrations if r.plugin == "bundled_styles"]
    assert registration.name == "atelier"
    assert registration.open("") == Path(nstfilter.styles.__file__).parent / "atelier"


def test_every_folder_of_styles_is_registered_and_sound():
    folders = {path.parent.name for path in Path(nstfilter.styles.__file__).parent.glob("*/pack.toml")}
    brought = {pack.name: pack for pack, origin in read_packs() if origin == "plugin bundled_styles"}
    assert set(brought) == folders == {"atelier"}


def test_every_style_says_where_it_comes_from_and_can_be_read():
    styles = packs()["atelier"].styles
    assert styles
    for style in styles:
        assert find_style(f"atelier/{style.name}") == style
        assert all([style.title, style.artist, style.year, style.licence, style.source]), style.name
        picture = read_picture(style)
        assert picture.ndim == 3
        assert min(picture.shape[:2]) >= 256, f"{style.name} is smaller than what the models look at"
        assert picture.std() > 5, f"{style.name} is empty"


def test_every_picture_belongs_to_a_style():
    pictures = {style.path.name for style in packs()["atelier"].styles}
    assert {path.name for path in packs()["atelier"].folder.glob("*.jpg")} == pictures
