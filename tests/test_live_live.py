from __future__ import annotations

import signal
import threading
from fractions import Fraction
from time import sleep

import numpy as np
import pytest

from nstfilter.errors import SinkError, SourceError
from nstfilter.live.capture import Capture
from nstfilter.live.governor import Governor
from nstfilter.live.letterbox import Crop
from nstfilter.live.live import HOLD, Live
from nstfilter.live.mailbox import Switch
from nstfilter.live.ticker import STEPS
from nstfilter.manager import open_sink, open_source
from nstfilter.streams import Closed, Frame
from nstfilter.testing import MemorySink, MemorySource
from nstfilter.testing.live import FakeCamera, FakeClock, FakeDevice


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind():
    before = set(threading.enumerate())  # the preview's thread stays for the life of a process
    yield
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if thread.name.startswith("nstfilter")] == []


def darker(image):
    return image - 100


class Painting:
    """A filter that takes `seconds` on the clock, fails while `broken`, and has a size."""

    def __init__(self, clock, seconds=0.0):
        self.clock, self.seconds, self.broken, self.size, self.sizes = clock, seconds, False, None, []

    def __call__(self, image):
        self.sizes.append(self.size)
        cost = self.seconds * (self.size / 480) ** 2 if self.size else self.seconds
        if cost:
            self.clock.sleep(cost)
        if self.broken:
            raise ValueError("out of paint")
        return darker(image)


def values(frames):
    """What was shown, run by run: the pixel in the middle, "card" for a card."""
    shown = []
    for frame in frames:
        height, width = frame.image.shape[:2]
        pixels = frame.image[height // 2, width // 4 : width // 4 + 3]
        value = "card" if len(np.unique(pixels)) > 1 else int(pixels[0, 0])
        if shown[-1:] != [value]:
            shown.append(value)
    return shown


def accounted_for(figures):
    assert figures.captured == figures.shown + figures.dropped
    assert figures.ticks == figures.shown + figures.repeated
    for sink in figures.sinks:
        assert sink.state != "open"
    return True


def test_every_frame_of_a_steady_camera_is_painted_and_shown_once(clock):
    sink = FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [sink], clock=clock)
    clock.at(10.017, live.stop)
    figures = live.run()
    assert values(sink.frames)[:200] == [n % 100 for n in range(200)]
    assert [frame.pts for frame in sink.frames] == list(range(0, STEPS * len(sink.frames), STEPS))
    assert np.diff(sink.device.times) == pytest.approx(1 / 30)
    assert (sink.info.width, sink.info.height, sink.info.rate, sink.info.live) == (64, 48, 30, True)
    assert figures.rate == pytest.approx(30, rel=0.02)
    assert (figures.dropped, figures.repeated, figures.skipped) == (0, 0, 0)
    assert figures.latency == (0, 0)
    assert sink.device.finished == 1
    assert accounted_for(figures)


def test_a_slow_filter_gets_the_newest_frame_and_the_ticks_stay(clock):
    sink = FakeDevice(clock)
    live = Live(FakeCamera(clock), Painting(clock, 0.1), [sink], clock=clock)
    clock.at(10.017, live.stop)
    figures = live.run()
    assert np.diff(sink.device.times) == pytest.approx(1 / 30, abs=1 / 59)
    assert figures.painted == pytest.approx(100, abs=3)
    assert figures.dropped == pytest.approx(200, abs=5)
    assert figures.latency[1] <= 0.1 + 2 / 30
    assert accounted_for(figures)


def test_a_slow_camera_is_repeated(clock):
    sink = FakeDevice(clock)
    live = Live(FakeCamera(clock, rate=Fraction(10)), darker, [sink], clock=clock)
    clock.at(5.017, live.stop)
    figures = live.run()
    assert values(sink.frames)[:40] == list(range(40))
    assert figures.ticks == pytest.approx(150, abs=5)
    assert figures.dropped == 0
    assert figures.latency[1] <= 1 / 30  # of a picture's first write: a repeated one is no later
    assert accounted_for(figures)


def test_a_camera_a_little_late_now_and_then_loses_no_picture(clock):
    """Its frames come just before or just after the tick: neither is one skipped nor another repeated."""

    class Jittery(FakeCamera):
        def _frames(self):
            for frame in super()._frames():
                self.clock.sleep(0.006 * (frame.pts % 3))
                frame.captured = self.clock.now()
                yield frame

    sink = FakeDevice(clock)
    source = Jittery(clock, rate=Fraction(3000, 82))  # and 6 ms on average: 30 a second
    live = Live(source, darker, [sink], clock=clock)
    clock.at(8.017, live.stop)
    figures = live.run()
    assert figures.dropped + figures.repeated <= 3


def test_a_slow_sink_slows_no_other(clock):
    quick, slow = FakeDevice(clock), FakeDevice(clock, seconds=0.5)
    live = Live(FakeCamera(clock), darker, [slow, quick], clock=clock)
    clock.at(6.017, live.stop)
    figures = live.run()
    assert np.diff(quick.device.times) == pytest.approx(1 / 30)
    assert len(slow.frames) == pytest.approx(12, abs=1)
    assert figures.sinks[0].written == len(slow.frames)
    assert figures.sinks[0].written + figures.sinks[0].dropped == figures.ticks
    assert (figures.sinks[1].written, figures.sinks[1].dropped) == (figures.ticks, 0)


def test_a_sink_that_fails_is_opened_again_and_the_others_go_on(clock):
    said, good, bad = [], FakeDevice(clock), FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [bad, good], clock=clock, say=said.append)
    clock.at(1.0, bad.break_off)
    clock.at(4.0, bad.mend)
    clock.at(10.017, live.stop)
    figures = live.run()
    assert said == ["fakedevice: the device is gone; trying again until it is back", "fakedevice is back"]
    assert np.diff(good.device.times) == pytest.approx(1 / 30)
    gap = np.diff(bad.device.times).max()
    assert 3 < gap < 6
    assert bad.device.opened == 2
    broken, fine = figures.sinks
    assert (broken.retries, broken.state, fine.retries) == (3, "closed", 0)
    assert broken.written + broken.dropped == figures.ticks == fine.written


def test_a_sink_that_hangs_is_spoken_of_and_left_behind(clock):
    said, good, hung = [], FakeDevice(clock), FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [hung, good], clock=clock, say=said.append)
    clock.at(1.0, hung.hang)
    clock.at(6.017, live.stop)
    clock.at(8.0, hung.mend)  # so that its thread ends, and the next test begins without it
    figures = live.run()
    assert said == ["fakedevice has taken no frame for 2 seconds; the others go on"]
    assert figures.sinks[0].state == "stuck"
    assert np.diff(good.device.times) == pytest.approx(1 / 30)
    assert clock.now() < 6.6
    clock.sleep(3)


def test_a_sink_whose_opening_again_hangs_is_spoken_of_and_does_not_hold_up_the_end(clock):
    class Slow(FakeDevice):
        hung = False

        def _open(self, info):
            self.clock.condition().wait_for(lambda: not Slow.hung)
            super()._open(info)

    said, good, slow = [], FakeDevice(clock), Slow(clock)
    slow.reopen = lambda: Slow(clock, device=slow.device)
    live = Live(FakeCamera(clock), darker, [slow, good], clock=clock, say=said.append)
    clock.at(1.0, lambda: setattr(Slow, "hung", True))
    clock.at(1.0, slow.break_off)
    clock.at(1.2, slow.mend)
    clock.at(6.017, live.stop)
    clock.at(8.0, lambda: setattr(Slow, "hung", False))  # so that its thread ends
    with pytest.raises(SinkError, match="the device is gone"):
        live.run()
    assert said[1:] == ["slow has taken no frame for 2 seconds; the others go on"]
    assert live.figures().sinks[0].state == "stuck"
    assert clock.now() < 6.6
    clock.sleep(3)


def test_a_sink_whose_opening_again_hung_for_a_while_is_back(clock):
    class Slow(FakeDevice):
        def _open(self, info):
            if self.device.opened:
                self.clock.sleep(4)
            super()._open(info)

    said, slow = [], Slow(clock)
    slow.reopen = lambda: Slow(clock, device=slow.device)
    live = Live(FakeCamera(clock), darker, [slow], clock=clock, say=said.append)
    clock.at(1.0, slow.break_off)
    clock.at(1.2, slow.mend)
    clock.at(9.017, live.stop)
    live.run()
    assert said[1:] == ["slow has taken no frame for 2 seconds; the others go on", "slow is back"]
    assert slow.device.opened == 2
    assert slow.device.times[-1] > 8.9


def test_the_last_words_of_a_source_are_taken_once_whichever_thread_closes_it(clock):
    class Talking(FakeCamera):
        @property
        def warnings(self):
            sleep(0.005)  # for the other thread to look too
            return self.lines

        @warnings.setter
        def warnings(self, lines):
            self.lines = lines

    source = Talking(clock)
    source.warnings = ["a torn picture"]
    capture = Capture(source, clock, Switch(clock.condition()), print)
    threads = [threading.Thread(target=capture.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capture.warnings == ["a torn picture"]


def test_a_recording_that_gets_no_frame_is_said(clock):
    said, recording = [], FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [FakeDevice(clock)], clock=clock, say=said.append)
    seen = []
    clock.at(1.0, lambda: live.add(recording))
    clock.at(1.001, lambda: seen.append(live.remove(recording)))
    clock.at(2.017, live.stop)
    live.run()
    assert (seen, said) == ([False], ["fakedevice: no frame came, and nothing is written"])


def test_sinks_whose_users_close_them_end_the_run_once_all_are(clock):
    first, second = FakeDevice(clock), FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [first, second], clock=clock)
    clock.at(1.0, first.leave)
    clock.at(3.0, second.leave)
    figures = live.run()
    assert first.device.times[-1] < 1.1
    assert 2.9 < second.device.times[-1] < 3.1
    assert [sink.state for sink in figures.sinks] == ["closed", "closed"]
    assert clock.now() < 3.5


def test_an_unplugged_camera_is_held_then_a_card_then_it_is_back(clock):
    said, sink, camera = [], FakeDevice(clock), FakeCamera(clock)
    live = Live(camera, darker, [sink], clock=clock, say=said.append)
    clock.at(2.0, camera.unplug)
    clock.at(6.0, camera.plug)
    clock.at(12.017, live.stop)
    figures = live.run()
    assert said == [
        "the camera broke off: the camera was unplugged; trying again until it is back",
        "the camera is back",
    ]
    shown = values(sink.frames)
    card = shown.index("card")
    assert shown[:card] == list(range(card))
    # and then not even once the old picture
    assert shown[card + 1 : card + 50] == [n % 100 for n in range(card, card + 49)]
    first_card = next(i for i, frame in enumerate(sink.frames) if frame.captured is None)
    assert sink.device.times[first_card] == pytest.approx(2.0 + HOLD, abs=0.1)
    assert np.diff(sink.device.times) == pytest.approx(1 / 30, abs=1 / 59)
    assert camera.socket.opened == 2
    assert accounted_for(figures)


def test_a_camera_that_stalls_is_a_card_after_a_second(clock):
    said, sink, camera = [], FakeDevice(clock), FakeCamera(clock)
    live = Live(camera, darker, [sink], clock=clock, say=said.append)
    clock.at(2.0, camera.stall)
    clock.at(5.0, camera.resume)
    clock.at(8.017, live.stop)
    live.run()
    assert "card" in values(sink.frames)
    assert values(sink.frames)[-1] != "card"
    assert camera.socket.opened == 1


def test_a_camera_that_is_silent_from_the_start_is_a_card(clock):
    sink, camera = FakeDevice(clock), FakeCamera(clock)
    camera.stall()
    live = Live(camera, darker, [sink], clock=clock)
    clock.at(4.017, live.stop)
    live.run()
    assert values(sink.frames) == ["card"]
    assert sink.device.times[0] == HOLD
    assert clock.now() < 4.5


def test_a_filter_that_fails_shows_the_card_and_never_the_plain_face(clock, caplog):
    said, sink, paint = [], FakeDevice(clock), Painting(clock)
    live = Live(FakeCamera(clock), paint, [sink], clock=clock, say=said.append)

    def fail(broken):
        paint.broken = broken

    clock.at(2.0, lambda: fail(True))
    clock.at(5.5, lambda: fail(False))
    clock.at(8.017, live.stop)
    figures = live.run()
    assert said == [
        "painting failed: out of paint; a card is shown until it works again",
        "painting works again",
    ]
    assert caplog.text.count("Traceback") == 1
    shown = values(sink.frames)
    assert shown.count("card") == 1
    assert all(value == "card" or value < 100 for value in shown)
    assert shown[-1] != "card"
    assert len(paint.sizes) == figures.painted + 4  # about once a second
    assert accounted_for(figures)


def test_a_filter_of_another_shape_is_a_failure(clock):
    said = []
    live = Live(FakeCamera(clock), lambda image: image[:2], [FakeDevice(clock)], clock=clock, say=said.append)
    clock.at(1.017, live.stop)
    live.run()
    assert "expected uint8 (48, 64, 3), like it" in said[0]


def test_the_output_has_its_size_and_the_picture_its_proportions(clock):
    sink = FakeDevice(clock)
    live = Live(FakeCamera(clock, (64, 48)), darker, [sink], size=(160, 90), clock=clock)
    clock.at(1.017, live.stop)
    live.run()
    image = sink.frames[3].image
    assert image.shape == (90, 160, 3)
    assert not image[:, :20].any()
    assert not image[:, 140:].any()
    assert (image[:, 20:140] == 3).all()  # painted is the picture and not its bars


def test_the_governor_sets_the_size(clock):
    paint = Painting(clock, 0.06)
    live = Live(FakeCamera(clock, (480, 480)), paint, [FakeDevice(clock)], governor=Governor(30), clock=clock)
    clock.at(40.017, live.stop)
    figures = live.run()
    assert paint.sizes[0] == 480
    assert figures.size == paint.sizes[-1] < 480
    assert live.figures().rate > 25
    assert paint.sparing, "the filter is told that time is short"
    settled = paint.sizes[-400:]
    assert len(set(settled)) == 1


def test_every_size_is_compiled_before_the_governor_may_choose_it(clock):
    class Preparing(Painting):
        prepared = ()

        def prepare(self, height, width, size):
            self.clock.sleep(0.2)
            self.prepared = (*self.prepared, (height, width, size))

    paint = Preparing(clock, 0.06)
    live = Live(FakeCamera(clock, (640, 480)), paint, [FakeDevice(clock)], governor=Governor(30), clock=clock)
    clock.at(0.99, lambda: paint.sizes[-1] == 480 or pytest.fail("a size that is not compiled yet"))
    clock.at(10.017, live.stop)
    live.run()
    assert paint.prepared == tuple((480, 640, size) for size in (480, 432, 384, 336, 288))
    assert paint.sizes[-1] < 480


def test_what_is_compiled_ahead_has_the_shape_of_the_fit_that_was_asked_for(clock):
    class Prepared:
        fit = "fill"
        size = None
        shapes = ()

        def prepare(self, height, width, size):
            self.shapes = (*self.shapes, (height, width))

        def __call__(self, image):
            assert image.shape[:2] in self.shapes
            return image

    paint = Prepared()
    live = Live(
        FakeCamera(clock), paint, [FakeDevice(clock)], size=(90, 160), governor=Governor(30), clock=clock
    )
    clock.at(1.017, live.stop)
    live.run()
    assert set(paint.shapes) == {(160, 90)}


def test_a_rate_is_that_of_sources_and_sinks_all_the_time(clock):
    camera, slow, seen = FakeCamera(clock, rate=Fraction(25)), FakeDevice(clock, seconds=0.1), []
    live = Live(camera, darker, [slow, FakeDevice(clock)], clock=clock, say=lambda line: None)
    clock.at(0.05, lambda: seen.append(live.figures()))
    clock.at(6.0, lambda: seen.append(live.figures()))
    clock.at(7.0, camera.stall)
    clock.at(9.9, lambda: seen.append(live.figures()))
    clock.at(10.0, camera.resume)
    clock.at(11.0, live.stop)
    live.run()
    assert [figures.rate for figures in seen] == [0, pytest.approx(25, abs=0.5), 0]
    assert [figures.camera for figures in seen] == [0, pytest.approx(25, abs=0.5), 0]
    assert [sink.rate for sink in seen[1].sinks] == pytest.approx([10, 30], abs=0.7)


def test_the_plain_camera_is_recorded_beside_the_painted(clock):
    painted, plain = FakeDevice(clock), FakeDevice(clock)
    camera = FakeCamera(clock)
    live = Live(camera, Painting(clock, 0.2), [painted], size=(96, 48), record=plain, clock=clock)
    clock.at(2.0, camera.unplug)
    clock.at(4.0, camera.plug)
    clock.at(6.017, live.stop)
    figures = live.run()
    assert values(plain.frames) == [100 + n % 100 for n in range(figures.captured)]
    base = plain.info.time_base
    assert [float(frame.pts * base) for frame in plain.frames] == pytest.approx(
        [frame.captured - plain.frames[0].captured for frame in plain.frames], abs=1e-4
    )
    assert plain.frames[0].image.shape == (48, 96, 3)
    assert plain.device.finished == 1
    assert figures.sinks[1].p95 < figures.latency[0]  # the painted ones' own


def test_a_recording_can_be_begun_and_ended_in_mid_run(clock):
    camera, call, recording = FakeCamera(clock), FakeDevice(clock), FakeDevice(clock)
    live = Live(camera, darker, [call], clock=clock)
    finished = []
    clock.at(2.0, lambda: live.add(recording))
    clock.at(4.0, lambda: live.remove(recording))
    clock.at(5.0, lambda: finished.append(recording.device.finished))
    clock.at(6.017, live.stop)
    live.run()
    assert finished == [1]
    assert [frame.pts for frame in recording.frames] == list(range(0, STEPS * len(recording.frames), STEPS))
    assert len(recording.frames) == pytest.approx(60, abs=2)
    assert np.diff(call.device.times) == pytest.approx(1 / 30)


def test_a_recording_of_the_plain_camera_can_be_begun_in_mid_run(clock):
    call, painted, plain = FakeDevice(clock), FakeDevice(clock), FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [call], size=(96, 48), clock=clock)
    clock.at(1.0, lambda: (live.add(painted), live.add(plain, plain=True)))
    clock.at(3.0, lambda: (live.remove(painted), live.remove(plain)))
    clock.at(4.017, live.stop)
    figures = live.run()
    assert (painted.device.finished, plain.device.finished) == (1, 1)
    assert len(plain.frames) == pytest.approx(60, abs=2)
    assert plain.frames[0].image.shape == (48, 96, 3)
    assert plain.frames[-1].image.max() > painted.frames[-1].image.max()
    assert len(figures.sinks) == 3


def test_sinks_that_come_and_go_leave_nothing_but_their_count(clock):
    call, seen = FakeDevice(clock), []

    def come():
        seen.append(FakeDevice(clock))
        live.add(seen[-1])

    live = Live(FakeCamera(clock), darker, [call], clock=clock)
    for number in range(12):
        clock.at(0.5 + 0.3 * number, come)
        clock.at(0.7 + 0.3 * number, lambda: live.remove(seen[-1]))
    clock.at(4.517, live.stop)
    figures = live.run()
    assert len(live._every()) < 4
    written = sum(len(one.frames) for one in seen)
    assert sum(one.written for one in figures.sinks) == written + len(call.frames)


def test_the_warnings_of_a_sink_are_kept_also_where_another_begins_as_it_ends(clock):
    class Talking(FakeDevice):
        @property
        def warnings(self):
            live.add(FakeDevice(clock))  # at the worst moment
            return ["the sound is too loud"]

        @warnings.setter
        def warnings(self, lines): ...

    talking = Talking(clock)
    live = Live(FakeCamera(clock), darker, [FakeDevice(clock)], clock=clock)
    clock.at(0.5, lambda: live.add(talking))
    clock.at(1.0, lambda: live.remove(talking))
    clock.at(2.017, live.stop)
    live.run()
    assert live.warnings == ["the sound is too loud"]


def test_a_recording_that_cannot_be_begun_is_said_and_the_run_goes_on(clock):
    said, recording = [], FakeDevice(clock)
    recording.break_off()
    live = Live(FakeCamera(clock), darker, [FakeDevice(clock)], clock=clock, say=said.append)
    clock.at(1.0, lambda: live.add(recording))
    clock.at(2.017, live.stop)
    live.run()
    assert said == ["fakedevice: there is no device"]
    assert clock.now() >= 2


def test_a_recording_that_broke_off_and_is_back_can_still_be_ended(clock):
    recording = FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [FakeDevice(clock)], clock=clock, say=lambda line: None)
    finished = []
    clock.at(1.0, lambda: live.add(recording))
    clock.at(2.0, recording.break_off)
    clock.at(2.2, recording.mend)
    clock.at(5.0, lambda: live.remove(recording))
    clock.at(6.0, lambda: finished.append(recording.device.finished))
    clock.at(7.0, live.stop)
    live.run()
    assert finished == [1]


def test_what_is_added_as_the_run_ends_is_left_alone(clock):
    call, late = FakeDevice(clock), FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [call], clock=clock)
    clock.at(1.017, live.stop)
    live.run()
    live.add(late)
    assert late.state == "new"
    assert [sink.name for sink in live.figures().sinks] == ["fakedevice"]


def test_sinks_for_the_main_thread_are_served_by_it(clock):
    where = []

    class Window(FakeDevice):
        main_thread = True

        def _open(self, info):
            where.append(threading.current_thread())
            super()._open(info)

        def _write(self, frame):
            where.append(threading.current_thread())
            super()._write(frame)

        def _close(self):
            where.append(threading.current_thread())
            super()._close()

    window, later = Window(clock), Window(clock)
    live = Live(FakeCamera(clock), darker, [window], clock=clock)
    clock.at(1.0, lambda: live.add(later))
    clock.at(2.0, lambda: live.remove(later))
    clock.at(3.017, live.stop)
    live.run()
    assert set(where) == {threading.current_thread()}
    assert (window.device.finished, later.device.finished) == (1, 1)
    assert len(later.frames) == pytest.approx(30, abs=3)


def test_a_file_is_paced_by_its_timestamps_and_ends_with_it(clock):
    images = [np.full((48, 64, 3), 100 + n, np.uint8) for n in range(50)]
    sink = FakeDevice(clock)
    source = MemorySource(images, rate=Fraction(25))
    figures = Live(source, darker, [sink], rate=25, clock=clock).run()
    assert values(sink.frames) == list(range(50))
    assert sink.device.times[-1] - sink.device.times[0] == pytest.approx(49 / 25, abs=0.05)
    assert source.closed
    assert sink.device.finished == 1
    assert figures.shown == 50
    assert accounted_for(figures)


def test_a_file_that_breaks_is_an_error_and_what_was_recorded_is_kept(clock):
    source = MemorySource([np.full((48, 64, 3), 100, np.uint8)] * 9, error=SourceError("the cable is out"))
    sink = FakeDevice(clock)
    with pytest.raises(SourceError, match="cable"):
        Live(source, darker, [sink], clock=clock).run()
    assert sink.device.finished == 1


def test_a_live_source_that_nobody_can_open_again_ends_the_run(clock):
    camera = FakeCamera(clock)
    camera.reopen = None
    clock.at(1.0, camera.unplug)
    with pytest.raises(SourceError, match="unplugged"):
        Live(camera, darker, [FakeDevice(clock)], clock=clock).run()


def test_a_sink_that_cannot_be_opened_at_the_start_is_an_error(clock):
    good, bad, camera = FakeDevice(clock), FakeDevice(clock), FakeCamera(clock)
    bad.break_off()
    with pytest.raises(SinkError, match="there is no device"):
        Live(camera, darker, [good, bad], clock=clock).run()
    assert good.state == "aborted"  # it made nothing
    assert camera.closed


def test_a_sink_that_nobody_can_open_again_is_an_error_in_the_end(clock):
    good, bad, said = FakeDevice(clock), MemorySink(error=SinkError("the disk is full"), fail_at=9), []
    live = Live(FakeCamera(clock), darker, [good, bad], clock=clock, say=said.append)
    clock.at(3.017, live.stop)
    with pytest.raises(SinkError, match="disk is full"):
        live.run()
    assert said == ["memory: the disk is full"]
    assert good.device.finished == 1
    assert good.device.times[-1] > 2.9


def test_the_overlay_gets_figures_and_goes_with_every_frame(clock):
    sink = FakeDevice(clock)
    live = Live(
        FakeCamera(clock), darker, [sink], clock=clock, overlay=lambda f: [f"{f.rate:.0f} fps", f"{f.size}"]
    )
    clock.at(4.017, live.stop)
    live.run()
    assert sink.frames[-1].overlay == ("30 fps", "None")
    assert len(sink.frames[0].overlay) == 2


def test_an_overlay_that_fails_is_left_out(clock, caplog):
    def broken(figures):
        raise ZeroDivisionError

    sink = FakeDevice(clock)
    live = Live(FakeCamera(clock), darker, [sink], clock=clock, overlay=broken)
    clock.at(2.017, live.stop)
    live.run()
    assert caplog.text.count("Traceback") == 1
    assert len(sink.frames) == pytest.approx(60, abs=2)


def test_an_unexpected_error_ends_the_run_and_is_raised(clock):
    def broken(frames):
        raise ZeroDivisionError

    sink = FakeDevice(clock)
    with pytest.raises(ZeroDivisionError):
        Live(FakeCamera(clock), darker, [sink], clock=clock, on_frame=broken).run()


def test_a_file_that_is_broken_from_the_start_makes_no_recording(clock):
    sink = FakeDevice(clock)
    with pytest.raises(SourceError, match="cable"):
        Live(MemorySource([], error=SourceError("the cable is out")), darker, [sink], clock=clock).run()
    assert (sink.frames, sink.device.finished, sink.state) == ([], 0, "aborted")


def test_without_sinks_it_runs_until_it_is_stopped(clock):
    live, recording = Live(FakeCamera(clock), darker, [], clock=clock), FakeDevice(clock)
    clock.at(1.0, lambda: live.add(recording))
    clock.at(2.0, lambda: live.remove(recording))
    clock.at(3.0, live.stop)
    live.run()
    assert recording.device.finished == 1
    assert clock.now() >= 3


def test_the_latest_picture_can_be_had(clock):
    sink, got = FakeDevice(clock), []
    live = Live(FakeCamera(clock), darker, [sink], clock=clock)
    assert live.snapshot() is None
    clock.at(2.0, lambda: got.append(live.snapshot()))
    clock.at(2.5, live.stop)
    live.run()
    assert any(np.array_equal(got[0], frame.image) for frame in sink.frames[55:62])
    assert not any(np.shares_memory(got[0], frame.image) for frame in sink.frames)


def test_ten_minutes_of_mishaps_are_accounted_for(clock):
    camera, call, slow = FakeCamera(clock), FakeDevice(clock), FakeDevice(clock, seconds=0.05)
    paint = Painting(clock, 0.04)
    live = Live(camera, paint, [call, slow], clock=clock, say=lambda line: None)
    for minute in range(2):
        start = 60 * minute
        clock.at(start + 10, camera.unplug)
        clock.at(start + 17, camera.plug)
        clock.at(start + 22, call.break_off)
        clock.at(start + 31, call.mend)
        clock.at(start + 40, camera.stall)
        clock.at(start + 43, camera.resume)
    clock.at(120, live.stop)
    figures = live.run()
    assert accounted_for(figures)
    for sink in figures.sinks:
        assert sink.written + sink.dropped == figures.ticks
    assert np.diff(call.device.times).max() < 16
    assert camera.socket.opened == 3
    assert call.device.opened == 3


class Hanging(Painting):
    """A filter that does not come back while `hung`; what it makes of a plain face is darker."""

    hung = card_shown = False
    private_frame = None

    def __call__(self, image):
        self.clock.condition().wait_for(lambda: not self.hung)
        return super().__call__(image)


class Private(FakeDevice):
    audience = "user"


@pytest.mark.parametrize("moment", range(50))
def test_a_filter_that_hangs_is_a_card_after_a_second_and_never_the_plain_face(moment):
    clock, said = FakeClock(), []
    sink, paint = FakeDevice(clock), Hanging(clock, 0.02)

    def hang(hung):
        paint.hung = hung

    hung_at = 1 + 0.0137 * moment
    clock.at(hung_at, lambda: hang(True))
    clock.at(8.0, lambda: hang(False))
    clock.at(10.017, (live := Live(FakeCamera(clock), paint, [sink], clock=clock, say=said.append)).stop)
    figures = live.run()
    assert said == ["painting hangs; a card is shown until it goes on", "painting goes on"]
    shown = values(sink.frames)
    assert shown.count("card") == 1
    assert all(value == "card" or value < 100 for value in shown)
    cards = [time for time, frame in zip(sink.device.times, sink.frames, strict=True) if not frame.captured]
    assert cards[0] - hung_at < 1.2
    # the picture that took seven seconds is not shown: it is long out of date
    assert all(frame.captured is None or frame.captured > time - 1.2 for time, frame in on(sink))
    assert cards[-1] == pytest.approx(8, abs=0.1)
    assert accounted_for(figures)


@pytest.mark.parametrize("seconds", [3.0, 7.0])
def test_the_first_pictures_may_take_longer_before_painting_hangs(clock, seconds):
    # a model that compiles, on a busy machine
    said, paint = [], Hanging(clock, 0.02)
    live = Live(FakeCamera(clock), paint, [FakeDevice(clock)], clock=clock, say=said.append)
    clock.at(0.1, lambda: setattr(paint, "hung", True))
    clock.at(0.1 + seconds, lambda: setattr(paint, "hung", False))
    clock.at(10.017, live.stop)
    live.run()
    assert bool(said) == (seconds > 5)


def on(sink):
    return zip(sink.device.times, sink.frames, strict=True)


def test_a_run_whose_filter_hangs_ends_within_half_a_second(clock):
    paint, sink, said = Hanging(clock), FakeDevice(clock), []
    paint.hung = True
    live = Live(FakeCamera(clock), paint, [sink], clock=clock, say=said.append)
    clock.at(3.0, live.stop)
    clock.at(6.0, lambda: setattr(paint, "hung", False))  # so that its thread ends
    live.run()
    assert clock.now() < 3.5
    clock.sleep(4)


def test_a_slow_but_steady_filter_does_not_hang(clock):
    said = []
    live = Live(FakeCamera(clock), Painting(clock, 1.8), [FakeDevice(clock)], clock=clock, say=said.append)
    clock.at(30.017, live.stop)
    assert live.run().painted == pytest.approx(16, abs=1)
    assert said == []
    clock.sleep(3)  # until the last picture is painted


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_a_filter_raises_there_is_a_card_and_it_is_said(clock, error):
    class Leaving(Painting):
        def __call__(self, image):
            if self.broken:
                raise error
            return super().__call__(image)

    said, sink, paint = [], FakeDevice(clock), Leaving(clock)
    live = Live(FakeCamera(clock), paint, [sink], clock=clock, say=said.append)
    clock.at(1.0, lambda: setattr(paint, "broken", True))
    clock.at(4.0, lambda: setattr(paint, "broken", False))
    clock.at(6.017, live.stop)
    live.run()
    assert said[0].startswith("painting failed: ")
    assert said[1:] == ["painting works again"]
    assert values(sink.frames).count("card") == 1
    assert values(sink.frames)[-1] != "card"


def test_whatever_a_source_or_a_sink_raises_it_is_opened_again(clock):
    class Rude(FakeCamera):
        def _frames(self):
            for frame in super()._frames():
                if self.socket.number == 30:
                    self.socket.number += 1
                    raise SystemExit
                yield frame

    class Leaving(FakeDevice):
        def _write(self, frame):
            if len(self.frames) == 60:
                self.frames.append(frame)
                raise SystemExit
            super()._write(frame)

    said, camera, sink = [], Rude(clock), Leaving(clock)
    camera.reopen = lambda: Rude(clock, socket=camera.socket)
    sink.reopen = lambda: Leaving(clock, device=sink.device)
    live = Live(camera, darker, [sink], clock=clock, say=said.append)
    clock.at(8.017, live.stop)
    live.run()
    assert said == [
        "the camera broke off: SystemExit; trying again until it is back",
        "the camera is back",
        "leaving: ; trying again until it is back",
        "leaving is back",
    ]
    assert sink.device.times[-1] > 7.9


def test_others_see_the_card_at_once_and_the_user_the_painting_behind_it(clock):
    preview, call, paint = Private(clock), FakeDevice(clock), Hanging(clock)
    live = Live(FakeCamera(clock), paint, [preview, call], clock=clock)
    clock.at(2.01, lambda: setattr(paint, "card_shown", True))
    clock.at(2.5, lambda: values([Frame(live.snapshot())]) == ["card"] or pytest.fail("a picture of it"))
    clock.at(4.01, lambda: setattr(paint, "card_shown", False))
    clock.at(6.017, live.stop)
    live.run()
    for time, frame in on(call):
        assert (values([frame]) == ["card"]) == (2.01 <= time < 4.01)
    assert "card" not in values(preview.frames)


def test_a_picture_painted_behind_the_card_is_not_seen_when_the_card_goes(clock):
    call, preview, camera, paint = FakeDevice(clock), Private(clock), FakeCamera(clock), Hanging(clock)
    live = Live(camera, paint, [preview, call], clock=clock, say=lambda line: None)
    clock.at(2.0, lambda: setattr(paint, "card_shown", True))
    clock.at(2.3, camera.stall)
    clock.at(2.5, lambda: setattr(paint, "card_shown", False))
    clock.at(2.7, lambda: values([Frame(live.snapshot())]) == ["card"] or pytest.fail("a picture of it"))
    clock.at(2.9, camera.resume)
    clock.at(4.017, live.stop)
    live.run()
    between = [frame for time, frame in on(call) if 2.04 < time < 2.9]
    assert len(between) > 20
    assert set(values(between)) == {"card"}
    assert "card" not in values(preview.frames)
    assert "card" not in values([frame for time, frame in on(call) if time > 3.1])


def test_the_card_comes_at_once_also_while_the_filter_hangs(clock):
    call, paint = FakeDevice(clock), Hanging(clock)
    live = Live(FakeCamera(clock), paint, [call], clock=clock, say=lambda line: None)
    clock.at(2.0, lambda: setattr(paint, "hung", True))
    clock.at(2.3, lambda: setattr(paint, "card_shown", True))
    clock.at(4.0, lambda: setattr(paint, "hung", False))
    clock.at(4.017, live.stop)
    live.run()
    assert all(values([frame]) == ["card"] for time, frame in on(call) if time > 2.34)


def test_what_is_for_the_user_alone_reaches_nobody_else(clock):
    class Both(Painting):
        def __call__(self, image):
            self.private_frame = image
            return super().__call__(image)

    preview, call, recording = Private(clock), FakeDevice(clock), FakeDevice(clock)
    live = Live(FakeCamera(clock), Both(clock), [preview, call], clock=clock)
    clock.at(1.0, lambda: live.add(recording))
    clock.at(3.017, live.stop)
    live.run()
    assert min(values(preview.frames)) >= 100
    assert max(values(call.frames) + values(recording.frames)) < 100


def test_a_run_is_on_air_while_a_sink_for_others_is_open(clock):
    class Call(FakeDevice):
        audience = "others"

    call, preview, seen = Call(clock), Private(clock), []
    live = Live(FakeCamera(clock), darker, [call, preview], clock=clock)
    clock.at(1.0, lambda: seen.append(live.on_air))
    clock.at(2.0, call.leave)
    clock.at(3.0, lambda: seen.append(live.on_air))
    clock.at(4.0, live.stop)
    live.run()
    assert seen == [True, False]


def test_the_state_of_source_and_sinks_can_be_asked(clock):
    camera, sink, seen = FakeCamera(clock), FakeDevice(clock), []
    live = Live(camera, darker, [sink], clock=clock, say=lambda line: None)
    clock.at(1.0, lambda: seen.append((live.source_state, live.state(sink))))
    clock.at(2.0, camera.stall)
    clock.at(3.5, lambda: seen.append((live.source_state, live.state(FakeDevice(clock)))))
    clock.at(4.0, camera.resume)
    clock.at(5.0, camera.unplug)
    clock.at(5.3, lambda: seen.append((live.source_state, live.state(sink))))
    clock.at(6.0, live.stop)
    live.run()
    assert seen == [("open", "open"), ("silent", None), ("lost", "open")]


def test_a_sink_that_is_lost_and_never_comes_back_is_an_error_in_the_end(clock, tmp_path):
    class Recording(FakeDevice):
        def _write(self, frame):
            self.warnings = self.warnings or ["it is slow"]
            super()._write(frame)

        def _abort(self):
            return tmp_path / "take.partial.mp4"

    good, full = FakeDevice(clock), Recording(clock)
    live = Live(FakeCamera(clock), darker, [good, full], clock=clock, say=lambda line: None)
    clock.at(1.0, full.break_off)
    clock.at(3.017, live.stop)
    with pytest.raises(SinkError, match="the device is gone"):
        live.run()
    assert [sink.state for sink in live.figures().sinks] == ["closed", "failed"]
    assert live.warnings == ["it is slow"]
    assert live.kept == [tmp_path / "take.partial.mp4"]
    assert good.device.finished == 1


def test_a_sink_whose_close_fails_is_aborted(clock, tmp_path):
    class Full(FakeDevice):
        def _close(self):
            raise SinkError("the disk is full")

        def _abort(self):
            return tmp_path / "take.partial.mp4"

    sink = Full(clock)
    live = Live(FakeCamera(clock), darker, [sink], clock=clock, say=lambda line: None)
    clock.at(1.017, live.stop)
    with pytest.raises(SinkError, match="disk is full"):
        live.run()
    assert sink.state == "aborted"
    assert live.kept == [tmp_path / "take.partial.mp4"]


def test_a_lost_camera_is_tried_again_ever_more_rarely(clock):
    """After 0.5 seconds, then twice as long each time, up to 5."""
    camera, tried = FakeCamera(clock), []
    reopen = camera.reopen
    camera.reopen = lambda: (tried.append(clock.now()), reopen())[1]
    live = Live(camera, darker, [FakeDevice(clock)], clock=clock, say=lambda line: None)
    clock.at(1.0, camera.unplug)
    clock.at(30.0, live.stop)
    live.run()
    assert np.diff([1.0, *tried])[:6] == pytest.approx([0.5, 1, 2, 4, 5, 5], abs=0.1)


@pytest.mark.parametrize(
    ("crop", "fill", "size", "middle"),
    [
        (Crop(Fraction(9, 16)), False, None, (28, 48)),
        (Crop(None, 20, 10, 4, 4), False, None, (20, 10)),
        (None, True, (90, 160), (90, 160)),
    ],
)
def test_a_part_of_the_picture_can_be_taken_and_fill_the_frame(clock, crop, fill, size, middle):
    sink, painted = FakeDevice(clock), []
    live = Live(
        FakeCamera(clock),
        lambda image: painted.append(image.shape) or darker(image),
        [sink],
        size=size,
        crop=crop,
        fill=fill,
        clock=clock,
    )
    clock.at(1.017, live.stop)
    live.run()
    assert sink.frames[3].image.shape[1::-1] == middle
    assert painted[0][1::-1] == middle


def test_the_fit_can_change_between_frames(clock):
    sink, painted = FakeDevice(clock), []

    class Fitted:
        fit = "letterbox"

        def __call__(self, image):
            painted.append(image.shape[:2])
            return image

    fitted = Fitted()
    live = Live(FakeCamera(clock), fitted, [sink], size=(90, 160), clock=clock)
    clock.at(1.017, lambda: setattr(fitted, "fit", "fill"))
    clock.at(2.017, live.stop)
    live.run()
    assert painted[0] != (160, 90) == painted[-1]
    assert {frame.image.shape for frame in sink.frames} == {(160, 90, 3)}


# on the real clock, with real threads


class Endless(MemorySource):
    def __init__(self):
        super().__init__([np.full((48, 64, 3), 150, np.uint8)] * 100_000)


@pytest.mark.parametrize("_", range(3))
def test_it_can_be_stopped_from_another_thread_and_run_again(_):
    sink, painted = MemorySink(), threading.Event()
    live = Live(Endless(), lambda image: painted.set() or image, [sink])
    thread = threading.Thread(target=lambda: (painted.wait(10), live.stop()))
    thread.start()
    live.run()
    thread.join()
    assert sink.finished or not sink.frames


def test_ctrl_c_is_a_clean_end():
    sink = MemorySink()
    frames = []

    def interrupting(image):
        frames.append(image)
        if len(frames) == 3:
            signal.raise_signal(signal.SIGINT)
        return image

    figures = Live(Endless(), interrupting, [sink]).run()
    assert sink.finished
    assert figures.painted >= 3


def test_the_call_goes_on_when_the_window_is_closed():
    class Window(MemorySink):
        main_thread = True

        def _write(self, frame):
            if len(self.frames) == 3:
                raise Closed
            super()._write(frame)

    window, call, enough = Window(), MemorySink(), threading.Event()

    class Counting(MemorySource):
        def _frames(self):
            for frame in super()._frames():
                if window.state == "closed" and len(call.frames) > 20:
                    enough.set()
                yield frame

    live = Live(Counting([np.full((48, 64, 3), 150, np.uint8)] * 10_000), darker, [window, call])
    thread = threading.Thread(target=lambda: (enough.wait(30), live.stop()))
    thread.start()
    live.run()
    thread.join()
    assert enough.is_set()
    assert (window.finished, call.finished) == (True, True)


@pytest.mark.slow
def test_a_call_and_a_take_of_the_plain_camera_are_whole_files(tmp_path):
    source = open_source("demo:160x120", seconds=0.5, sound=False)
    painted, plain = tmp_path / "painted.mp4", tmp_path / "plain.mkv"
    live = Live(source, darker, [open_sink(painted)], size=(192, 120), record=open_sink(plain))
    figures = live.run()
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["painted.mp4", "plain.mkv"]
    for path, sink in zip((painted, plain), figures.sinks, strict=True):
        with open_source(path) as take:
            frames = list(take)
            times = [float(frame.pts * take.info.time_base) for frame in frames]
            assert (take.info.width, take.info.height) == (192, 120)
        assert len(frames) == sink.written
        assert times[0] == 0
        assert 0 < times[-1] < 0.6  # half a second, and what of it a busy machine came to see
        assert not frames[-1].image[10:110, :12].max() > 20  # the bar on the left
        assert frames[-1].image[10:110, 20:170].max() > 100


@pytest.mark.parametrize("trouble", [None, "unplug", "stall"])
def test_a_run_goes_on_with_another_source_whatever_the_first_one_does(clock, trouble):
    said, sink, first, second = [], FakeDevice(clock), FakeCamera(clock), FakeCamera(clock, (32, 48))
    live = Live(first, darker, [sink], clock=clock, say=said.append)
    if trouble:
        clock.at(1.0, getattr(first, trouble))
    clock.at(2.0, lambda: live.switch(second))
    clock.at(4.0, live.stop)
    live.run()
    assert first.closed
    assert second.closed
    assert first.socket.opened <= 3  # nobody goes on to try it
    late = [frame for frame, at in zip(sink.frames, sink.device.times, strict=True) if at > 2.8]
    assert len(late) > 30
    assert all(frame.captured is not None for frame in late)
    assert {frame.image.shape for frame in late} == {(48, 64, 3)}
    assert all(frame.image[24, 2].max() == 0 for frame in late)  # the bars beside a narrower picture


def test_a_source_that_comes_after_the_end_is_closed(clock):
    second = FakeCamera(clock)
    live = Live(FakeCamera(clock), darker, [FakeDevice(clock)], clock=clock)
    clock.at(0.5, live.stop)
    clock.at(0.5, lambda: live.switch(second))
    live.run()
    assert second.closed
