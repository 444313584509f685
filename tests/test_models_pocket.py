"""The embedded model: the weights that ship, both engines, every size, and what it must not do to a frame."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nstfilter.errors import ModelError, UsageError
from nstfilter.models import AheadModel, StyleModel, TilingModel
from nstfilter.models.pocket import WEIGHTS, PocketModel
from nstfilter.testing import check_model

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO has no wheel for this computer"
)


@pytest.fixture(scope="module")
def pocket() -> PocketModel:
    return PocketModel(threads=2)


@pytest.fixture(scope="module")
def exact() -> PocketModel:
    return PocketModel(threads=2, precision="f32")


def scene(height: int, width: int) -> np.ndarray:
    """A smooth, colorful picture with a few edges."""
    y, x = np.mgrid[0:height, 0:width] / 40
    waves = [
        np.sin(x + 2 * k) * np.cos(y * (1 + 0.3 * k)) + 0.6 * (np.hypot(x - 2, y - 2) < 1) for k in range(3)
    ]
    return np.clip(127 + 90 * np.stack(waves, axis=-1), 0, 255).astype(np.uint8)


def style(color: tuple[int, int, int]) -> np.ndarray:
    """Wavy stripes of one color, BGR, on a paler one."""
    y, x = np.mgrid[0:256, 0:256]
    stripes = (np.sin((x + 8 * np.sin(y / 12)) / 5) > 0)[..., None]
    return np.where(stripes, np.array(color), np.array(color) // 2 + 110).astype(np.uint8)


def test_keeps_the_contract(pocket: PocketModel) -> None:
    assert isinstance(pocket, StyleModel)
    assert isinstance(pocket, TilingModel)
    assert isinstance(pocket, AheadModel)
    check_model(pocket)
    assert pocket.mixes
    assert int(pocket.fingerprint, 16) >= 0


def test_weights_fit_in_the_pocket() -> None:
    assert WEIGHTS.stat().st_size <= 4_000_000


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16), (17, 31), (360, 640)])
def test_every_size_comes_back_as_it_went_in(pocket: PocketModel, size: tuple[int, int]) -> None:
    frame = scene(*size)
    embedding = pocket.embed(style((200, 90, 30)))
    before = frame.copy()
    painted = pocket.stylize(frame, embedding)
    assert painted.shape == frame.shape
    assert painted.dtype == np.uint8
    assert painted.flags.c_contiguous
    assert np.array_equal(frame, before)
    out = np.empty_like(frame)
    assert pocket.stylize(frame, embedding, out=out) is out
    assert np.array_equal(out, painted)


def test_read_only_arrays_are_as_good_as_others(pocket: PocketModel) -> None:
    """Such as `np.asarray` of a Pillow picture, or `np.frombuffer`."""
    frame, picture = scene(64, 96), style((200, 90, 30))
    frame.flags.writeable = picture.flags.writeable = False
    painted = pocket.stylize(frame, pocket.embed(picture))
    assert np.array_equal(painted, pocket.stylize(frame.copy(), pocket.embed(picture.copy())))


def test_padding_to_a_multiple_of_four_changes_little(exact: PocketModel) -> None:
    """A frame that has to be extended first is painted almost as the same frame with a pixel more."""
    frame, embedding = scene(201, 303), exact.embed(style((200, 90, 30)))
    trimmed = exact.stylize(np.ascontiguousarray(frame[:200, :300]), embedding)
    extended = exact.stylize(frame, embedding)[:200, :300]
    assert np.abs(trimmed.astype(int) - extended).mean() < 3


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_colors_keep_their_order(pocket: PocketModel, channel: int) -> None:
    """A style of one primary color, in BGR, gives a picture in which that color is the strongest."""
    color = [30, 30, 30]
    color[channel] = 220
    painted = pocket.stylize(scene(128, 128), pocket.embed(style((color[0], color[1], color[2]))))
    assert painted.reshape(-1, 3).mean(0).argmax() == channel


def test_frame_colors_keep_their_order(pocket: PocketModel) -> None:
    """Swapping red and blue in the frame is not the same as leaving them: the frame's order is read too."""
    embedding = pocket.embed(style((200, 90, 30)))
    frame = scene(128, 128)
    swapped = pocket.stylize(np.ascontiguousarray(frame[..., ::-1]), embedding)
    assert np.abs(swapped.astype(int) - pocket.stylize(frame, embedding)).mean() > 2


def test_no_rim(pocket: PocketModel) -> None:
    """The outermost pixels are as bright and as lively as those further in."""
    frame = scene(256, 256)
    for color in ((200, 90, 30), (40, 60, 210)):
        painted = pocket.stylize(frame, pocket.embed(style(color))).astype(np.float32)
        rim = np.concatenate([painted[:4].reshape(-1, 3), painted[-4:].reshape(-1, 3)])
        rim = np.concatenate([rim, painted[:, :4].reshape(-1, 3), painted[:, -4:].reshape(-1, 3)])
        inner = painted[8:24, 8:-8].reshape(-1, 3)
        assert np.abs(rim.mean(0) - inner.mean(0)).max() < 40
        assert 0.5 < rim.std() / inner.std() < 2


def test_no_grid(pocket: PocketModel) -> None:
    """On a flat frame no pixel of the 4x4 cells that the network works in stands out."""
    frame = np.full((256, 256, 3), 128, np.uint8)
    frame += np.random.default_rng(0).integers(0, 8, frame.shape, dtype=np.uint8)
    painted = pocket.stylize(frame, pocket.embed(style((200, 90, 30)))).astype(np.float32)
    cells = painted[32:-32, 32:-32].mean(-1).reshape(48, 4, 48, 4).mean((0, 2))
    assert cells.std() < 4


def test_same_picture_same_answer(pocket: PocketModel) -> None:
    frame, embedding = scene(64, 96), pocket.embed(style((200, 90, 30)))
    first = pocket.stylize(frame, embedding)
    pocket.stylize(frame, pocket.embed(style((10, 200, 90))))
    assert np.array_equal(first, pocket.stylize(frame, embedding))


def test_two_threads_share_a_model_each_with_its_own_style(exact: PocketModel) -> None:
    frame = scene(64, 96)
    embeddings = [exact.embed(style(color)) for color in ((200, 90, 30), (20, 60, 220))] * 20
    alone = [exact.stylize(frame, embedding).astype(int) for embedding in embeddings[:2]] * 20
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda embedding: exact.stylize(frame, embedding), embeddings))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() <= 1


@pytest.mark.slow
@needs_openvino
def test_engines_agree(exact: PocketModel) -> None:
    tensorflow = PocketModel(threads=2, engine="tensorflow")
    picture, frame = style((200, 90, 30)), scene(90, 122)
    embedding = exact.embed(picture)
    assert np.abs(embedding - tensorflow.embed(picture)).max() < 1e-3
    difference = exact.stylize(frame, embedding).astype(int) - tensorflow.stylize(frame, embedding)
    assert np.abs(difference).mean() / 255 < 1e-3
    patches = np.stack([frame[:64, :64], frame[-64:, -64:]])
    ours, theirs = exact.measure(patches, embedding), tensorflow.measure(patches, embedding)
    assert np.abs(ours.mean - theirs.mean).max() < 1e-3 * max(1, np.abs(ours.mean).max())
    painted = [m.stylize(frame, embedding, statistics=ours).astype(int) for m in (exact, tensorflow)]
    assert np.abs(painted[0] - painted[1]).mean() / 255 < 1e-3


def test_statistics_of_the_same_frame_change_nothing(exact: PocketModel) -> None:
    frame, embedding = scene(128, 160), exact.embed(style((200, 90, 30)))
    statistics = exact.measure(frame[None], embedding)
    painted = exact.stylize(frame, embedding, statistics=statistics)
    assert np.abs(painted.astype(int) - exact.stylize(frame, embedding)).max() <= 2


def test_statistics_make_tiles_meet(pocket: PocketModel) -> None:
    """With shared statistics a tile looks the same as that part of the whole, far enough from its edges."""
    frame, embedding = scene(192, 320), pocket.embed(style((200, 90, 30)))
    statistics = pocket.measure(frame[None], embedding)
    whole = pocket.stylize(frame, embedding, statistics=statistics)
    tile = pocket.stylize(np.ascontiguousarray(frame[:, :192]), embedding, statistics=statistics)
    assert np.abs(tile[:, :128].astype(int) - whole[:, :128]).mean() < 0.5


@needs_openvino
def test_precisions_look_alike() -> None:
    frame = scene(128, 128)
    rough, exact = (PocketModel(threads=2, precision=p) for p in ("bf16", "f32"))
    embedding = exact.embed(style((200, 90, 30)))
    difference = rough.stylize(frame, embedding).astype(int) - exact.stylize(frame, embedding)
    assert np.abs(difference).mean() / 255 < 0.005


@pytest.fixture
def broken(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    with np.load(WEIGHTS) as file:
        return tmp_path / "broken.npz", dict(file)


def test_weights_with_nan_are_refused(broken: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, weights = broken
    weights["up.weight"][0, 0, 0, 0] = np.nan
    np.savez(path, **weights)
    with pytest.raises(ModelError, match=r"'up.weight' holds NaN"):
        PocketModel(weights=path)


def test_weights_of_another_shape_are_refused(broken: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, weights = broken
    weights["up.weight"] = weights["up.weight"][:-1]
    np.savez(path, **weights)
    with pytest.raises(
        ModelError, match=r"'up.weight' has shape \(63, 32, 3, 3\), expected \(64, 32, 3, 3\)"
    ):
        PocketModel(weights=path)


def test_missing_weights_are_named(broken: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, weights = broken
    del weights["style.bias"]
    np.savez(path, **weights)
    with pytest.raises(ModelError, match=r"lack 'style.bias'"):
        PocketModel(weights=path)


def test_a_file_that_is_no_archive_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "text.npz"
    path.write_text("not weights")
    with pytest.raises(ModelError, match=r"cannot read the pocket model's weights"):
        PocketModel(weights=path)
    with pytest.raises(ModelError, match=r"cannot read the pocket model's weights"):
        PocketModel(weights=tmp_path / "absent.npz")


def test_unknown_engine_and_precision_are_usage_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="openvino or tensorflow"):
        PocketModel(engine="abacus")
    with pytest.raises(UsageError, match="f32 or bf16"):
        PocketModel(precision="f8")
    monkeypatch.setenv("NSTFILTER_THREADS", "some")
    with pytest.raises(UsageError, match="NSTFILTER_THREADS"):
        PocketModel()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no stack for signals")
def test_signals_find_their_stack_when_models_come_and_go() -> None:
    """OpenVINO's CPU plugin lends one to the thread that loads it; without it any signal is a crash."""
    code = """if True:
        import faulthandler, os, signal
        from nstfilter.models.pocket import PocketModel
        faulthandler.enable()
        first = PocketModel()
        second = PocketModel()
        del first, second
        signal.signal(signal.SIGINT, lambda *_: print("heard"))
        os.kill(os.getpid(), signal.SIGINT)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
