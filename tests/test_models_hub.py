from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import savedmodels
from savedmodels import export

from nstfilter.errors import ModelError, UsageError
from nstfilter.models import PreparingModel, StyleModel
from nstfilter.models.embeddings import cache_folder
from nstfilter.models.hub import HubModel, fingerprint
from nstfilter.models.hub_tensorflow import HubInTensorFlow
from nstfilter.models.tensorflow import tf
from nstfilter.testing import check_model

pytestmark = pytest.mark.slow

if importlib.util.find_spec("openvino"):
    from nstfilter.models import hub_openvino
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO has no wheel for this computer"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module", params=["openvino", "tensorflow"])
def model(request: pytest.FixtureRequest, folder: Path) -> HubModel:
    if request.param == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO has no wheel for this computer")
    return HubModel(folder, engine=request.param, precision="f32")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth, and of a different brightness in every channel, so that swapped ones show."""
    noise = np.random.default_rng(seed).integers(
        0, 256, (max(2, height // 8), max(2, width // 8), 3), np.uint8
    )
    return cv2.resize(noise, (width, height)) // np.array([1, 2, 4], np.uint8)


def floats(image: np.ndarray) -> np.ndarray:
    """BGR uint8 as the Hub takes pictures: [1, h, w, 3] float32 RGB in [0, 1]."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[None].astype(np.float32) / 255


def bytes_of(painted: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.rint(np.asarray(painted)[0] * 255).astype(np.uint8), cv2.COLOR_RGB2BGR)


def assert_within_one_level(a: np.ndarray, b: np.ndarray) -> None:
    assert a.shape == b.shape
    assert a.dtype == b.dtype == np.uint8
    assert cv2.absdiff(a, b).max() <= 1


def test_it_paints_what_the_whole_model_paints(model: HubModel, folder: Path) -> None:
    content, style = picture(64, 96), picture(256, 256, seed=1)
    embedding = model.embed(style)
    painted = model.stylize(content, embedding)
    (whole,) = tf.saved_model.load(str(folder))(floats(content), floats(style))
    assert painted.std() > 10
    assert_within_one_level(painted, bytes_of(whole))


def test_it_keeps_the_contract(model: HubModel) -> None:
    assert isinstance(model, StyleModel)
    assert isinstance(model, PreparingModel)
    assert model.name == "magenta"
    assert model.mixes
    embedding = model.embed(picture(40, 50))
    assert (embedding.shape, embedding.dtype) == ((6,), np.float32)
    frame = picture(33, 47)
    before = frame.copy()
    out = np.empty_like(frame)
    assert model.stylize(frame, embedding, out=out) is out
    painted = model.stylize(frame, embedding)
    np.testing.assert_array_equal(out, painted)
    np.testing.assert_array_equal(frame, before)
    assert painted.flags.c_contiguous
    assert painted.flags.writeable
    check_model(model)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (2, 3), (7, 7), (5, 301), (33, 35), (61, 62), (64, 67)])
def test_any_size_is_kept(model: HubModel, folder: Path, size: tuple[int, int]) -> None:
    content, style = picture(*size), picture(256, 256, seed=1)
    painted = model.stylize(content, model.embed(style))
    # what the network makes of the picture with its own reflection around it, cropped
    height, width = (max(32, -(-side // 4) * 4) for side in size)
    rows, columns = (
        np.abs((np.arange(new) + old - 1) % max(1, 2 * old - 2) - (old - 1))
        if old > 1
        else np.zeros(new, int)
        for new, old in zip((height, width), size, strict=True)
    )
    mirrored = content[rows][:, columns]
    np.testing.assert_array_equal(mirrored[: size[0], : size[1]], content)
    (whole,) = tf.saved_model.load(str(folder))(floats(mirrored), floats(style))
    assert_within_one_level(painted, np.ascontiguousarray(bytes_of(whole)[: size[0], : size[1]]))


def test_there_is_one_trace_for_all_sizes(folder: Path) -> None:
    painting = HubModel(folder, engine="tensorflow")._network.painting
    assert painting.inputs[0].shape.as_list() == [None, None, 3]
    assert len(painting.inputs) == 2


@pytest.mark.slow
@needs_openvino
def test_sizes_are_compiled_ahead(folder: Path) -> None:
    model = HubModel(folder, engine="openvino", precision="f32")
    model.prepare(37, 50)
    graph = model._network.prepare(40, 52)
    model.stylize(picture(37, 50), model.embed(picture(40, 50)))
    assert model._network.prepare(40, 52) is graph


def test_a_style_is_cropped_and_not_squeezed(model: HubModel) -> None:
    square = picture(256, 256)
    wide = np.zeros((256, 700, 3), np.uint8)
    wide[:, 222 : 222 + 256] = square
    np.testing.assert_array_equal(model.embed(wide), model.embed(square))
    larger = cv2.resize(square, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(model.embed(larger), model.embed(square), atol=0.02)
    for size in [(1, 1), (3, 900), (900, 1)]:
        assert np.isfinite(model.embed(picture(*size))).all()


def test_another_models_embedding_is_refused(model: HubModel) -> None:
    with pytest.raises(ModelError, match=r"shape \(100,\) was not made by magenta; expected \(6,\)"):
        model.stylize(picture(40, 40), np.zeros(100, np.float32))


@pytest.mark.slow
def test_a_model_without_a_bottleneck_works_whole_and_does_not_mix(tmp_path: Path) -> None:
    model = HubModel(export(tmp_path / "uncut", savedmodels.uncut), name="uncut", precision="f32")
    assert not model.mixes
    content, style = picture(64, 96), picture(256, 256, seed=1)
    embedding = model.embed(style)
    assert (embedding.shape, embedding.dtype) == ((256, 256, 3), np.float32)
    (whole,) = tf.saved_model.load(str(tmp_path / "uncut"))(floats(content), floats(style))
    assert_within_one_level(model.stylize(content, embedding), bytes_of(whole))


def test_the_fingerprint_is_that_of_the_files(folder: Path, model: HubModel, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert fingerprint(copy) == model.fingerprint
    assert int(model.fingerprint, 16)
    weights = next((copy / "variables").glob("*.data-*"))
    changed = bytearray(weights.read_bytes())
    changed[100] ^= 1
    weights.write_bytes(changed)
    assert fingerprint(copy) != model.fingerprint


def test_opened_again_it_paints_the_same(folder: Path, model: HubModel) -> None:
    embedding = model.embed(picture(40, 50))
    for _ in range(2):  # converted anew in this test's own cache folder, then read from there
        again = HubModel(folder, engine=model.engine, precision="f32")
        np.testing.assert_array_equal(again.embed(picture(40, 50)), embedding)
        np.testing.assert_array_equal(
            again.stylize(picture(40, 50), embedding), model.stylize(picture(40, 50), embedding)
        )


@pytest.mark.slow
@needs_openvino
def test_opened_again_it_needs_no_tensorflow(folder: Path) -> None:
    HubModel(folder)
    code = """
import pathlib, sys
import numpy as np
from nstfilter.models.hub import HubModel

model = HubModel(pathlib.Path(sys.argv[1]))
picture = np.zeros((40, 50, 3), np.uint8)
print(model.stylize(picture, model.embed(picture)).shape, model.engine, "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    assert done.stdout == "(40, 50, 3) openvino False\n", done.stderr


@pytest.mark.slow
@needs_openvino
def test_a_damaged_conversion_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    HubModel(folder)
    (cached,) = (cache_folder() / "graphs").glob("*.openvino.npz")
    whole = cached.read_bytes()
    converted = hub_openvino._converted
    calls = []
    monkeypatch.setattr(hub_openvino, "_converted", lambda *given: calls.append(1) or converted(*given))
    HubModel(folder)
    assert not calls
    for damaged in (b"", whole[: len(whole) // 2], b"\x55" * 3000 + whole[3000:]):
        cached.write_bytes(damaged)
        assert HubModel(folder).mixes
        assert len(cached.read_bytes()) == len(whole)
    assert len(calls) == 3


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("wrong", ["refused", "another picture"])
def test_a_network_that_openvino_does_not_take_runs_in_tensorflow(
    folder: Path, wrong: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if wrong == "refused":
        fail = RuntimeError("Exception from src/frontend.cpp:1\nunknown operation")
        monkeypatch.setattr(hub_openvino.ov, "convert_model", lambda _: (_ for _ in ()).throw(fail))
    else:
        monkeypatch.setattr(HubInTensorFlow, "paint", lambda *_: np.zeros((64, 96, 3), np.uint8))
    model = HubModel(folder)
    assert model.engine == "tensorflow"
    assert caplog.text.count("\n") == 1
    assert "; it runs in TensorFlow" in caplog.text
    assert not list((cache_folder() / "graphs").glob("*.openvino.npz"))
    with pytest.raises(ModelError, match="OpenVINO"):
        HubModel(folder, engine="openvino")


def test_what_cannot_be_opened_is_said_in_one_line(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a SavedModel: it has no saved_model\.pb"):
        HubModel(tmp_path)
    with pytest.raises(UsageError, match="threads is 0; expected a whole number from 1 up"):
        HubModel(folder, threads=0)
    assert HubModel(folder, threads=2).mixes  # too late to hold, and no reason to fail


@pytest.mark.slow
def test_magentas_own_weights_as_tensorflow_hub_runs_them(shared: Path) -> None:
    folder = shared / "models" / "magenta-mobile"
    if not folder.is_dir():
        pytest.skip("shared/models/magenta-mobile is not there")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_hub

    content, style = picture(120, 160), picture(256, 256, seed=1)
    (whole,) = tensorflow_hub.load(str(folder))(floats(content), floats(style))
    for engine in ("openvino", "tensorflow"):
        model = HubModel(folder, engine=engine, precision="f32")
        embedding = model.embed(style)
        assert embedding.shape == (100,)
        assert_within_one_level(model.stylize(content, embedding), bytes_of(whole))
    rough = HubModel(folder, precision="bf16").stylize(content, embedding)
    assert np.abs(rough.astype(int) - bytes_of(whole)).mean() < 0.005 * 255
