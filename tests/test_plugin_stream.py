"""Streams against real peers: FFmpeg as server and as player on loopback, a real X server for the screen."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.plugins.stream import sink as stream_sink
from nstfilter.plugins.stream import source as stream_source
from nstfilter.plugins.stream.address import shown
from nstfilter.streams import Frame, StreamInfo

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg to be the peer")
INFO = StreamInfo(320, 240, Fraction(1, 3000), Fraction(30), live=True)


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def peer(*words):
    return subprocess.Popen(
        [FFMPEG, "-hide_banner", "-loglevel", "error", "-nostdin", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture(autouse=True)
def _peers_may_be_slow(monkeypatch):
    monkeypatch.setattr(stream_source, "PATIENCE", (60.0, 60.0))
    monkeypatch.setattr(stream_sink, "PATIENCE", 60)


def until(attempt, error, seconds=120):
    """What `attempt` returns once it raises no `error`: a peer takes a moment to listen."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except error:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def colored(index):
    """Blue on the left, red on the right, brighter with time."""
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160, 0], image[:, 160:, 2] = 100 + 2 * index, 255 - 2 * index
    return image


def is_colored(image):
    left, right = image[60:180, 20:140].mean(axis=(0, 1)), image[60:180, 180:300].mean(axis=(0, 1))
    return left[0] > left[2] + 60 and right[2] > right[0] + 60


TEST = ("-f", "lavfi", "-i", "color=c=0x2040C0:size=320x240:rate=30", "-t", "20")
CODED = ("-c:v", "mpeg2video", "-g", "5", "-f", "mpegts")


@needs_ffmpeg
@pytest.mark.parametrize("scheme", ["http", "tcp", "udp"])
def test_a_stream_is_read_as_it_comes(scheme):
    address = f"{scheme}://127.0.0.1:{port()}"
    listening = {"http": ("-listen", "1", address), "tcp": (f"{address}?listen=1",), "udp": (address,)}
    server = peer("-re", *TEST, *CODED, *listening[scheme])
    try:
        source = until(lambda: open_source(address), SourceError)
        assert (source.info.width, source.info.height, source.info.live) == (320, 240, True)
        frames = []
        with source:
            for frame in source:
                frames.append(frame)
                if len(frames) == 5:
                    break
        assert all(frame.captured is not None for frame in frames)
        assert (np.diff([frame.pts for frame in frames]) > 0).all()
        assert frames[-1].image[120, 160] == pytest.approx([0xC0, 0x40, 0x20], abs=12)  # BGR
        assert source.reopen is not None
    finally:
        server.kill()
        server.communicate()


@needs_ffmpeg
def test_a_stream_that_ends_says_so_or_just_ends():
    address = f"tcp://127.0.0.1:{port()}"
    server = peer("-re", *TEST, *CODED, f"{address}?listen=1")
    source = until(lambda: open_source(address), SourceError)
    server.kill()
    server.communicate()
    frames, broke_off = iter(source), []
    try:
        assert len(list(frames)) < 600
    except SourceError as error:
        broke_off.append(str(error))
    assert all("broke off" in line for line in broke_off)
    source.close()


@needs_ffmpeg
def test_a_stream_goes_out_and_a_player_gets_it(tmp_path):
    address = f"rtmp://127.0.0.1:{port()}/live/key"
    player = peer("-listen", "1", "-i", address, "-c", "copy", str(tmp_path / "got.mkv"))
    try:

        def begin():
            sink = open_sink(address)
            sink.open(INFO)
            return sink

        sink = until(begin, SinkError)
        assert sink.audience == "others"
        assert "key" not in sink.name
        for index in range(60):
            sink.write(Frame(colored(index), pts=100 * index))
        sink.close()
        player.communicate(timeout=120)
    finally:
        player.kill()
        player.communicate()
    with open_source(tmp_path / "got.mkv") as got:
        frames = list(got)
        times = [float(frame.pts * got.info.time_base) for frame in frames]
    assert len(frames) == 60
    assert times[-1] - times[0] == pytest.approx(59 / 30, abs=0.01)
    assert is_colored(frames[30].image)


@needs_ffmpeg
def test_a_player_that_leaves_is_an_error_and_nothing_hangs(tmp_path):
    address = f"tcp://127.0.0.1:{port()}"
    player = peer("-i", f"{address}?listen=1", "-c", "copy", str(tmp_path / "got.mkv"))

    def begin():
        sink = open_sink(address)
        sink.open(INFO)
        return sink

    sink = until(begin, SinkError)
    player.kill()
    player.communicate()
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)

    def go_on():
        for index in range(600):
            sink.write(Frame(np.roll(noise, index, 1), pts=100 * index))

    with pytest.raises(SinkError, match="broke off"):
        go_on()
    assert sink.abort() is None


def test_where_nobody_is_that_is_told_without_the_key():
    address = f"127.0.0.1:{port()}"
    with pytest.raises(SourceError, match="cannot be opened: Connection refused") as refused:
        open_source(f"rtsp://me:secret@{address}/1")
    assert "secret" not in str(refused.value)
    sink = open_sink(f"rtmp://{address}/live/secret")
    with pytest.raises(SinkError, match="cannot be reached") as refused:
        sink.open(INFO)
    assert "secret" not in str(refused.value)


def test_odd_sizes_are_told():
    sink = open_sink("udp://127.0.0.1:9")
    with pytest.raises(SinkError, match="--output-size 320x240"):
        sink.open(StreamInfo(321, 241, Fraction(1, 30), Fraction(30)))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("rtsp://me:pw@cam/1?token=x", "rtsp://cam/1"),
        ("rtsp://me:p@ss@cam/1", "rtsp://cam/1"),
        ("rtsp://me:p'w\"@cam/1", "rtsp://cam/1"),
        ("rtmp://a.b/app/KEY", "rtmp://a.b/app/..."),
        ("RTMPS://a/app/K/e", "RTMPS://a/app/..."),
        ("http://a/b.m3u8", "http://a/b.m3u8"),
    ],
)
def test_messages_show_no_passwords_and_no_keys(address, message):
    assert shown(address) == message


@pytest.mark.parametrize("target", ["http://host/film.mp4", "https://host/p.gif", "rtsp://host/1.jpg"])
def test_addresses_are_streams_whatever_their_end(target):
    assert manager().sources.resolve(target)[0].name == "stream"


def test_addresses_to_write_to_are_streams():
    assert manager().sinks.resolve("rtmp://host/live/a.mp4")[0].name == "stream"


@pytest.fixture
def screen(monkeypatch):
    pytest.importorskip("mss")
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("no Xvfb to be the screen")
    read, write = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as ready:
        monkeypatch.setenv("DISPLAY", f":{ready.readline().strip()}")
    yield
    process.kill()
    process.wait()


def test_the_screen_is_a_live_source(screen):
    with open_source("screen", rate=20) as source:
        assert (source.info.width, source.info.height, source.info.live) == (640, 480, True)
        frames = [frame for frame, _ in zip(source, range(5), strict=False)]
    assert frames[0].image.shape == (480, 640, 3)
    assert (np.diff([frame.captured for frame in frames]) > 0).all()


def test_a_part_of_the_screen(screen):
    with open_source("screen:320x200+16+8") as source:
        assert next(iter(source)).image.shape == (200, 320, 3)
    for wrong in ("9", "left", "640x480+1+0", "0x0+0+0"):
        with pytest.raises(UsageError):
            open_source(f"screen:{wrong}")


def test_a_screen_that_goes_away_without_a_word_is_told(monkeypatch):
    class Desktop(contextlib.nullcontext):
        monitors = ({"left": 0, "top": 0, "width": 8, "height": 4},) * 2
        grabs = iter([SimpleNamespace(width=8, height=4)])

        def __enter__(self):
            return self

        def grab(self, part):
            for picture in self.grabs:
                return picture
            raise OSError

    monkeypatch.setitem(sys.modules, "mss", SimpleNamespace(MSS=Desktop))
    with open_source("screen") as source, pytest.raises(SourceError, match="cannot be seen: OSError"):
        next(iter(source))


def test_without_a_screen_that_is_told(monkeypatch):
    pytest.importorskip("mss")
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(SourceError, match="screen cannot be seen"):
        open_source("screen")


def test_a_protocol_that_is_not_built_in_is_a_line_with_the_command_that_does_without(monkeypatch):
    def refuse(*_, **__):
        raise av.ProtocolNotFoundError(0, "Protocol not found")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(SourceError) as error:
        open_source("srt://host:9000?passphrase=secret")
    assert str(error.value) == (
        "srt://host:9000: the FFmpeg in PyAV was built without srt; with another one: "
        "ffmpeg -i 'srt://host:9000' -c copy -f matroska - | nstfilter live --from -"
    )
    with pytest.raises(SinkError) as error:
        open_sink("srt://host:9000").open(INFO)
    assert str(error.value).endswith(
        "nstfilter live --to - | ffmpeg -i - -c copy -f mpegts 'srt://host:9000'"
    )


@needs_ffmpeg
@pytest.mark.slow
def test_srt_goes_through_another_ffmpeg(tmp_path):
    if "srt" not in subprocess.run([FFMPEG, "-protocols"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this ffmpeg has no SRT either")
    address, command = (
        f"srt://127.0.0.1:{port()}",
        f"{sys.executable} -m nstfilter live --from demo:160x120 --size 96",
    )
    with peer(
        "-i", f"{address}?mode=listener", "-c", "copy", "-f", "mpegts", str(tmp_path / "a.ts")
    ) as player:
        with subprocess.Popen(
            f"{command} --to - | {FFMPEG} -v quiet -i - -c copy -f mpegts {address}",
            shell=True, stderr=subprocess.DEVNULL, start_new_session=True,
        ) as broadcast:  # fmt: skip
            until(lambda: (tmp_path / "a.ts").stat().st_size > 50_000 or 1 / 0, (OSError, ZeroDivisionError))
            os.killpg(broadcast.pid, signal.SIGINT)
        player.wait(120)
    with open_source(str(tmp_path / "a.ts")) as received:
        assert len(list(received)) > 10
