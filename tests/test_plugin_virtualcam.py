"""Virtual cameras: which there are, what reaches them, and what is said when there is none. The real thing,
with a real v4l2loopback device and a browser, is in test_camera_vm.py."""

from __future__ import annotations

import errno
import struct
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest
import pyvirtualcam

from nstfilter.errors import SinkError, UsageError
from nstfilter.manager import open_sink
from nstfilter.pipeline import run
from nstfilter.plugins import v4l2
from nstfilter.plugins import virtual_cameras as devices
from nstfilter.plugins.cameras import Camera
from nstfilter.plugins.v4l2 import Abilities
from nstfilter.plugins.virtual_cameras import (
    VirtualCamera,
    find,
    linux_setup_line,
    linux_virtual_cameras,
)
from nstfilter.plugins.virtualcam import loopback as virtualcam_loopback
from nstfilter.plugins.virtualcam import sink as virtualcam_sink
from nstfilter.plugins.virtualcam.loopback import Guard
from nstfilter.plugins.virtualcam.sink import VirtualcamSink
from nstfilter.streams import Frame, StreamInfo
from nstfilter.testing import MemorySource

MODPROBE = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=nstfilter"
LINE = "type: sudo modprobe v4l2loopback"
INFO = StreamInfo(64, 48, Fraction(1, 25), Fraction(25), live=True)
OBS = VirtualCamera("OBS Virtual Camera", "OBS Virtual Camera", "obs")
UNITY = VirtualCamera("Unity Video Capture", "Unity Video Capture", "unitycapture")
OURS = VirtualCamera("nstfilter", "/dev/video10", "v4l2loopback", True)
# red, green, blue over yellow, white, black: no swap of channels gives it again
CHART = np.array(
    [[(0, 0, 255), (0, 255, 0), (255, 0, 0)], [(0, 255, 255), (255, 255, 255), (0, 0, 0)]], np.uint8
)


class FakeCamera:
    """`pyvirtualcam.Camera`, as far as the sink goes. `made` are all there were."""

    made: list[FakeCamera]

    def __init__(self, width, height, fps, *, fmt, device, backend):
        self.width, self.height, self.fps, self.fmt = width, height, fps, fmt
        self.device, self.backend = device, backend
        self.frames: list[np.ndarray] = []
        self.closed = 0
        if any(other.device == device and not other.closed for other in type(self).made):
            raise RuntimeError(f"'{backend}' backend: Device {device} is already in use.")
        type(self).made.append(self)

    def send(self, frame):
        assert not self.closed
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        assert frame.shape == (self.height, self.width, 4 if self.fmt.name == "RGBA" else 3)
        self.frames.append(frame)

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """pyvirtualcam as it is on a system that has every backend."""
    FakeCamera.made = []
    monkeypatch.setattr(pyvirtualcam, "Camera", FakeCamera)
    backends = dict.fromkeys(("v4l2loopback", "obs", "unitycapture"), object)
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", backends)
    return FakeCamera


def sink_on(*found: VirtualCamera, target: str = "", backend: str | None = None) -> VirtualcamSink:
    return VirtualcamSink(target, backend, list_cameras=lambda: list(found))


def refusal(sink: VirtualcamSink, info: StreamInfo = INFO) -> str:
    with pytest.raises((SinkError, UsageError)) as refused:
        sink.open(info)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def chart(channels: int = 3) -> np.ndarray:
    image = CHART.repeat(24, axis=0).repeat(22, axis=1)[:48, :64]
    return cv2.cvtColor(image, cv2.COLOR_BGR2BGRA) if channels == 4 else np.ascontiguousarray(image)


# frames


def test_frames_reach_the_camera_in_its_size_and_rate(fake):
    sink = sink_on(OBS)
    sink.open(INFO)
    sink.write(Frame(chart()))
    sink.write(Frame(chart(4)))
    (camera,) = fake.made
    assert (camera.width, camera.height, camera.fps) == (64, 48, 25.0)
    assert (camera.device, camera.backend, camera.fmt.name) == ("OBS Virtual Camera", "obs", "BGR")
    assert all(np.array_equal(frame, chart()) for frame in camera.frames)
    sink.close()
    assert camera.closed == 1


def test_unity_capture_is_given_its_own_format(fake):
    sink = sink_on(UNITY)
    sink.open(INFO)
    sink.write(Frame(chart()))
    (camera,) = fake.made
    assert camera.fmt.name == "RGBA"
    assert np.array_equal(camera.frames[0], cv2.cvtColor(chart(), cv2.COLOR_BGR2RGBA))
    sink.close()


def test_gray_and_sliced_frames_are_sent_too(fake):
    sink = sink_on(OBS)
    sink.open(INFO)
    gray = chart()[..., 1].copy()
    sink.write(Frame(gray))
    sink.write(Frame(chart()[:, ::-1]))
    first, second = fake.made[0].frames
    assert np.array_equal(first, cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
    assert np.array_equal(second, chart()[:, ::-1])
    sink.close()


def test_it_is_not_resized_here():
    sink = sink_on(OBS)
    sink.open(INFO)
    with pytest.raises(SinkError, match="opened for 64x48, not 32x48"):
        sink.write(Frame(chart()[:, :32]))
    sink.close()


def test_odd_sizes_are_refused_with_an_even_one():
    message = refusal(sink_on(OBS), StreamInfo(641, 361, rate=Fraction(30)))
    assert message.endswith("cannot be 641x361; expected even numbers: --output-size 640x360")


@pytest.mark.parametrize("end", ["close", "abort"])
def test_it_starts_again_after_every_end(fake, end):
    for _ in range(3):
        sink = sink_on(OBS)
        sink.open(INFO)
        sink.write(Frame(chart()))
        getattr(sink, end)()
        sink.close()
    assert [camera.closed for camera in fake.made] == [1, 1, 1]


def test_a_run_that_fails_lets_go_of_it(fake):
    def broken(image):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(MemorySource([chart()]), broken, sink_on(OBS))
    assert [camera.closed for camera in fake.made] == [1]


# which one


def test_the_one_with_our_name_is_taken_first_and_a_free_one_before_a_busy_one():
    other = VirtualCamera("Dummy", "/dev/video9", "v4l2loopback")
    busy = VirtualCamera("nstfilter", "/dev/video10", "v4l2loopback", busy_with="obs (7)")
    assert find("", [other, OURS]) == OURS
    assert find("", [busy, other]) == other
    assert find("", [busy]) == busy


@pytest.mark.parametrize("target", ["nstfilter", "NST", "/dev/video10"])
def test_it_is_meant_by_path_or_part_of_its_name(target):
    assert find(target, [VirtualCamera("Dummy", "/dev/video9", "v4l2loopback"), OURS]) == OURS


def test_a_name_of_several_and_a_name_of_none_say_what_there_is():
    found = [OURS, VirtualCamera("nstfilter 2", "/dev/video11", "v4l2loopback")]
    with pytest.raises(
        UsageError, match=r"could be nstfilter \(/dev/video10\) or nstfilter 2 \(/dev/video11\)"
    ):
        find("filter", found)
    with pytest.raises(SinkError, match=r"no virtual camera is called 'zoom'; there are: nstfilter \(/dev/"):
        find("zoom", found)


def test_a_backend_that_is_not_here_is_one_line():
    assert refusal(sink_on(OBS, backend="obss")) == (
        "pyvirtualcam has no backend 'obss' here; there is: v4l2loopback, obs, unitycapture"
    )


def test_a_backend_chooses_among_the_cameras(fake):
    sink = sink_on(OBS, UNITY, backend="unitycapture")
    sink.open(INFO)
    assert fake.made[0].device == "Unity Video Capture"
    sink.close()


def test_a_busy_one_names_its_holder():
    busy = VirtualCamera("nstfilter", "/dev/video10", "v4l2loopback", True, busy_with="obs (4321)")
    assert refusal(sink_on(busy)) == "nstfilter (/dev/video10) is in use by obs (4321): close it there first"


def test_one_that_became_busy_or_went_meanwhile_says_so(monkeypatch, fake):
    def refuse(*_, **__):
        raise RuntimeError("'obs' backend: virtual camera output could\nnot be started")

    monkeypatch.setattr(pyvirtualcam, "Camera", refuse)
    assert refusal(sink_on(OBS)) == (
        "OBS Virtual Camera cannot be opened: 'obs' backend: virtual camera output could not be started"
    )
    looks = [[OBS], []]
    gone = VirtualcamSink("", list_cameras=lambda: looks.pop(0))
    assert refusal(gone).startswith("OBS Virtual Camera is gone; type: ")


def test_one_that_may_not_be_written_comes_with_the_line_to_type():
    denied = VirtualCamera("nstfilter", "/dev/video10", "v4l2loopback", denied=True)
    assert "sudo usermod -aG video $USER" in refusal(sink_on(denied))


# none


def test_without_one_the_line_for_this_system_is_given(monkeypatch):
    monkeypatch.setattr(devices, "setup_line", lambda: MODPROBE)
    assert refusal(sink_on()) == f"there is no virtual camera; type: {MODPROBE}"


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ("ID=debian\n", "sudo apt install v4l2loopback-dkms && "),
        ("NAME=Mint\nID=linuxmint\nID_LIKE='ubuntu debian'\n", "sudo apt install v4l2loopback-dkms && "),
        ("ID=fedora\n", "sudo dnf install v4l2loopback && "),
        ('ID="manjaro"\nID_LIKE=arch\n', "sudo pacman -S v4l2loopback-dkms && "),
        (
            'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
            "sudo zypper install v4l2loopback-autoload && ",
        ),
        ("ID=plan9\n", "install v4l2loopback, then: "),
    ],
)
def test_a_linux_without_the_driver_is_told_how_to_install_it(tmp_path, release, line):
    (tmp_path / "os-release").write_text(release)
    assert linux_setup_line(tmp_path, tmp_path / "os-release", tmp_path) == line + MODPROBE


def test_a_linux_with_the_driver_is_told_how_to_load_it(tmp_path):
    (tmp_path / "updates").mkdir()
    (tmp_path / "updates/v4l2loopback.ko.xz").touch()
    assert linux_setup_line(tmp_path, tmp_path, tmp_path / "loaded") == MODPROBE
    (tmp_path / "loaded/v4l2loopback").mkdir(parents=True)
    again = f"sudo modprobe -r v4l2loopback && {MODPROBE}"
    assert linux_setup_line(tmp_path, tmp_path, tmp_path / "loaded") == again


@pytest.mark.parametrize(("platform", "word"), [("darwin", "brew"), ("win32", "winget")])
def test_other_systems_have_lines_of_their_own(monkeypatch, platform, word):
    monkeypatch.setattr(sys, "platform", platform)
    assert word in devices.setup_line()
    both = [
        Camera(0, "FaceTime HD", "0"),
        *(Camera(n, c.name, "", virtual=True) for n, c in ((1, OBS), (2, UNITY))),
    ]
    monkeypatch.setattr(devices, "cameras", lambda: both)
    assert devices.virtual_cameras() == [OBS, UNITY]


# v4l2loopback


@pytest.fixture
def loopbacks(tmp_path):
    """Three v4l2loopback devices and a webcam in a sysfs; `ask(video10=caps, ...)` lists the former."""
    for number, name in ((0, "Logitech"), (9, "Dummy"), (10, "nstfilter"), (11, "shared")):
        folder = tmp_path / f"sys/video{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        if number:
            (folder / "max_openers").write_text("10\n")
    parameters = tmp_path / "modules/v4l2loopback/parameters"
    parameters.mkdir(parents=True)
    (parameters / "video_nr").write_text("10,11,9,-1\n")
    (parameters / "exclusive_caps").write_text("Y,N,Y,N\n")
    (tmp_path / "proc/77/fd").mkdir(parents=True)
    (tmp_path / "proc/77/comm").write_text("obs\n")
    (tmp_path / "proc/77/fd/3").symlink_to(tmp_path / "dev/video10")

    def ask(**abilities):
        return linux_virtual_cameras(
            tmp_path / "sys",
            tmp_path / "dev",
            tmp_path / "proc",
            lambda path: abilities[path.rpartition("/")[2]],
            tmp_path / "modules",
        )

    return ask


def test_loopback_devices_are_listed_with_their_state(loopbacks):
    both = Abilities(v4l2.CAPTURE | v4l2.OUTPUT)
    found = loopbacks(video9=both, video10=Abilities(v4l2.CAPTURE), video11=both)
    assert [(c.name, c.exclusive_caps, c.busy_with) for c in found] == [
        ("Dummy", True, None),  # both at once: a reader is left over, and the module was told otherwise
        ("nstfilter", True, "obs (77)"),
        ("shared", False, None),
    ]
    free, denied = Abilities(v4l2.OUTPUT), Abilities(error=errno.EACCES)
    found = loopbacks(video9=Abilities(), video10=free, video11=denied)
    assert [(c.busy_with, c.denied) for c in found] == [(None, False), (None, False), (None, True)]


class Device:
    """Answers the ioctls of `Guard`, and keeps them."""

    def __init__(self, width=64, height=48, codec=b"YU12"):
        self.calls: list[tuple[int, bytes]] = []
        self.form = width, height, codec

    def ioctl(self, file, request, buffer):
        self.calls.append((request, bytes(buffer)))
        if request == virtualcam_loopback.G_FMT:
            struct.pack_into("II4s", buffer, 8, *self.form)

    def requests(self):
        return [request for request, _ in self.calls]


@pytest.fixture
def device(monkeypatch, tmp_path):
    import fcntl

    made = Device()
    monkeypatch.setattr(fcntl, "ioctl", made.ioctl)
    made.path = str(tmp_path / "video10")
    (tmp_path / "video10").touch()
    made.camera = VirtualCamera("nstfilter", made.path, "v4l2loopback", True)
    made.caps = v4l2.OUTPUT
    monkeypatch.setattr(v4l2, "query", lambda path: Abilities(made.caps))
    return made


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="v4l2loopback is a Linux module")
class TestGuard:
    def test_readers_are_told_the_rate_and_the_device_streams(self, device, fake):
        sink = sink_on(device.camera)
        sink.open(INFO)
        assert device.requests() == [
            virtualcam_loopback.S_PARM,
            virtualcam_loopback.G_FMT,
            virtualcam_loopback.STREAMON,
        ]
        assert struct.unpack_from("II", device.calls[0][1], 12) == (1, 25)
        assert (fake.made[0].device, fake.made[0].fmt.name) == (device.path, "BGR")
        sink.close()

    def test_a_device_left_behind_is_mended_first(self, device):
        device.caps = 0
        Guard(device.path).close()
        assert device.requests() == [virtualcam_loopback.S_FMT, virtualcam_loopback.STREAMON]

    @pytest.mark.parametrize(
        ("form", "message"),
        [
            (
                (32, 24, b"YU12"),
                "as 32x24 YU12 and cannot become 64x48 YU12: close it there, or use --output-size 32x24",
            ),
            ((64, 48, b"YUYV"), "as 64x48 YUYV and cannot become 64x48 YU12: close it there"),
        ],
    )
    def test_a_device_that_somebody_still_shows_keeps_its_size(self, device, fake, form, message):
        device.form = form
        assert (
            refusal(sink_on(device.camera)) == f"nstfilter ({device.path}) is still shown elsewhere {message}"
        )
        assert [camera.closed for camera in fake.made] == [1]

    def test_the_guard_goes_last(self, device, fake, monkeypatch):
        gone = []
        monkeypatch.setattr(fake, "close", lambda camera: gone.append("camera"))
        monkeypatch.setattr(Guard, "close", lambda guard: gone.append("guard"))
        sink = sink_on(device.camera)
        sink.open(INFO)
        sink.close()
        assert gone == ["camera", "guard"]

    def test_the_guard_goes_also_when_the_camera_cannot_be_closed(self, device, fake, monkeypatch):
        def fail(camera):
            raise OSError("the driver is gone")

        gone = []
        monkeypatch.setattr(fake, "close", fail)
        monkeypatch.setattr(Guard, "close", lambda guard: gone.append("guard"))
        sink = sink_on(device.camera)
        sink.open(INFO)
        with pytest.raises(OSError, match="the driver is gone"):
            sink.close()
        assert gone == ["guard"]

    def test_a_device_that_is_gone_is_said(self, device, tmp_path):
        (tmp_path / "video10").unlink()
        assert "cannot be opened" in refusal(sink_on(device.camera))


# the door


def test_the_door_leads_here(monkeypatch):
    monkeypatch.setattr(virtualcam_sink.devices, "setup_line", lambda: MODPROBE)
    monkeypatch.setattr(virtualcam_sink.devices, "virtual_cameras", lambda: [])
    for target in ("virtualcam", "virtualcam:nstfilter", "/dev/video10"):
        sink = open_sink(target)
        assert isinstance(sink, VirtualcamSink)
        assert sink.reopen
    sink = open_sink("virtualcam:nstfilter", backend="v4l2loopback")
    assert (sink.target, sink.backend) == ("nstfilter", "v4l2loopback")
