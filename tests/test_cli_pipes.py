"""Pictures and videos through pipes, with the real program and FFmpeg at both ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import corpus
import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not corpus.AVAILABLE, reason=corpus.REASON)
APPLY = [sys.executable, "-m", "nstfilter", "apply", "--strength", "0", "--no-recipe"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def call(*words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*APPLY, *map(str, words)], input=given, capture_output=True, timeout=120, check=False
    )


@pytest.mark.parametrize("to", [None, "y4m"])
def test_a_video_goes_through(clips: Path, tmp_path: Path, to: str | None) -> None:
    source = corpus.make("y4m", clips)
    result = call("-", "-o", "-", *(["--to", to] if to else []), given=source.read_bytes())
    assert result.returncode == 0, result.stderr
    target = tmp_path / f"out.{to or 'mkv'}"
    target.write_bytes(result.stdout)
    assert corpus.times(target) == pytest.approx(corpus.times(source), abs=0.001)
    was, now = (np.frombuffer(corpus.pixels(path), np.uint8).astype(int) for path in (source, target))
    assert np.abs(was - now).mean() < 6


def test_sound_that_cannot_be_kept_is_said(clips: Path, tmp_path: Path) -> None:
    result = call(
        "-", "-o", tmp_path / "out.mp4", "--strict", given=corpus.make("plain_mkv", clips).read_bytes()
    )
    assert result.returncode == 1
    assert b"its sound cannot be kept: a pipe is read only once" in result.stderr
    assert len(corpus.times(tmp_path / "out.mp4")) == 50


def test_a_picture_goes_through_in_its_kind_or_another(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    given = cv2.imencode(".png", image)[1].tobytes()
    result = call("-", given=given)
    assert result.returncode == 0, result.stderr
    assert (cv2.imdecode(np.frombuffer(result.stdout, np.uint8), cv2.IMREAD_COLOR) == image).all()
    assert call("-", "--to", "jpg", given=given).stdout.startswith(b"\xff\xd8\xff")


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
        assert program.wait(60) == 0


@pytest.mark.parametrize(
    ("words", "given", "says"),
    [
        (["-"], b"", b"is not a video FFmpeg can read"),
        (["-"], b"nonsense" * 50, b"is not a video FFmpeg can read"),
        (["-", "other.png"], b"", b"- is one input"),
        (["-", "--json"], b"", b"--json, --jobs and --on are for files"),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], given: bytes, says: bytes) -> None:
    result = call(*words, given=given)
    assert result.returncode in (1, 2)
    assert says in result.stderr
    assert b"Traceback" not in result.stderr
    assert result.stdout == b""
