from __future__ import annotations

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from nstfilter import StyleFilter, hookimpl, open_sink, open_source, run
from nstfilter.errors import ModelError, SourceError, UsageError
from nstfilter.jobs.recipe import MAX_EMBEDDING, MAX_RECIPE, Recipe
from nstfilter.jobs.task import Settings
from nstfilter.jobs.work import filter_for
from nstfilter.jobs.xmp import packet
from nstfilter.manager import manager, open_model
from nstfilter.packs.reading import find_style, read_picture
from nstfilter.testing import FakeModel

EMBEDDING = np.random.default_rng(5).normal(size=(4, 25)).astype(np.float32)
SETTINGS = Settings(
    style="wave:0.7+mosaic:0.3",
    embedding=EMBEDDING.tobytes(),
    shape=EMBEDDING.shape,
    model="pocket",
    strength=0.85,
    keep_colors=True,
    size=320,
    stability=0.6,
    threads=2,
)
RECIPE = Recipe.of(SETTINGS, "abc123", crf=20, quality=None, overwrite=True)
TEXT = RECIPE.to_json()


def changed(**fields):
    return json.dumps(json.loads(TEXT) | fields)


def settings(**fields):
    values = {name: getattr(SETTINGS, name) for name in Settings.__slots__}
    return Settings(**(values | fields))


def test_it_is_one_line_and_comes_back_as_it_was():
    assert "\n" not in TEXT
    assert Recipe.from_json(TEXT) == RECIPE
    assert RECIPE.settings(threads=2) == settings(style="atelier/wave:0.7+atelier/mosaic:0.3")
    assert RECIPE.options == {"crf": 20}


def test_the_embedding_is_exact():
    again = RECIPE.settings()
    read = np.frombuffer(again.embedding, np.float32).reshape(again.shape)
    np.testing.assert_array_equal(read, EMBEDDING)


def test_the_command_says_everything_that_counts():
    assert RECIPE.command == (
        "nstfilter apply INPUT --style atelier/wave:0.7+atelier/mosaic:0.3 --model pocket --strength 0.85 "
        "--stability 0.6 --keep-colors --size 320 --crf 20"
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("style", "/home" + "/someone/clients/cat.jpg:0.5+../dog.png:0.5", "cat.jpg:0.5+dog.png:0.5"),
        ("style", "C:\\Users" + "\\someone\\cat.jpg", "cat.jpg"),
        ("model", "/home" + "/someone/models/magenta-mobile/", "magenta-mobile"),
        ("model", "https://tfhub.dev/google/magenta/2", "https://tfhub.dev/google/magenta/2"),
        ("model", "https://someone:secret@example.org/m?key=someone", "https://example.org/m"),
    ],
)
def test_it_tells_no_folders(field, value, expected):
    recipe = Recipe.of(settings(**{field: value}), "abc")
    assert getattr(recipe, field) == expected
    assert "someone" not in recipe.to_json()


def test_names_that_cannot_be_printed_do_not_stop_a_render():
    recipe = Recipe.of(settings(style="\udcff\x1b[31m\u202e" + "x" * 5000), "")
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.style.isprintable()


def test_keys_of_later_versions_are_passed_over():
    assert Recipe.from_json(changed(mood="blue", segments=[1, {"a": 2}])) == RECIPE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "damaged: Invalid JSON"),
        ("[]", "damaged: "),
        ("{", "damaged: Invalid JSON"),
        ("[" * 50_000, "recursion"),
        ("x" * (MAX_RECIPE + 1), "over 60 kB"),
        ("\udcff", "damaged"),
        (changed(tool="other"), "tool: "),
        (changed(format=2), "later nstfilter; update"),
        (changed(strength=1.5), "strength: "),
        (changed(stability=float("nan")), "stability: "),
        (changed(size=10**400), "size: "),
        (changed(style="a\nb"), "style: "),
        (changed(style="\x1b[31m"), "style: "),
        (changed(style="x" * 1001), "style: "),
        (changed(shape=[]), "shape: "),
        (changed(shape=[-4, -25]), "shape"),
        (changed(shape=[99]), "another length"),
        (changed(shape=[10**18, 10**18]), "another length"),
        (changed(embedding="!"), "embedding: "),
        (changed(embedding="AADAfw==", shape=[1]), "finite"),
        (TEXT[:-30], "damaged: Invalid JSON"),
    ],
)
def test_what_is_damaged_is_refused_in_one_line(text, says):
    with pytest.raises(SourceError) as caught:
        Recipe.from_json(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_hostile_recipe_gives_a_command_that_is_safe_to_paste():
    bad = Recipe.from_json(changed(style="$(rm -rf ~); x", codec="`x`", command="rm -rf ~"))
    assert shlex.split(bad.command)[3:5] == ["--style", "$(rm -rf ~); x"]
    assert shlex.split(bad.command)[-1] == "`x`"


def test_a_recipe_chooses_only_among_models_that_have_a_name():
    for model in ("https://example.org/model", "../somewhere", "magenta:../somewhere", "nothing"):
        stranger = Recipe.from_json(changed(model=model))
        with pytest.raises(UsageError, match="--model"):
            stranger.settings()
        assert stranger.settings(model="mine/").model == "mine/"


def test_a_recipes_mix_has_its_name():
    assert str(RECIPE.mix) == "wave+mosaic"
    for nameless in ("", "/", "."):  # of anybody's making
        assert str(Recipe.from_json(changed(style=nameless)).mix) == "painting"


def test_another_model_is_noticed():
    model = FakeModel()
    Recipe.of(settings(embedding=bytes(12), shape=(3,)), model.fingerprint).check_model(model)
    with pytest.raises(ModelError, match=r"abc123.*fa4e.*nstfilter apply INPUT"):
        RECIPE.check_model(model)


@pytest.mark.parametrize(
    ("embedding", "says"),
    [
        (np.ones(4, np.float32), r"shape \(4,\) was not made by pocket; expected \(100,\)"),
        (np.ones((1, 100), np.float32), r"shape \(1, 100\)"),
        (np.full(100, 3e38, np.float32), "numbers beyond 10000"),
        (np.full(100, -3e38, np.float32), "numbers beyond 10000"),
    ],
)
def test_an_embedding_that_the_model_cannot_have_made_is_noticed(embedding, says):
    model = open_model("pocket")
    made = settings(embedding=embedding.tobytes(), shape=embedding.shape)
    with pytest.raises(ModelError, match=f"the recipe is damaged: an embedding .*{says}"):
        Recipe.of(made, model.fingerprint).check_model(model)


def test_the_longest_recipe_fits_into_a_jpeg(tmp_path):
    long = np.zeros(MAX_EMBEDDING // 4, np.float32)
    recipe = Recipe.of(
        settings(embedding=long.tobytes(), shape=long.shape, style="&" * 5000, model="'" * 500), "f"
    )
    text = recipe.to_json()
    assert len(text.encode()) <= MAX_RECIPE
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=packet(text))
    with open_source(tmp_path / "a.jpg") as source:
        assert Recipe.from_json(source.info.details["recipe"]) == recipe


def test_an_embedding_too_large_to_carry_is_left_out_and_said():
    large = np.zeros((256, 256, 3), np.float32)
    recipe = Recipe.of(settings(embedding=large.tobytes(), shape=large.shape), "f")
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    with pytest.raises(UsageError, match=r"wave.*say --style"):
        again.settings()


@pytest.mark.slow
@pytest.mark.parametrize("style", ["mosaic", "wave:0.7+mosaic:0.3"])
def test_the_same_picture_is_made_again_with_nothing_but_the_recipe(tmp_path, style):
    content = read_picture(find_style("ink"))[:200, :300].copy()
    paint = StyleFilter(style, strength=0.9, keep_colors=True)
    made = Settings(
        style=style,
        embedding=paint.embedding.tobytes(),
        shape=paint.embedding.shape,
        model="pocket",
        strength=0.9,
        keep_colors=True,
    )
    recipe = Recipe.of(made, paint.model.fingerprint).to_json()
    first, second = tmp_path / "first.png", tmp_path / "second.png"

    Image.fromarray(content[:, :, ::-1]).save(tmp_path / "content.png")
    run(open_source(tmp_path / "content.png"), paint, open_sink(first, recipe=recipe))
    with open_source(first) as painting:
        found = Recipe.from_json(painting.info.details["recipe"])
    again = filter_for(found.settings())
    found.check_model(again.model)
    run(open_source(tmp_path / "content.png"), again, open_sink(second))
    one, other = (np.asarray(Image.open(path)) for path in (first, second))
    np.testing.assert_array_equal(one, other)
    assert np.abs(one.astype(int) - content[:, :, ::-1]).mean() > 5  # it was painted at all


def test_people_and_their_background_come_back():
    made = settings(area="people", background="jade", room=EMBEDDING.tobytes(), room_shape=EMBEDDING.shape)
    recipe = Recipe.from_json(Recipe.of(made, "abc123").to_json())
    assert recipe.settings(threads=2) == replace(made, style="atelier/wave:0.7+atelier/mosaic:0.3")
    assert "--area people --background jade" in recipe.command


def test_a_background_of_another_shape_than_the_style_s_comes_back():
    """A taught style's embedding is longer than that of a picture."""
    long = np.arange(3000, dtype=np.float32)
    made = settings(background="jade", room=long.tobytes(), room_shape=long.shape)
    recipe = Recipe.from_json(Recipe.of(made, "abc123").to_json())
    assert recipe.settings(threads=2) == replace(made, style="atelier/wave:0.7+atelier/mosaic:0.3")


def test_a_background_too_large_to_carry_is_taken_from_the_styles_here_where_it_is_the_same(taught_model):
    room = StyleFilter("mosaic", model="taught").embedding
    assert room.nbytes > MAX_EMBEDDING
    made = settings(background="mosaic", room=room.tobytes(), room_shape=room.shape, model="taught")
    recipe = Recipe.from_json(Recipe.of(made, "abc123").to_json())
    assert not recipe.room
    assert recipe.background_at_hand
    assert recipe.settings().room == room.tobytes()
    other = recipe.model_copy(update={"room_hash": "0" * 64})
    with pytest.raises(UsageError, match=r"mosaic' installed here is not the one .*say --background"):
        other.settings()
    gone = recipe.model_copy(update={"background": "/etc/passwd"})
    with pytest.raises(UsageError, match="names its background '/etc/passwd' but could not hold it"):
        gone.settings()
    assert not gone.settings(background=False).room


@pytest.fixture
def taught_model(fresh_manager):
    """Of any picture its embeddings are too large to be carried."""

    class Large(FakeModel):
        def embed(self, picture):
            return np.resize(super().embed(picture), (MAX_EMBEDDING,))

    class Plugin:
        @hookimpl
        def register_models(self, register):
            register("taught", lambda _: Large())

    manager().load("taught", Plugin)


def test_of_a_background_picture_only_the_name_is_told():
    picture = np.zeros((2, 3, 3), np.uint8)
    made = settings(background="/photos/ann/room.jpg", room=picture.tobytes(), room_shape=picture.shape)
    recipe = Recipe.from_json(Recipe.of(made, "abc123").to_json())
    assert "ann" not in recipe.to_json()
    assert (recipe.background, recipe.room) == ("room.jpg", b"")
    assert recipe.room_hash
    assert not recipe.background_at_hand
    with pytest.raises(UsageError, match=r"'room.jpg' but could not hold the picture; say --background"):
        recipe.settings()


def test_a_recipe_names_no_segmenter_to_be_loaded():
    recipe = Recipe.of(settings(segmenter="onnx:/tmp/evil.onnx", area="people"), "abc123", "cafe")
    with pytest.raises(UsageError, match="say another with --segmenter"):
        recipe.settings()
    assert recipe.settings(segmenter="people").segmenter == "people"


def test_another_segmenter_is_noticed():
    recipe = Recipe.from_json(Recipe.of(settings(area="people"), "abc123", "cafe").to_json())
    recipe.check_segmenter("cafe")
    with pytest.raises(ModelError, match=r"another segmenter people \(cafe; this one is beef\)"):
        recipe.check_segmenter("beef")
