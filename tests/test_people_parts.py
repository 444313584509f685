"""Painting parts of a frame, with a person that fills its left half and a model that mixes a color in."""

from __future__ import annotations

import csv
import itertools
import threading
from fractions import Fraction
from functools import partial
from typing import ClassVar

import cv2
import numpy as np
import pytest

from nstfilter.errors import FrameError, NstfilterError, StyleError, UsageError
from nstfilter.filter import ONE_PIECE, StyleFilter
from nstfilter.live.controls import Controls
from nstfilter.live.live import Live
from nstfilter.models.embeddings import EmbeddingCache
from nstfilter.people.segmenter import PersonSegmenter
from nstfilter.pipeline import run
from nstfilter.testing import FakeModel, FakeSegmenter, MemorySink, MemorySource
from nstfilter.testing.live import FakeCamera, FakeClock, FakeDevice

FRAME = np.full((40, 80, 3), 100, np.uint8)
BLACK, WHITE = np.zeros(3, np.float32), np.full(3, 255, np.float32)
PERSON, ROOM = np.s_[:, 5:30], np.s_[:, 50:75]
PICTURE = np.full((40, 80, 3), 20, np.uint8)


@pytest.fixture
def make(tmp_path):
    def make(style=BLACK, **options):
        options = {"segmenter": FakeSegmenter(), "feather": 0.0} | options
        return StyleFilter(style, model=FakeModel(), cache=EmbeddingCache(tmp_path / "cache"), **options)

    return make


def values(image):
    """What the person and the room look like: one value each."""
    for part in (PERSON, ROOM):
        assert np.ptp(image[part]) <= 1, "an even part"
    return round(float(image[PERSON].mean())), round(float(image[ROOM].mean()))


@pytest.mark.parametrize(
    ("options", "person", "room"),
    [
        ({}, 50, 50),
        ({"area": "people"}, 50, 100),
        ({"area": "background"}, 100, 50),
        ({"background": WHITE}, 50, 178),
        ({"background": WHITE, "area": "people"}, 50, 178),
        ({"background": WHITE, "area": "background"}, 100, 178),
        ({"background": PICTURE}, 50, 10),
        ({"background": PICTURE, "area": "people"}, 50, 20),
        ({"background": PICTURE, "area": "background"}, 100, 10),
        ({"background": "blur", "area": "people"}, 50, 100),
        ({"strength": 0.5, "area": "people"}, 75, 100),
        ({"strength": 0.0, "background": PICTURE}, 100, 20),
        ({"strength": 0.0, "area": "people"}, 100, 100),
    ],
)
def test_what_is_painted_and_what_stands_behind(make, options, person, room):
    assert values(make(**options)(FRAME)) == (person, room)


def test_all_of_it_can_change_between_two_frames(make):
    paint = make()
    assert values(paint(FRAME)) == (50, 50)
    assert paint._parts._segmenter is None, "what is painted as a whole needs no segmenter"
    paint.area = "people"
    assert values(paint(FRAME)) == (50, 100)
    paint.background = PICTURE
    assert values(paint(FRAME)) == (50, 20)
    paint.area, paint.background = "all", None
    assert values(paint(FRAME)) == (50, 50)


@pytest.mark.parametrize("shape", [(1, 1), (40, 80), (37, 61, 1), (64, 48, 4), (721, 1279, 3)])
def test_every_kind_of_frame_keeps_its_shape(make, shape):
    frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for options in ({"area": "people"}, {"background": PICTURE}, {"background": WHITE, "stability": 0.5}):
        result = make(**options)(frame)
        assert result.shape == frame.shape
        if frame.shape[2:] == (4,):
            assert np.array_equal(result[..., 3], frame[..., 3])


def test_a_room_is_painted_as_if_nobody_stood_in_it(make):
    """Of a bright person, nothing reaches the painting of a dark room, which the model sees as one frame."""

    class Watching(FakeModel):
        seen: ClassVar[list[np.ndarray]] = []

        def stylize(self, frame, embedding, *, out=None):
            self.seen.append(frame.copy())
            return super().stylize(frame, embedding, out=out)

    frame = np.full((80, 160, 3), 40, np.uint8)
    frame[:, :80] = 250
    for options in (
        {"area": "background"},
        {"background": WHITE},
        {"area": "background", "background": "blur"},
    ):
        paint = make(**options)
        paint.model = Watching()
        paint(frame)
        assert min(picture.mean() for picture in paint.model.seen) < 60
        paint.model.seen.clear()


def test_the_feather_is_as_wide_as_it_is_set(make):
    widths = []
    for feather in (0.0, 0.2):
        row = make(area="people", feather=feather)(np.full((200, 400, 3), 100, np.uint8))[100, :, 0]
        widths.append(np.count_nonzero((row > 52) & (row < 98)))
    assert widths[1] > widths[0] + 20


def test_a_face_gets_its_share_of_the_strength(make):
    def standing(frame):
        y, x = np.mgrid[:40, :60]
        head, neck = np.hypot(x - 30, y - 12) < 7, (y > 12) & (abs(x - 30) < 3)
        body = (y > 22) & (abs(x - 30) < 16)
        return np.where(head | neck | body, 255, 0).astype(np.uint8)

    segmenter = FakeSegmenter()
    segmenter.instead = standing
    frame = np.full((160, 240, 3), 100, np.uint8)
    painted = make(face=0.2, segmenter=segmenter)(frame)
    assert abs(int(painted[50, 120, 0]) - 90) <= 2
    assert painted[140, 120, 0] == painted[20, 20, 0] == 50


def test_a_calm_filter_carries_the_mask_on(make):
    segmenter = FakeSegmenter()
    scene = np.random.default_rng(0).integers(60, 160, (10, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    paint = make(area="people", segmenter=segmenter, stability=0.8)
    for _ in range(3):
        paint(scene)
    segmenter.share = 0.0  # for one frame it finds nobody
    kept = paint(scene)[20:60, 10:60].astype(int) - scene[20:60, 10:60]
    assert np.abs(kept).mean() > 10, "the person is still painted"
    paint.reset()
    assert np.array_equal(paint(scene), scene), "a new stream has no memory"


def test_a_mask_that_was_not_needed_for_a_while_is_not_carried_on(make):
    segmenter = FakeSegmenter()
    scene = np.random.default_rng(0).integers(60, 160, (10, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    paint = make(area="people", segmenter=segmenter, stability=0.8)
    paint(scene)
    paint.area = "all"
    paint(scene)
    segmenter.share = 0.0  # meanwhile the person has left
    paint.area = "people"
    assert np.array_equal(paint(scene), scene)


def test_a_painting_from_before_the_calm_was_off_is_not_carried_on(make):
    scene = np.random.default_rng(0).integers(60, 160, (10, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    gray = np.full(3, 30, np.float32)
    for between in ({"stability": 0.0}, {"strength": 0.0}):
        paint, fresh = make(stability=1.0), make(gray, stability=1.0)
        paint(scene)
        before = {name: getattr(paint, name) for name in between}
        for dials in (between, before):
            paint.style = gray
            for name, value in dials.items():
                setattr(paint, name, value)
            painted = paint(scene)
        assert np.array_equal(painted, fresh(scene))


def test_a_background_set_while_a_frame_is_painted_takes_effect_with_the_next(make, monkeypatch):
    """Set by another thread just after the stabilizer forgot, it would be carried a painting of the room."""
    paint = make(area="people", background=3 * PICTURE, stability=1.0)
    forget, times = paint._stabilizer.reset, []

    def reset():
        forget()
        times.append(None)
        paint.background = PICTURE

    monkeypatch.setattr(paint._stabilizer, "reset", reset)
    assert values(paint(FRAME)) == (50, 60)
    assert values(paint(FRAME)) == (50, 20)
    assert len(times) == 2


def test_the_names_are_checked(make, tmp_path):
    for name, value in (("area", "face"), ("feather", 3), ("face", -1), ("area", None)):
        with pytest.raises(UsageError, match=f"{name} is"):
            make(**{name: value})
    paint = make(background="blur")
    for background in ("no-such-style", str(tmp_path / "no-such.jpg")):
        with pytest.raises((StyleError, UsageError)):
            paint.background = background
        assert paint.background == "blur", "the one before stays"
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(NstfilterError, match=r"text.jpg"):
        paint.background = tmp_path / "text.jpg"
    assert values(paint(FRAME))[1] == 50


def test_a_picture_on_disk_stands_behind(make, tmp_path):
    cv2.imwrite(str(tmp_path / "beach.png"), PICTURE)
    assert values(make(area="people", background=tmp_path / "beach.png")(FRAME)) == (50, 20)
    assert values(make(area="people", background=str(tmp_path / "beach.png"))(FRAME)) == (50, 20)


# The room is 200 and brighter than anything else that is ever shown


def fault(_):
    raise RuntimeError("the segmenter broke")


FAULTS = (
    fault,
    lambda _: None,
    lambda _: np.zeros((0, 0), np.uint8),
    lambda _: np.zeros((4, 4), np.float32),
    lambda _: np.zeros((4, 4, 1), np.uint8),
)
SECRET = np.full((48, 64, 3), 200, np.uint8)


@pytest.mark.parametrize("wrong", FAULTS)
def test_without_a_mask_a_render_fails_and_nothing_is_shown(make, wrong):
    segmenter, sink = FakeSegmenter(), MemorySink()
    paint = make(background=PICTURE, area="people", segmenter=segmenter)
    numbers = itertools.count()

    def failing(image):
        segmenter.instead = wrong if next(numbers) == 3 else None
        return paint(image)

    with pytest.raises((FrameError, RuntimeError)):
        run(MemorySource([SECRET] * 6), failing, sink)
    assert not sink.finished
    assert len(sink.frames) <= 3
    for frame in sink.frames:
        assert frame.image[:, 40:].max() <= 22


def test_the_room_is_not_seen_at_any_size_after_any_cut(make):
    paint = make(background=PICTURE, area="people", stability=1.0)
    rng = np.random.default_rng(5)
    for _ in range(50):
        height, width = rng.integers(20, 200, 2)
        frame = np.full((height, width, 3), 200, np.uint8)
        frame[:, : width // 2] = rng.integers(0, 256)
        for _ in range(2):
            out = paint(frame)
            assert out[:, round(0.75 * width) :].max(initial=0) <= 22


@pytest.mark.slow
def test_a_live_run_shows_the_card_for_each_of_fifty_faults(make, caplog):
    threads = set(threading.enumerate())
    clock, segmenter = FakeClock(), FakeSegmenter()
    paint = make(background=PICTURE, area="people", segmenter=segmenter, stability=0.8)
    controls, sink = Controls(paint, [], clock=clock), FakeDevice(clock)
    live = Live(FakeCamera(clock, rate=Fraction(10)), controls, [sink], clock=clock, rate=Fraction(10))

    def instead(answer):
        segmenter.instead = answer

    for number in range(50):
        clock.at(1.5 + 3 * number, lambda number=number: instead(FAULTS[number % len(FAULTS)]))
        clock.at(3 + 3 * number, lambda: instead(None))
    for press in (20.3, 21.3, 80.2, 80.9):
        clock.at(press, lambda: controls.do("plain"))
    clock.at(151, live.stop)
    live.run()
    cards = 0
    for before, frame in zip([None, *sink.frames], sink.frames, strict=False):
        card = len(np.unique(frame.image[::4])) > 60
        if not card:
            assert frame.image[:, 40:].max() <= 22, "the room was shown"
        cards += card and before is not None and not np.array_equal(before.image, frame.image)
    assert cards >= 50
    left = set(threading.enumerate()) - threads
    assert not [thread.name for thread in left if thread.name.startswith("nstfilter")]


def test_plain_video_shows_the_picture_and_not_the_room(make):
    controls = Controls(make(background=PICTURE, stability=0.8), [])
    controls.do("plain")
    assert values(controls(FRAME)) == (100, 20)


def test_keys_change_area_and_background_and_never_take_a_background_away(make):
    controls = Controls(make(background=PICTURE), [])
    shown = []
    for _ in range(4):
        controls.do("background")
        shown.append(controls.paint.background)
    assert [s if isinstance(s, str) else "picture" for s in shown] == ["blur", "plain", "picture", "blur"]
    controls.do("area")
    assert controls.paint.area == "people"
    bare = Controls(make(), [])
    bare.do("background")
    assert bare.paint.background == "blur"


def test_the_network_in_the_package_hides_an_empty_room(make):
    paint = make(background=PICTURE, area="people", segmenter=PersonSegmenter(threads=1))
    room = np.full((90, 160, 3), 180, np.uint8)
    room[30:60, 100:120] = (20, 60, 120)
    assert np.mean(paint(room).max(axis=2) > 22) < 0.02


def test_a_background_is_told_by_a_name_that_it_can_be_set_by(make, tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "beach.png"), PICTURE)
    monkeypatch.chdir(tmp_path)
    controls = Controls(make(), [])
    for background, name in (("blur", "blur"), (None, None), ("beach.png", str(tmp_path / "beach.png"))):
        controls.set("background", background)
        assert controls.get("background") == name
        controls.set("background", name)
    assert Controls(make(background=PICTURE), []).get("background") == ""


def test_a_wide_feather_shows_no_band_of_the_real_room(make):
    frame = np.full((120, 160, 3), (0, 0, 255), np.uint8)  # the real room is red
    frame[:, :80] = 255  # the person, by the fake segmenter
    seen = {}
    for feather in (0.0, 0.2):
        paint = make(area="people", background=np.full((8, 8, 3), (255, 0, 0), np.uint8), feather=feather)
        paint(frame)
        base = paint.plain_frame.astype(int)
        seen[feather] = int(base[:, 81:, 2].sum())
    assert seen[0.2] <= seen[0.0]


def test_a_background_that_comes_starts_the_calm_afresh(make, monkeypatch):
    """Or the painting of the real room would be carried on behind the new background."""
    paint = make(stability=1.0)
    frame = np.full((64, 64, 3), 90, np.uint8)
    paint(frame)
    resets = []
    monkeypatch.setattr(paint._stabilizer, "reset", lambda: resets.append("reset"))
    paint(frame)
    assert resets == []
    paint.background = "plain"
    paint(frame)
    assert resets == ["reset"]
    paint(frame)
    assert resets == ["reset"]


def test_where_time_is_short_people_are_looked_for_in_every_second_frame(make):
    """Between, their mask is where the frame has moved to."""
    wide = np.random.default_rng(0).integers(60, 160, (12, 60, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    segmenter, paint = FakeSegmenter(), None
    at = 0

    def find(frame):
        mask = np.zeros((24, 40), np.uint8)
        mask[:, : 20 - at // 4] = 255  # what the person is on moves to the left
        return mask

    segmenter.instead = find
    paint = make(area="people", segmenter=segmenter, stability=0.8)
    paint.sparing = True
    for number in range(6):
        at = 4 * number
        frame = np.ascontiguousarray(wide[:, at : at + 160])
        changed = np.abs(paint(frame).astype(int) - frame).max(axis=2) > 4
        edge = 80 - at
        assert changed[:, : edge - 8].mean() > 0.95
        assert changed[:, edge + 8 :].mean() < 0.05
    assert segmenter.found == 3
    for background in (PICTURE, None):  # a mask that comes late would show the room
        segmenter.found, paint.background = 0, background
        for _ in range(4):
            paint(np.ascontiguousarray(wide[:, at : at + 160]))
        assert segmenter.found == (4 if background is PICTURE else 2)


def test_a_frame_that_has_changed_much_is_looked_at_also_where_time_is_short(make):
    segmenter = FakeSegmenter()
    paint = make(area="people", segmenter=segmenter, stability=0.8)
    paint.sparing = True
    for seed in range(4):
        paint(np.random.default_rng(seed).integers(0, 256, (12, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1))
    assert segmenter.found == 4


def test_a_photograph_is_looked_at_more_carefully_than_the_frames_of_a_video(make):
    segmenter = FakeSegmenter()
    alone = []

    def find_alone(frame):
        alone.append(frame.shape)
        return FakeSegmenter.find(segmenter, frame)

    segmenter.find_alone = find_alone
    paint = make(area="people", segmenter=segmenter, stability=0.8)
    for _ in range(3):
        paint(np.full((720, 1300, 3), 100, np.uint8))
    assert alone == [(720, 1300, 3)]
    paint.reset()
    paint(np.full((720, 1300, 3), 100, np.uint8))
    assert len(alone) == 2


def walk(shared, height=360, width=640):
    """Somebody in a room, who goes out to the right, is away, and comes back: for every frame how far from
    the left edge, the frame, and where the person is (HxW, 0 to 1)."""
    folder = shared / "data"
    rows = csv.DictReader((folder / "people" / "index.csv").read_text("utf-8").splitlines())
    name = next(
        row["file"]
        for row in rows
        if row["kind"] == "head-shoulder-crop" and 0.35 < float(row["mask_share"]) < 0.5
    )
    person = cv2.resize(cv2.imread(str(folder / "people" / name)), (300, 300))
    alpha = PersonSegmenter(threads=1)(person) / np.float32(255)
    room = cv2.imread(str(sorted((folder / "backgrounds").glob("*.jpg"))[0]))
    room = cv2.resize(room, (width, height))
    places = [150] * 8 + list(range(150, 640, 35)) + [640] * 8 + list(range(640, 150, -35)) + [150] * 6
    for left in places:
        frame, where = room.copy(), np.zeros((height, width), np.float32)
        there = np.s_[height - 300 :, left : left + 300]
        where[there] = alpha[:, : max(0, width - left)]
        frame[there] = frame[there] + where[there][..., None] * (
            person[:, : max(0, width - left)].astype(np.float32) - frame[there]
        )
        yield left, frame, where


@pytest.mark.slow
def test_who_leaves_is_gone_and_who_comes_back_is_there(shared, tmp_path):
    """With the network in the package: nothing of the room is painted once it is empty, and nothing of it is
    seen where it is replaced."""
    segmenter, cache = PersonSegmenter(threads=1), EmbeddingCache(tmp_path / "cache")
    make = partial(
        StyleFilter, BLACK, model=FakeModel(), segmenter=segmenter, cache=cache, stability=0.8, area="people"
    )
    paint, hide = make(), make(background=np.full((8, 8, 3), (255, 0, 255), np.uint8))
    away = 0
    for number, (left, frame, where) in enumerate(walk(shared)):
        painted = np.abs(paint(frame).astype(int) - frame).max(axis=2) > 4
        hide(frame)
        shown = np.abs(hide.plain_frame.astype(int) - (255, 0, 255)).max(axis=2) > 40
        far = cv2.dilate(where, np.ones((41, 41))) < 0.05
        assert shown[far].mean() < 0.03, f"the room is seen in frame {number}"
        away = away + 1 if left >= 640 else 0
        if away > 2:
            assert painted.mean() < 0.01, f"somebody is still painted in frame {number}"
        if left == 150 and number % 30 > 5:
            sure = where > 0.9
            assert painted[sure].mean() > 0.9, f"the person is not painted in frame {number}"
            assert shown[sure].mean() > 0.9, f"the person is not seen in frame {number}"


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"area": "background"}, {"area": "people", "background": PICTURE}])
def test_pictures_that_are_painted_in_tiles_have_parts_too(options):
    height, width = 2050, 3010
    assert height * width > ONE_PIECE
    small = np.random.default_rng(4).integers(0, 256, (41, 60, 3), np.uint8)
    frame = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    paint = StyleFilter("ink", size=height, segmenter=FakeSegmenter(), threads=1, **options)
    painted = paint(frame)
    person, room = (np.s_[:, : width // 2 - 40], np.s_[:, width // 2 + 40 :])
    changed = [np.abs(painted[part].astype(int) - frame[part]).mean() > 8 for part in (person, room)]
    if "background" in options:
        assert changed[0]
        assert np.abs(painted[room].astype(int) - 20).max() <= 1
    else:
        assert changed == [False, True]
