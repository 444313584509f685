"""Taught styles: they paint, mix, glide and travel as others do, with weights of their own."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nstfilter.errors import StyleError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.jobs.recipe import Recipe
from nstfilter.jobs.task import Settings
from nstfilter.live.controls import Controls
from nstfilter.live.mailbox import Clock
from nstfilter.models import taught
from nstfilter.models.pocket import PocketModel
from nstfilter.models.tiles import stylize_in_tiles
from nstfilter.packs.adding import add_pack
from nstfilter.packs.reading import find_style, packs, taught_file, user_packs_folder
from nstfilter.packs.style import taught_beside
from nstfilter.testing import FakeModel

pytestmark = pytest.mark.usefixtures("own_packs_only")
FRAME = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
RECIPE = {"minutes": 10, "stroke": 1.0}


@pytest.fixture(scope="module")
def model() -> PocketModel:
    return PocketModel(precision="f32", threads=1)


@pytest.fixture(scope="module")
def vector(model: PocketModel) -> np.ndarray:
    """A taught style that is told from what pocket makes of the picture: its kernels are a little larger."""
    z = model.embed(FRAME)
    moved = model.mix([taught.base(model._weights, z), z], [1, 0])
    arrays, _ = taught.split(moved)
    arrays["up.weight"][:] *= -1
    return moved


@pytest.fixture
def folder(tmp_path: Path, make_pack, vector: np.ndarray) -> Path:
    """A pack of the user's with the styles dots, taught, and lines, which is not."""
    folder = make_pack(user_packs_folder() / "mine", "dots", "lines")
    (folder / "dots.taught.npz").write_bytes(taught.dump(vector, RECIPE))
    packs.cache_clear()
    return folder


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_the_base_with_a_style_s_scales_paints_as_its_embedding_does(engine: str) -> None:
    model = PocketModel(engine=engine, precision="f32", threads=1)
    z = model.embed(FRAME)
    vector = taught.base(model._weights, z)
    assert vector.shape == (taught.SIZE,)
    np.testing.assert_array_equal(model.stylize(FRAME, vector), model.stylize(FRAME, z))


def test_weights_of_its_own_change_the_picture_and_the_next_style_has_its_own_again(model, vector) -> None:
    z = model.embed(FRAME)
    before = model.stylize(FRAME, z)
    assert difference(model.stylize(FRAME, vector), before) > 5
    np.testing.assert_array_equal(model.stylize(FRAME, z), before)


def test_both_engines_paint_it_alike(model, vector) -> None:
    other = PocketModel(engine="tensorflow", threads=1)
    assert difference(model.stylize(FRAME, vector), other.stylize(FRAME, vector)) < 0.1


def test_a_file_holds_it_in_under_130_kb_with_its_recipe(tmp_path, model, vector) -> None:
    file = tmp_path / "dots.taught.npz"
    file.write_bytes(taught.dump(vector, RECIPE))
    assert file.stat().st_size < 130_000
    read = taught.read(file)
    assert read.recipe == RECIPE
    assert difference(model.stylize(FRAME, read.vector), model.stylize(FRAME, vector)) < 1.5


def test_a_file_of_an_earlier_version_with_kernels_in_float16_is_read(tmp_path, vector) -> None:
    file = tmp_path / "dots.taught.npz"
    arrays, both = taught.split(vector)
    stored = {key: array.astype(np.float16) for key, array in taught.for_file(arrays).items()}
    stored |= {"recipe": np.frombuffer(b"{}", np.uint8), "style": both.astype(np.float16)}
    np.savez_compressed(file, **stored)
    np.testing.assert_allclose(taught.read(file).vector, vector, rtol=2e-3, atol=1e-5)


def damaged(data: bytes, tmp_path: Path, how: str) -> bytes:
    file = tmp_path / "whole.npz"
    file.write_bytes(data)
    if how == "short":
        return data[: len(data) // 2]
    if how == "text":
        return b"not a zip"
    if how == "huge":
        return data + bytes(taught.LARGEST_FILE)
    with np.load(file) as arrays:
        kept = dict(arrays)
    if how == "bomb":
        np.savez_compressed(file, **kept | {"up.weight": np.zeros((40_000_000,), np.float16)})
        return file.read_bytes()
    if how == "lacks":
        del kept["up.weight"]
    elif how == "shape":
        kept["up.weight"] = kept["up.weight"][:32]
    elif how == "steps":
        kept["up.weight.step"] = kept["up.weight.step"][:32]
    else:
        kept["up.weight.step"] = np.full_like(kept["up.weight.step"], np.nan)
    np.savez(file, **kept)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("short", "damaged"),
        ("text", "no taught style"),
        ("huge", "over 1000 kB"),
        ("lacks", "up.weight"),
        ("shape", "another network"),
        ("steps", "another network"),
        ("nan", "damaged"),
        ("bomb", "unpacks to 80"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, vector, how: str, says: str) -> None:
    file = tmp_path / "x.taught.npz"
    file.write_bytes(damaged(taught.dump(vector, RECIPE), tmp_path, how))
    with pytest.raises(StyleError, match=says) as raised:
        taught.read(file)
    assert "\n" not in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_style_of_a_pack_is_painted_as_it_was_taught(folder, model) -> None:
    style = find_style("dots")
    assert style.taught == folder / "dots.taught.npz"
    assert find_style("lines").taught is None
    expected = model.stylize(FRAME, taught.read(style.taught).vector)
    np.testing.assert_array_equal(StyleFilter("dots", model=model)(FRAME), expected)


def test_what_is_kept_in_memory_is_read_again_once_a_file_changes(folder, model, vector) -> None:
    style = find_style("dots")
    kept = model.taught(style.taught, style.path)
    assert model.taught(style.taught, style.path) is kept
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1
    other = vector.copy()
    other[-1] += 1
    style.taught.write_bytes(taught.dump(other, RECIPE | {"note": "taught again"}))
    assert model.taught(style.taught, style.path)[-1] == pytest.approx(other[-1], abs=1e-3)
    style.taught.unlink()
    with pytest.raises(StyleError, match="cannot be read"):
        model.taught(style.taught, style.path)


def test_a_picture_of_the_user_s_own_too(tmp_path, folder, vector) -> None:
    picture = shutil.copy(folder / "lines.png", tmp_path / "own.png")
    assert find_style(picture).taught is None
    taught_beside(Path(picture)).write_bytes(taught.dump(vector, RECIPE))
    assert find_style(picture).taught == tmp_path / "own.taught.npz"


def test_what_the_user_taught_is_preferred_to_what_a_plugin_s_pack_brought(
    monkeypatch, fresh_manager, vector
) -> None:
    monkeypatch.delenv("NSTFILTER_DISABLE_PLUGINS")
    style = find_style("atelier/wave")
    file = taught_file(style)
    assert not file.is_relative_to(style.path.parent)
    file.parent.mkdir(parents=True)
    file.write_bytes(taught.dump(vector, RECIPE))
    packs.cache_clear()
    assert find_style("wave").taught == file


def test_a_model_that_cannot_be_taught_paints_by_the_picture(folder) -> None:
    assert StyleFilter("dots", model=FakeModel()).embedding.shape == (3,)


def test_a_taught_style_mixes_with_one_that_is_not(folder, model) -> None:
    one, other = (StyleFilter(name, model=model).embedding for name in ("dots", "lines"))
    assert one.shape != other.shape
    mixed = StyleFilter("dots:0.25+lines:0.75", model=model).embedding
    np.testing.assert_allclose(mixed, 0.25 * one + 0.75 * taught.base(model._weights, other), atol=1e-5)


def test_a_live_run_glides_between_a_taught_style_and_one_that_is_not(folder, model) -> None:
    class Hand(Clock):
        time = 10.0

        def now(self) -> float:
            return self.time

    clock = Hand()
    controls = Controls(StyleFilter("lines", model=model), ["lines", "dots"], clock=clock)
    before = controls(FRAME)
    controls.press("n")
    first = controls(FRAME)
    clock.time += controls.glide / 2
    halfway = controls(FRAME)
    clock.time += controls.glide
    after = controls(FRAME)
    np.testing.assert_array_equal(after, StyleFilter("dots", model=model)(FRAME))
    ways = [difference(picture, after) for picture in (before, first, halfway)]
    assert ways[0] > ways[1] > ways[2] > 2


def test_it_is_painted_in_tiles_without_a_seam(model, vector, monkeypatch) -> None:
    monkeypatch.setattr("nstfilter.models.tiles.TILE", 128)
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    whole = model.stylize(image, vector, statistics=model.measure(image[None], vector))
    assert difference(stylize_in_tiles(model, image, vector), whole) < 6  # statistics are those of patches


def test_a_pack_brings_it_along_and_a_damaged_one_is_refused(tmp_path, make_pack, vector) -> None:
    source = make_pack(tmp_path / "from", "ink")
    (source / "ink.taught.npz").write_bytes(taught.dump(vector, RECIPE))
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        for file in source.iterdir():
            archive.write(file, file.name)
    add_pack(tmp_path / "pack.zip")
    assert find_style("ink").taught == user_packs_folder() / "mine" / "ink.taught.npz"
    (source / "ink.taught.npz").write_bytes(b"nothing")
    with pytest.raises(StyleError, match=r"ink\.taught\.npz is no taught style"):
        add_pack(source, overwrite=True)
    assert find_style("ink").taught


def settings_of(model: PocketModel) -> Settings:
    embedding = StyleFilter("dots", model=model).embedding
    return Settings("dots", embedding.tobytes(), embedding.shape, "pocket")


def test_a_recipe_finds_it_by_its_name_and_knows_another_one(folder, model, vector) -> None:
    settings = settings_of(model)
    recipe = Recipe.from_json(Recipe.of(settings, model.fingerprint).to_json())
    assert recipe.embedding == b""
    assert recipe.embedding_hash == hashlib.sha256(settings.embedding).hexdigest()
    assert recipe.settings() == replace(settings, style="mine/dots")
    (folder / "dots.taught.npz").write_bytes(taught.dump(vector * np.float32(1.1), RECIPE))
    with pytest.raises(UsageError, match="taught otherwise"):
        recipe.settings()
    assert recipe.style_at_hand
    (folder / "pack.toml").unlink()
    packs.cache_clear()
    assert not recipe.style_at_hand
    with pytest.raises(UsageError, match="not installed"):
        recipe.settings()


def test_a_recipe_opens_no_path(tmp_path, folder, model) -> None:
    recipe = Recipe.of(settings_of(model), model.fingerprint)
    picture = shutil.copy(folder / "lines.png", tmp_path / "own.png")
    hostile = recipe.model_copy(update={"style": str(picture)})
    with pytest.raises(UsageError, match="not installed"):
        hostile.settings()


@pytest.mark.parametrize("entry", ["text", "bytes"])
def test_a_file_whose_entries_are_no_numbers_is_refused(tmp_path, entry):
    file = tmp_path / "odd.taught.npz"
    names = ("recipe", "style", *taught.PAINTER)
    if entry == "text":
        odd = dict.fromkeys(names, np.array("x")) | {"recipe": np.frombuffer(b"{}", np.uint8)}
        np.savez(file, **odd)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"{}")
    with pytest.raises(StyleError, match="is no taught style, or damaged"):
        taught.read(file)
