"""Sound beside the picture: clocks that differ, devices that go and come back, silence that is asked for."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from nstfilter.live.live import Live
from nstfilter.live.sound import KEPT, LATE, UNEQUAL, SoundReader, SoundRing
from nstfilter.manager import open_sink
from nstfilter.streams import SoundInfo
from nstfilter.testing.live import FakeCamera, FakeClock, FakeDevice, FakeMicrophone

RATE = 4000
INFO = SoundInfo(RATE, 1)
# a click and a flash every so many seconds, from the middle of such a time on
EVERY = 1.0


@pytest.fixture
def clock():
    return FakeClock()


def clicks(times):
    """10 milliseconds of 1 kHz every second, from half past on."""
    since = (times - EVERY / 2) % EVERY
    return np.where(since < 0.01, 0.8 * np.sin(2 * np.pi * 1000 * since), 0.0)


def onsets(samples, rate):
    """When clicks begin, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.1) / rate
    return loud[np.diff(loud, prepend=-1) > EVERY / 4]


@pytest.mark.parametrize(("off", "jitter"), [(200e-6, 0.004), (-500e-6, 0.0)])
def test_sound_stays_where_the_clock_has_it_for_ten_minutes(off, jitter):
    ring, count = SoundRing(INFO), RATE // 10
    random, seconds = np.random.default_rng(0), count / (RATE * (1 + off))
    found = []
    for number in range(6000):  # of a tenth of a second
        begin = number * seconds
        heard = clicks(begin + np.arange(count) * seconds / count)[:, None].astype(np.float32)
        captured = begin + random.uniform(-jitter, jitter)
        ring.add(heard, captured, RATE, begin + seconds, silent=False)
        if number % 100 == 99:
            first = ring.heard - 5 * RATE
            found += list((first / RATE + onsets(ring.read(first, 5 * RATE)[:, 0], RATE)) % EVERY)
    assert len(found) > 250
    settled = np.array(found[10:]) - EVERY / 2
    assert np.abs(settled).max() < 0.002 + jitter / 2


def test_a_resampled_tone_is_the_tone():
    ring, count = SoundRing(INFO), RATE // 50
    step = 1 / (RATE * (1 + 300e-6))

    def tone(times):
        return np.sin(2 * np.pi * 700 * times)

    for number in range(500):
        times = (number * count + np.arange(count)) * step
        ring.add(tone(times)[:, None].astype(np.float32), times[0], RATE, times[-1], silent=False)
    phases = 2 * np.pi * 700 * np.arange(8 * RATE, 8 * RATE + 2000) / RATE
    waves = np.stack([np.sin(phases), np.cos(phases)], axis=1)
    heard = ring.read(8 * RATE, 2000)[:, 0]
    (amount, late), *_ = np.linalg.lstsq(waves, heard, rcond=None)
    assert (amount, late) == (pytest.approx(1, abs=0.01), pytest.approx(0, abs=0.1))
    assert waves @ (amount, late) == pytest.approx(heard, abs=0.003)


def test_what_is_lost_is_silence_of_its_length():
    ring, ones = SoundRing(INFO), np.ones((RATE // 10, 1), np.float32)
    for captured in (*np.arange(0, 1, 0.1), *np.arange(3, 4, 0.1)):
        ring.add(ones, captured, RATE, captured + 0.1, silent=False)
    heard = ring.read(0, 4 * RATE)[:, 0]
    assert heard[100 : RATE - 100].min() > 0.9
    assert not heard[RATE + 100 : 3 * RATE - 100].any()
    assert heard[3 * RATE + 100 : 4 * RATE - 100].min() > 0.9
    assert not ring.read(ring.heard, 100).any()
    assert not ring.read(ring.heard - 60 * RATE, 100).any()


def test_a_long_pause_leaves_nothing_old():
    ring, ones = SoundRing(INFO), np.ones((RATE // 10, 1), np.float32)
    for captured in (*np.arange(0, 1, 0.1), 100.0, 100.1):
        ring.add(ones, captured, RATE, captured + 0.1, silent=False)
    assert not ring.read(ring.heard - 10 * RATE, 9 * RATE).any()


def test_a_device_that_comes_back_with_other_channels_and_another_rate_is_heard():
    ring = SoundRing(SoundInfo(RATE, 2))
    ring.add(np.ones((RATE // 10, 1), np.float32), 0.0, RATE, 0.1, silent=False)
    ring.add(np.ones((8820, 3), np.float32), 1.0, 44_100, 1.2, silent=False)
    assert ring.read(50, 300).min() > 0.9
    assert ring.read(RATE + 100, 500).min() > 0.9


def test_nothing_of_what_was_heard_while_it_was_silent_is_kept():
    """Also not of the block that comes when it is no longer silent, but was heard before."""
    ring, ones = SoundRing(INFO), np.ones((RATE // 10, 1), np.float32)
    for number in range(30):
        ring.add(ones, number / 10, RATE, number / 10 + 0.15, silent=10 <= number < 20)
    heard = ring.read(0, ring.heard)[:, 0]
    assert heard[100 : RATE - 100].min() > 0.9
    assert not heard[RATE + 1 : round(2.05 * RATE)].any()
    assert heard[round(2.06 * RATE) :].min() > 0.9


def test_sound_is_delayed_as_the_picture_is_and_follows_it(clock):
    ring, ramp = SoundRing(INFO), np.arange(60 * RATE, dtype=np.float32)[:, None] / RATE
    reader, given = SoundReader(ring, clock), []
    for number in range(600):
        clock.time = number / 30
        if number % 3 == 0:
            at = number * RATE // 30
            ring.add(ramp[at : at + RATE // 10], clock.time, RATE, clock.time, silent=False)
        latency = 0.05 if number < 200 else 0.15
        if number > 10 and (block := reader.until(clock.time, clock.time - latency)) is not None:
            given.append(block[:, 0])
    heard = np.concatenate(given)
    times = 11 / 30 + np.arange(len(heard)) / RATE
    delays = times - heard
    assert delays[100 : 3 * RATE] == pytest.approx(0.05, abs=0.001)
    assert delays[-3 * RATE :] == pytest.approx(0.15, abs=UNEQUAL)
    assert np.diff(heard).min() > -0.01, "it goes back gently"
    assert len(heard) / RATE == pytest.approx(19.6, abs=0.2)


def test_sound_that_does_not_come_is_silence_after_a_while(clock):
    ring = SoundRing(INFO)
    reader = SoundReader(ring, clock)
    lengths = []
    for number in range(90):
        clock.time = number / 30
        block = reader.until(clock.time, clock.time)
        lengths.append(0 if block is None else len(block))
        assert block is None or not block.any()
    assert sum(lengths) == pytest.approx((3 - LATE) * RATE, abs=RATE / 20)


def test_after_hours_without_a_frame_what_is_missing_is_given_in_pieces(clock):
    ring = SoundRing(INFO)
    reader = SoundReader(ring, clock)
    reader.until(0.0, 0.0)
    lengths = []
    for number in range(200):
        clock.time = 3600 + number / 30
        block = reader.until(clock.time, clock.time)
        lengths.append(0 if block is None else len(block))
    assert max(lengths) <= KEPT * RATE, "what is made at once does not grow with the time"
    assert sum(lengths) == pytest.approx((clock.time - LATE) * RATE, abs=RATE / 20)


class Recording(FakeDevice):
    takes_sound = True


class Flashing(FakeCamera):
    """White at the moments at which `clicks` clicks."""

    def __init__(self, clock, rate=Fraction(30), socket=None):
        super().__init__(clock, rate=rate, socket=socket)
        self.reopen = lambda: Flashing(clock, rate, self.socket)

    def _frames(self):
        for frame in super()._frames():
            frame.image[:] = 255 if (frame.captured - EVERY / 2 + 1e-6) % EVERY < 0.05 else 20
            yield frame


def slow(clock, seconds):
    """A filter that takes so long for a picture."""

    def paint(image):
        clock.sleep(seconds(clock.now()))
        return image

    return paint


def distances(times, bright, samples, rate):
    """Seconds from each flash to the click nearest to it."""
    dark_before = np.concatenate([[False], ~bright[:-1]])
    flashes, heard = times[bright & dark_before], onsets(samples, rate)
    return np.array([heard[np.abs(heard - flash).argmin()] - flash for flash in flashes])


def recorded(sink):
    """The times of frames, whether each is bright, and the sound."""
    base = sink.info.time_base
    times = np.array([float(frame.pts * base) for frame in sink.frames])
    bright = np.array([frame.image.mean() > 128 for frame in sink.frames])
    sound = [frame.sound for frame in sink.frames if frame.sound is not None]
    return times, bright, np.concatenate(sound)[:, 0]


def test_flash_and_click_stay_together_through_reconnects_and_slow_pictures(clock):
    camera, microphone = (
        Flashing(clock, Fraction(10)),
        FakeMicrophone(clock, clicks, INFO, off=2000e-6, block=0.05),
    )
    first, later, said = Recording(clock), Recording(clock), []
    live = Live(
        camera,
        slow(clock, lambda now: 0.03 if now < 18 else 0.09),
        [first],
        microphone=microphone,
        clock=clock,
        say=said.append,
    )
    clock.at(4.2, camera.unplug)
    clock.at(5.9, camera.plug)
    clock.at(9.2, microphone.unplug)
    clock.at(9.9, microphone.plug)
    clock.at(13.3, lambda: live.add(later))
    clock.at(28.017, live.stop)
    live.run()
    assert [line for line in said if "microphone" in line] == [
        "the microphone broke off: the microphone was unplugged; recordings are silent until it is back",
        "the microphone is back",
    ]
    assert first.info.sound == INFO
    for sink in (first, later):
        times, bright, samples = recorded(sink)
        away = distances(times, bright, samples, RATE)
        assert len(away) > 11
        near = np.abs(away) < EVERY / 4  # while the microphone was away there was no click
        assert (~near).sum() <= (2 if sink is first else 0)
        # when pictures begin to take longer, sound follows within a second and a half
        assert np.sort(np.abs(away[near]))[:-2].max() < 0.025
        assert len(samples) / RATE == pytest.approx(times[-1], abs=0.2)


def test_the_plain_camera_is_recorded_with_its_sound_too(clock):
    plain, painted = Recording(clock), FakeDevice(clock)
    live = Live(
        Flashing(clock),
        slow(clock, lambda now: 0.2),
        [painted],
        record=plain,
        microphone=FakeMicrophone(clock, clicks, INFO),
        clock=clock,
    )
    clock.at(10.017, live.stop)
    live.run()
    assert painted.info.sound is None
    assert all(frame.sound is None for frame in painted.frames)
    away = distances(*recorded(plain), RATE)
    assert len(away) >= 9
    assert np.abs(away).max() < 0.01


class Silenced:
    """A filter with what `Controls` has."""

    muted = card_shown = False

    def __call__(self, image):
        return image


@pytest.mark.parametrize("switch", ["muted", "card_shown"])
def test_muted_and_behind_the_card_silence_is_recorded_and_the_picture_goes_on(clock, switch):
    paint, sink = Silenced(), Recording(clock)
    microphone = FakeMicrophone(clock, np.ones_like, INFO)
    live = Live(FakeCamera(clock), paint, [sink], microphone=microphone, clock=clock)
    clock.at(3.0, lambda: setattr(paint, switch, True))
    clock.at(6.0, lambda: setattr(paint, switch, False))
    clock.at(9.017, live.stop)
    live.run()
    times, _, samples = recorded(sink)
    heard = samples[: 8 * RATE].reshape(-1, RATE // 20).max(axis=1) > 0.5
    begun = sink.device.times[0]
    silent = np.flatnonzero(~heard[2:]) / 20 + 0.1 + begun
    assert 2.9 < silent.min() < 3.15
    assert 5.85 < silent.max() < 6.1
    assert len(silent) == pytest.approx(60, abs=3)
    assert np.diff(times) == pytest.approx(1 / 30)


def test_a_microphone_that_cannot_be_opened_again_ends_with_the_run(clock):
    microphone = FakeMicrophone(clock, clicks, INFO)
    live = Live(
        FakeCamera(clock), lambda image: image, [Recording(clock)], microphone=microphone, clock=clock
    )
    live.say = lambda line: None
    clock.at(1.0, microphone.unplug)
    clock.at(5.0, live.stop)
    live.run()
    assert clock.now() < 5.5
    assert microphone.closed


def test_the_end_of_a_microphone_that_cannot_be_opened_again_is_said(clock):
    microphone, said = FakeMicrophone(clock, clicks, INFO), []
    microphone.reopen = None
    live = Live(
        FakeCamera(clock), Silenced(), [Recording(clock)], microphone=microphone, clock=clock, say=said.append
    )
    clock.at(1.0, microphone.unplug)
    clock.at(2.017, live.stop)
    live.run()
    assert said == ["the microphone broke off: the microphone was unplugged; recordings are silent"]


def record(clock, path, seconds, rate=48_000, channels=1, **options):
    info = SoundInfo(rate, channels)
    live = Live(
        Flashing(clock),
        slow(clock, lambda now: 0.05),
        [open_sink(path, **options)],
        microphone=FakeMicrophone(clock, clicks, info, off=200e-6, block=0.05),
        clock=clock,
    )
    clock.at(seconds + 0.017, live.stop)
    live.run()


def decoded(path):
    """As `recorded`, of a file."""
    with av.open(path) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        times, bright, blocks, at = [], [], [], []
        mono = av.AudioResampler("fltp", "mono", sound.rate)
        for frame in container.decode(video, sound):
            if isinstance(frame, av.VideoFrame):
                times.append(float(frame.pts * frame.time_base))
                bright.append(frame.to_ndarray(format="gray").mean() > 128)
            else:
                at.append(float(frame.pts * frame.time_base))
                blocks += [part.to_ndarray()[0] for part in mono.resample(frame)]
        samples = np.concatenate(blocks)
        peak = np.abs(samples).max()
        rate, name = sound.rate, sound.codec_context.name
    # of sound that does not begin at 0, what is missing is put before it
    samples = np.concatenate([np.zeros(max(0, round(at[0] * rate)), np.float32), samples / peak])
    return (np.array(times), np.array(bright), samples), rate, name


@pytest.mark.parametrize(
    ("name", "codec", "sound", "channels"),
    [
        ("a.mp4", None, "aac", 1),
        ("a.mkv", None, "opus", 2),
        ("a.webm", None, "opus", 1),
        ("b.mkv", "ffv1", "flac", 2),
    ],
)
def test_recordings_have_the_sound_their_container_wants(clock, tmp_path, name, codec, sound, channels):
    path = tmp_path / name
    record(
        clock, path, 4, 44_100 if channels == 1 else 48_000, channels, **({"codec": codec} if codec else {})
    )
    tracks, rate, coded = decoded(path)
    assert coded == sound
    away = distances(*tracks, rate)
    assert len(away) >= 3
    assert np.abs(away).max() < 0.04
    assert len(tracks[2]) / rate == pytest.approx(tracks[0][-1], abs=0.2)


def test_a_recording_without_a_sample_is_a_video_still(clock, tmp_path):
    microphone = FakeMicrophone(clock, clicks)
    path = tmp_path / "a.mp4"
    live = Live(FakeCamera(clock), lambda image: image, [open_sink(path)], microphone=microphone, clock=clock)
    live.say = lambda line: None
    clock.at(0.001, microphone.unplug)
    clock.at(0.5, live.stop)
    live.run()
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) > 5


@pytest.mark.slow
def test_after_ten_minutes_flash_and_click_are_together_as_ffmpeg_has_them(clock, tmp_path):
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    path = tmp_path / "a.mp4"
    record(clock, path, 600)
    command = ["ffmpeg", "-v", "error", "-i", str(path)]
    gray = [
        *command,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-vf",
        "fps=30:start_time=0,scale=1:1:flags=area",
        "-",
    ]
    bright = np.frombuffer(subprocess.run(gray, capture_output=True, check=True).stdout, np.uint8) > 128
    sound = [*command, "-vn", "-af", "aresample=async=1:first_pts=0", "-ar", "8000", "-f", "f32le", "-"]
    samples = np.frombuffer(subprocess.run(sound, capture_output=True, check=True).stdout, np.float32)
    away = distances(np.arange(len(bright)) / 30, bright, samples / np.abs(samples).max(), 8000)
    assert len(away) >= 598
    assert np.abs(away).max() < 0.04
    assert np.abs(away[-30:].mean() - away[:30].mean()) < 0.005, "and drift nowhere"
