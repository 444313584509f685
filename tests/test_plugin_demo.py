"""The demo: its scene, its tune, and the command that paints it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.errors import SinkError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.graphics.opencv import cv2
from nstfilter.manager import open_sink, open_source
from nstfilter.packs.style import Style
from nstfilter.pipeline import run
from nstfilter.plugins.demo import film as demo_film
from nstfilter.plugins.demo import sound as demo_sound
from nstfilter.plugins.demo.scene import LOOP, START, Scene, chart_patches
from nstfilter.testing import FakeModel

SMALL = "demo:320x180@10"


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(320, 180)


def sound_of(path: Path) -> np.ndarray:
    """2xN float32."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


# -- the scene --


def test_the_scene_is_the_same_every_time(scene: Scene) -> None:
    again = Scene(320, 180)
    for t in (0.0, 1.7, 4.1, 6.6):
        assert np.array_equal(scene.draw(t), again.draw(t)), t


@pytest.mark.slow
def test_the_scene_is_the_same_at_every_size(scene: Scene) -> None:
    large = Scene(960, 540)
    for t in (0.0, 3.0):
        shrunk = cv2.resize(large.draw(t), (320, 180), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(int) - scene.draw(t)).mean() < 8


@pytest.mark.parametrize("t", [0.0, 2.0, 4.0, 6.0])
def test_the_chart_is_where_and_what_it_says(scene: Scene, t: float) -> None:
    frame = scene.draw(t)
    patches = chart_patches(320, 180)
    assert len(patches) == 12
    for color, (x, y, width, height) in patches:
        assert (frame[y : y + height, x : x + width] == color).all(), color
    assert patches[0][0] == (0, 0, 255), "red comes first, in BGR"


def test_everything_moves_and_nothing_jumps(scene: Scene) -> None:
    """The step from the last frame of the loop to the first is like any other."""
    frames = [scene.draw(k / 15).astype(np.int16) for k in range(round(LOOP * 15))]
    steps = [np.abs(b - a).mean() for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert min(steps) > 0.2
    assert max(steps) < 2.5 * np.median(steps)
    assert np.array_equal(scene.draw(0.5), scene.draw(0.5 + LOOP))


def test_the_seams_inside_the_loop_do_not_show(scene: Scene) -> None:
    """Where clouds start over, waves come round and the cyclist begins again."""
    for seam in (LOOP - START, LOOP / 2 - START + LOOP):
        before, at, after = (scene.draw(seam + d).astype(np.int16) for d in (-0.034, -1e-4, 0.034))
        assert np.abs(after - at).mean() < 2 * np.abs(at - before).mean() + 0.1
    before, after = (scene.draw(LOOP - START + d).astype(np.int16) for d in (-0.034, 0.034))
    assert np.abs(after - before)[137:].max() < 30, "nobody appears or vanishes on the path"


def test_skin_is_warm_in_bgr(scene: Scene) -> None:
    """The face at the first moment, on the right: blue faces are the commonest mistake there is."""
    blue, green, red = scene.draw(0)[80:100, 215:235].reshape(-1, 3).mean(axis=0)
    assert red > green > blue
    assert red > 150


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(64, 64), (321, 181), (800, 200), (64, 512)])
def test_any_size_can_be_drawn(width: int, height: int) -> None:
    scene = Scene(width, height)
    for t in (0.0, 2.5, 5.0):
        assert scene.draw(t).shape == (height, width, 3)


# -- the source --


def test_the_source_says_what_it_gives() -> None:
    with open_source(SMALL, seconds=1.2) as source:
        info = source.info
        frames = list(source)
    assert (info.width, info.height, info.rate, info.frames) == (320, 180, 10, 12)
    assert not info.live
    assert not info.still
    assert [frame.pts for frame in frames] == list(range(12))
    assert all(frame.duration == 1 and frame.image.shape == (180, 320, 3) for frame in frames)
    assert frames[0].image.dtype == np.uint8
    assert info.time_base == Fraction(1, 10)


@pytest.mark.slow
def test_eight_seconds_at_720p_by_default() -> None:
    with open_source("demo", sound=False) as source:
        info = source.info
    assert (info.width, info.height, info.rate, info.frames, info.origin) == (1280, 720, 30, 240, None)


@pytest.mark.parametrize(
    "target", ["demo:128x128@25", "demo:128x128@30000/1001", "demo:128x128@12.5", "demo:128x128"]
)
def test_sizes_and_rates_that_can_be_meant(target: str) -> None:
    with open_source(target, sound=False, seconds=1) as source:
        assert source.info.time_base * source.info.rate == 1
        assert len(list(source)) == source.info.frames == round(source.info.rate)


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("demo:big", {}, "expected something like 640x360"),
        ("demo:640x360@", {}, "expected something like 640x360"),
        ("demo:640x360@30/0", {}, "expected something like 640x360"),
        ("demo:640x360 ", {}, "expected something like 640x360"),
        ("demo:10x10", {}, "64 to 4096"),
        ("demo:5000x360", {}, "64 to 4096"),
        ("demo:640x360@0", {}, "1 to 240"),
        ("demo:640x360@1000", {}, "1 to 240"),
        ("demo:640x360", {"seconds": 0}, "one frame's time"),
        ("demo:640x360", {"seconds": "soon"}, "must be a number"),
        ("demo:640x360", {"seconds": 4000}, "to 3600"),
        ("demo:640x360", {"seconds": float("nan")}, "must be a number"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(
    target: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_source(target, **options)
    assert "\n" not in str(caught.value)


# -- the tune --


@pytest.mark.slow
def test_the_sound_is_as_long_as_the_picture_and_goes_when_it_is_closed() -> None:
    source = open_source(SMALL, seconds=2.5)
    origin = source.info.origin
    assert origin is not None
    sound = sound_of(origin)
    assert sound.shape[0] == 2
    assert sound.shape[1] / demo_sound.RATE == pytest.approx(2.5, abs=0.03)
    source.close()
    source.close()
    assert not origin.exists()
    assert not origin.parent.exists()


def test_the_tune_is_heard_in_both_ears_and_never_clips(tmp_path: Path) -> None:
    demo_sound.write(tmp_path / "tune.m4a", 8)
    sound = sound_of(tmp_path / "tune.m4a")
    assert 0.4 < np.abs(sound).max() < 0.9
    assert (sound.std(axis=1) > 0.03).all()
    assert (sound[0] - sound[1]).std() > 0.3 * sound.std(), "it is stereo"
    assert abs(sound.mean()) < 0.002
    rate = demo_sound.RATE
    assert sound[:, : rate // 100].std() < 0.25 * sound.std(), "it fades in"
    assert sound[:, -rate // 50 :].std() < 0.25 * sound.std(), "it fades out"


def test_the_tune_goes_on_into_itself() -> None:
    tune = demo_sound.loop()
    assert tune.shape == (2, round(LOOP * demo_sound.RATE))
    steps = np.abs(np.diff(tune, axis=1))
    assert np.abs(tune[:, 0] - tune[:, -1]).max() <= steps.max()
    assert np.array_equal(tune, demo_sound.loop())


def test_a_video_of_the_demo_has_its_sound(tmp_path: Path) -> None:
    run(open_source(SMALL, seconds=2), lambda image: image, open_sink(tmp_path / "demo.mp4"))
    with av.open(str(tmp_path / "demo.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert container.streams.video[0].frames == 20
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(2, abs=0.1)
    assert np.abs(sound_of(tmp_path / "demo.mp4")).max() > 0.2


# -- the film --


@pytest.fixture
def styles(tmp_path: Path) -> list[Style]:
    found = []
    for name, color in (("one", (250, 0, 0)), ("two", (0, 250, 0)), ("three", (0, 0, 250))):
        path = tmp_path / f"{name}.png"
        assert cv2.imwrite(str(path), np.full((8, 8, 3), color, np.uint8))
        found.append(Style(name, path, title=name.title()))
    return found


def test_the_tour_begins_unpainted_and_glides_from_style_to_style(styles: list[Style]) -> None:
    tour = demo_film.Tour(StyleFilter(styles[0], model=FakeModel()), styles, 60)
    gray = np.full((90, 160, 3), 100, np.uint8)
    corners = [tour(gray)[-1, -1].astype(int) for _ in range(60)]
    assert list(corners[0]) == [100, 100, 100]
    assert list(corners[12]) == [175, 50, 50]
    assert list(corners[30]) == [50, 175, 50]
    assert list(corners[59]) == [50, 50, 175]
    steps = np.abs(np.diff(corners, axis=0)).max(axis=1)
    assert steps.max() < 40, "nothing jumps"


def test_the_tour_writes_names_in_the_corner_only(styles: list[Style]) -> None:
    tour = demo_film.Tour(StyleFilter(styles[0], model=FakeModel()), styles, 3)
    gray = np.full((180, 320, 3), 100, np.uint8)
    tour(gray)
    written = tour(gray)
    assert (written[:40, :100] != written[-1, -1]).any()
    assert (written[60:] == written[-1, -1]).all()
    assert (gray == 100).all(), "the source's frame is left alone"


# -- the command --


def invoke(*arguments: str) -> tuple[int, str, BaseException | None]:
    result = CliRunner().invoke(build_app(), ["demo", *arguments])
    return result.exit_code, result.stdout, result.exception


def test_an_earlier_demo_is_not_destroyed(tmp_path: Path) -> None:
    (tmp_path / "styles.jpg").write_bytes(b"mine")
    _, _, error = invoke("-o", str(tmp_path))
    assert isinstance(error, SinkError)
    assert "--overwrite" in str(error)
    assert (tmp_path / "styles.jpg").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["styles.jpg"]


@pytest.mark.parametrize(("folder", "words"), [("a-file", "is a file"), ("no/such/place", "cannot make")])
def test_a_folder_that_cannot_be_is_said_in_one_line(tmp_path: Path, folder: str, words: str) -> None:
    (tmp_path / "a-file").touch()
    _, _, error = invoke("-o", str(tmp_path / folder), "--size", "320x180@5", "--seconds", "1")
    assert isinstance(error, SinkError)
    assert words in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("option", [("--size", "huge"), ("--seconds", "0")])
def test_what_cannot_be_meant_leaves_nothing_behind(tmp_path: Path, option: tuple[str, str]) -> None:
    _, _, error = invoke("-o", str(tmp_path / "out"), *option)
    assert isinstance(error, UsageError)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_demo_from_end_to_end(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    arguments = ("-o", str(folder), "--size", "320x180@10", "--seconds", "4", "--json")
    code, printed, error = invoke(*arguments)
    assert (code, error) == (0, None)
    facts = json.loads(printed)
    assert [Path(path) for path in facts["files"]] == [
        folder / name for name in ("demo.mp4", "before-after.jpg", "styles.jpg")
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["before-after.jpg", "demo.mp4", "styles.jpg"]
    assert (facts["frames"], facts["width"], facts["height"]) == (40, 320, 180)
    assert facts["styles"] == list(demo_film.SHOWN)
    assert facts["frames_per_second"] > 0
    assert facts["filter_milliseconds_per_frame"] > 0
    with av.open(str(folder / "demo.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(frames) == 40
    assert sound_of(folder / "demo.mp4").shape[1] / demo_sound.RATE == pytest.approx(4, abs=0.1)
    with open_source(SMALL, sound=False) as source:
        plain = next(iter(source)).image
    assert np.abs(frames[0].astype(int) - plain)[60:].mean() < 8, "it begins unpainted"
    assert np.abs(frames[-1].astype(int) - Scene(320, 180).draw(3.9)).mean() > 12, "and ends painted"
    before_after = cv2.imread(str(folder / "before-after.jpg"))
    assert before_after.shape == (180, 2 * 320 + 2, 3)
    assert np.abs(before_after[:, :320].astype(int) - plain).mean() < 4, "the input is on the left"
    assert np.abs(before_after[:, -320:].astype(int) - plain).mean() > 12, "the painting on the right"
    assert cv2.imread(str(folder / "styles.jpg")).shape[1] > 1300
    _, _, error = invoke(*arguments)
    assert isinstance(error, SinkError)
    code, _, _ = invoke(*arguments[:-1], "--overwrite")
    assert code == 0
