"""Pictures and videos through pipes, and numbered pictures, with the real program and FFmpeg at both ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import corpus
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.cli.pipes import paint_directly
from nstfilter.errors import SourceError, UsageError
from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import Report, run
from nstfilter.plugins.video.pipe import PipeSink, PipeSource
from nstfilter.plugins.video.sequence import SequenceSink
from nstfilter.streams import Change, Closed, Frame, Sink, StreamInfo

pytestmark = pytest.mark.skipif(not corpus.AVAILABLE, reason=corpus.REASON)
APPLY = [sys.executable, "-m", "nstfilter", "apply", "--strength", "0", "--no-recipe"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def call(*words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*APPLY, *map(str, words)], input=given, capture_output=True, timeout=600, check=False
    )


def call_here(*words: str | Path) -> Any:
    """As `call`, in this process, for what goes through no pipe."""
    return CliRunner().invoke(build_app(), [*APPLY[3:], *map(str, words)])


@pytest.mark.slow
@pytest.mark.parametrize("to", [None, pytest.param("y4m", marks=pytest.mark.slow)])
def test_a_video_goes_through(clips: Path, tmp_path: Path, to: str | None) -> None:
    source = corpus.make("y4m", clips)
    result = call("-", "-o", "-", *(["--to", to] if to else []), given=source.read_bytes())
    assert result.returncode == 0, result.stderr
    target = tmp_path / f"out.{to or 'mkv'}"
    target.write_bytes(result.stdout)
    assert corpus.times(target) == pytest.approx(corpus.times(source), abs=0.001)
    was, now = (np.frombuffer(corpus.pixels(path), np.uint8).astype(int) for path in (source, target))
    assert np.abs(was - now).mean() < 6


@pytest.mark.slow
def test_sound_that_cannot_be_kept_is_said(clips: Path, tmp_path: Path) -> None:
    result = call(
        "-", "-o", tmp_path / "out.webm", "--strict", given=corpus.make("plain_mkv", clips).read_bytes()
    )
    assert result.returncode == 1
    assert result.stderr.count(b"sound track 1 (aac) is left out: it does not go into webm") == 1
    assert len(corpus.times(tmp_path / "out.webm")) == 50


def through(given: Path, sink: Sink) -> Report:
    with given.open("rb", buffering=0) as pipe, PipeSource(BufferedReader(pipe)) as source:
        return run(source, lambda image: image, sink)


@pytest.mark.parametrize("name", ["subtitles", "offset"])
def test_sound_and_subtitles_go_through_with_the_picture(clips: Path, tmp_path: Path, name: str) -> None:
    given, target = corpus.make(name, clips), tmp_path / "out.mkv"
    with target.open("wb") as file:
        report = through(given, PipeSink(file))
    assert [line for line in report.warnings if isinstance(line, Change)] == []
    was, now = corpus.streams(given), corpus.streams(target)
    assert [(s["codec_name"], s.get("tags", {}).get("language")) for s in now[1:]] == [
        (s["codec_name"], s.get("tags", {}).get("language")) for s in was[1:]
    ]
    (begin, *_), (began, *_) = corpus.times(given), corpus.times(target)
    for stream in ("a:0", "s:0")[: len(was) - 1]:
        before, after = corpus.packets(given, stream), corpus.packets(target, stream)
        assert len(after) == len(before)
        late = [b - float(began) - (a - float(begin)) for (a, _), (b, _) in zip(before, after, strict=True)]
        assert max(map(abs, late)) < 0.003


@pytest.mark.slow
def test_sound_behind_a_clock_that_jumps_back_is_said_to_be_missing(clips: Path, tmp_path: Path) -> None:
    with (tmp_path / "out.mkv").open("wb") as file:
        report = through(corpus.make("back", clips), PipeSink(file))
    assert any(line.endswith("packets with a time before the last are left out") for line in report.warnings)


def test_a_pipe_that_fails_is_an_error_and_no_short_film(clips: Path, tmp_path: Path) -> None:
    class Failing(BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 200_000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read1(size)

    given = corpus.make("subtitles", clips).read_bytes()
    assert len(given) > 250_000
    with PipeSource(Failing(given)) as source, pytest.raises(SourceError, match="could not be read on"):
        run(source, lambda image: image, open_sink(tmp_path / "out.mp4"))
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_made_of_a_pipe_has_its_sound_too(clips: Path, tmp_path: Path) -> None:
    report = through(corpus.make("plain_mkv", clips), open_sink(tmp_path / "out.mp4"))
    assert [line for line in report.warnings if isinstance(line, Change)] == []
    given, made = (
        corpus.packets(path, "a:0") for path in (corpus.make("plain_mkv", clips), tmp_path / "out.mp4")
    )
    assert len(made) == len(given)


def test_y4m_has_no_room_for_sound(clips: Path, tmp_path: Path) -> None:
    with (tmp_path / "out.y4m").open("wb") as file:
        report = through(corpus.make("plain_mkv", clips), PipeSink(file, format="y4m"))
    assert [line for line in report.warnings if isinstance(line, Change)] == [
        "sound track 1 (aac) is left out: it does not go into yuv4mpegpipe"
    ]
    assert len(corpus.times(tmp_path / "out.y4m")) == 50


@pytest.mark.slow
def test_a_picture_goes_through_in_its_kind_or_another(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    given = cv2.imencode(".png", image)[1].tobytes()
    result = call("-", given=given)
    assert result.returncode == 0, result.stderr
    assert (cv2.imdecode(np.frombuffer(result.stdout, np.uint8), cv2.IMREAD_COLOR) == image).all()
    assert call("-", "--to", "jpg", given=given).stdout.startswith(b"\xff\xd8\xff")


@pytest.mark.slow
def test_who_has_seen_enough_ends_it_in_peace(clips: Path) -> None:
    source = corpus.make("y4m", clips)
    with (
        source.open("rb") as file,
        subprocess.Popen(
            [*APPLY, "-", "--to", "y4m"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as program,
    ):
        assert program.stdout
        assert program.stdout.read(100_000)
        program.stdout.close()
        assert program.stderr
        assert program.stderr.read() == b""
        assert program.wait(600) == 0


@pytest.mark.parametrize(
    ("words", "given", "says"),
    [
        pytest.param(["-"], b"", b"is not a video FFmpeg can read", marks=pytest.mark.slow),
        pytest.param(["-"], b"nonsense" * 50, b"is not a video FFmpeg can read", marks=pytest.mark.slow),
        pytest.param(["-", "other.png"], b"", b"are one input", marks=pytest.mark.slow),
        pytest.param(["-", "--json"], b"", b"--json, --jobs and --on are for files", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], given: bytes, says: bytes) -> None:
    result = call(*words, given=given)
    assert result.returncode in (1, 2)
    assert says in result.stderr
    assert b"Traceback" not in result.stderr
    assert result.stdout == b""


@pytest.mark.slow
def test_numbered_pictures_become_a_video_and_a_video_numbered_pictures(tmp_path: Path) -> None:
    images = [np.full((32, 48, 3), 10 * number, np.uint8) for number in range(1, 13)]
    (tmp_path / "in").mkdir()
    for number, image in enumerate(images, 8):
        cv2.imwrite(str(tmp_path / f"in/shot-{number:03}.png"), image)
    film = tmp_path / "film.mkv"
    result = call_here(tmp_path / "in/shot-%03d.png", "--rate", "12.5", "-o", film, "--codec", "ffv1")
    assert result.exit_code == 0, result.stderr
    assert [float(time) for time in corpus.times(film)] == pytest.approx(
        [n * 0.08 for n in range(12)], abs=0.001
    )
    assert call_here(film, "-o", tmp_path / "out/%04d.png", "--strict").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{number:04}.png" for number in range(1, 13)]
    again = [cv2.imread(str(tmp_path / "out" / name)) for name in names]
    assert all((one == other).all() for one, other in zip(images, again, strict=True))
    result = call_here(film, "-o", tmp_path / "out/%04d.png")
    assert result.exit_code == 1
    assert "0001.png exists; choose another folder" in str(result.exception)


@pytest.mark.slow
def test_a_missing_number_is_said_and_no_film_is_made(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((16, 16, 3), np.uint8))
    result = call(tmp_path / "%d.png", "-o", tmp_path / "out.mp4")
    assert result.returncode == 1
    assert b"3.png is missing" in result.stderr
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_numbered_pictures_of_a_film_with_sound_say_that_it_is_not_kept(clips: Path, tmp_path: Path) -> None:
    result = call(corpus.make("plain", clips), "-o", tmp_path / "out/%d.jpg", "--strict")
    assert result.returncode == 1
    assert b"its sound is not kept" in result.stderr
    assert len(list((tmp_path / "out").iterdir())) == 50


def test_numbered_pictures_are_never_painted_over(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"in/{number:03}.png"), np.full((16, 16, 3), number, np.uint8))
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    for target in ("in/%03d.png", "in/../in/%03d.png"):
        result = call_here(tmp_path / "in/%03d.png", "-o", tmp_path / target, "--overwrite")
        assert isinstance(result.exception, UsageError)
        assert "is the input itself" in str(result.exception)
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_numbered_pictures_of_a_private_film_are_private(clips: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(corpus.make("plain", clips).read_bytes())
    film.chmod(0o600)
    sink = SequenceSink(str(tmp_path / "out/%d.png"))
    sink.open(StreamInfo(16, 16, origin=film))
    sink.write(Frame(np.zeros((16, 16, 3), np.uint8)))
    sink.close()
    assert (tmp_path / "out/1.png").stat().st_mode & 0o777 == 0o600


def test_a_picture_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    sink = SequenceSink(str(tmp_path / "%d.png"))
    sink.open(StreamInfo(16, 16))
    with pytest.raises(KeyError):
        sink.write(Frame(np.zeros((16, 16, 7), np.uint8)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a terminal's Ctrl-C is sent as POSIX sends it")
@pytest.mark.parametrize("share", [0, 0.02, 0.7], ids=["nothing", "the header", "some frames"])
def test_ctrl_c_ends_a_pipe_that_stands_still_at_once(clips: Path, share: float) -> None:
    data = corpus.make("plain_mkv", clips).read_bytes()
    with subprocess.Popen(
        [*APPLY, "-", "-o", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdin
        assert program.stdout
        program.stdin.write(data[: int(len(data) * share)])
        program.stdin.flush()
        if share > 0.5:
            assert program.stdout.read(1000), "it has begun"
        deadline = time.monotonic() + 60
        while share and _unread(program.stdin.fileno()) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1 if share else 5)
        program.send_signal(signal.SIGINT)
        try:
            # on a busy machine it may not have come so far as to read
            assert program.wait(120) in ((130,) if share else (130, -signal.SIGINT))
        finally:
            program.kill()
        assert program.stderr
        assert b"Fatal" not in (said := program.stderr.read()), said
        assert b"Traceback" not in said, said


def _unread(pipe: int) -> int:
    """How many bytes nobody has taken out of a pipe yet."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_what_a_stopped_pipe_has_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> Report:
        interrupt = KeyboardInterrupt()
        interrupt.add_note("the finished part is kept in out.partial.mp4")
        raise interrupt

    monkeypatch.setattr("nstfilter.cli.pipes.run", stopped)
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((16, 16, 3), np.uint8))
    result = call_here(tmp_path / "%d.png", "-o", tmp_path / "out.mp4")
    assert result.exit_code == 130
    assert "stopped; the finished part is kept in out.partial.mp4" in result.stderr


def test_a_closed_standard_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input is closed"):
        paint_directly(["-"], "out.mp4", np.copy, {}, None, None)  # type: ignore[arg-type]


def test_a_closed_standard_output_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    with pytest.raises(UsageError, match="standard output is closed"):
        paint_directly(["in.mp4"], "-", np.copy, {}, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", ["0", "-1", "0.0001", "1e9", "nan", "inf"])
def test_a_rate_that_cannot_be_is_refused(tmp_path: Path, rate: str) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(UsageError, match=r"rate is .*; expected pictures a second, from 0.001 to 1000"):
        open_source(tmp_path / "%d.png", rate=float(rate))


@pytest.mark.parametrize("rate", [0.001, 1 / 3, 1000])
def test_a_rate_that_is_odd_is_kept(tmp_path: Path, rate: float) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((16, 16, 3), np.uint8))
    with open_source(tmp_path / "%d.png", rate=rate) as source:
        first, second = source
    assert float((second.pts - first.pts) * source.info.time_base) == pytest.approx(1 / rate, rel=1e-3)


@pytest.mark.parametrize("format", ["mkv", "y4m"])
def test_a_reader_that_goes_before_the_last_byte_has_closed_the_pipe(format: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    file = os.fdopen(writes, "wb")  # so short a video is in the buffer until the end
    sink = PipeSink(file, format=format, codec=None if format == "y4m" else "ffv1")
    sink.open(StreamInfo(16, 16, rate=Fraction(30)))
    sink.write(Frame(np.zeros((16, 16, 3), np.uint8)))
    with pytest.raises(Closed):
        sink.close()
    with suppress(BrokenPipeError):
        file.close()
