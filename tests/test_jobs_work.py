"""A task, done here: all of an input or a part of it."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from test_plugin_video import film, picture

from nstfilter.errors import ModelError, NstfilterError, SourceError
from nstfilter.filter import StyleFilter
from nstfilter.jobs.run import describe
from nstfilter.jobs.task import Segment, Settings, Stopped, Task
from nstfilter.jobs.work import attempt, filter_for, perform, portable
from nstfilter.pipeline import Report
from nstfilter.stability import warm_up
from nstfilter.testing import FakeModel

COLOR = np.array([200, 90, 30], np.float32)
SETTINGS = Settings("blue", COLOR.tobytes(), COLOR.shape, "plain")
STEP = 512
MODELS = """
    class Faulty(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            return {}["no such key"]

    class Broken(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    class Odd(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            raise Broken("this", "that")

    @hookimpl
    def register_models(register):
        register("plain", lambda target: FakeModel())
        register("faulty", lambda target: Faulty())
        register("odd", lambda target: Odd())
"""


@pytest.fixture(autouse=True)
def _models(site):
    site("plain_models", MODELS)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    images = [picture(number) for number in range(50)]
    return film(tmp_path / "in.mp4", images=images, sound="aac", seconds=2.0)


def frames(path: Path) -> list[tuple[int | None, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(frame.pts, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def task(clip: Path, name: str = "out.mkv", **changes) -> Task:
    return replace(Task(clip, clip.with_name(name), SETTINGS, options={"codec": "ffv1"}), **changes)


def test_all_of_an_input(clip):
    seen: list[int] = []
    report = perform(task(clip), on_frame=seen.append)
    assert (report.frames, seen) == (50, list(range(1, 51)))
    (_, painted), (_, before) = frames(clip.with_name("out.mkv"))[7], frames(clip)[7]
    assert np.abs((before.astype(float) + COLOR) / 2 - painted).mean() < 2


def test_options_that_the_sink_does_not_know_are_left_out(clip):
    assert perform(task(clip, options={"quality": 90, "codec": "ffv1"})).frames == 50


def test_parts_put_together_are_the_whole(clip):
    perform(task(clip))
    parts = [Segment(0, 7 * STEP), Segment(7 * STEP, 30 * STEP + 1), Segment(30 * STEP + 1, None)]
    counts = [perform(task(clip, f"{n}.mkv", segment=part)).frames for n, part in enumerate(parts)]
    assert counts == [7, 24, 19]
    together = [frame for number in range(3) for frame in frames(clip.with_name(f"{number}.mkv"))]
    for (one, image), (other, whole) in zip(together, frames(clip.with_name("out.mkv")), strict=True):
        assert one == other
        assert np.array_equal(image, whole)


class Flickering(FakeModel):
    """Every frame in another light."""

    def stylize(self, frame, embedding, *, out=None):
        light = np.random.default_rng(int(frame.sum())).integers(-12, 13)
        return np.clip(super().stylize(frame, embedding) + light, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("stability", [0.4, 0.8, 0.9])
def test_a_part_is_as_calm_from_its_first_frame_as_the_whole_is_there(clip, monkeypatch, stability):
    settings = replace(SETTINGS, stability=stability)
    paint = StyleFilter(COLOR, model=Flickering(), stability=stability)
    filter_for(settings, paint)
    part = Segment(48 * STEP, None)

    def difference(name: str) -> float:
        perform(task(clip, name, segment=part, settings=settings))
        there = frames(clip.with_name("whole.mkv"))[48][1].astype(int)
        return float(np.abs(frames(clip.with_name(name))[0][1] - there).mean())

    perform(task(clip, "whole.mkv", settings=settings))
    assert 0 < warm_up(stability) < 48
    warm = difference("warm.mkv")
    monkeypatch.setattr("nstfilter.jobs.work.warm_up", lambda stability: 0)
    cold = difference("cold.mkv")
    assert warm < max(0.25 * cold, 1), "one level may remain: the mixing is in whole numbers"
    assert warm < 1.5


def test_what_was_painted_before_leaves_no_trace(clip):
    settings = replace(SETTINGS, stability=0.8)
    filter_for(settings, StyleFilter(COLOR, model=Flickering(), stability=0.8))
    perform(task(clip, "1.mkv", settings=settings))
    perform(task(clip, "2.mkv", settings=settings, segment=Segment(20 * STEP, None)))
    perform(task(clip, "3.mkv", settings=settings))
    one, three = frames(clip.with_name("1.mkv")), frames(clip.with_name("3.mkv"))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, three, strict=True))


def test_calm_takes_frames_to_come_about():
    assert warm_up(0) == 0
    assert warm_up(0.02) == 0
    assert 0 < warm_up(0.4) < warm_up(0.8) < warm_up(1) < 60


def test_a_part_without_frames_makes_no_output(clip):
    report = perform(task(clip, segment=Segment(STEP * 1000, STEP * 1001)))
    assert report.frames == 0
    assert [path.name for path in clip.parent.glob("*.*")] == ["in.mp4"]


def test_told_to_stop_it_makes_no_output_and_keeps_what_is_done(clip):
    stop = threading.Event()

    def look(count: int) -> None:
        if count == 30:
            stop.set()

    with pytest.raises(Stopped) as stopped:
        perform(task(clip), on_frame=look, stop=stop)
    assert not clip.with_name("out.mkv").exists()
    (note,) = stopped.value.__notes__
    assert note == f"the finished part is kept in {clip.with_name('out.partial.mkv')}"


def test_of_a_piece_nothing_is_kept_that_is_not_whole(clip):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        perform(task(clip, segment=Segment(0, None), options={"segment": True}), stop=stop)
    assert [path.name for path in clip.parent.glob("*.*")] == ["in.mp4"]


def test_a_missing_input_is_one_clear_line(clip):
    with pytest.raises(SourceError, match=r"there is no file .*none\.mp4"):
        perform(task(clip, input=clip.with_name("none.mp4")))


def test_an_attempt_answers_with_what_became_of_it(clip):
    assert isinstance(attempt(task(clip)), Report)
    missing = attempt(task(clip, input=clip.with_name("none.mp4")))
    assert isinstance(missing, SourceError)
    faulty = attempt(task(clip, "b.mkv", settings=replace(SETTINGS, model="faulty")))
    assert isinstance(faulty, KeyError)
    assert describe(faulty).count("Traceback") == 1
    sent = pickle.loads(pickle.dumps(portable(faulty)))
    assert 'return {}["no such key"]' in sent.__notes__[-1]


def test_errors_that_cannot_travel_become_the_nearest_that_can(clip):
    odd = portable(attempt(task(clip, settings=replace(SETTINGS, model="odd"))))
    assert type(odd) is Exception
    again = pickle.loads(pickle.dumps(odd))
    assert str(again) == "this and that"
    assert "Broken" in again.__notes__[-1]


def test_an_unknown_model_is_one_clear_line(clip):
    result = attempt(task(clip, settings=replace(SETTINGS, model="none")))
    assert isinstance(result, NstfilterError)
    assert not isinstance(result, ModelError)


def test_the_latest_filter_is_kept():
    first = filter_for(SETTINGS)
    assert filter_for(SETTINGS) is first
    assert filter_for(replace(SETTINGS, strength=0.5)) is not first
    assert filter_for(SETTINGS) is not first
    made = StyleFilter(COLOR, model=FakeModel())
    assert filter_for(SETTINGS, made) is made
    assert np.array_equal(first.embedding, COLOR)


def test_settings_and_tasks_can_be_sent(clip):
    sent = task(clip, segment=Segment(3, None))
    assert pickle.loads(pickle.dumps(sent)) == sent
