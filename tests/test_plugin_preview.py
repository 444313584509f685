"""The preview: in a real window on a virtual X server, and against a fake of OpenCV's windows."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from textwrap import dedent

import cv2
import numpy as np
import pytest
from conftest import PATIENT

from nstfilter import open_sink, run
from nstfilter.errors import MissingLibraryError, SinkError
from nstfilter.graphics import display as preview_display
from nstfilter.graphics.text import draw_overlay
from nstfilter.plugins.preview import window as preview_window
from nstfilter.streams import Closed, Frame, StreamInfo
from nstfilter.testing import MemorySource

INFO = StreamInfo(320, 180, live=True)
IMAGE = np.zeros((180, 320, 3), np.uint8)
IMAGE[:, :160] = (200, 150, 100)


class Windows:
    """In place of cv2's functions for windows. `keys` are pressed one at each frame, and the window is gone
    once `closed` is set."""

    def __init__(self):
        self.shown, self.keys, self.calls, self.threads = [], [], [], set()
        self.closed = False

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, *arguments))
            self.threads.add(threading.current_thread().name)

        return call

    def imshow(self, title, image):
        self.shown.append(image)

    def waitKeyEx(self, milliseconds):  # noqa: N802
        return self.keys.pop(0) if self.keys else -1

    def getWindowProperty(self, title, which):  # noqa: N802
        return -1.0 if self.closed else 1.0


@pytest.fixture
def windows(monkeypatch):
    """A display that answers, and windows that can be looked into."""
    fake = Windows()
    monkeypatch.setattr(preview_display, "why_no_window", lambda: None)
    for name in ("namedWindow", "resizeWindow", "imshow", "waitKeyEx", "waitKey", "getWindowProperty"):
        monkeypatch.setattr(cv2, name, getattr(fake, name))
    monkeypatch.setattr(cv2, "destroyWindow", fake.destroyWindow)
    return fake


def test_frames_are_shown_as_they_are(windows):
    with MemorySource([IMAGE] * 3) as source:
        run(source, lambda image: image, open_sink("preview"))
    assert all(np.array_equal(image, IMAGE) for image in windows.shown)
    assert len(windows.shown) == 3
    assert ("resizeWindow", "nstfilter", 320, 180) in windows.calls
    assert ("destroyWindow", "nstfilter") in windows.calls


def test_a_large_stream_gets_a_window_that_fits(windows):
    sink = open_sink("preview:My call")
    sink.open(StreamInfo(3840, 2160, live=True))
    assert ("resizeWindow", "My call", 1280, 720) in windows.calls
    sink.abort()
    assert ("destroyWindow", "My call") in windows.calls


def test_the_picture_is_mirrored_and_the_overlay_is_not(windows):
    lines = ("mosaic   strength 80 %", "29.8 frames/s")
    shown = {}
    for mirror in (False, True):
        sink = open_sink("preview", mirror=mirror)
        sink.open(INFO)
        given = IMAGE.copy()
        sink.write(Frame(given, overlay=lines))
        assert np.array_equal(given, IMAGE), "other sinks are given the same picture"
        shown[mirror] = windows.shown[-1]
        sink.close()
    for mirror, source in ((False, IMAGE), (True, IMAGE[:, ::-1])):
        expected = source.copy()
        draw_overlay(expected, lines)
        assert np.array_equal(shown[mirror], expected)


def test_keys_are_told_and_those_that_are_no_letters_are_not(windows):
    came = []
    sink = open_sink("preview", on_key=came.append)
    sink.open(INFO)
    # letters; with NumLock as GTK tells it; an arrow of Qt and GTK, of Windows, of macOS
    windows.keys = [ord("n"), ord(" "), 0x100000 | ord("+"), 65361, 0x250000, 63234, -1]
    for _ in range(7):
        sink.write(Frame(IMAGE))
    assert came == ["n", " ", "+"]
    sink.close()


def test_a_window_that_was_closed_is_a_normal_end(windows):
    sink = open_sink("preview")
    sink.open(INFO)
    sink.write(Frame(IMAGE))
    windows.closed = True
    with pytest.raises(Closed):
        sink.write(Frame(IMAGE))
    assert len(windows.shown) == 1, "showing a picture would open the window anew"
    sink.close()


def test_a_window_may_be_closed_before_its_first_frame(windows, monkeypatch):
    def gone(*_):
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(cv2, "resizeWindow", gone)
    monkeypatch.setattr(cv2, "getWindowProperty", gone)
    sink = open_sink("preview")
    sink.open(INFO)
    with pytest.raises(Closed):
        sink.write(Frame(IMAGE))
    sink.close()


def test_all_windows_of_a_process_belong_to_one_thread(windows):
    def show():
        sink = open_sink("preview")
        sink.open(INFO)
        sink.write(Frame(IMAGE))
        sink.close()

    for _ in range(2):
        thread = threading.Thread(target=show)
        thread.start()
        thread.join()
    assert len(windows.threads) == 1
    assert threading.main_thread().name not in windows.threads


def test_on_macos_windows_belong_to_the_main_thread(windows, monkeypatch):
    monkeypatch.setattr(preview_window.PreviewSink, "main_thread", True)
    sink = open_sink("preview")
    sink.open(INFO)
    sink.close()
    assert windows.threads == {threading.main_thread().name}


def test_an_opencv_without_windows_says_so_in_a_line(windows, monkeypatch):
    def fail(*_):
        raise cv2.error("The function is not implemented. Rebuild the library with ... support.")

    monkeypatch.setattr(cv2, "namedWindow", fail)
    with pytest.raises(MissingLibraryError, match="opencv-python-headless has none") as caught:
        open_sink("preview").open(INFO)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there always is a display")
@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "there is no display here (DISPLAY is not set)"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "this Wayland session has no Xwayland"),
        ({"DISPLAY": ":87"}, "no display answers at DISPLAY=:87"),
        ({"DISPLAY": "junk"}, "no display answers at DISPLAY=junk"),
    ],
)
def test_without_a_display_there_is_no_window_and_no_crash(monkeypatch, variables, says):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SinkError, match="there can be no preview window") as caught:
        open_sink("preview")
    assert says in str(caught.value)


def test_without_libxcb_that_is_said(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert "apt-get install -y libxcb1" in preview_display.why_no_window()


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere_there_always_is_a_display(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert preview_display.why_no_window() is None


# a run of its own: a display that goes away takes the process with it
SHOW = dedent("""
    import sys, threading
    import numpy as np
    from nstfilter import open_sink
    from nstfilter.streams import Closed, Frame, StreamInfo

    def show(name):
        sink = open_sink("preview", on_key=lambda key: print("key", repr(key), flush=True), mirror=True)
        sink.open(StreamInfo(320, 180, live=True))
        image = np.zeros((180, 320, 3), np.uint8)
        image[:, :160] = (200, 150, 100)
        print(name, "open", flush=True)
        try:
            while True:
                sink.write(Frame(image, overlay=("mosaic",)))
        except Closed:
            print(name, "closed", flush=True)
        sink.close()

    for name in ("first", "second"):     # Qt hangs when a second thread asks it for a window
        thread = threading.Thread(target=show, args=(name,))
        thread.start()
        thread.join()
""")


class Desktop:
    """What a user does at an X server: looks, presses keys and closes windows."""

    def __init__(self, display):
        self.xcb = ctypes.CDLL("libxcb.so.1")
        for name in ("connect", "get_setup", "query_tree_reply", "query_tree_children", "intern_atom_reply",
                     "get_image_reply", "get_image_data"):  # fmt: skip
            getattr(self.xcb, f"xcb_{name}").restype = ctypes.c_void_p
        self.connection = ctypes.c_void_p(self.xcb.xcb_connect(display.encode(), None))
        setup = ctypes.string_at(self.xcb.xcb_get_setup(self.connection), 512)
        vendor, formats = struct.unpack_from("H", setup, 24)[0], setup[29]
        (self.root,) = struct.unpack_from("I", setup, 40 + (vendor + 3) // 4 * 4 + 8 * formats)

    def windows(self):
        cookie = self.xcb.xcb_query_tree(self.connection, self.root)
        reply = ctypes.c_void_p(self.xcb.xcb_query_tree_reply(self.connection, cookie, None))
        count = self.xcb.xcb_query_tree_children_length(reply)
        first = self.xcb.xcb_query_tree_children(reply)
        return struct.unpack(f"{count}I", ctypes.string_at(first, 4 * count))

    def send(self, event):
        for window in self.windows():
            self.xcb.xcb_send_event(self.connection, 0, window, 0, event(window))
        self.xcb.xcb_flush(self.connection)

    def press(self, code):
        """The key with that code of a PC's keyboard."""
        self.send(
            lambda window: struct.pack(
                "BBHIIIIhhhhHBx", 2, code, 0, 0, self.root, window, 0, 9, 9, 9, 9, 0, 1
            )
        )

    def close(self):
        """What the cross in a window's corner does."""
        protocols, delete = (self.atom(name) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
        self.send(
            lambda window: struct.pack("BBHIIIIIII", 33, 32, 0, window, protocols, delete, 0, 0, 0, 0)[:32]
        )

    def atom(self, name):
        cookie = self.xcb.xcb_intern_atom(self.connection, 0, len(name), name)
        reply = self.xcb.xcb_intern_atom_reply(self.connection, cookie, None)
        return struct.unpack_from("I", ctypes.string_at(reply, 12), 8)[0]

    def pixel(self, x, y):
        """BGR of the screen there."""
        cookie = self.xcb.xcb_get_image(self.connection, 2, self.root, x, y, 1, 1, 0xFFFFFFFF)
        reply = ctypes.c_void_p(self.xcb.xcb_get_image_reply(self.connection, cookie, None))
        return tuple(ctypes.string_at(self.xcb.xcb_get_image_data(reply), 3))


@pytest.fixture
def x_server():
    if not shutil.which("Xvfb"):
        pytest.skip("no window can be tried out: there is no Xvfb (apt-get install xvfb)")
    if re.search(r"GUI: +NONE", cv2.getBuildInformation()):
        pytest.skip("no window can be tried out: this OpenCV is one without windows")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        yield f":{numbers.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.fixture
def show(x_server):
    """Begins a program with two windows on the server, one after the other; what happens to them is told on
    stdout."""
    begun = []

    def begin():
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", SHOW],
                env=os.environ | {"DISPLAY": x_server},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def painted(desktop, process, seconds=60):
    """Whether the first picture comes."""
    end = time.monotonic() + seconds
    while desktop.pixel(300, 100) == (0, 0, 0) and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.02)
    return desktop.pixel(300, 100) != (0, 0, 0)


def test_a_real_window_shows_hears_and_closes(x_server, show):
    desktop, lines, shown = Desktop(x_server), queue.Queue(), show()
    if not painted(desktop, shown):  # seen once: where a machine stalls as Qt starts, Qt never sees an event
        shown.kill()
        shown = show()
    threading.Thread(target=lambda: [lines.put(line) for line in shown.stdout], daemon=True).start()

    def told_after(act):
        """The next line; a window that is not quite there yet misses what is done to it."""
        while True:
            act()
            with suppress(queue.Empty):
                return lines.get(timeout=1)  # on a busy machine it is done more often
            assert shown.poll() is None

    for name in ("first", "second"):
        assert lines.get(timeout=120) == f"{name} open\n"
        assert painted(desktop, shown)
        assert desktop.pixel(300, 100) == (200, 150, 100), "mirrored"
        assert desktop.pixel(20, 100) == (0, 0, 0)
        assert told_after(lambda: desktop.press(57)) == "key 'n'\n"
        while (line := told_after(desktop.close)) == "key 'n'\n":
            pass
        assert line == f"{name} closed\n"
    assert shown.wait(120) == 0
    assert shown.stderr.read() == ""


CHEAP = f"""{PATIENT}
@hookimpl
def register_models(register):
    register("cheap", lambda _: FakeModel())
"""


@pytest.mark.slow
def test_closing_the_only_window_of_a_live_run_ends_it(x_server, tmp_path, site):
    site("cheap", CHEAP)
    words = ["--from", "demo:320x180", "--to", "preview", "--strength", "0", "--model", "cheap", "--json"]

    def show():
        return subprocess.Popen(
            [sys.executable, "-m", "nstfilter", "live", *words],
            env=os.environ | {"DISPLAY": x_server, "PYTHONPATH": str(tmp_path / "site-packages")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sky():
        """Whether the sky is seen, beside the overlay, in half a minute."""
        for _ in range(1500):
            assert process.poll() is None, process.stderr.read()
            blue, _, red = desktop.pixel(300, 20)
            if blue >= red + 50:
                return True
            time.sleep(0.02)
        return False

    desktop, process = Desktop(x_server), show()
    if not sky():  # as above: Qt never sees an event
        process.kill()
        process = show()
        assert sky()
    while process.poll() is None:
        desktop.close()
        time.sleep(0.1)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    (sink,) = json.loads(out)["sinks"]
    assert (sink["name"], sink["state"]) == ("preview", "closed")
