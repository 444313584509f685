"""Webcam and virtual camera with real devices. Run as root where /dev/video0 is a vivid capture device and
/dev/video10 a v4l2loopback one labeled nstfilter, with exclusive_caps; see test_camera_vm.py.

    camera_vm.py                      every check, one line of JSON each: name, seconds, and error or skip
    camera_vm.py NAME...              only these
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pyvirtualcam

from nstfilter.errors import SinkError, SourceError
from nstfilter.graphics.opencv import cv2
from nstfilter.live.live import Live
from nstfilter.manager import open_sink, open_source
from nstfilter.plugins.cameras import cameras, find
from nstfilter.plugins.doctor import devices as doctor_devices
from nstfilter.plugins.virtual_cameras import virtual_cameras
from nstfilter.plugins.virtualcam.sink import VirtualcamSink
from nstfilter.plugins.webcam import open_webcam
from nstfilter.plugins.webcam.source import WebcamSource
from nstfilter.streams import Frame, StreamInfo

WEBCAM, VIRTUAL = "/dev/video0", "/dev/video10"
DRIVER = Path("/sys/bus/platform/drivers/vivid")
SIZE, RATE = (640, 360), Fraction(15)
# BGR, in two rows; no turn, mirroring or swap of channels gives it again
COLORS = [[(0, 0, 255), (0, 255, 0), (255, 0, 0)], [(0, 255, 255), (255, 255, 255), (40, 40, 40)]]
PATIENCE = 240  # seconds: the machine is emulated, by one that may be busy
LEVELS = 6  # of 255, lost on the way through limited-range YUV
# vivid's: white, yellow, cyan, green, magenta, red, blue, black, in BGR
BARS = [[1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]]
PYTHON = Path(sys.executable).name  # as the system lists the programs that `other` starts
CHECKS: dict[str, Callable[[], None]] = {}


class Skip(Exception):  # noqa: N818
    pass


def check(function: Callable[[], None]) -> Callable[[], None]:
    CHECKS[function.__name__] = function
    return function


def chart(width: int, height: int) -> np.ndarray:
    cells = np.array(COLORS, np.uint8)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)


def cells(image: np.ndarray) -> list[list[float]]:
    """The mean color in the middle of each cell of a chart."""
    height, width = image.shape[0] // 2, image.shape[1] // 3
    return [
        image[
            row * height + height // 4 : row * height + 3 * height // 4,
            column * width + width // 4 : column * width + 3 * width // 4,
        ].reshape(-1, 3).mean(axis=0).tolist()
        for row in range(2)
        for column in range(3)
    ]  # fmt: skip


def bars(image: np.ndarray) -> list[list[float]]:
    """The colors of vivid's eight bars, from its last rows, which are free of its text."""
    height, width = image.shape[:2]
    return image[height * 17 // 18 :, width // 32 :: width // 8].astype(float).mean(axis=0).tolist()


def off(colors: list[list[float]]) -> float:
    return float(np.abs(np.array(colors) - np.array(COLORS).reshape(-1, 3)).max())


@contextmanager
def writing(image: np.ndarray, sink: VirtualcamSink | None = None) -> Iterator[VirtualcamSink]:
    """`image` on the virtual camera, again and again, as a live run does."""
    sink = sink or VirtualcamSink("nstfilter")
    sink.open(StreamInfo(image.shape[1], image.shape[0], 1 / RATE, RATE, live=True))
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(float(1 / RATE)):
            sink.write(Frame(image))

    # what calls are told; OpenCV, when it opens a camera, sets its rate to 30
    told = Path("/sys/class/video4linux/video10/format").read_text().strip()
    assert told == f"YU12:{image.shape[1]}x{image.shape[0]}@{RATE}", told
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield sink
    finally:
        ended.set()
        thread.join()
        sink.close()


class Program:
    """`read`, `hold`, `write` or `leave` as another process. It is forked from one that was forked before
    there were threads, and has everything imported: to start anew takes an emulated machine ten seconds."""

    requests: socket.socket

    @classmethod
    def prepare(cls) -> None:
        cls.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            cls.requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
            while True:
                words, pipes, *_ = socket.recv_fds(theirs, 4096, 2)
                if not words:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    cls._become(words.decode().split(), *pipes)
                for pipe in pipes:
                    os.close(pipe)
                theirs.send(str(pid).encode())
        theirs.close()

    @staticmethod
    def _become(words: list[str], incoming: int, outgoing: int) -> None:
        os.dup2(incoming, 0)
        os.dup2(outgoing, 1)
        os.closerange(3, 256)
        sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
        try:
            {"read": read, "hold": hold, "write": write, "leave": leave}[words[0]](*words[1:])
        except BaseException:
            traceback.print_exc()
        os._exit(0)

    def __init__(self, *words: str) -> None:
        incoming, ours = os.pipe()
        theirs, outgoing = os.pipe()
        socket.send_fds(self.requests, [" ".join(words).encode()], [incoming, outgoing])
        self.pid = int(self.requests.recv(64))
        os.close(incoming)
        os.close(outgoing)
        self.stdin, self.stdout = open(ours, "w"), open(theirs)  # noqa: SIM115

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.01)


@contextmanager
def other(*words: str) -> Iterator[Program]:
    """Another program; it has begun its work once it has printed a line."""
    program = Program(*words)
    try:
        assert program.stdout.readline().strip() == "ready"
        yield program
    finally:
        program.kill()
        program.stdin.close()
        program.stdout.close()


def answer(program: Program) -> dict:
    program.stdin.write("\n")
    program.stdin.flush()
    return json.loads(program.stdout.readline())


def read(path: str) -> None:
    """A call: shows the camera, and says what it sees whenever it is asked."""
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    assert capture.isOpened()
    assert capture.read()[0]
    print("ready", flush=True)
    for _ in sys.stdin:
        for _ in range(4):  # the oldest ones were painted before we were asked
            got, image = capture.read()
        seen: dict[str, object] = {"got": got}
        if got:
            seen |= {"size": image.shape[1::-1], "cells": cells(image), "bars": bars(image)}
        print(json.dumps(seen), flush=True)


def hold(path: str) -> None:
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    assert capture.read()[0]
    print("ready", flush=True)
    time.sleep(600)


def write(width: str, height: str) -> None:
    with writing(chart(int(width), int(height))):
        time.sleep(0.5)
        print("ready", flush=True)
        time.sleep(600)


def leave() -> None:
    """Write to the virtual camera as programs do that know nothing of its driver."""
    camera = pyvirtualcam.Camera(640, 360, 30, device=VIRTUAL)
    camera.send(np.zeros((360, 640, 3), np.uint8))
    camera.close()
    print("ready", flush=True)


def refusal(error: type[Exception], work: Callable[[], object]) -> str:
    try:
        work()
    except error as refused:
        message = str(refused)
    else:
        raise AssertionError(f"expected a {error.__name__}")
    assert "\n" not in message
    assert "Errno" not in message
    return message


def saw_the_chart(seen: dict, size: tuple[int, int] = SIZE) -> None:
    assert seen["got"], seen
    assert tuple(seen["size"]) == size, seen
    assert off(seen["cells"]) <= LEVELS, seen


@check
def devices_are_listed() -> None:
    (webcam,) = cameras()
    assert (webcam.index, webcam.path, webcam.busy_with, webcam.virtual) == (0, WEBCAM, None, False)
    assert "vivid" in webcam.name
    assert {(f.width, f.height) for f in webcam.formats} >= {(640, 360), (1280, 720)}
    (virtual,) = virtual_cameras()
    assert (virtual.name, virtual.path, virtual.busy_with) == ("nstfilter", VIRTUAL, None)
    assert virtual.exclusive_caps


@check
def webcam_gives_what_was_asked() -> None:
    before = time.monotonic()
    with open_webcam("VIVID", width=640, height=360, rate=30) as source:
        assert (source.info.width, source.info.height, source.info.live) == (640, 360, True)
        frames = [frame for frame, _ in zip(source, range(30), strict=False)]
        assert source.rate
        assert source.rate < 45, source.rate
    stamps = [frame.captured for frame in frames]
    assert stamps == sorted(set(stamps))
    assert before < stamps[0]
    assert stamps[-1] <= time.monotonic()
    assert [frame.pts for frame in frames] == sorted({frame.pts for frame in frames})
    assert [[round(value / 255) for value in bar] for bar in bars(frames[-1].image)] == BARS


@check
def webcam_starts_again_at_once() -> None:
    for size in ((640, 360), (320, 180), (640, 360)):
        with open_webcam("", width=size[0], height=size[1]) as source:
            assert next(iter(source)).image.shape == (size[1], size[0], 3)
    assert not [thread for thread in threading.enumerate() if thread.name == "nstfilter-webcam"]


def in_codec(image: np.ndarray, codec: str) -> bytes:
    """`image` as a camera of that codec gives it."""
    if codec == "MJPG":
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    if codec == "GREY":
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).tobytes()
    height = image.shape[0]
    planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    u, v = planes[height:].reshape(2, -1)  # NV12 has them in turns
    return planes[:height].tobytes() + np.stack([u, v], axis=1).tobytes()


@contextmanager
def camera_of(codec: str, image: np.ndarray) -> Iterator[None]:
    """/dev/video10 as a camera that gives `image` in `codec` and nothing else."""
    height, width = image.shape[:2]
    data, form, ended = in_codec(image, codec), bytearray(208), threading.Event()
    # struct v4l2_format: an output, its size and codec, progressive, the bytes of a line and of a frame
    struct.pack_into("I4xII4sIII", form, 0, 2, width, height, codec.encode(), 1, width, 2 * width * height)
    with open(VIRTUAL, "r+b", buffering=0) as device:
        fcntl.ioctl(device, 0xC0D05605, form)  # VIDIOC_S_FMT
        assert form[16:20] == codec.encode(), form[16:20]

        def write() -> None:
            while not ended.wait(float(1 / RATE)):
                device.write(data)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@check
def cameras_of_every_codec_are_read() -> None:
    for codec in ("MJPG", "NV12", "GREY"):
        image = chart(*SIZE)
        with camera_of(codec, image):
            camera = find(VIRTUAL, cameras())
            assert {one.codec for one in camera.formats} == {codec}, camera.formats
            with open_webcam(VIRTUAL, width=SIZE[0], height=SIZE[1]) as source:
                frames = [frame.image for frame, _ in zip(source, range(3), strict=False)]
        assert frames[-1].shape == (SIZE[1], SIZE[0], 3), codec
        if codec == "GREY":
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        away = np.abs(np.array(cells(frames[-1])) - cells(image)).max()
        assert away <= 2 * LEVELS, (codec, away)


@check
def a_busy_webcam_is_named_with_its_holder() -> None:
    with other("hold", WEBCAM) as program:
        (camera,) = cameras()
        assert camera.busy_with
        assert str(program.pid) in camera.busy_with
        message = refusal(SourceError, lambda: open_webcam(""))
        assert f"({program.pid})" in message
        assert "vivid" in message
    open_webcam("").close()


@check
def an_unplugged_webcam_is_found_again() -> None:
    source = open_webcam("vivid", width=320, height=180)
    frames = iter(source)
    next(frames)
    (DRIVER / "unbind").write_text("vivid.0")
    try:
        message = refusal(SourceError, lambda: [None for _ in frames])
        assert "unplugged" in message, message
        assert source.reopen
        assert "not plugged in" in refusal(SourceError, source.reopen)
        # its number is taken meanwhile: the system gives it another
        holder = os.open(WEBCAM, os.O_RDWR) if os.path.exists(WEBCAM) else None
        source.close()
    finally:
        (DRIVER / "bind").write_text("vivid.0")
    if holder is not None:
        os.close(holder)
    with source.reopen() as again:
        assert next(iter(again)).image.shape == (180, 320, 3)


@check
def a_silent_webcam_is_an_error() -> None:
    control = control_named("Percentage of Dropped Buffers")
    source = open_webcam("vivid", width=320, height=180)
    try:
        next(frames := iter(source))
        set_control(control, 100)
        message = refusal(SourceError, lambda: [None for _ in frames])
        assert "no picture" in message, message
    finally:
        set_control(control, 0)
        source.close()
    deadline = time.monotonic() + PATIENCE
    while any(thread.name == "nstfilter-webcam" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the camera is still held"
        time.sleep(0.1)
    assert source.reopen
    source.reopen().close()


def control_named(name: str) -> int:
    """The number of a control of vivid's (VIDIOC_QUERYCTRL)."""
    number = 0
    with open(WEBCAM, "rb", buffering=0) as file:
        while True:
            buffer = bytearray(68)
            struct.pack_into("I", buffer, 0, number | 0x80000000)
            fcntl.ioctl(file, 0xC0445624, buffer)
            (number,) = struct.unpack_from("I", buffer, 0)
            if buffer[8:40].split(b"\0")[0].decode() == name:
                return number


def set_control(number: int, value: int) -> None:
    with open(WEBCAM, "rb+", buffering=0) as file:
        fcntl.ioctl(file, 0xC008561C, bytearray(struct.pack("Ii", number, value)))  # VIDIOC_S_CTRL


@check
def a_call_sees_the_chart() -> None:
    for size in (SIZE, (1280, 720)):
        with writing(chart(*size)), other("read", VIRTUAL) as call:
            saw_the_chart(answer(call), size)
            # what we paint is never what we film
            assert find("", cameras()).path == WEBCAM


@check
def the_virtual_camera_starts_again() -> None:
    for _ in range(3):
        with writing(chart(*SIZE)), other("read", VIRTUAL) as call:
            saw_the_chart(answer(call))


@check
def a_call_that_stays_sees_us_again() -> None:
    with ExitStack() as stack:
        with writing(chart(*SIZE)):
            call = stack.enter_context(other("read", VIRTUAL))
            saw_the_chart(answer(call))
        message = refusal(SinkError, lambda: VirtualcamSink("").open(StreamInfo(320, 180, rate=RATE)))
        assert "640x360" in message, message
        with writing(chart(*SIZE)[:, ::-1].copy()):
            seen = answer(call)
            assert seen["got"]
            assert off(seen["cells"]) > 100, "the old picture is still there"


@check
def a_writer_that_was_killed_leaves_the_virtual_camera_free() -> None:
    with other("write", "640", "360") as program:
        program.kill()
    with writing(chart(*SIZE)), other("read", VIRTUAL) as call:
        saw_the_chart(answer(call))


@check
def a_device_left_behind_by_another_program_is_mended() -> None:
    with other("leave"):
        pass
    with writing(chart(*SIZE)), other("read", VIRTUAL) as call:
        saw_the_chart(answer(call))


@check
def a_busy_virtual_camera_is_named_with_its_holder() -> None:
    with other("write", "640", "360") as program:
        message = refusal(SinkError, lambda: VirtualcamSink("").open(StreamInfo(*SIZE, rate=RATE)))
        assert f"({program.pid})" in message, message
    with writing(chart(*SIZE)):
        pass


@check
def the_doctor_tells_free_from_busy() -> None:
    def found() -> tuple[str, str]:
        (camera,) = doctor_devices.cameras()
        (virtual,) = doctor_devices.virtual_cameras()
        assert "vivid" in camera.found
        assert "exclusive_caps=Y" in virtual.found
        for device in (camera, virtual):
            assert device.state == ("ok" if device.found.endswith("; free") else "failing")
        return camera.remedy, virtual.remedy

    assert found() == ("", "")
    with other("hold", WEBCAM) as holder:
        assert found() == (f"close {PYTHON} ({holder.pid}), or: kill {holder.pid}", "")
    with other("write", "640", "360") as writer:
        assert found() == ("", f"close {PYTHON} ({writer.pid}), or: kill {writer.pid}")


class Show:
    """A live run from the webcam to the virtual camera through a cheap filter, which `broken` makes fail."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.broken = False
        source, sink = open_source("webcam:vivid", width=640, height=360, rate=15), open_sink("virtualcam")
        self.live = Live(source, self.invert, [sink], size=SIZE, rate=RATE, say=self.said.append)
        self.thread = threading.Thread(target=self.live.run)

    def invert(self, image: np.ndarray) -> np.ndarray:
        if self.broken:
            raise RuntimeError("the filter was made to fail")
        return 255 - image

    def __enter__(self) -> Show:
        self.thread.start()
        wait(lambda: self.live.figures().painted > 0)
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


def wait(true: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"not within {patience:.0f} s"
        time.sleep(0.05)


def shows_the_camera(seen: dict) -> bool:
    return seen["got"] and np.rint(1 - np.array(seen["bars"]) / 255).tolist() == BARS


def shows_the_card(seen: dict) -> bool:
    """Dark, but not black."""
    return seen["got"] and 10 < np.max(seen["cells"]) < 160 and not shows_the_camera(seen)


@check
def a_show_survives_its_camera_and_its_filter() -> None:
    with ExitStack() as stack:
        with Show() as show:
            call = stack.enter_context(other("read", VIRTUAL))  # which comes later
            wait(lambda: shows_the_camera(answer(call)))
            (DRIVER / "unbind").write_text("vivid.0")
            try:
                wait(lambda: shows_the_card(answer(call)))
            finally:
                (DRIVER / "bind").write_text("vivid.0")
            wait(lambda: shows_the_camera(answer(call)))
            assert any("unplugged" in line for line in show.said), show.said
            show.broken = True
            wait(lambda: shows_the_card(answer(call)))
            show.broken = False
            wait(lambda: shows_the_camera(answer(call)))
            figures = show.live.figures()
            assert figures.sinks[0].written > 30, figures
        with Show():  # the call is there first
            wait(lambda: shows_the_camera(answer(call)))
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("nstfilter")]
    assert not left, left
    devices_are_listed()


TINT = (200, 100, 50)  # BGR
PLUGIN = """\
from nstfilter import hookimpl

@hookimpl
def register_models(register):
    register("tint", open_model)

def open_model(target):
    from nstfilter.testing import FakeModel

    return FakeModel()
"""


@check
def the_command_paints_a_call() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        about = folder / "tint-1.0.dist-info"
        about.mkdir()
        (folder / "tint.py").write_text(PLUGIN)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tint\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[nstfilter]\ntint = tint\n")
        assert cv2.imwrite(str(folder / "style.png"), np.full((32, 32, 3), TINT, np.uint8))
        command = [
            sys.executable, "-m", "nstfilter", "live", "--from", "webcam:vivid", "--to", "virtualcam",
            "--model", "tint", "--style", str(folder / "style.png"), "--output-size", "640x360",
            "--fps", "15", "--size", "360", "--stability", "0", "--json",
        ]  # fmt: skip
        places = {f"NSTFILTER_{kind}_DIR": name for kind in ("CACHE", "DATA")}
        program = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | places | {"PYTHONPATH": name}
        )
        stack.callback(program.wait)
        stack.callback(program.kill)
        # to import it all takes half a minute where nothing else is done
        wait(lambda: program.poll() is not None or virtual_cameras()[0].busy_with, 4 * PATIENCE)
        call = stack.enter_context(other("read", VIRTUAL))

        def painted() -> bool:
            seen = answer(call)
            wanted = (np.array(BARS) * 255 + TINT) / 2
            return seen["got"] and np.abs(seen["bars"] - wanted).max() < 50

        wait(painted)
        program.send_signal(signal.SIGINT)
        printed, _ = program.communicate(timeout=PATIENCE)
        assert program.returncode == 0, program.returncode
        told = json.loads(printed)
        assert (told["width"], told["height"], told["fps"]) == (640, 360, 15.0), told
    devices_are_listed()


PAGE = """<script>
(async () => {
  const tell = what => fetch("/", {method: "POST", body: JSON.stringify(what)});
  try {
    (await navigator.mediaDevices.getUserMedia({video: true})).getTracks().forEach(track => track.stop());
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(d => d.kind == "videoinput");
    const labels = devices.map(d => d.label);
    const device = devices.find(d => d.label.includes("nstfilter"));
    if (!device) return tell({labels});
    const stream = await navigator.mediaDevices.getUserMedia({video: {deviceId: {exact: device.deviceId}}});
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    await video.play();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const cells = [];
    for (const y of [1, 3]) for (const x of [1, 3, 5]) {
      const [r, g, b] = context.getImageData(canvas.width * x / 6, canvas.height * y / 4, 1, 1).data;
      cells.push([b, g, r]);
    }
    tell({labels, size: [canvas.width, canvas.height], cells});
  } catch (error) { tell({error: String(error)}); }
})();
</script>"""


def browse(*options: str, patience: float = PATIENCE) -> dict:
    """What the page above tells when Chromium shows it."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if not chromium:
        raise Skip("Chromium is not installed (Debian: apt-get install chromium-headless-shell)")
    told: list[dict] = []
    heard = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            heard.set()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        command = [
            chromium, "--headless", "--no-sandbox", "--use-fake-ui-for-media-stream", "--no-first-run",
            # few processes, no graphics card: in an emulated machine it takes four minutes otherwise
            "--disable-gpu", "--in-process-gpu", "--no-zygote", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-features=VizDisplayCompositor,Vulkan,OnDeviceModel",
            "--enable-features=NetworkServiceInProcess2", f"--user-data-dir={profile}", *options,
            f"http://127.0.0.1:{server.server_port}/",
        ]  # fmt: skip
        log = Path(profile) / "log"
        with log.open("wb") as file:
            browser = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            if not heard.wait(patience):
                raise Skip(
                    f"Chromium did not show the page within {patience:.0f} s: {log.read_text()[-500:]}"
                )
        finally:
            with suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
            server.shutdown()
            server.server_close()
            time.sleep(0.5)  # its children leave the profile
    return told[0]


@check
def chromium_shows_it_by_its_label() -> None:
    with writing(chart(*SIZE)):
        seen = browse()
    assert any("nstfilter" in label for label in seen.get("labels", ())), seen
    assert tuple(seen["size"]) == SIZE, seen
    assert off(seen["cells"]) <= LEVELS, seen


@check
def a_missing_virtual_camera_comes_with_the_line_to_type() -> None:
    assert "there are: nstfilter" in refusal(
        SinkError, lambda: VirtualcamSink("zoom").open(StreamInfo(*SIZE))
    )
    subprocess.run(["rmmod", "v4l2loopback"], check=True)
    message = refusal(SinkError, lambda: VirtualcamSink("").open(StreamInfo(*SIZE, rate=RATE)))
    assert message.endswith("sudo modprobe v4l2loopback exclusive_caps=1 card_label=nstfilter"), message


def main(*names: str) -> None:
    # an emulated machine that stalls is no camera that hangs
    WebcamSource.__init__.__kwdefaults__["patience"] = (60.0, 10.0)
    Program.prepare()
    for name in names or CHECKS:
        report: dict[str, object] = {"check": name}
        began = time.monotonic()
        try:
            CHECKS[name]()
        except Skip as reason:
            report["skip"] = str(reason)
        except Exception:
            report["error"] = traceback.format_exc()
        print(json.dumps(report | {"seconds": round(time.monotonic() - began, 1)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
