"""`nstfilter live`, the command itself: from files and the demo to files, with keys from a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import PATIENT
from typer.testing import CliRunner

from nstfilter import SinkError, open_sink, open_source, run
from nstfilter.cli import live as command
from nstfilter.cli.app import build_app
from nstfilter.cli.keys import TYPED
from nstfilter.errors import NstfilterError, UsageError
from nstfilter.graphics import display as preview_display
from nstfilter.hookspecs import hookimpl
from nstfilter.live.actions import HELP
from nstfilter.live.last_style import last_style
from nstfilter.manager import manager
from nstfilter.streams import Microphone, SoundInfo
from nstfilter.testing import FakeModel, MemorySink, MemorySource

with suppress(ImportError):  # on Windows there is none
    import fcntl
    import termios

ROOT = Path(__file__).parents[1]
FRAME = np.full((48, 64, 3), 100, np.uint8)


class Devices:
    """A plugin with a cheap model, and with stand-ins for camera, virtual camera and preview, which keep the
    options they were opened with in `opened`. `error` is what the virtual camera fails with when closed,
    `heard` how many blocks the microphone has given, `camera` makes what the camera sees."""

    def __init__(self):
        self.opened, self.sinks, self.error, self.heard = {}, {}, None, 0
        self.camera = lambda: MemorySource([FRAME] * 6)

    def fail(self):
        raise self.error

    @hookimpl
    def register_models(self, register):
        register("cheap", lambda _, threads=None: FakeModel())

    @hookimpl
    def register_sources(self, register):
        def webcam(target, *, width=0, height=0, rate=0):
            self.opened["webcam"] = {"target": target, "width": width, "height": height, "rate": rate}
            return self.camera()

        register("webcam", webcam)

    @hookimpl
    def register_sinks(self, register):
        def virtualcam(target):
            sink = self.sinks["virtualcam"] = MemorySink()
            if self.error:
                sink._close = self.fail
            return sink

        def preview(target, *, on_key=None, mirror=False):
            self.opened["preview"] = {"on_key": on_key, "mirror": mirror}
            self.sinks["preview"] = MemorySink()
            return self.sinks["preview"]

        register("virtualcam", virtualcam)
        register("preview", preview)

    @hookimpl
    def register_microphones(self, register):
        devices, opened = self, self.opened

        class Hum(Microphone):
            """20 milliseconds after the others, of 0.5."""

            info, name = SoundInfo(48_000, 1), "a hum"

            def _blocks(self):
                while not self.closed:
                    time.sleep(0.02)
                    devices.heard += 1
                    yield np.full((960, 1), 0.5, np.float32), time.monotonic() - 0.02

            def _close(self):
                opened["hum"] = False

        def hum(target):
            self.opened["hum"] = True
            return Hum()

        register("hum", hum)


@pytest.fixture
def devices(monkeypatch, fresh_manager):
    monkeypatch.setenv("NSTFILTER_DISABLE_PLUGINS", "bundled_styles,webcam,virtualcam,preview,microphone")
    devices = Devices()
    assert manager().load("devices", lambda: devices).error is None
    monkeypatch.setattr(preview_display, "why_no_window", lambda: "there is no display here")
    return devices


@pytest.fixture
def live(tmp_path, monkeypatch, devices, make_pack, patient):
    """Runs `nstfilter live` in an empty folder, with the model cheap and the styles mosaic, ruby, jade."""
    make_pack(tmp_path / "user-data" / "styles" / "mine", "mosaic", "ruby", "jade")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    app, runner = build_app(), CliRunner()

    def call(*words):
        return runner.invoke(app, ["live", "--model", "cheap", *words])

    return call


def video(name, frames=8):
    run(MemorySource([FRAME] * frames), lambda image: image, open_sink(name))
    return name


def pictures(path):
    with open_source(path) as source:
        return [frame.image for frame in source]


def listing():
    return sorted(path.name for path in Path().iterdir())


def middle(image):
    return [int(level) for level in image[image.shape[0] // 2, image.shape[1] // 2]]


def test_a_video_is_painted_at_its_own_pace_into_several_files(live):
    result = live("--from", video("a.mp4"), "--to", "b.mp4", "--to", "c.mkv", "-s", "ruby")
    assert result.exit_code == 0, result.output
    assert listing() == ["a.mp4", "b.mp4", "c.mkv"]
    for name in ("b.mp4", "c.mkv"):
        # the cheap model goes half the way to the style's color, which is (40, 90, 200)
        assert middle(pictures(name)[-1]) == pytest.approx([70, 95, 150], abs=6)
    assert "s live, " in result.stdout
    assert "  b.mp4: " in result.stdout


def test_json_says_how_it_went_and_the_readme_what_it_says(live):
    result = live(
        "--from", video("a.mp4"), "--to", "b.mp4", "--json", "--fps", "25", "--output-size", "320x240"
    )
    said = json.loads(result.stdout)
    assert (said["width"], said["height"], said["fps"]) == (320, 240, 25)
    assert (said["from"], said["style"], said["model"]) == ("a.mp4", "mine/mosaic", "fake")
    assert said["captured"] == 8
    assert said["ticks"] == said["shown"] + said["repeated"]
    (sink,) = said["sinks"]
    assert sink["name"] == "b.mp4"
    assert sink["state"] == "closed"
    assert sink["written"] == len(pictures("b.mp4"))
    assert said["error"] is None
    page = (ROOT / "docs/live.md").read_text("utf-8")
    written = page.partition("`live --json`")[2]
    assert set(said) | set(sink) <= set(re.findall(r"`(\w+)`", written))


def test_recordings_have_sound(live, devices):
    class UntilHeard(MemorySource):
        """Ends two thirds of a second after the microphone was heard, however late a busy machine lets it."""

        def _frames(self):
            left = 20
            for frame in super()._frames():
                yield frame
                left -= devices.heard > 15
                if not left:
                    return

    devices.camera = lambda: UntilHeard([FRAME] * 10_000)
    words = ("--from", "webcam", "--to", "b.mp4", "--record-input", "c.mkv", "--sound", "hum", "--json")
    result = live(*words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sound"] == "a hum"
    assert devices.opened["hum"] is False
    for name, codec in (("b.mp4", "aac"), ("c.mkv", "opus")):
        with av.open(name) as container:
            (stream,) = container.streams.audio
            assert stream.codec_context.name == codec
            assert max(np.abs(frame.to_ndarray()).max() for frame in container.decode(stream)) > 0.2


def test_a_microphone_that_is_not_there_is_a_line_and_what_was_opened_is_closed(live, devices):
    result = live("--from", video("a.mp4"), "--to", "b.mp4", "--sound", "hmu")
    assert "no microphone is called 'hmu'; did you mean 'hum'" in str(result.exception)
    result = live("--from", "a.mp4", "--to", "none/b.mp4", "--sound", "hum")
    assert "there is no folder none" in str(result.exception)
    assert not devices.opened.get("hum")
    assert listing() == ["a.mp4"]


def test_json_has_the_size_that_is_put_out(live):
    said = json.loads(live("--from", video("a.mp4"), "--to", "b.mp4", "--crop", "1:1", "--json").stdout)
    assert (said["width"], said["height"]) == pictures("b.mp4")[0].shape[1::-1] == (48, 48)


def test_the_secrets_of_an_address_are_in_no_message(live, devices):
    index = manager().sources.registrations.index(manager().sources.named("stream"))
    manager().sources.registrations[index] = replace(
        manager().sources.registrations[index], open=lambda target: MemorySource([FRAME] * 6)
    )
    result = live("--from", "rtsp://me:pass@host/1?key=no", "--to", "b.mp4", "--json")
    assert json.loads(result.stdout)["from"] == "rtsp://host/1"
    assert "pass" not in result.output
    for words in (
        ["--from", "rtxp://me:pass@host/1"],
        ["--from", "rtxp://host/1 pass=KEY"],
        ["--from", "rtxp://host/1?a.KEY"],
        ["--to", "rtmp://h/a/KEY", "--to", "rtmp://h/a/KEY"],
    ):
        line = str(live(*words, "--model", "cheap").exception)
        assert "://h" in line
        assert "pass" not in line
        assert "KEY" not in line


@pytest.mark.parametrize(
    "place",
    ["rtmp://h/a/K;E,Y", "rtmp://h/a/K\"E'Y", 'rtmp://me:K"E;Y@h/a/x', "rtmp://h/a?k=K,E;Y", "tcp://h:9/x"],
)
def test_no_mark_in_an_address_ends_it_before_its_secrets(live, place):
    line = str(live("--to", place, "--to", place).exception)
    assert "://h" in line
    assert not set("KEY") & set(line)
    result = live("--from", video("a.mp4"), "--to", place + " pass=KEY")
    assert "an address has no spaces" in str(result.exception)
    assert not set("KEY") & set(str(result.exception))


def test_a_quality_that_nothing_takes_is_refused(live):
    video("a.mp4")
    for words in (["--to", "b.mp4"], ["--to", "virtualcam", "--record-input", "c.mkv"]):
        result = live("--from", "a.mp4", *words, "--quality", "50")
        assert isinstance(result.exception, UsageError)
        assert "--quality is of no use here" in str(result.exception)
    assert listing() == ["a.mp4"]


def test_sound_that_no_target_takes_is_said(live):
    line = "no target takes sound; it is in what the key r records"
    assert line in live("--from", video("a.mp4"), "--to", "virtualcam", "--sound", "hum").output
    assert line in live("--from", "a.mp4", "--to", "b.gif", "--sound", "hum").output
    words = ["--to", "virtualcam", "--record-input", "c.mkv", "--sound", "hum"]
    assert line not in live("--from", "a.mp4", *words).output


def test_a_room_that_others_see_although_nothing_plain_is_to_be_seen_is_said(live):
    line = "with area people others see the room as it is"
    words = ["--from", video("a.mp4"), "--to", "virtualcam", "--area", "people"]
    assert line in live(*words, "--never-plain").output
    assert line not in live(*words, "--never-plain", "--background", "blur").output
    assert line not in live(*words).output


def test_numbered_pictures_are_of_the_quality_asked_for(live):
    video("a.mp4")
    for quality in ("5", "95"):
        Path(quality).mkdir()
        assert live("--from", "a.mp4", "--to", f"{quality}/%03d.jpg", "--quality", quality).exit_code == 0
    assert Path("5/001.jpg").stat().st_size < Path("95/001.jpg").stat().st_size


def test_the_plain_camera_is_recorded_beside_the_painted_one(live):
    result = live("--from", video("a.mp4"), "--to", "b.mp4", "--record-input", "c.mp4", "-s", "ruby")
    assert result.exit_code == 0, result.output
    assert middle(pictures("c.mp4")[-1]) == pytest.approx([100, 100, 100], abs=4)
    assert middle(pictures("b.mp4")[-1]) == pytest.approx([70, 95, 150], abs=6)


def test_the_output_has_the_size_asked_for_and_is_not_stretched(live):
    assert live("--from", video("a.mp4"), "--to", "b.mp4", "--output-size", "128x64").exit_code == 0
    last = pictures("b.mp4")[-1]
    assert last.shape == (64, 128, 3)
    # 64x48 in 128x64 is 85 wide: dark bars of 21 on either side
    assert last[:, :16].max() < 30
    assert last[:, 112:].max() < 30
    assert last[:, 30:98].min() > 35


def test_dials_reach_the_filter(live):
    result = live("--from", video("a.mp4"), "--to", "b.mp4", "--strength", "0", "--mirror", "--size", "32")
    assert result.exit_code == 0, result.output
    assert middle(pictures("b.mp4")[-1]) == pytest.approx([100, 100, 100], abs=4)


def test_without_options_it_is_the_first_webcam_for_the_virtual_camera(live, devices):
    result = live()
    assert result.exit_code == 0, result.output
    assert devices.opened["webcam"] == {"target": "", "width": 0, "height": 0, "rate": Fraction(30)}
    assert list(devices.sinks) == ["virtualcam"]
    assert devices.sinks["virtualcam"].finished
    assert middle(devices.sinks["virtualcam"].frames[-1].image) == [50, 95, 150]


def test_with_a_display_there_is_a_preview_too_which_hears_keys_and_has_the_overlay(
    live, devices, monkeypatch
):
    monkeypatch.setattr(preview_display, "why_no_window", lambda: None)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:   QT5\n")
    result = live("--from", "webcam:1", "--output-size", "640x360", "--fps", "29.97")
    assert result.exit_code == 0, result.output
    assert sorted(devices.sinks) == ["preview", "virtualcam"]
    asked = devices.opened["webcam"]
    assert asked == {"target": "1", "width": 640, "height": 360, "rate": Fraction("29.97")}
    assert devices.opened["preview"]["on_key"].__name__ == "press"
    assert devices.sinks["preview"].frames[-1].overlay[0] == "mosaic   strength 100 %"


def test_without_windows_in_opencv_there_is_none_by_default(live, devices, monkeypatch):
    monkeypatch.setattr(preview_display, "why_no_window", lambda: None)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:   NONE\n")
    assert live().exit_code == 0
    assert list(devices.sinks) == ["virtualcam"]


@pytest.mark.parametrize(
    ("words", "mirrored"),
    [
        ([], True),
        (["--no-preview-mirror"], False),
        (["--from", "a.mp4"], False),
        (["--from", "a.mp4", "--preview-mirror"], True),
    ],
)
def test_the_preview_is_as_in_a_mirror_for_a_webcam_and_on_request(live, devices, words, mirrored):
    video("a.mp4")
    assert live("--to", "preview", *words).exit_code == 0
    assert devices.opened["preview"]["mirror"] is mirrored


def test_the_style_last_used_is_the_next_ones(live):
    video("a.mp4")
    assert json.loads(live("--from", "a.mp4", "--to", "b.mp4", "--json").stdout)["style"] == "mine/mosaic"
    live("--from", "a.mp4", "--to", "c.mp4", "-s", "ruby:0.5+jade:0.5")
    result = live("--from", "a.mp4", "--to", "d.mp4", "--json")
    assert json.loads(result.stdout)["style"] == "mine/ruby:0.5+mine/jade:0.5"


def test_a_style_last_used_that_is_gone_is_said(live, tmp_path):
    (tmp_path / "user-state").mkdir()
    (tmp_path / "user-state" / "style").write_text("mine/gone\n")
    result = live("--from", video("a.mp4"), "--to", "b.mp4", "--json")
    assert result.stderr.startswith("warning: the style last used is gone (no style is called 'mine/gone'")
    assert json.loads(result.stdout)["style"] == "mine/mosaic"
    assert last_style() == "mine/mosaic"


def test_styles_of_one_name_are_told_apart(live, tmp_path, make_pack):
    make_pack(tmp_path / "user-data" / "styles" / "theirs", "ruby", "onyx", name="theirs")
    assert command._names() == ["mosaic", "mine/ruby", "jade", "theirs/ruby", "onyx"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--output-size", "12"], 2, "--output-size is 12; expected 1280x720, say"),
        (["--output-size", "12x9000"], 2, "--output-size is 12x9000"),
        (["--fps", "0"], 2, "--fps is 0; expected a number from 1 to 240"),
        (["--fps", "fast"], 2, "--fps is fast"),
        (["--fps", "1/0"], 2, "--fps is 1/0"),
        (["--fps", "nan"], 2, "--fps is nan"),
        (["--from", "webcan"], 2, "no source is called 'webcan'; did you mean 'webcam'"),
        (["--to", "previw"], 2, "did you mean 'preview'"),
        (["--to", "b.xyz"], 2, "no sink takes .xyz files"),
        (["--to", "b.mp4", "--to", "./b.mp4"], 2, "b.mp4 is asked for 2 times"),
        (["--to", "b.mp4", "--record-input", "b.mp4"], 2, "b.mp4 is asked for 2 times"),
        (["--to", "preview", "--to", "preview"], 2, "preview is asked for 2 times"),
        (["--from", "a.mp4", "--to", "a.mp4", "--overwrite"], 2, "a.mp4 is the input itself"),
        (["--from", "a.mp4", "--to", "b.mp4", "--record-input", "./a.mp4"], 2, "a.mp4 is the input itself"),
        (["--from", "a.png", "--to", "b.mp4"], 2, "a.png is a picture; nstfilter apply paints those"),
        (["--from", "none.mp4", "--to", "b.mp4"], 1, "there is no file none.mp4"),
        (["--from", "a.mp4", "--to", "none/b.mp4"], 1, "there is no folder none"),
        (["--from", "a.mp4", "--to", "there.mp4"], 1, "there.mp4 exists"),
        (["--from", "a.mp4", "--to", "b.png"], 1, "b.png"),
        (["-s", "rubby"], 2, "did you mean 'ruby'"),
        (["--strength", "1.5"], 2, "strength is 1.5"),
        (["--stability", "-1"], 2, "stability is -1"),
        (["--size", "3"], 2, "size is 3"),
        (["--model", "chep"], 2, "did you mean 'cheap'"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(live, words, code, says):
    video("a.mp4")
    video("there.mp4", 2)
    cv2.imwrite("a.png", FRAME)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    result = live(*words)
    assert isinstance(result.exception, NstfilterError), result.exception
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)
    assert result.exception.exit_code == code
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_overwrite_replaces_a_recording(live):
    before = Path(video("b.mp4", 2)).read_bytes()
    assert live("--from", video("a.mp4"), "--to", "b.mp4", "--overwrite").exit_code == 0
    assert Path("b.mp4").read_bytes() != before


def test_without_a_virtual_camera_there_is_advice_only_where_none_was_asked_for(live, devices, monkeypatch):
    def open(sink, info):
        raise SinkError("there is no virtual camera")

    with monkeypatch.context() as patched:
        patched.setattr(MemorySink, "_open", open)
        assert "--to preview" in live().exception.__notes__[0]
        assert not hasattr(live("--to", "virtualcam").exception, "__notes__")
    Path("b.mp4").touch()
    failure = live("--record-input", "b.mp4").exception
    assert "b.mp4 exists" in str(failure)
    assert not hasattr(failure, "__notes__")


def test_a_sink_that_fails_for_good_is_told_after_the_rest_was_kept(live, devices):
    devices.error = SinkError("the cable is out")
    result = live("--from", video("a.mp4"), "--to", "virtualcam", "--to", "b.mp4", "--json")
    assert str(result.exception) == "the cable is out"
    said = json.loads(result.stdout)
    assert said["error"] == "the cable is out"
    assert "virtualcam: the cable is out" in result.stderr
    assert [sink["name"] for sink in said["sinks"] if sink["state"] == "closed"] == ["b.mp4"]
    assert pictures("b.mp4")


def test_a_recording_that_is_lost_and_never_comes_back_is_an_error_and_its_part_is_named(live, devices):
    class Full(MemorySink):
        def _write(self, frame):
            super()._write(frame)
            if self.frames:  # the first: of a short video no more may come to it
                raise SinkError("the disk is full")

    def open_full(target):
        sink = Full(kept=Path("kept.partial.mp4"))
        sink.reopen = devices.fail
        return sink

    devices.error = SinkError("the disk is full")
    registration = manager().sinks.named("virtualcam")
    index = manager().sinks.registrations.index(registration)
    manager().sinks.registrations[index] = replace(registration, open=open_full)
    result = live("--from", video("a.mp4", 20), "--to", "virtualcam", "--to", "b.mp4", "--json")
    assert str(result.exception) == "the disk is full"
    said = json.loads(result.stdout)
    assert (said["error"], said["files"]) == ("the disk is full", ["kept.partial.mp4"])
    assert [sink["state"] for sink in said["sinks"]] == ["failed", "closed"]


def test_recordings_are_encoded_as_asked_for(live):
    result = live(
        *("--from", video("a.mp4", 20), "--to", "fine.mkv", "--to", "virtualcam"),
        *("--record-input", "plain.mkv", "--crf", "5", "--codec", "hevc"),
    )
    assert result.exit_code == 0, result.output
    for name in ("fine.mkv", "plain.mkv"):
        with av.open(name) as container:
            assert container.streams.video[0].codec_context.name == "hevc"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--codec", "nosuch"], "nosuch"),
        (["--fit", "stretch"], "letterbox or fill"),
        (["--crop", "wide"], "9:16"),
        (["--crop", "0x5+1+1"], "9:16"),
        (["--styles", "ruby,nosuch"], "nosuch"),
        (["--styles", "gone.txt"], "gone.txt cannot be read"),
        (["--styles", " , "], "names no style"),
        (["--floor", "3"], "floor is 3"),
        (["--rotate", "-1"], "rotate is -1"),
        (["--card", "\u0378"], "cannot be written"),
        (["--never-plain", "--strength", "0.2"], "never-plain"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_line(live, words, reason):
    result = live("--from", video("a.mp4"), "--to", "b.mp4", *words)
    assert isinstance(result.exception, NstfilterError)
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)
    assert listing() == ["a.mp4"]


def test_a_part_of_the_picture_in_styles_of_a_file_and_a_card_of_ones_own(live):
    Path("mine.txt").write_text("jade   # the first\n\nruby\n")
    cv2.imwrite("card.png", FRAME)
    result = live(
        *("--from", video("a.mp4"), "--to", "b.mp4", "--styles", "mine.txt", "--crop", "9:16"),
        *("--output-size", "72x128", "--fit", "fill", "--card", "card.png", "--json"),
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["style"] == "mine/jade"
    assert pictures("b.mp4")[0].shape == (128, 72, 3)


def test_a_picture_dropped_into_a_pack_is_a_style(live, tmp_path):
    pack = next((tmp_path / "user-data" / "styles").iterdir())
    assert [Path(name).stem for name in command._names()][-1] != "new"
    cv2.imwrite(str(pack / "new.png"), FRAME)
    assert command._names()[-1] == str(pack / "new.png")


@pytest.mark.parametrize(("processors", "threads"), [(1, 1), (2, 1), (4, 3), (16, 15)])
def test_one_processor_is_left_to_the_call(devices, monkeypatch, processors, threads):
    monkeypatch.delenv("NSTFILTER_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    assert command._threads("cheap", None) == threads
    assert command._threads("cheap", 7) == 7
    monkeypatch.setenv("NSTFILTER_THREADS", "5")
    assert command._threads("cheap", None) == 5


def test_a_model_that_takes_no_threads_is_told_of_none(devices):
    manager().models.registrations[-1] = replace(
        manager().models.registrations[-1], name="single", options=()
    )
    assert command._threads("single", None) is None


CHEAP = f"""{PATIENT}
@hookimpl
def register_models(register):
    register("cheap", lambda _, threads=None: FakeModel())
"""


HANGING = """
import threading

class Hanging(FakeModel):
    def stylize(self, frame, embedding, *, out=None):
        print("hanging", flush=True)
        threading.Event().wait()

@hookimpl
def register_models(register):
    register("hanging", lambda _, threads=None: Hanging())
"""


# bytes of a video with a few frames in it
SOME = 5_000


def press(terminal, key):
    """Press a key once the one before was read, and so long after it that it is no typed text."""
    master, slave = terminal
    for _ in range(12_000):
        if not any(fcntl.ioctl(slave, termios.FIONREAD, bytes(4))):
            break
        time.sleep(0.01)
    time.sleep(5 * TYPED)
    os.write(master, key)


# a session's first terminal is its own; keys are read from no other
AT_TERMINAL = """import os, sys
os.dup2(os.open(sys.argv[1], os.O_RDWR), 0)
os.execv(sys.executable, [sys.executable, "-m", "nstfilter", "live", *sys.argv[2:]])
"""


def start(*words, terminal=None, **environment):
    before = ["-c", AT_TERMINAL, terminal] if terminal else ["-m", "nstfilter", "live"]
    return subprocess.Popen(
        [sys.executable, *before, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        start_new_session=True,
    )


def wait_for(name, process, size=0):
    """Until the file is there, and so large."""
    while not (Path(name).exists() and Path(name).stat().st_size >= size):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Ctrl-C from another program")
@pytest.mark.parametrize(
    ("polite", "model"),
    [
        (signal.SIGINT, "cheap"),
        (getattr(signal, "SIGHUP", None), "cheap"),
        (signal.SIGTERM, "pocket"),
    ],
)
def test_the_demo_goes_on_until_ctrl_c_and_the_recording_is_whole(tmp_path, monkeypatch, site, polite, model):
    site("cheap", CHEAP)
    monkeypatch.chdir(tmp_path)
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    process = start(
        *("--from", "demo:160x120", "--to", "a.mp4", "--model", model, "--json"),
        terminal=os.ttyname(slave),
        PYTHONPATH=str(tmp_path / "site-packages"),
    )
    wait_for("a.partial.mp4", process, SOME)
    assert termios.tcgetattr(slave) != before, "single keys"
    process.send_signal(polite)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "h shows the keys, q quits\n")
    assert termios.tcgetattr(slave) == before, "the terminal is as it was"
    os.close(master)
    os.close(slave)
    said = json.loads(out)
    assert said["model"] == ("pocket" if model == "pocket" else "fake")
    assert len(pictures("a.mp4")) == said["sinks"][0]["written"] > 0
    assert not list(Path().glob("*.partial*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM from another program")
def test_a_model_that_hangs_does_not_hold_up_the_end(tmp_path, monkeypatch, site):
    site("hanging", HANGING)
    monkeypatch.chdir(tmp_path)
    process = start(
        *("--from", "demo:160x120", "--to", "a.mp4", "--model", "hanging", "-s", "wave"),
        PYTHONPATH=str(tmp_path / "site-packages"),
    )
    assert process.stdout.readline() == "hanging\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)  # it would never end
    assert process.returncode == 0
    assert "still busy and was left behind" in err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_keys_take_snapshots_and_recordings_and_quit(tmp_path, monkeypatch, site):
    site("cheap", CHEAP)
    monkeypatch.chdir(tmp_path)
    terminal = master, slave = os.openpty()
    process = start(
        *("--from", "demo:160x120", "--to", "a.mp4", "--model", "cheap", "-s", "wave", "--json"),
        terminal=os.ttyname(slave),
        PYTHONPATH=str(tmp_path / "site-packages"),
    )
    try:
        assert process.stderr.readline() == "h shows the keys, q quits\n"
        wait_for("a.partial.mp4", process, SOME)
        press(terminal, b"h")
        assert [process.stderr.readline().strip() for _ in HELP] == list(HELP)
        press(terminal, b"s")
        said = process.stderr.readline()
        assert said.startswith("snapshot: wave-")
        press(terminal, b"n")
        press(terminal, b"r")
        said = process.stderr.readline()
        assert said.startswith("recording to ")
        name = said.split()[-1]
        wait_for(name.replace(".mp4", ".partial.mp4"), process, SOME)
        press(terminal, b"r")
        assert process.stderr.readline() == f"recording ends: {name}\n"
        wait_for(name, process)
        press(terminal, b"r")  # a recording that is under way at the end is kept too
        press(terminal, b"q")
        out, err = process.communicate()
    finally:
        process.kill()
        process.communicate()
        os.close(master)
        os.close(slave)
    assert process.returncode == 0
    assert err.startswith("recording to ")
    said = json.loads(out)
    assert (said["style"], said["error"]) == ("atelier/starry", None)
    assert last_style() == "atelier/starry"
    snapshot, first, *_ = said["files"]
    assert first == name
    assert cv2.imread(snapshot).shape == (120, 160, 3)
    assert len(pictures(name)) > 0
    assert sorted(path.name for path in Path().glob("*.*")) == sorted(["a.mp4", *said["files"]])
