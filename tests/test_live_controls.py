"""What keys change in a live run, worked out by hand with a model that mixes a color in by half."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from nstfilter.errors import SinkError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.live.actions import ACTIONS, HELP, SWITCHES
from nstfilter.live.controls import LEAST_STRENGTH, ROOM_SEEN, SHOWN, Controls
from nstfilter.live.mailbox import Clock
from nstfilter.live.stats import Figures
from nstfilter.packs.reading import parse_style
from nstfilter.parameters import PARAMETERS
from nstfilter.testing import FakeModel

GLIDE = PARAMETERS["glide"].default
FRAME = np.full((40, 60, 3), 100, np.uint8)
FRAME[:, :30] = 60  # darker on the left
FIGURES = Figures(9.0, 29.84, (0.0412, 0.0604), 432, 270, 267, 266, 3, 270, 4, 0, ())


class Hand(Clock):
    """A clock that is set by hand."""

    time = 100.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture
def make(tmp_path, own_packs_only, make_pack, clock):
    """Makes controls over the styles ruby (blue 0), jade (40) and coal (80), as `make_pack` colors them."""
    make_pack(tmp_path / "user-data" / "styles" / "mine", "ruby", "jade", "coal")

    def make(style="ruby", model=None, strength=1.0, **options):
        paint = StyleFilter(style, model=model or FakeModel(), strength=strength)
        return Controls(paint, ["ruby", "jade", "coal"], clock=clock, **options)

    return make


def blue(image):
    return int(image[0, -1, 0])


def test_it_paints_as_the_filter_does(make):
    controls = make()
    assert np.array_equal(controls(FRAME), StyleFilter("ruby", model=FakeModel())(FRAME))
    assert controls.style == parse_style("ruby")


def test_a_style_change_glides_from_one_to_the_other(make, clock):
    controls = make()
    assert blue(controls(FRAME)) == 50
    controls.do("next")
    assert controls.style == parse_style("jade")
    seen = []
    for _ in range(11):
        seen.append(blue(controls(FRAME)))
        clock.time += GLIDE / 10
    assert seen == sorted(seen)
    steps = np.diff([50, *seen])
    assert seen[-1] == 70
    assert steps[0] >= 3  # seen at once
    assert steps[1] > steps[-1] <= 1  # ends gently


def test_a_change_in_mid_glide_goes_on_from_where_it_was(make, clock):
    controls = make()
    controls.do("next")
    clock.time += GLIDE / 2
    before = blue(controls(FRAME))
    controls.do("next")
    assert 60 < before < blue(controls(FRAME)) < before + 10
    clock.time += GLIDE
    assert blue(controls(FRAME)) == 90


def test_styles_go_round_both_ways(make):
    controls = make()
    names = []
    for action in ("next", "next", "next", "previous", "previous"):
        controls.do(action)
        names.append(str(controls.style))
    assert names == ["jade", "coal", "ruby", "coal", "jade"]


def test_mixing_goes_to_the_next_style_in_four_steps(make, clock):
    controls = make()
    seen = []
    for _ in range(4):
        controls.do("mix")
        clock.time += GLIDE
        seen.append((str(controls.style), blue(controls(FRAME))))
    assert seen == [
        ("ruby:0.75+jade:0.25", 55),
        ("ruby:0.5+jade:0.5", 60),
        ("ruby:0.25+jade:0.75", 65),
        ("jade", 70),
    ]
    controls.do("mix")
    controls.do("previous")
    assert str(controls.style) == "jade"


def test_a_mix_may_be_mixed_on(make):
    controls = make("ruby:0.5+coal:0.5")
    controls.do("mix")  # it stands before the first of the list
    assert str(controls.style) == "ruby:0.375+coal:0.375+ruby:0.25"


def test_what_the_run_began_with_is_among_the_styles(make, clock):
    controls = make(np.full((8, 8, 3), 200, np.uint8))
    assert controls.style is None
    assert "your picture" in controls.describe(FIGURES)[0]
    controls.do("next")
    assert str(controls.style) == "ruby"
    controls.do("previous")
    clock.time += GLIDE
    assert blue(controls(FRAME)) == 150


def test_a_model_that_cannot_mix_changes_at_once(make):
    controls = make(model=FakeModel(mixes=False))
    controls.do("mix")
    assert str(controls.style) == "ruby"
    assert "cannot mix" in controls.describe(FIGURES)[-1]
    controls.do("next")
    assert blue(controls(FRAME)) == 70


def test_strength_goes_up_and_down_in_steps_and_stays_in_range(make):
    controls = make(strength=0.95)
    controls.do("stronger")
    controls.do("stronger")
    assert "strength 100 %" in controls.describe(FIGURES)[0]
    for _ in range(12):
        controls.press("-")
    assert "strength 0 %" in controls.describe(FIGURES)[0]
    assert np.array_equal(controls(FRAME), FRAME)


def test_plain_video_skips_the_model_and_comes_back(make):
    controls = make()
    painted = controls(FRAME)
    controls.paint.model.stylize = None  # not to be called
    controls.press(" ")
    assert np.array_equal(controls(FRAME), FRAME)
    assert controls.private_frame is None
    del controls.paint.model.stylize
    controls.press(" ")
    assert np.array_equal(controls(FRAME), painted)


def test_the_painting_goes_on_behind_the_card(make):
    controls = make()
    painted = controls(FRAME)
    controls.press("c")
    assert controls.card_shown
    assert np.array_equal(controls(FRAME), painted)
    controls.press("c")
    assert not controls.card_shown


def test_pressed_while_a_frame_is_painted_plain_video_counts_for_that_frame(make):
    class Slow(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            controls.press(" ")
            return super().stylize(frame, embedding, out=out)

    controls = make(model=Slow())
    assert np.array_equal(controls(FRAME), FRAME)


def test_never_plain_keeps_plain_video_for_the_user_alone(make):
    controls = make(never_plain=True)
    painted = controls(FRAME)
    controls.press(" ")
    assert np.array_equal(controls(FRAME), painted)
    assert np.array_equal(controls.private_frame, FRAME)
    assert "for you alone" in controls.status(FIGURES)[0]
    controls.press(" ")
    controls(FRAME)
    assert controls.private_frame is None
    for _ in range(12):
        controls.press("-")
    assert controls.get("strength") == LEAST_STRENGTH
    with pytest.raises(UsageError, match="never-plain"):
        controls.set("strength", 0.2)
    assert not controls.card_shown
    with pytest.raises(UsageError, match="never-plain"):
        make(strength=0, never_plain=True)


@pytest.mark.parametrize(("name", "value"), [("area", "background"), ("face", 0.0)])
def test_never_plain_shows_the_card_where_faces_are_left_as_they_are(make, name, value):
    controls = make(never_plain=True)
    controls.paint = SimpleNamespace(**{"area": "all", "face": 1.0, name: value})
    assert controls.card_shown
    controls.never_plain = False
    assert not controls.card_shown


def test_never_plain_says_where_the_room_is_seen(make):
    said = []
    controls = make(never_plain=True, say=said.append)
    controls.paint.background = None
    controls.press("a")
    assert (controls.get("area"), said) == ("people", [ROOM_SEEN])
    controls.set("background", "blur")
    assert len(said) == 1
    controls.set("background", None)
    assert said == [ROOM_SEEN, ROOM_SEEN]
    for name, value in (("area", "people"), ("background", None), ("face", 0.9)):
        controls.set(name, value)  # it is seen already
    assert len(said) == 2
    controls.never_plain = False
    controls.set("area", "people")
    assert len(said) == 2


def test_locked_keys_only_unlock_mute_and_put_the_card_up(make):
    said = []
    controls = make(say=said.append, favorites=["coal"], sound=True)
    controls.press("L")
    assert controls.get("lock")
    for key in "n x+1 m?":
        controls.press(key)
    assert controls.state() == {**make().state(), "lock": True, "favorites": ["coal"], "message": said[-1]}
    assert "locked" in controls.status(FIGURES)[0]
    assert said[-1] == "the keys are locked; l unlocks them"
    for _ in range(2):
        controls.press("c")
        controls.press("u")
    assert controls.card_shown
    assert controls.muted
    controls.press("l")
    controls.press("c")
    assert not controls.card_shown


def test_the_run_is_ended_by_two_presses_where_others_see_it(make, clock):
    ended, air = [], [True]
    controls = make(handlers={"quit": lambda: ended.append(1)}, on_air=lambda: air[0])
    controls.press("q")
    assert ended == []
    clock.time += SHOWN + 1
    controls.press("q")  # too late for a second press
    assert ended == []
    controls.press("q")
    assert ended == [1]
    air[0] = False
    controls.press("q")
    assert ended == [1, 1]


def test_number_keys_are_the_favorites(make, clock):
    said = []
    controls = make(favorites=["coal", "ruby:0.5+coal:0.5", "gone.jpg"], say=said.append)
    for key, style in (("1", "mine/coal"), ("2", "mine/ruby:0.5+mine/coal:0.5")):
        controls.press(key)
        assert controls.get("style") == style
    controls.press("3")
    controls.press("9")
    assert controls.get("style") == "mine/ruby:0.5+mine/coal:0.5"
    assert "gone.jpg" in said[0]
    assert "no favorite 9" in said[1]


def test_switches_are_set_and_given_by_name(make):
    recording = []
    controls = make(handlers={"record": lambda: recording.append(1)}, sound=True)
    controls.is_recording = lambda: len(recording) % 2 == 1
    for name in SWITCHES:
        before = controls.get(name)
        controls.set(name, before)
        assert controls.get(name) == before
        controls.set(name, not before)
        assert controls.get(name) == controls.state()[name] == (not before)
        for on in (True, True, False, False):
            controls.do(name, on)
            assert controls.get(name) == on
    with pytest.raises(UsageError, match="true or false"):
        controls.set("card", "on")


def test_the_card_and_silence_wait_for_nothing_that_is_being_changed(make):
    busy, go = threading.Event(), threading.Event()
    controls = make(handlers={"snapshot": lambda: (busy.set(), go.wait(120))[0]}, sound=True)
    threading.Thread(target=controls.press, args=("s",), daemon=True).start()
    assert busy.wait(60)
    presses = threading.Thread(target=lambda: (controls.press("c"), controls.press("u")), daemon=True)
    presses.start()
    presses.join(60)
    assert (controls.card_shown, controls.muted) == (True, True)
    go.set()
    presses.join(60)


def test_where_there_is_no_sound_there_is_nothing_to_mute(make):
    said = []
    controls = make(say=said.append)
    controls.press("u")
    assert (controls.muted, said) == (False, ["mute is not there in this run"])


def test_the_next_background_is_the_one_after_that_of_the_panel(make):
    controls = make()
    controls.paint = SimpleNamespace(background=None)
    seen = []
    for _ in range(3):
        controls.do("background")
        seen.append(controls.paint.background)
    assert seen == ["blur", "plain", None]
    controls.paint.background = "blur"  # by the panel
    controls.do("background")
    assert controls.paint.background == "plain"
    controls.paint.background = np.zeros((2, 2, 3), np.uint8)
    controls.do("background")
    assert controls.paint.background is None


def test_a_style_added_in_mid_run_is_in_the_ring(make):
    make()
    names = ["ruby", "jade"]
    paint = StyleFilter("ruby", model=FakeModel())
    controls = Controls(paint, lambda: list(names), clock=Hand())
    controls.do("next")
    names.insert(1, "coal")
    controls.do("next")
    assert str(controls.style) == "ruby"
    controls.do("next")
    assert str(controls.style) == "coal"
    del names[1]  # what is painted stays, and comes before the others
    controls.do("next")
    assert str(controls.style) == "ruby"


def test_styles_come_by_themselves_when_they_rotate(make, clock):
    controls = make()
    controls.set("rotate", 10.0)
    seen = []
    for _ in range(7):
        controls(FRAME)
        for thread in threading.enumerate():
            if thread.name == "nstfilter-rotate":
                thread.join()
        seen.append(str(controls.style))
        clock.time += 5
    assert seen == ["ruby", "ruby", "jade", "jade", "coal", "coal", "ruby"]


def test_the_mirror_turns_the_picture_before_it_is_painted(make):
    controls = make(mirror=True)
    mirrored = controls(FRAME)
    controls.do("mirror")
    assert np.array_equal(mirrored, controls(FRAME)[:, ::-1])
    assert mirrored[0, 0, 0] > mirrored[0, -1, 0]
    controls.do("plain")
    controls.do("mirror")
    assert np.array_equal(controls(FRAME), FRAME[:, ::-1])


def test_the_calm_of_videos_starts_afresh_after_a_pause(make):
    controls = make()
    resets = []
    controls.paint.reset = lambda: resets.append(1)
    controls(FRAME)
    for key in "  ":
        controls.press(key)
        controls(FRAME)
    assert len(resets) == 1
    controls.do("mirror")
    controls(FRAME)
    assert len(resets) == 2


def test_the_size_is_the_filters(make):
    controls = make()
    assert controls.size is None
    controls.size = 32
    assert controls.paint.size == 32


def test_the_overlay_says_how_it_is_going(make):
    controls = make(strength=0.8)
    assert controls.describe(FIGURES) == [
        "ruby   strength 80 %",
        "29.8 frames/s   latency 41 ms (p95 60)   432 px   3 dropped",
    ]
    controls.is_recording = lambda: True
    controls.do("mix")
    controls.do("mirror")
    assert controls.describe(FIGURES)[0] == "ruby 75 % + jade 25 %   strength 80 %   mirrored   recording"
    controls.do("plain")
    assert controls.describe(FIGURES)[0].startswith("plain video")
    controls.do("card")
    assert controls.describe(FIGURES)[0].startswith("privacy card")


def test_before_the_first_frame_there_is_no_latency(make):
    nothing = Figures(0.0, 0.0, None, None, 0, 0, 0, 0, 0, 0, 0, ())
    assert make().describe(nothing)[1] == "0.0 frames/s   0 dropped"


def test_the_overlay_goes_and_help_comes(make):
    controls = make()
    controls.do("overlay")
    assert controls.describe(FIGURES) == []
    controls.do("help")
    assert tuple(controls.describe(FIGURES)) == HELP
    assert HELP[0] == "n  next style"
    assert "space  plain video, and back" in HELP


def test_handlers_do_the_rest_and_what_they_say_is_shown_for_a_while(make, clock):
    said = []
    controls = make(handlers={"snapshot": lambda: "ruby-1.png", "quit": lambda: None}, say=said.append)
    controls.press("S")
    assert said == ["ruby-1.png"]
    assert controls.describe(FIGURES)[2:] == ["ruby-1.png"]
    clock.time += SHOWN
    assert controls.describe(FIGURES)[2:] == []
    controls.press("q")
    assert said == ["ruby-1.png"]


def test_what_goes_wrong_at_a_key_is_said_and_changes_nothing(make, tmp_path, caplog):
    said = []

    def full():
        raise SinkError("the disk is full")

    controls = make(handlers={"snapshot": full, "record": {}.popitem}, say=said.append)
    (tmp_path / "user-data/styles/mine/jade.png").unlink()
    before = controls(FRAME)
    for key in "nsrq":
        controls.press(key)
    assert "jade.png" in said[0]
    assert said[1] == "the disk is full"
    assert said[2].startswith("record failed: ")
    assert "KeyError" in caplog.text
    assert said[3] == "quit is not there in this run"
    assert str(controls.style) == "ruby"
    assert np.array_equal(controls(FRAME), before)


def test_unknown_keys_are_nothing_and_unknown_actions_an_error(make):
    controls = make()
    for key in ("y", "", "\x1b", "é", "\x00"):
        controls.press(key)
    assert str(controls.style) == "ruby"
    with pytest.raises(UsageError, match="no action 'jump'"):
        controls.do("jump")


def test_no_key_stands_for_two_things():
    keys = "".join(action.keys for action in ACTIONS)
    assert len(keys) == len(set(keys))
    assert keys == keys.lower()


def test_keys_from_several_threads_while_frames_are_painted(make):
    controls = make()
    threads = [threading.Thread(target=lambda: [controls.press("x") for _ in range(40)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert 50 <= blue(controls(FRAME)) <= 90
    for thread in threads:
        thread.join()
    assert str(controls.style) == "ruby"  # 120 quarters: ten times round the three


def test_every_value_that_can_change_between_frames_is_set_and_given(make):
    controls = make()
    values = {
        "strength": 0.25,
        "stability": 0.5,
        "keep_colors": True,
        "size": 320,
        "glide": 0.1,
        "mirror": True,
    }
    names = {one.name for one in PARAMETERS.values() if one.between_frames} - {"style"}
    assert set(values) <= names
    for name in names:
        value = values.get(name, PARAMETERS[name].default)
        controls.set(name, value)
        assert controls.get(name) == value
    assert controls(FRAME).shape == FRAME.shape
    assert (controls.paint.strength, controls.paint.stability, controls.paint.keep_colors) == (
        0.25,
        0.5,
        True,
    )


def test_a_style_that_is_set_is_glided_to_and_the_keys_go_on_from_there(make, clock):
    controls = make()
    controls.set("style", "ruby:0.5+coal:0.5")
    assert 50 < blue(controls(FRAME)) < 60
    clock.time += GLIDE
    assert blue(controls(FRAME)) == 70
    assert controls.get("style") == "mine/ruby:0.5+mine/coal:0.5"
    assert "ruby" in controls.status(FIGURES)[0]
    controls.do("previous")  # back to where the ring was
    assert controls.get("style") == "mine/ruby"
    controls.set("style", "coal")  # one of the ring's own
    controls.do("next")
    assert controls.get("style") == "mine/ruby"


def test_the_time_of_a_glide_can_be_set_and_none_is_at_once(make, clock):
    controls = make()
    controls.set("glide", 0)
    controls.set("style", "jade")
    assert blue(controls(FRAME)) == 70


def test_a_size_that_is_set_holds_against_the_governor_until_it_is_given_back(make):
    controls = make()
    controls.set("size", 200)
    controls.size = 480
    assert controls.size == controls.paint.size == 200
    controls.set("size", None)
    controls.size = 480
    assert controls.size == 480


@pytest.mark.parametrize(
    ("name", "value"), [("strength", 2), ("size", 3), ("threads", 1), ("colour", 1), ("style", "jaed")]
)
def test_what_is_not_allowed_changes_nothing(make, name, value):
    controls = make()
    before = {one: controls.get(one) for one in ("style", "strength", "size")}
    with pytest.raises(UsageError):
        controls.set(name, value)
    assert before == {one: controls.get(one) for one in before}


def test_the_plain_frame_is_there_for_those_who_show_both(make):
    controls = make(mirror=True)
    assert controls.plain_frame is None
    controls(FRAME)
    assert np.array_equal(controls.plain_frame, FRAME[:, ::-1])
