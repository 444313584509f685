"""The bundled pack: its manifest, its pictures, and that its generators still draw them."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from nstfilter.packs.style import StylePack

ATELIER = Path(__file__).resolve().parents[1] / "styles" / "atelier"
MANIFEST = tomllib.loads((ATELIER / "pack.toml").read_text(encoding="utf-8"))
NAMES = [style["name"] for style in MANIFEST["styles"]]
QUICK = {"wave"}
EACH_STYLE = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


@pytest.fixture(scope="module")
def draw() -> Iterator[ModuleType]:
    """The pack's draw.py, imported as it runs: with its own folder in front."""
    before = set(sys.modules)
    sys.path.insert(0, str(ATELIER))
    try:
        import draw as module  # type: ignore[import-not-found]

        yield module
    finally:
        sys.path.remove(str(ATELIER))
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(ATELIER)):
                del sys.modules[name]


def picture(name: str) -> np.ndarray:
    data = np.frombuffer((ATELIER / f"{name}.jpg").read_bytes(), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_the_house_reads_the_pack() -> None:
    pack = StylePack.load(ATELIER)
    assert (pack.name, pack.licence) == ("atelier", "Apache-2.0")
    assert [style.name for style in pack.styles] == NAMES
    assert {"mosaic", "wave"} <= set(NAMES)
    assert len(NAMES) >= 16


def test_the_manifest_lists_exactly_the_pictures_there_are() -> None:
    listed = [style["picture"] for style in MANIFEST["styles"]]
    assert sorted(listed) == sorted(path.name for path in ATELIER.glob("*.jpg"))
    assert len(set(NAMES)) == len(NAMES)


def test_every_style_says_where_it_comes_from() -> None:
    for style in MANIFEST["styles"]:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", style["name"])
        assert style["picture"] == f"{style['name']}.jpg"
        assert (style["artist"], style["licence"]) == ("the nstfilter authors", "Apache-2.0")
        assert (ATELIER / style["source"]).is_file()
        assert style["title"]
        assert style["notes"].endswith(".")


def test_every_picture_has_a_generator_with_a_description(draw: ModuleType) -> None:
    assert sorted(draw.STYLES) == sorted(NAMES)
    for generator in draw.STYLES.values():
        summary, blank, *reasons = generator.__doc__.splitlines()
        assert summary.endswith(".")
        assert not blank
        assert reasons


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_square_and_has_a_full_range_of_tones(name: str) -> None:
    assert (ATELIER / f"{name}.jpg").stat().st_size < 200_000
    image = picture(name)
    assert image.shape == (512, 512, 3)
    dark, light = np.percentile(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), [2, 98])
    assert dark < 90
    assert light > 150


def test_pictures_differ_in_color_or_in_texture() -> None:
    def fingerprint(name: str) -> np.ndarray:
        """Color histogram and strength of detail at four scales, as one vector."""
        image = cv2.resize(picture(name), (256, 256), interpolation=cv2.INTER_AREA)
        colors = cv2.calcHist([image], [0, 1, 2], None, [4, 4, 4], [0, 256] * 3).ravel() / image[..., 0].size
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
        blurred = [cv2.GaussianBlur(gray, (0, 0), 2.0**n) for n in range(4)]
        detail = [float(np.std(fine - soft)) for fine, soft in itertools.pairwise([gray, *blurred])]
        return np.concatenate([colors, detail])

    prints = {name: fingerprint(name) for name in NAMES}
    for first, second in itertools.combinations(NAMES, 2):
        assert np.abs(prints[first] - prints[second]).sum() > 0.4, f"{first} and {second} look alike"


@pytest.mark.parametrize("name", EACH_STYLE)
def test_the_committed_picture_is_what_its_generator_draws(draw: ModuleType, name: str) -> None:
    drawn = cv2.imdecode(cv2.imencode(".jpg", draw.draw(name), draw.JPEG)[1], cv2.IMREAD_COLOR)
    difference = np.abs(drawn.astype(int) - picture(name)).mean()
    # OpenCV's own rounding may differ a little from build to build
    assert difference < 3


def test_the_command_draws_what_it_is_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(ATELIER / "draw.py"), "wave", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir()] == ["wave.jpg"]


def test_the_command_names_the_styles_when_asked_for_an_unknown_one(tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(ATELIER / "draw.py"), "waves", "--out", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no style is called waves" in done.stderr
    assert not list(tmp_path.iterdir())
