"""StyleFilter, with a model whose results can be worked out by hand; real models have tests of their own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nstfilter.errors import FrameError, ModelError, StyleError, UnknownNameError, UsageError
from nstfilter.filter import DETAIL, ONE_PIECE, StyleFilter
from nstfilter.frames import default_size
from nstfilter.models.embeddings import EmbeddingCache
from nstfilter.packs.style import Style, StyleMix
from nstfilter.testing import FakeModel

BLUE = np.full((8, 8, 3), (200, 0, 0), np.uint8)
RED = np.full((8, 8, 3), (0, 0, 200), np.uint8)


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache")


@pytest.fixture
def paint(cache):
    return StyleFilter(BLUE, model=FakeModel(), cache=cache)


def photo(height=36, width=64):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_a_frame_is_painted_in_bgr(paint):
    frame = np.full((20, 30, 3), (0, 100, 50), np.uint8)
    assert paint(frame).tolist() == np.full((20, 30, 3), (100, 50, 25), np.uint8).tolist()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (17, 31), (641, 361), (720, 1280)])
def test_the_result_has_the_frames_own_size(paint, shape):
    frame = photo(*shape)
    before = frame.copy()
    assert paint(frame).shape == frame.shape
    assert np.array_equal(frame, before), "the frame itself must not be painted over"


def test_a_large_frame_is_painted_small_and_keeps_its_own_fine_detail(cache):
    frame = np.full((400, 400, 3), 100, np.uint8)
    frame[:, ::2] = 140  # finer than the network's size can hold
    paint = StyleFilter(RED, model=FakeModel(), cache=cache, size=100)
    result = paint(frame).astype(int)
    assert abs(result[..., 2].mean() - (120 + 200) / 2) < 1.5
    assert result[100:300, 101:300:2].mean() - result[100:300, 100:300:2].mean() < -10


@pytest.mark.parametrize("strength", [1, 0.4])
def test_detail_is_given_back_as_in_floating_point(cache, strength):
    """Whole numbers, and one picture enlarged in place of two, cost less than three levels of 255."""
    paint = StyleFilter(RED, model=FakeModel(), cache=cache, size=120, strength=strength)
    frame = cv2.GaussianBlur(photo(300, 400), (5, 5), 0)
    small = cv2.resize(cv2.resize(frame[:300], (200, 150), interpolation=cv2.INTER_AREA), (160, 120))
    layers = (np.float32(layer) for layer in (paint.model.stylize(small, paint.embedding), small))
    painted, blurred = (cv2.resize(layer, (400, 300), interpolation=cv2.INTER_CUBIC) for layer in layers)
    expected = painted + DETAIL * (frame - blurred)
    expected = np.clip(strength * expected + (1 - strength) * frame, 0, 255)
    assert np.abs(paint(frame) - expected).max() < 3
    out = np.zeros_like(frame)
    assert paint(frame, out=out) is out
    assert np.array_equal(out, paint(frame))
    expected = paint(frame)
    assert np.array_equal(paint(frame, out=frame), expected)


def test_a_much_larger_frame_is_reduced_without_false_patterns(cache):
    """Stripes too fine for the network's size become gray, and not other stripes."""
    frame = np.full((1003, 1401, 3), 100, np.uint8)
    frame[:, ::3] = 190
    seen = []

    class Watching(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            seen.append(frame)
            return super().stylize(frame, embedding, out=out)

    StyleFilter(RED, model=Watching(), cache=cache, size=100)(frame)
    assert seen[0].shape == (100, 140, 3)
    assert seen[0].std() < 5
    assert abs(seen[0].mean() - frame.mean()) < 2


def test_a_frame_smaller_than_the_size_is_not_enlarged(cache):
    seen = []

    class Watching(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            seen.append(frame.shape)
            return super().stylize(frame, embedding, out=out)

    StyleFilter(RED, model=Watching(), cache=cache, size=200)(photo(50, 300))
    StyleFilter(RED, model=Watching(), cache=cache, size=25)(photo(50, 300))
    assert seen == [(50, 300, 3), (25, 148, 3)]


def test_the_default_size_grows_with_the_square_root_of_the_frame():
    assert [default_size(*frame) for frame in ((360, 640), (720, 1280), (1280, 720))] == [480, 480, 480]
    assert default_size(4 * 720, 4 * 1280) == 2 * 480
    assert default_size(16 * 720, 16 * 1280) == 4 * 480


def test_strength_goes_steadily_from_the_frame_to_the_style(paint):
    frame = photo()
    full = paint(frame).astype(float)
    distances = []
    for strength in (0, 0.25, 0.5, 0.75, 1):
        paint.strength = strength
        distances.append(np.abs(paint(frame) - full).mean())
    paint.strength = 0
    assert np.array_equal(paint(frame), frame)
    assert distances[-1] == 0
    assert np.allclose(np.diff(distances), -distances[0] / 4, atol=0.3)


def test_strength_zero_gives_a_copy(paint):
    paint.strength = 0
    frame = photo()
    paint(frame)[:] = 0
    assert frame.any()


def test_keeping_colors_takes_only_the_light_from_the_style(paint):
    frame = cv2.GaussianBlur(photo(), (0, 0), 5)
    plain = cv2.cvtColor(frame, cv2.COLOR_BGR2YCrCb).astype(int)
    painted = cv2.cvtColor(paint(frame), cv2.COLOR_BGR2YCrCb).astype(int)
    paint.keep_colors = True
    kept = cv2.cvtColor(paint(frame), cv2.COLOR_BGR2YCrCb).astype(int)
    assert np.abs(kept[..., 1:] - plain[..., 1:]).mean() < 2
    assert np.abs(painted[..., 1:] - plain[..., 1:]).mean() > 20
    assert np.abs(kept[..., 0] - painted[..., 0]).mean() < 4


def test_gray_in_gray_out(paint):
    assert paint(photo()[..., 0]).shape == (36, 64)
    assert paint(photo()[..., :1]).shape == (36, 64, 1)


def test_alpha_is_kept(paint):
    frame = np.dstack([photo(), photo()[..., 0]])
    result = paint(frame)
    assert np.array_equal(result[..., 3], frame[..., 3])
    assert np.array_equal(result[..., :3], paint(np.ascontiguousarray(frame[..., :3])))


def test_memory_layout_does_not_matter(paint):
    frame = photo(64, 64)
    expected = paint(np.ascontiguousarray(frame[::2, ::-1]))
    assert np.array_equal(paint(frame[::2, ::-1]), expected)
    assert np.array_equal(paint(np.asfortranarray(frame[::2, ::-1])), expected)


def test_out_takes_the_result_and_may_be_the_frame(paint):
    frame = photo()
    expected = paint(frame)
    out = np.zeros_like(frame)
    assert paint(frame, out=out) is out
    assert np.array_equal(out, expected)
    assert paint(frame, out=frame) is frame
    assert np.array_equal(frame, expected)


def test_the_plain_frame_stays_plain_when_the_painting_replaces_the_frame(paint):
    frame = photo()
    paint(frame, out=frame)
    assert np.array_equal(paint.plain_frame, photo())
    assert not np.array_equal(frame, photo())


def test_out_of_another_shape_is_refused(paint):
    with pytest.raises(FrameError, match=r"expected uint8 \(36, 64, 3\)"):
        paint(photo(), out=np.zeros((36, 64), np.uint8))


def test_out_that_cannot_be_written_to_is_refused(paint):
    out = np.zeros_like(photo())
    out.flags.writeable = False
    with pytest.raises(FrameError, match="out is read-only"):
        paint(photo(), out=out)
    with pytest.raises(FrameError, match="out is a list; expected uint8"):
        paint(photo(), out=[0])


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (None, "NoneType.*cv2.imread gives None"),
        (np.zeros((4, 4, 3)), "float64 array; expected a uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"shape is \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape is \(0, 4, 3\)"),
        (np.zeros(4, np.uint8), r"shape is \(4,\)"),
    ],
)
def test_what_is_not_a_frame_is_said_to_be_none(paint, frame, what):
    for out in (None, np.zeros((4, 4, 3), np.uint8)):
        with pytest.raises(FrameError, match=what):
            paint(frame, out=out)


def test_settings_change_between_two_frames(paint):
    frame = photo()
    blue = paint(frame)
    paint.style = RED
    red = paint(frame)
    assert blue[..., 0].mean() > red[..., 0].mean() + 50
    assert red[..., 2].mean() > blue[..., 2].mean() + 50


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range_is_refused(paint, strength):
    with pytest.raises(UsageError, match="expected a number from 0 to 1"):
        paint.strength = strength


@pytest.mark.parametrize("size", [0, 15, -3, 100_000])
def test_size_out_of_range_is_refused(paint, size):
    with pytest.raises(UsageError, match="expected a whole number from 16 to 16384 pixels"):
        paint.size = size


def test_embeddings_are_mixed_and_each_computed_once(tmp_path, cache):
    model = FakeModel()
    paths = []
    for name, picture in (("blue", BLUE), ("red", RED)):
        paths.append(tmp_path / f"{name}.png")
        cv2.imwrite(str(paths[-1]), picture)
    paint = StyleFilter(f"{paths[0]}:3+{paths[1]}", model=model, cache=cache)
    assert np.allclose(paint.embedding, [150, 0, 50])
    paint.style = paths[1]
    assert np.allclose(paint.embedding, [0, 0, 200])
    assert model.embedded == 2
    assert isinstance(paint.style, StyleMix)


def test_a_model_without_embeddings_refuses_a_mix(tmp_path, cache):
    cv2.imwrite(str(tmp_path / "a.png"), RED)
    style = Style("a", tmp_path / "a.png")
    paint = StyleFilter(style, model=FakeModel(mixes=False), cache=cache)
    with pytest.raises(UsageError, match="cannot mix"):
        paint.style = StyleMix(((style, 0.5), (style, 0.5)))
    assert paint(photo()).shape == (36, 64, 3), "the style before goes on"


def test_a_misspelt_style_costs_no_model(monkeypatch):
    monkeypatch.setattr("nstfilter.filter.open_model", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(UnknownNameError):
        StyleFilter("nosuchstyle-at-all")


def test_an_unknown_model_names_the_known(cache):
    with pytest.raises(UnknownNameError, match="pocket"):
        StyleFilter(RED, model="pockett", cache=cache)


def test_a_style_that_no_plugin_reads_is_one_clear_line(tmp_path, cache):
    path = tmp_path / "notes.txt"
    path.write_text("not a picture")
    with pytest.raises(StyleError, match=r"notes\.txt cannot be a style"):
        StyleFilter(path, model=FakeModel(), cache=cache)


def test_a_model_that_cannot_tile_says_what_to_choose_for_a_huge_picture(cache):
    side = int(ONE_PIECE**0.5) + 10
    paint = StyleFilter(RED, model=FakeModel(), cache=cache, size=side)
    with pytest.raises(ModelError, match="choose a --size of at most"):
        paint(np.zeros((side, side, 3), np.uint8))


def test_a_style_picture_that_is_gone_is_named(tmp_path, cache):
    gone = Style("gone", tmp_path / "gone.png")
    with pytest.raises(StyleError, match=r"gone\.png cannot be read: No such file"):
        StyleFilter(gone, model=FakeModel(), cache=cache)


def test_an_embedding_is_a_style(paint):
    again = StyleFilter(paint.embedding, model=(model := FakeModel()))
    assert np.array_equal(again(photo()), paint(photo()))
    assert model.embedded == 0


def test_the_networks_size_is_prepared_for_the_frames_that_come(cache):
    prepared, seen = [], []

    class Preparing(FakeModel):
        def prepare(self, height, width):
            prepared.append((height, width, 3))

        def stylize(self, frame, embedding, *, out=None):
            seen.append(frame.shape)
            return super().stylize(frame, embedding, out=out)

    paint = StyleFilter(RED, model=Preparing(), cache=cache)
    for size in (None, 25, 16):
        paint.size = size
        paint.prepare(50, 300, size)
        paint(photo(50, 300))
    assert prepared == seen == [(50, 300, 3), (25, 148, 3), (16, 96, 3)]
    StyleFilter(RED, model=FakeModel(), cache=cache).prepare(50, 300)


def test_the_model_is_told_the_device_and_the_threads(monkeypatch, cache):
    told = []
    monkeypatch.setattr(
        "nstfilter.filter.open_model", lambda _, **options: told.append(options) or FakeModel()
    )
    StyleFilter(RED, cache=cache)
    StyleFilter(RED, device="gpu", threads=3, cache=cache)
    assert told == [{}, {"device": "gpu", "threads": 3}]
    with pytest.raises(UsageError, match="device is 'tpu'; expected cpu or gpu or npu or auto"):
        StyleFilter(RED, device="tpu", cache=cache)


@pytest.mark.parametrize("stability", [0.0, 0.8])
def test_a_stream_paints_what_single_calls_paint(cache, stability):
    """With the real network, at a size of its own, and with a style that changes on the way."""
    frames = [np.roll(photo(90, 121), 3 * number, axis=1) for number in range(6)]

    singles, ahead = (StyleFilter(RED, stability=stability, size=64, cache=cache) for _ in range(2))
    expected = []
    for number, frame in enumerate(frames):
        singles.style = RED if number < 4 else photo(64, 64)
        expected.append(singles(frame))
    painted = []
    for image in ahead.stream(iter(frames)):
        painted.append(image)
        ahead.style = RED if len(painted) < 4 else photo(64, 64)
    for one, other in zip(expected, painted, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_a_stream_goes_on_after_a_frame_the_caller_wrote_into(cache):
    """A painting belongs to the caller, also where the filter goes on from it."""
    paint = StyleFilter(RED, stability=0.8, cache=cache)
    frames = [photo(64, 80)] * 4
    expected = [image.copy() for image in paint.stream(frames)]
    paint.reset()
    for image, wanted in zip(paint.stream(frames), expected, strict=True):
        assert np.abs(image.astype(int) - wanted).max() <= 1
        image[:] = 0
