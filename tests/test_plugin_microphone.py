"""Microphones: a stand-in for the library sounddevice, and PortAudio itself with a device that is a file."""

from __future__ import annotations

import builtins
import ctypes.util
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from nstfilter.errors import MissingLibraryError, SourceError, UsageError
from nstfilter.manager import manager, open_microphone
from nstfilter.plugins import microphones
from nstfilter.plugins.doctor import devices as doctor_devices
from nstfilter.plugins.microphone import device as device_module
from nstfilter.plugins.microphone.device import BLOCK, WAITING, SoundDevice
from nstfilter.plugins.microphones import Input, find, inputs, install_line
from nstfilter.streams import SoundInfo


class Library:
    """As much of sounddevice as is used. `broken` is why no stream opens; `fussy` devices know one rate."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *names, channels=1, rate=44_100):
        self.names, self.channels, self.rate = list(names), channels, rate
        self.default = SimpleNamespace(device=(len(names), 0))
        self.broken, self.fussy, self.streams, self.restarts = None, False, [], 0

    def query_devices(self):
        about = {"max_input_channels": self.channels, "default_samplerate": float(self.rate)}
        return [{"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48000.0}] + [
            {"name": name, **about} for name in self.names
        ]

    def InputStream(self, **options):  # noqa: N802  (its name)
        if self.broken or (self.fussy and options["samplerate"] != self.rate):
            raise self.PortAudioError(self.broken or "Invalid sample rate [PaErrorCode -9997]")
        stream = SimpleNamespace(
            options=options,
            start=lambda: None,
            close=lambda ignore_errors=True: options["finished_callback"](),
        )
        self.streams.append(stream)
        return stream

    def _terminate(self):
        self.restarts += 1

    def _initialize(self):
        pass

    def hear(self, samples, age=0.03):
        times = SimpleNamespace(currentTime=7.0, inputBufferAdcTime=7.0 - age)
        self.streams[-1].options["callback"](samples, len(samples), times, None)


FOUND = [
    Input(1, "Yeti Stereo", 2, 48_000),
    Input(3, "Webcam", 1, 44_100, True),
    Input(4, "Webcam 2", 1, 8000),
]


@pytest.mark.parametrize(
    ("target", "number"), [("", 3), ("1", 1), ("yeti", 1), ("Webcam", 3), ("webcam 2", 4), ("2", None)]
)
def test_an_input_is_found_by_number_and_name(target, number):
    if number is None:
        with pytest.raises(SourceError, match="there are: Yeti Stereo"):
            find(target, FOUND)
    else:
        assert find(target, FOUND).number == number


def test_what_could_be_several_is_asked_for_by_number():
    with pytest.raises(UsageError, match=r"could be Webcam \(mic:3\) or Webcam 2 \(mic:4\)"):
        find("cam", FOUND)
    with pytest.raises(SourceError, match="there is no microphone; there is none"):
        find("", [])


def test_what_it_hears_comes_with_the_time_at_which_it_was_heard():
    library = Library("Yeti", "Headset")
    with SoundDevice("yeti", library) as microphone:
        assert (microphone.name, microphone.info) == ("Yeti", SoundInfo(48_000, 1))
        heard = np.linspace(-1, 1, 960, dtype=np.float32)[:, None]
        before = time.monotonic()
        library.hear(heard)
        after = time.monotonic()
        samples, captured = next(iter(microphone))
        heard[:] = 0  # PortAudio's own memory
        assert samples[-1] == 1
        assert before <= captured + 0.03 <= after
        before = time.monotonic()
        library.hear(heard, age=-3.0)  # it does not say
        assert before <= next(iter(microphone))[1] + BLOCK <= time.monotonic()


def test_a_device_that_knows_one_rate_is_taken_at_that():
    library = Library("Old", channels=8)
    library.fussy = True
    with SoundDevice("", library) as microphone:
        assert microphone.info == SoundInfo(44_100, 2)


def test_a_device_that_cannot_be_opened_is_a_line():
    library = Library("Yeti")
    library.broken = "Device\nunavailable [PaErrorCode -9985]"
    with pytest.raises(SourceError, match=r"cannot be opened: Device unavailable .* another program"):
        SoundDevice("", library)


def test_one_that_falls_silent_or_ends_is_an_error_and_is_found_again_by_its_name(monkeypatch):
    monkeypatch.setattr(device_module, "PATIENCE", 0.05)
    library = Library("Yeti", "Headset")
    microphone = SoundDevice("", library)
    assert microphone.name == "Headset"
    with pytest.raises(SourceError, match=r"Headset has given no sound for 0\.05 seconds"):
        next(iter(microphone))
    library.streams[-1].options["finished_callback"]()
    with pytest.raises(SourceError, match="gives no more sound"):
        next(iter(microphone))
    microphone.close()
    library.names.remove("Headset")
    with pytest.raises(SourceError, match="no microphone called 'Headset'"):
        microphone.reopen()
    library.names.insert(0, "Headset")
    with microphone.reopen() as again:
        assert (again.name, library.restarts) == ("Headset", 2)


def test_of_several_of_one_name_the_same_is_opened_again():
    library = Library("Yeti", "Yeti", "Yeti")
    microphone = SoundDevice("2", library)
    microphone.close()
    with microphone.reopen():
        assert library.streams[-1].options["device"] == 2
    library.names.pop()
    library.names.pop()
    with microphone.reopen():
        assert library.streams[-1].options["device"] == 1


def test_it_comes_back_also_where_portaudio_could_not_be_started_meanwhile(monkeypatch):
    library = Library("Yeti")
    microphone = SoundDevice("", library)
    microphone.close()

    def fail():
        raise library.PortAudioError("PortAudio not initialized")

    monkeypatch.setattr(library, "_initialize", fail)
    with pytest.raises(library.PortAudioError):
        microphone.reopen()
    monkeypatch.undo()
    monkeypatch.setattr(library, "_terminate", fail)
    microphone.reopen().close()


def test_closing_it_ends_a_read_that_waits():
    microphone = SoundDevice("", Library("Yeti"))
    threading.Timer(0.05, microphone.close).start()
    assert list(microphone) == []
    microphone.close()


def test_what_nobody_reads_does_not_pile_up():
    library = Library("Yeti")
    with SoundDevice("", library):
        for _ in range(2 * WAITING):
            library.hear(np.zeros((960, 1), np.float32))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ImportError(), r"pip install 'nstfilter\[sound\]'"),
        (OSError(), "PortAudio: "),
        (
            Library.PortAudioError("Error initializing: no host API"),
            r"start \(Error initializing, no host API\): ",
        ),
    ],
)
def test_what_is_missing_is_told_with_the_line_to_type(monkeypatch, error, says):
    real = builtins.__import__

    def fail(name, *rest):
        if name == "sounddevice":
            raise error
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(MissingLibraryError, match=says):
        open_microphone("mic")
    check = doctor_devices.sound()
    assert check.state == "warning"
    assert "install" in check.remedy


def test_the_doctor_names_the_microphones(monkeypatch):
    library = Library("Yeti", "Headset")
    library.default = SimpleNamespace(device=(2, 0))
    monkeypatch.setattr(microphones, "load", lambda: library)
    check = doctor_devices.sound()
    assert (check.state, check.found) == ("ok", "Yeti (mic:1), Headset (mic:2), the usual one")
    library.names.clear()
    assert doctor_devices.sound().found == "no --sound: there is no microphone"
    assert inputs(library) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere PortAudio comes with sounddevice")
@pytest.mark.parametrize(
    ("release", "line"),
    [
        ('NAME="x"\nID=ubuntu\nID_LIKE=debian\n', "sudo apt install libportaudio2"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install libportaudio2"),
        ("ID=other\n", "install the library portaudio"),
    ],
)
def test_portaudio_is_installed_as_the_distribution_has_it(tmp_path, release, line):
    (tmp_path / "os-release").write_text(release)
    assert install_line(tmp_path / "os-release") == line


def test_any_name_is_a_microphones():
    assert manager().microphones.resolve("Yeti")[0].name == "mic"
    assert manager().microphones.resolve("mic:Yeti")[1] == "Yeti"


REAL = """
import itertools, sys
from nstfilter.manager import open_microphone
from nstfilter.plugins.microphone import device
device.PATIENCE = 120.0  # for a busy machine
with open_microphone(sys.argv[1]) as microphone:
    blocks = list(itertools.islice(microphone, 20))
    print(microphone.name, microphone.info.rate, min(len(samples) for samples, _ in blocks),
          max(float(abs(samples).max()) for samples, _ in blocks))
"""


def test_portaudio_itself_gives_the_sound_of_a_device(tmp_path):
    pytest.importorskip("sounddevice", exc_type=ImportError)
    if not sys.platform.startswith("linux") or not ctypes.util.find_library("portaudio"):
        pytest.skip("PortAudio with ALSA is needed: apt-get install libportaudio2")
    (np.sin(np.arange(480_000) * 0.1) / 2).astype(np.float32).tofile(tmp_path / "in.raw")
    (tmp_path / "alsa.conf").write_text(
        f'pcm.yeti {{ type file slave.pcm null file /dev/null infile "{tmp_path}/in.raw" format raw\n'
        " hint { show on description Yeti } }\npcm.null { type null }\n"
        "pcm.!default { type plug slave.pcm yeti }\n"
    )
    environment = os.environ | {"ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}
    command = [sys.executable, "-c", REAL, "mic:yeti"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.split() == ["yeti", "48000", "960", "0.5"], done.stderr
