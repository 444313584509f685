"""The eye: what it sees in pictures, in both engines, and that losses through it say what they are for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nstfilter.errors import ModelError
from nstfilter.filter import StyleFilter
from nstfilter.models import eye
from nstfilter.models.eye import LAYERS, WIDTHS, Eye
from nstfilter.packs.reading import find_style, read_picture
from nstfilter.score import style_loss


@pytest.fixture(scope="module")
def see() -> Eye:
    return Eye(threads=1)


def scene() -> np.ndarray:
    noise = np.random.default_rng(4).integers(0, 256, (9, 12, 3), np.uint8)
    return cv2.resize(noise, (192, 144), interpolation=cv2.INTER_CUBIC)


def test_it_weighs_less_than_a_megabyte() -> None:
    assert eye.WEIGHTS.stat().st_size < 1_000_000


def test_it_sees_four_maps_each_half_as_large_as_the_one_before(see) -> None:
    maps = see(scene())
    assert list(maps) == list(LAYERS)
    sizes = [(144 // 2**k, 192 // 2**k, width) for k, width in enumerate(WIDTHS)]
    assert [m.shape for m in maps.values()] == sizes
    assert all(m.dtype == np.float32 and (m >= 0).all() and m.max() > 0.1 for m in maps.values())


def test_both_engines_see_the_same(see) -> None:
    other = Eye(engine="tensorflow")(scene())
    for name, found in see(scene()).items():
        np.testing.assert_allclose(found, other[name], atol=0.02)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (2000, 1100), (100, 101)])
def test_it_looks_at_pictures_of_any_size(see, size) -> None:
    maps = see(np.full((*size, 3), 90, np.uint8))
    assert all(np.isfinite(m).all() and m.size for m in maps.values())
    assert max(maps["relu1_1"].shape[:2]) <= max(size) * 64


@pytest.mark.slow
def test_a_painting_is_nearer_to_its_own_style_than_the_photograph_and_than_to_another_style(see) -> None:
    plain = scene()
    seen = {name: see(read_picture(find_style(name))) for name in ("mosaic", "hatching")}

    def distance(picture: np.ndarray, style: str) -> float:
        return sum(style_loss(seen[style][layer], found) for layer, found in see(picture).items())

    for name, other in (("mosaic", "hatching"), ("hatching", "mosaic")):
        painted = StyleFilter(name)(plain)
        assert distance(painted, name) < distance(plain, name)
        assert distance(painted, name) < distance(StyleFilter(other)(plain), name)


def test_it_tells_red_from_blue(see) -> None:
    red, blue = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    red[..., 2] = blue[..., 0] = 255
    one, other = (see(picture)["relu1_1"].mean((0, 1)) for picture in (red, blue))
    assert np.abs(one - other).max() > 0.2


@pytest.mark.parametrize("how", ["missing", "text", "lacks", "nan"])
def test_weights_that_cannot_be_used_are_one_clear_line(tmp_path, how) -> None:
    path = tmp_path / "eye.npz"
    with np.load(eye.WEIGHTS) as file:
        arrays = dict(file)
    if how == "text":
        path.write_text("nothing")
    elif how != "missing":
        if how == "lacks":
            del arrays["stage3.3.bias"]
        else:
            arrays["stage3.3.bias"][:] = np.nan
        np.savez(path, **arrays)
    with pytest.raises(ModelError, match="reinstall nstfilter") as raised:
        eye.load(path)
    assert "\n" not in str(raised.value)
