"""What must hold for any input. Hypothesis makes them: a few in the default run, many in the slow one.

They are the same every time, so that no run fails by chance; NSTFILTER_TEST_SEARCH=1 looks for others.
"""

from __future__ import annotations

import copy
import json
import math
import os
import tomllib

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nstfilter.errors import FrameError, NstfilterError, SourceError, StyleError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.jobs.job_file import JobFile, JobFolder, SegmentState
from nstfilter.jobs.recipe import MAX_EMBEDDING, MAX_RECIPE, Recipe
from nstfilter.jobs.task import Settings
from nstfilter.models.embeddings import EmbeddingCache
from nstfilter.packs.manifest import NAME_PATTERN, parse
from nstfilter.packs.reading import list_styles, parse_style
from nstfilter.packs.style import StyleMix
from nstfilter.parameters import PARAMETERS
from nstfilter.testing import FakeModel

QUICK = profile(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
DEEP = profile(
    QUICK, max_examples=500, derandomize="NSTFILTER_TEST_SEARCH" not in os.environ, print_blob=True
)
depths = pytest.mark.parametrize(
    "depth", [pytest.param(QUICK, id="quick"), pytest.param(DEEP, id="deep", marks=pytest.mark.slow)]
)


def check_one_line(error: Exception, start: str = "") -> None:
    text = str(error)
    assert text.startswith(start)
    assert text.isprintable()
    assert text


# --- strategies

hostile = st.sampled_from(
    ["\0", "\n", "\x1b[31m", "\udcff", "../", "~", "+", ":", "/", "nan", "1e999", "\u202e", "'"]
)
words = st.one_of(st.text(), st.lists(st.one_of(hostile, st.text(max_size=4)), max_size=8).map("".join))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def changed(draw, original):
    """A JSON value with something in it put in the place of something else, added or taken away."""
    value = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        place = value
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.integers(0, 3)):
                place[key] = draw(json_values)
            else:
                del place[key]
            break
        if isinstance(place, dict) and not draw(st.integers(0, 4)):
            place[draw(words)] = draw(json_values)
    return value


@st.composite
def damaged(draw, original: bytes):
    """Bytes with some of them flipped, cut out or put in."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case _:
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)


# --- styles and mixes


def names() -> list[str]:
    return [f"{style.pack}/{style.name}" for style in list_styles()]


@depths
def test_any_text_is_a_mix_or_one_line(depth):
    known = st.sampled_from([*names(), *(name.partition("/")[2] for name in names())])
    weights = st.sampled_from(["5e-324", "1e6"]) | st.floats().map(str) | st.integers().map(str) | words
    parts = st.one_of(known, words, st.tuples(known, weights).map(":".join))

    @depth
    @given(st.lists(parts, max_size=4).map("+".join))
    def holds(text):
        try:
            mix = parse_style(text)
        except NstfilterError as error:
            check_one_line(error)
            return
        assert isinstance(mix, StyleMix)
        assert all(0 < weight <= 1 for _, weight in mix.parts)
        assert math.isclose(sum(weight for _, weight in mix.parts), 1)

    holds()


@depths
def test_a_mix_means_the_same_when_it_is_written_and_read_again(depth):
    weights = st.floats(1e-3, 1e6).map(lambda weight: float(f"{weight:f}"))

    @depth
    @given(st.lists(st.tuples(st.sampled_from(names()), weights), min_size=1, max_size=6))
    def holds(parts):
        mix = parse_style("+".join(f"{name}:{weight:f}" for name, weight in parts))
        assert [f"{style.pack}/{style.name}" for style, _ in mix.parts] == [name for name, _ in parts]
        total = sum(weight for _, weight in parts)
        assert [w for _, w in mix.parts] == pytest.approx([weight / total for _, weight in parts])
        again = parse_style(mix.spelled)
        assert [style.path for style, _ in again.parts] == [style.path for style, _ in mix.parts]
        assert [w for _, w in again.parts] == pytest.approx([w for _, w in mix.parts], rel=1e-4)

    holds()


# --- manifests

MANIFEST = """\
[pack]
name = "mine"
version = "1.0"
title = "Mine"
author = "A. Author"
licence = "CC0-1.0"

[[styles]]
name = "wave"
title = "Wave"
picture = "wave.jpg"
artist = "B. Artist"
year = 2026
licence = "CC0-1.0"
source = "painted for this test"
notes = "none"
"""


@depths
def test_any_manifest_is_sound_or_refused_in_one_line(depth):
    texts = words.map(lambda text: text.encode(errors="replace"))
    contents = st.one_of(st.binary(), texts, damaged(MANIFEST.encode()))

    @depth
    @given(contents)
    def holds(data):
        try:
            manifest = parse(data, "the.toml")
        except StyleError as error:
            check_one_line(error, "the.toml")
            return
        for style in manifest.styles:
            assert ".." not in style.picture.split("/")
            assert not style.picture.startswith("/")

    holds()


@depths
def test_any_value_in_a_manifest_is_fine_or_named(depth):
    """Written as TOML, which knows fewer values than JSON."""
    plain = tomllib.loads(MANIFEST)

    def toml(value):
        if isinstance(value, dict):
            pairs = (f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(toml, value)) + "]"
        if isinstance(value, float):
            return "nan" if math.isnan(value) else repr(value)
        return json.dumps(value)

    @depth
    @given(changed(plain))
    def holds(value):
        text = "\n".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items())
        try:
            parse(text.encode(errors="replace"), "the.toml")
        except StyleError as error:
            check_one_line(error, "the.toml")

    holds()


@depths
def test_every_name_that_fits_the_pattern_is_taken(depth):
    @depth
    @given(st.from_regex(NAME_PATTERN, fullmatch=True))
    def holds(name):
        found = parse(MANIFEST.replace('"wave"', f'"{name}"').encode(), "the.toml")
        assert found.styles[0].name == name

    holds()


# --- recipes

EMBEDDING = np.linspace(-2, 2, 100, dtype=np.float32)
SETTINGS = Settings("wave:0.7+mosaic:0.3", EMBEDDING.tobytes(), (100,), "pocket", strength=0.8, size=320)
RECIPE = Recipe.of(SETTINGS, "abc123", crf=20).to_json()


@depths
def test_any_recipe_is_sound_or_refused_in_one_line(depth):
    texts = st.one_of(
        words,
        changed(json.loads(RECIPE)).map(json.dumps),
        damaged(RECIPE.encode()).map(lambda data: data.decode(errors="surrogateescape")),
    )

    @depth
    @given(texts)
    def holds(text):
        try:
            recipe = Recipe.from_json(text)
            assert Recipe.from_json(recipe.to_json()) == recipe
            assert recipe.command.isprintable()
            assert str(recipe.mix)
            made = recipe.settings(model="pocket")
            assert np.isfinite(np.frombuffer(made.embedding, np.float32).reshape(made.shape)).all()
        except (SourceError, UsageError) as error:
            check_one_line(error)

    holds()


@depths
def test_a_recipe_comes_back_as_it_was_and_fits_into_a_jpeg(depth):
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    shapes = arrays.array_shapes(max_dims=3, max_side=20)
    embeddings = arrays.arrays(np.float32, shapes, elements=number, fill=number)

    @depth
    @given(
        style=words.filter(bool),
        model=words.filter(bool),
        embedding=embeddings,
        strength=st.floats(0, 1),
        stability=st.floats(0, 1),
        keep=st.booleans(),
        size=st.none() | st.integers(16, 16384),
    )
    def holds(style, model, embedding, strength, stability, keep, size):
        made = Settings(
            style,
            embedding.tobytes(),
            embedding.shape,
            model,
            strength=strength,
            stability=stability,
            keep_colors=keep,
            size=size,
        )
        recipe = Recipe.of(made, "f")
        text = recipe.to_json()
        assert len(text.encode()) <= MAX_RECIPE
        assert "\n" not in text
        again = Recipe.from_json(text)
        assert again == recipe
        if embedding.nbytes <= MAX_EMBEDDING:
            assert again.settings(model="pocket").embedding == made.embedding
        assert (again.strength, again.stability) == (strength, stability)
        assert (again.keep_colors, again.size) == (keep, size)

    holds()


# --- job files

JOB = JobFile(
    input="talk.mp4",
    output="painted.mp4",
    made_of={"style": "wave", "strength": 0.8},
    suffix=".mp4",
    segments=[
        SegmentState(begin=0, end=100, frames=10, hash="ab" * 32, seconds=1.5, warnings=["one is damaged"]),
        SegmentState(begin=100, end=None),
    ],
)


@depths
def test_any_job_file_is_read_or_known_to_be_damaged(depth, tmp_path):
    folder = JobFolder(tmp_path / "painted.mp4")
    folder.path.mkdir()
    whole = JOB.model_dump_json().encode()
    contents = st.one_of(
        st.binary(),
        damaged(whole),
        changed(json.loads(whole)).map(lambda value: json.dumps(value).encode(errors="surrogatepass")),
    )

    @depth
    @given(contents)
    def holds(data):
        folder.file.write_bytes(data)
        try:
            job = folder.read()
        except ValueError:  # damaged
            return
        except NstfilterError as error:  # of a later version
            check_one_line(error)
            return
        assert job is not None
        assert 0 <= job.done <= len(job.segments)
        folder.write(job)
        assert folder.read() == job

    holds()


# --- the filter

COLOR = np.array([30, 60, 90], np.float32)


@pytest.fixture
def paint(tmp_path):
    return StyleFilter(COLOR, model=FakeModel(), cache=EmbeddingCache(tmp_path / "cache"))


def views(frame: np.ndarray) -> st.SearchStrategy[np.ndarray]:
    """The same pixels, or others, in every layout of memory."""
    laid = [frame, np.asfortranarray(frame), frame[::-1], frame[:, ::-1], frame[::2, ::3]]
    wide = np.repeat(frame, 2, axis=1)
    return st.sampled_from([*laid, wide[:, ::2]])


sides = st.integers(1, 40)
shapes = st.one_of(st.tuples(sides, sides), st.tuples(sides, sides, st.sampled_from([1, 3, 4])))
frames = shapes.flatmap(lambda shape: arrays.arrays(np.uint8, shape)).flatmap(views)


@depths
def test_every_frame_comes_back_in_its_own_shape_and_unchanged_at_strength_0(depth, paint):
    @depth
    @given(
        frame=frames,
        strength=st.floats(0, 1),
        stability=st.floats(0, 1),
        keep=st.booleans(),
        size=st.none() | st.integers(16, 64),
    )
    def holds(frame, strength, stability, keep, size):
        paint.strength, paint.stability, paint.keep_colors, paint.size = strength, stability, keep, size
        before = frame.copy()
        painted = paint(frame)
        assert (painted.shape, painted.dtype) == (frame.shape, np.uint8)
        assert np.array_equal(frame, before)
        assert not np.shares_memory(painted, frame)
        if frame.ndim == 3 and frame.shape[2] == 4:
            assert np.array_equal(painted[:, :, 3], frame[:, :, 3])
        paint.reset()
        out = np.empty_like(before)
        assert paint(frame, out=out) is out
        paint.strength = 0
        assert np.array_equal(paint(frame), before)

    holds()


@depths
def test_what_is_no_frame_is_refused_in_one_line(depth, paint):
    kinds = st.sampled_from([np.uint8, np.int8, np.uint16, np.float32, np.bool_, np.complex64, object])
    any_shape = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    things = st.one_of(json_values, st.builds(np.zeros, any_shape, kinds))

    @depth
    @given(things)
    def holds(thing):
        try:
            painted = paint(thing)
        except FrameError as error:
            check_one_line(error)
        else:
            assert painted.shape == thing.shape

    holds()


@depths
@pytest.mark.parametrize("name", ["strength", "stability", "size"])
def test_any_value_of_a_dial_is_in_its_range_or_refused_in_one_line(depth, paint, name):
    parameter = PARAMETERS[name]

    @depth
    @given(st.one_of(json_values, st.floats(-1, 2), st.integers(-1, 20000)))
    def holds(value):
        before = getattr(paint, name)
        try:
            setattr(paint, name, value)
        except UsageError as error:
            check_one_line(error, name)
            now = before
        else:
            now = getattr(paint, name)
        assert getattr(paint, name) == now
        assert now is None or parameter.minimum <= now <= parameter.maximum

    holds()
