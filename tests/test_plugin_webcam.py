"""Webcams: which there are, which one is meant, and what is done when they fail. The real thing, with a real
capture device, is in test_camera_vm.py."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections import deque
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from nstfilter.errors import SourceError, UsageError
from nstfilter.manager import open_source
from nstfilter.plugins import cameras as devices
from nstfilter.plugins import v4l2
from nstfilter.plugins.cameras import Camera, find, find_again, linux_cameras, other_cameras
from nstfilter.plugins.v4l2 import Abilities, Format
from nstfilter.plugins.webcam import source as webcam_source
from nstfilter.plugins.webcam.source import WebcamSource

MJPG, YUYV = Format("MJPG", 1280, 720, 30.0), Format("YUYV", 640, 480, 30.0)
LOGITECH = Camera(0, "Logitech BRIO", "/dev/video0", (MJPG, YUYV), bus="/usb/1")
LAPTOP = Camera(2, "Integrated Camera", "/dev/video2", (MJPG,), bus="/usb/2")
OURS = Camera(10, "nstfilter", "/dev/video10", virtual=True, bus="/virtual/10")
FOUND = [LOGITECH, LAPTOP, OURS]


class FakeCapture:
    """What `cv2.VideoCapture` is to the source. The test hands it pictures with `give`, one for each read;
    None is a read that fails, and without any the read hangs, until the capture is let go of."""

    def __init__(self, *, opens: bool = True, rate: float = 30.0) -> None:
        self.opens, self.rate = opens, rate
        self.asked: list[tuple[int, float]] = []
        self.given: deque = deque()
        self.condition = threading.Condition()
        self.released_by: str | None = None
        self.hung = threading.Event()
        self.stamp = 0.0

    def give(self, *images) -> None:
        with self.condition:
            self.given.extend(images)
            self.condition.notify_all()

    def isOpened(self):  # noqa: N802
        return self.opens

    def set(self, what, value):
        self.asked.append((what, value))
        return True

    def get(self, what):
        return {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_POS_MSEC: self.stamp * 1000}[what]

    def grab(self):
        with self.condition:
            self.condition.wait_for(lambda: self.given or self.hung.is_set())
            self.image = self.given.popleft() if self.given else None
            return self.image is not None

    def retrieve(self):
        if isinstance(self.image, str):
            return False, None
        return True, self.image

    def release(self):
        self.released_by = threading.current_thread().name


@pytest.fixture
def opened():
    """Sources and captures, closed when a test is over; no reading thread may be left then."""
    things: list = []
    yield things
    for capture in things:
        if isinstance(capture, FakeCapture):
            capture.hung.set()
            capture.give()
    for source in things:
        if isinstance(source, WebcamSource):
            wait_until(lambda: all(thread.name != "nstfilter-webcam" for thread in threading.enumerate()))


@pytest.fixture
def plug(opened):
    """Opens a source on a fake camera: `source, capture = plug()`."""

    def open(camera=LOGITECH, *, images=None, patience=(60.0, 60.0), cameras=FOUND, capture=None):
        capture = capture or FakeCapture()
        capture.give(*([picture(1)] if images is None else images))
        opened.append(capture)
        source = WebcamSource(
            camera,
            1280,
            720,
            Fraction(30),
            list_cameras=lambda: list(cameras),
            capture=lambda asked: capture,
            patience=patience,
        )
        opened.append(source)
        return source, capture

    return open


def picture(level: int, size=(32, 24)) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, np.uint8)


# which there are


@pytest.fixture
def tree(tmp_path):
    """A sysfs, a /dev and a /proc: `tree.node(0, "Logitech", bus="usb1")`."""
    sysfs, dev, proc = tmp_path / "sys", tmp_path / "dev", tmp_path / "proc"
    for folder in (sysfs, dev, proc):
        folder.mkdir()

    def node(number, name, *, bus="", loopback=False):
        folder = sysfs / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (dev / folder.name).touch()
        if bus:
            (tmp_path / bus).mkdir(exist_ok=True)
            (folder / "device").symlink_to(tmp_path / bus)
        if loopback:
            (folder / "max_openers").write_text("10\n")
        return str(dev / folder.name)

    def program(pid, name, *paths):
        (proc / str(pid) / "fd").mkdir(parents=True)
        (proc / str(pid) / "comm").write_text(f"{name}\n")
        for number, path in enumerate(paths):
            (proc / str(pid) / "fd" / str(number)).symlink_to(path)

    return SimpleNamespace(node=node, program=program, sysfs=sysfs, dev=dev, proc=proc)


def test_cameras_are_the_nodes_that_capture(tree):
    abilities = {
        tree.node(10, "nstfilter", loopback=True): Abilities(v4l2.CAPTURE),
        tree.node(0, "Logitech BRIO", bus="usb1"): Abilities(v4l2.CAPTURE, (MJPG,)),
        tree.node(1, "Logitech BRIO", bus="usb1"): Abilities(),  # its metadata
        tree.node(2, "Integrated Camera", bus="usb2"): Abilities(v4l2.CAPTURE, (MJPG,), busy=True),
        tree.node(3, "Secret", bus="usb3"): Abilities(error=errno.EACCES),
        tree.node(4, "Gone", bus="usb4"): Abilities(error=errno.ENODEV),
        tree.node(11, "unused", loopback=True): Abilities(v4l2.OUTPUT),
    }
    tree.program(4321, "zoom", "/dev/null", str(tree.dev / "video2"))
    tree.program(4322, "music", "/dev/snd")
    (tree.sysfs / "v4l-subdev0").mkdir()
    found = linux_cameras(tree.sysfs, tree.dev, tree.proc, abilities.__getitem__)
    assert [(c.index, c.name, c.busy_with, c.virtual, c.denied) for c in found] == [
        (0, "Logitech BRIO", None, False, False),
        (2, "Integrated Camera", "zoom (4321)", False, False),
        (3, "Secret", None, False, True),
        (10, "nstfilter", None, True, False),
    ]
    assert found[0].formats == (MJPG,)
    assert found[0].bus == str(tree.sysfs.parent / "usb1")


def test_a_camera_without_a_holder_we_may_see_is_busy_all_the_same(tree):
    path = tree.node(0, "Logitech")
    (camera,) = linux_cameras(
        tree.sysfs, tree.dev, tree.proc, {path: Abilities(v4l2.CAPTURE, busy=True)}.__getitem__
    )
    assert camera.busy_with == "another program"


def test_this_program_is_told_from_others(tree):
    tree.program(os.getpid(), "python", "/dev/video0")
    assert v4l2.holders("/dev/video0", tree.proc) == ["this program itself"]


def test_a_computer_without_video_has_no_cameras(tmp_path):
    assert linux_cameras(tmp_path / "none", tmp_path, tmp_path) == []


def test_a_node_that_cannot_be_asked_says_why(tmp_path):
    assert v4l2.query(str(tmp_path / "none")).error == errno.ENOENT
    (tmp_path / "file").touch()
    assert v4l2.query(str(tmp_path / "file")).error == errno.ENOTTY


def test_other_systems_are_asked_in_the_order_of_opencv(monkeypatch):
    def enumerate_cameras(api):
        assert api == cv2.CAP_DSHOW
        return [
            SimpleNamespace(index=0, name="OBS Virtual Camera", path=None),
            SimpleNamespace(index=1, name="Logitech BRIO", path=r"\\?\usb#1"),
        ]

    module = SimpleNamespace(enumerate_cameras=enumerate_cameras)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", module)
    monkeypatch.setattr(sys, "platform", "win32")
    found = devices.cameras()
    assert found == other_cameras(cv2.CAP_DSHOW)
    assert find("", found).name == "Logitech BRIO"
    assert (found[1].index, found[1].path) == (1, r"\\?\usb#1")


# which one is meant


@pytest.mark.parametrize(
    ("target", "camera"),
    [
        ("", LOGITECH),
        ("2", LAPTOP),
        ("/dev/video2", LAPTOP),
        ("logi", LOGITECH),
        ("integrated camera", LAPTOP),
        ("nst", OURS),
        ("10", OURS),
    ],
)
def test_a_camera_is_meant_by_number_path_or_part_of_its_name(target, camera):
    assert find(target, FOUND) == camera


def test_a_number_may_be_part_of_a_name():
    camera = Camera(0, "HD Pro Webcam C920", "/dev/video0")
    assert find("920", [camera]) == camera


def test_an_identifier_that_is_no_path_is_one_too():
    """As on macOS."""
    cameras = [Camera(0, "FaceTime HD", "0x1420000005ac8600"), Camera(1, "BRIO", "0x2000046d085e")]
    assert find("0x2000046d085e", cameras) == cameras[1]


def test_a_link_is_followed(tmp_path):
    camera = Camera(0, "Logitech", str(tmp_path / "video0"))
    (tmp_path / "by-id").symlink_to(tmp_path / "video0")
    assert find(str(tmp_path / "by-id"), [camera]) == camera


def test_a_whole_name_wins_over_a_part():
    studio = Camera(4, "Logitech BRIO Studio", "/dev/video4")
    assert find("Logitech BRIO", [studio, LOGITECH]) == LOGITECH


def test_a_name_of_several_names_them():
    with pytest.raises(UsageError, match=r"Logitech BRIO \(webcam:0\) or Integrated Camera \(webcam:2\)"):
        find("r", [LOGITECH, LAPTOP])


@pytest.mark.parametrize(
    ("target", "found", "message"),
    [
        ("", [], "no webcam was found; plug one in, or try --from demo"),
        ("", [OURS], r"no webcam was found.*there is: nstfilter \(webcam:10\)"),
        ("sony", FOUND, r"no webcam is called 'sony'; there are: Logitech BRIO \(webcam:0\), Integrated"),
        ("sony", [], "no webcam is called 'sony'; none was found"),
        ("7", FOUND, "no webcam is called '7'"),
        ("/dev/video7", FOUND, "no webcam is called '/dev/video7'"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(target, found, message):
    with pytest.raises(SourceError, match=message):
        find(target, found)


def test_a_camera_is_found_again_under_another_number():
    moved = Camera(5, LOGITECH.name, "/dev/video5", bus="/usb/7")
    assert find_again(LOGITECH, [LAPTOP, moved]) == moved
    twin = Camera(1, LOGITECH.name, "/dev/video1", bus="/usb/9")
    back = Camera(5, LOGITECH.name, "/dev/video5", bus=LOGITECH.bus)
    assert find_again(LOGITECH, [twin, back]) == back
    with pytest.raises(SourceError, match=r"Logitech BRIO is not plugged in; there is: Integrated"):
        find_again(LOGITECH, [LAPTOP])


def test_the_door_leads_here(monkeypatch):
    monkeypatch.setattr(devices, "cameras", lambda: [])
    for target in ("webcam", "webcam:0", "/dev/video0", "/dev/v4l/by-id/usb-Logitech"):
        with pytest.raises(SourceError, match="no webcam"):
            open_source(target)
    with pytest.raises(UsageError, match="expected 1280x720"):
        open_source("webcam", width=0)


# pictures


def test_mjpeg_is_asked_for_first_and_what_comes_is_taken(plug):
    source, capture = plug()
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    assert capture.asked == [
        (cv2.CAP_PROP_FOURCC, fourcc),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30.0),
    ]
    info = source.info
    assert (info.width, info.height, info.rate, info.live) == (32, 24, 30, True)
    assert info.details["camera"] == "Logitech BRIO"


def test_a_camera_without_mjpeg_is_not_asked_for_it(plug):
    _, capture = plug(Camera(0, "old", "/dev/video0", (YUYV,)))
    assert cv2.CAP_PROP_FOURCC not in dict(capture.asked)


@pytest.mark.parametrize("claimed", [0.0, -1.0, float("nan"), 1e9])
def test_a_rate_that_cannot_be_is_not_believed(plug, claimed):
    source, _ = plug(capture=FakeCapture(rate=claimed))
    assert source.info.rate == 30


def test_only_the_newest_picture_is_kept(plug):
    source, capture = plug()
    frames = iter(source)
    assert next(frames).image[0, 0, 0] == 1
    capture.give(picture(2), picture(3), picture(4))
    wait_until(lambda: not capture.given and source._latest is not None and source._latest[0][0, 0, 0] == 4)
    assert next(frames).image[0, 0, 0] == 4


def test_pictures_carry_the_time_of_capture(plug, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(webcam_source, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    source, capture = plug()
    frames = iter(source)
    first = next(frames)
    assert (first.captured, first.pts) == (100.0, 0)
    # the driver's own time, where it goes by our clock; vivid's lies ahead at times
    now[0], capture.stamp = 101.0, 100.75
    capture.give(picture(2))
    frame = next(frames)
    assert frame.captured == (100.75 if sys.platform.startswith("linux") else 101.0)
    for now[0], capture.stamp in ((102.0, 107.0), (103.0, 1.0)):
        capture.give(picture(3))
        late = next(frames)
        assert late.captured == now[0]
    assert first.pts < frame.pts < late.pts


def test_the_real_rate_is_measured_and_a_slow_camera_is_spoken_of(plug, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(webcam_source, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    source, capture = plug()
    assert source.rate is None
    frames = iter(source)
    next(frames)
    for _ in range(60):
        now[0] += 1 / 10
        capture.give(picture(2))
        next(frames)
    assert source.rate == pytest.approx(10)
    (remark,) = source.warnings
    assert "gives 10 frames a second of the 30 asked for" in remark


def test_a_torn_picture_is_left_out_and_spoken_of_once(plug):
    source, capture = plug()
    frames = iter(source)
    next(frames)
    capture.give("torn", "torn", picture(2))
    assert next(frames).image[0, 0, 0] == 2
    capture.give("torn", picture(3))
    assert next(frames).image[0, 0, 0] == 3
    (remark,) = source.warnings
    assert "came torn" in remark


# failures


def test_a_camera_that_hangs_is_an_error(plug):
    source, _ = plug(patience=(60.0, 0.02))
    frames = iter(source)
    next(frames)
    with pytest.raises(
        SourceError, match=r"Logitech BRIO \(webcam:0\) has given no picture for 0.02 seconds"
    ):
        next(frames)
    closing = threading.Thread(target=source.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive(), "it waits for the driver"


def test_a_camera_that_never_begins_is_an_error(plug):
    with pytest.raises(SourceError, match="has given no picture"):
        plug(images=(), patience=(0.02, 0.02))


@pytest.mark.parametrize(
    ("cameras", "message"),
    [([LAPTOP], r"Logitech BRIO \(webcam:0\) was unplugged"), (FOUND, "gives no more pictures")],
)
def test_reads_that_fail_end_it_with_the_reason(plug, cameras, message, monkeypatch):
    monkeypatch.setattr(webcam_source, "PAUSE", 0)
    source, capture = plug(images=[picture(1), *[None] * webcam_source.FAILURES], cameras=cameras)
    frames = iter(source)
    with pytest.raises(SourceError, match=message):
        [None for _ in frames]
    wait_until(lambda: capture.released_by)


def test_a_few_failed_reads_are_forgiven(plug, monkeypatch):
    monkeypatch.setattr(webcam_source, "PAUSE", 0)
    source, _ = plug(images=[*[None] * (webcam_source.FAILURES - 1), picture(1)])
    assert next(iter(source)).image[0, 0, 0] == 1


def test_failed_reads_count_only_in_a_row(plug, monkeypatch):
    monkeypatch.setattr(webcam_source, "PAUSE", 0)
    source, capture = plug()
    frames = iter(source)
    next(frames)
    for _ in range(webcam_source.FAILURES + 1):
        capture.give("torn", picture(2))
        next(frames)


def test_a_size_that_changes_is_an_error(plug):
    source, capture = plug()
    frames = iter(source)
    next(frames)
    capture.give(picture(1, (64, 48)))
    with pytest.raises(SourceError, match="has changed its size to 64x48"):
        next(frames)


def test_a_busy_camera_names_its_holder_and_a_free_one(plug):
    busy = Camera(0, "Logitech BRIO", "/dev/video0", busy_with="zoom (4321)")
    with pytest.raises(SourceError) as refused:
        plug(busy, cameras=[busy, LAPTOP, OURS])
    assert str(refused.value) == (
        "Logitech BRIO (webcam:0) is in use by zoom (4321): close it there first; "
        "free is: Integrated Camera (webcam:2)"
    )
    # taken between the look and the opening
    with pytest.raises(SourceError, match=r"in use by zoom \(4321\)"):
        plug(cameras=[busy], capture=FakeCapture(opens=False))


@pytest.mark.parametrize(
    ("cameras", "message"), [(FOUND, "cannot be opened; is another program"), ([LAPTOP], "was unplugged")]
)
def test_a_camera_that_cannot_be_opened_says_so(plug, cameras, message):
    with pytest.raises(SourceError, match=message):
        plug(cameras=cameras, capture=FakeCapture(opens=False))


def test_a_camera_one_may_not_open_comes_with_the_line_to_type(plug):
    with pytest.raises(SourceError, match=r"sudo usermod -aG video \$USER"):
        plug(Camera(0, "Secret", "/dev/video0", denied=True))


def test_it_is_closed_from_another_thread_while_it_waits(plug):
    source, capture = plug()
    frames = iter(source)
    next(frames)
    got = []
    waiting = threading.Thread(target=lambda: got.extend(frames))
    waiting.start()
    capture.give(picture(2))
    wait_until(lambda: got)
    source.close()
    waiting.join(60)
    assert not waiting.is_alive()
    assert [frame.image[0, 0, 0] for frame in got] == [2]


def test_the_thread_that_reads_is_the_one_that_lets_go(plug):
    source, capture = plug()
    capture.hung.set()
    capture.give()
    source.close()
    wait_until(lambda: capture.released_by)
    assert capture.released_by == "nstfilter-webcam"
    assert list(source) == []


def test_it_is_opened_again_by_name(opened):
    captures = {path: FakeCapture() for path in ("/dev/video0", "/dev/video5")}
    opened += captures.values()
    there = [LOGITECH]
    for level, capture in enumerate(captures.values()):
        capture.give(picture(level))
    source = WebcamSource(
        LOGITECH,
        32,
        24,
        Fraction(30),
        list_cameras=lambda: list(there),
        capture=lambda camera: captures[camera.path],
    )
    there.clear()
    with pytest.raises(SourceError, match="not plugged in"):
        source.reopen()
    there.append(Camera(5, LOGITECH.name, "/dev/video5", (MJPG,), bus=LOGITECH.bus))
    again = source.reopen()
    opened += [source, again]
    assert again.camera.index == 5
    assert next(iter(again)).image[0, 0, 0] == 1
    assert again.reopen


@pytest.mark.parametrize(
    ("platform", "arguments"),
    [
        ("linux", ("/dev/video0", cv2.CAP_V4L2)),
        ("win32", (0, cv2.CAP_DSHOW)),
        ("darwin", (0, cv2.CAP_AVFOUNDATION)),
    ],
)
def test_each_system_has_its_way_to_open(platform, arguments, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *asked: asked)
    monkeypatch.setenv("OPENCV_VIDEOIO_V4L2_SELECT_TIMEOUT", "2")
    assert webcam_source.capture(LOGITECH) == arguments


def wait_until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)
