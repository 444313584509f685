from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import savedmodels
from savedmodels import export, export_function

from nstfilter.errors import ModelError
from nstfilter.models import graph
from nstfilter.models.graph import freeze, load
from nstfilter.models.tensorflow import tf

pytestmark = pytest.mark.slow

PICTURE = tf.TensorSpec([None, None, None, 3], tf.float32)


def pictures(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((1, 48, 72, 3), np.float32), random.random((1, 256, 256, 3), np.float32)


def in_two(network: graph.Network, content: np.ndarray, style: np.ndarray) -> np.ndarray:
    stylize = tf.function(
        network.stylize, autograph=False, input_signature=[PICTURE, tf.TensorSpec(network.shape)]
    )
    return stylize(content, tf.function(network.embed, autograph=False)(style)).numpy()


@pytest.fixture(autouse=True)
def unoptimised() -> Iterator[None]:
    """TensorFlow reorders sums as it sees fit in either graph; without that, the same operations must give
    the same bits."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("published"))


def test_the_published_form_is_cut_at_its_embedding(published: Path) -> None:
    network = freeze(published)
    content, style = pictures()
    assert network.cut
    assert network.shape == (1, 1, 1, 6)
    painted = in_two(network, content, style)
    assert painted.std() > 0.05
    whole = tf.saved_model.load(str(published))
    np.testing.assert_array_equal(painted, whole(content, style)[0])


@pytest.mark.parametrize(
    ("names", "style_first"),
    [
        (("Placeholder", "Placeholder_1"), False),
        (("a_style", "the_content"), True),
        (("placeholder", "placeholder_1"), True),
        (("style", "content"), False),  # names that lie: the sizes tell
    ],
)
def test_content_and_style_are_told_apart(names: tuple[str, str], style_first: bool, tmp_path: Path) -> None:
    network = freeze(export(tmp_path, names=names, style_first=style_first))
    found = [network.content, network.style]
    expected = names[::-1] if style_first else names
    assert [name.removesuffix(":0").lower() for name in found] == [name.lower() for name in expected]


def test_the_cut_is_the_last_tensor_that_still_disconnects(tmp_path: Path) -> None:
    network = freeze(export(tmp_path, savedmodels.forked))
    assert network.shape == (1, 1, 1, 5)
    content, style = pictures()
    whole = tf.saved_model.load(str(tmp_path))(content, style)[0]
    np.testing.assert_array_equal(in_two(network, content, style), whole)


def test_a_network_without_a_bottleneck_is_called_whole(tmp_path: Path) -> None:
    network = freeze(export(tmp_path, savedmodels.uncut))
    content, style = pictures()
    assert not network.cut
    assert network.shape == (1, 256, 256, 3)
    whole = tf.saved_model.load(str(tmp_path))(content, style)[0]
    np.testing.assert_array_equal(in_two(network, content, style), whole)


def test_single_tensors_of_a_graph_drawn_by_hand() -> None:
    with tf.Graph().as_default() as drawn:
        style = tf.compat.v1.placeholder(tf.float32, [2], "style")
        content = tf.compat.v1.placeholder(tf.float32, [2], "content")
        first = tf.negative(style, "first")
        both = tf.add(tf.abs(first, "left"), tf.square(first, "right"), "both")
        one, two = tf.split(both, 2, name="halves")
        again = tf.add(one, two, "again")
        tf.add(tf.multiply(content, again, "mixed"), again, "output")
    found = graph.single_tensors(drawn.as_graph_def(), "content:0", "style:0", "output:0")
    # of the halves either one alone would do, so neither is the cut
    assert found == ["first:0", "both:0", "again:0"]


@pytest.mark.slow
def test_a_network_is_frozen_once(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "graphs" / "one.npz"
    first = load(published, cached)
    assert cached.is_file()
    whole_file = cached.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(graph, "freeze", lambda folder: pytest.fail("frozen again"))
        again = load(published, cached)
    assert again == first

    for damaged in (b"", whole_file[:5000], whole_file[:2000] + b"\x55" * 64 + whole_file[2064:]):
        cached.write_bytes(damaged)
        assert load(published, cached).bottleneck == first.bottleneck
        assert len(cached.read_bytes()) == len(whole_file)
    assert [path.name for path in cached.parent.iterdir()] == ["one.npz"]


def test_a_cache_that_cannot_be_written_is_done_without(published: Path, tmp_path: Path) -> None:
    (tmp_path / "graphs").write_text("a file where the folder should be")
    assert load(published, tmp_path / "graphs" / "one.npz").cut


@pytest.mark.parametrize(
    ("function", "signature", "message"),
    [
        (lambda a: a, [PICTURE], "takes 1 inputs (a) and gives 1"),
        (lambda a, b, c: a + b + c, [PICTURE] * 3, "takes 3 inputs (a, b, c) and gives 1"),
        (lambda a, b: (a, b), [PICTURE] * 2, "takes 2 inputs (a, b) and gives 2"),
        (
            lambda a, b: a + b,
            [tf.TensorSpec([None, 10])] * 2,
            "'a' is float32 (None, 10); expected float32 pictures",
        ),
        (
            lambda a, b: tf.reduce_mean(a + tf.reduce_mean(b), keepdims=True) + tf.zeros([1, 1, 1, 3]),
            [PICTURE] * 2,
            "a content picture of 96x64 does not become a painting of 96x64",
        ),
    ],
)
def test_what_is_no_style_model_is_refused(
    function: object, signature: list[object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        freeze(export_function(tmp_path, function, *signature))
    assert str(caught.value).startswith(f"{tmp_path} is no style model: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"not a protocol buffer")
    with pytest.raises(
        ModelError, match=r"cannot be loaded as a SavedModel \(.+\); download it again"
    ) as caught:
        freeze(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    def broken(weights: savedmodels.Weights, content: object, style: object) -> object:
        painted = savedmodels.published(weights, content, style)
        with tf.init_scope():
            weights.kernels["c"].assign(weights.kernels["c"] * np.nan)
        return painted

    with pytest.raises(
        ModelError, match=r"the weights of .* are damaged: .* is not finite; download it again"
    ):
        freeze(export(tmp_path, broken))
