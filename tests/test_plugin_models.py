from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from nstfilter.errors import ModelError, UnknownNameError, UsageError
from nstfilter.manager import build_manager, open_model
from nstfilter.models import StyleModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from savedmodels import export

    return export(tmp_path_factory.mktemp("hub") / "model")


def test_both_are_registered_through_the_door() -> None:
    registry = build_manager().models
    ours = {r.name: r for r in registry.registrations if r.plugin == "models"}
    assert set(ours) == {"pocket", "magenta"}
    assert all(r.help and "\n" not in r.help for r in ours.values())


def test_nothing_heavy_is_imported_before_a_model_is_opened() -> None:
    code = """
import sys
from nstfilter.manager import build_manager
registry = build_manager().models
assert registry.resolve("google/magenta/arbitrary-image-stylization-v1-256/2")[0].name == "magenta"
heavy = {"tensorflow", "tensorflow_hub", "cv2", "openvino", "kagglehub"}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_a_folder_or_an_archive_is_a_model(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(folder, ".")
    picture = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
    painted = []
    for target in (str(folder), f"magenta:{folder}", str(tmp_path / "model.tar.gz")):
        model = open_model(target)
        assert isinstance(model, StyleModel)
        assert model.name == target.removeprefix("magenta:")
        painted.append(model.stylize(picture, model.embed(picture)))
    np.testing.assert_array_equal(painted[0], painted[1])
    np.testing.assert_array_equal(painted[0], painted[2])


@pytest.mark.slow
def test_magenta_alone_is_the_published_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as tensorflow-hub lays it: the sha1 of https://tfhub.dev/google/magenta/arbitrary-image-stylization-v1-256/2
    (tmp_path / "f843094219bf78a99e8ea6c8d71f1bc74f07101a").symlink_to(folder)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    model = open_model("magenta", threads=2)
    assert model.name == "magenta"


def test_pocket_is_the_embedded_model() -> None:
    model = open_model("pocket", threads=1)
    assert isinstance(model, StyleModel)
    assert model.name == "pocket"
    with pytest.raises(UsageError, match="pocket takes nothing after its name, and was given 'large'"):
        open_model("pocket:large")


def test_what_is_no_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no model is called 'poket'; did you mean 'pocket'"):
        open_model("poket")
    with pytest.raises(UnknownNameError, match=r"known: .*the folder or \.tar\.gz of a SavedModel works too"):
        open_model(tmp_path)
    with pytest.raises(ModelError, match="is not a SavedModel"):
        open_model(f"magenta:{tmp_path}")
    with pytest.raises(UsageError, match="has no option 'thread'; it takes: threads"):
        open_model("magenta", thread=1)
