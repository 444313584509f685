"""Awkward recordings through the source and the sink, checked with FFmpeg's own tools."""

from __future__ import annotations

from pathlib import Path

import corpus
import pytest

from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import Report, run

pytestmark = pytest.mark.skipif(not corpus.AVAILABLE, reason=corpus.REASON)

CONTAINERS = (".mp4", ".mov", ".mkv", ".webm")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def carry(source: Path, target: Path, **options: object) -> Report:
    """`source` at strength 0 into `target`."""
    with open_source(source) as frames:
        return run(frames, lambda image: image, open_sink(target, **options))


# -- subtitles --


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("name", ["subtitles", "subtitles_mp4"])
def test_cues_keep_their_times(clips: Path, tmp_path: Path, name: str, suffix: str) -> None:
    source, target = corpus.make(name, clips), tmp_path / f"result{suffix}"
    carry(source, target)
    assert _cues_from_the_picture(target) == _cues_from_the_picture(source)


def _cues_from_the_picture(path: Path) -> list[tuple[int, int, str]]:
    """In milliseconds after the first frame: some formats begin with the sound's run-up."""
    first = float(corpus.times(path)[0])
    return [(round(1000 * (a - first)), round(1000 * (b - first)), text) for a, b, text in corpus.cues(path)]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_languages_are_kept(clips: Path, tmp_path: Path, suffix: str) -> None:
    carry(corpus.make("subtitles", clips), tmp_path / f"result{suffix}")
    languages = [stream["tags"]["language"] for stream in corpus.streams(tmp_path / f"result{suffix}")[1:]]
    assert languages == (["fra", "ger"] if suffix == ".mov" else ["fra", "deu"])


# -- sound --


@pytest.mark.parametrize(("name", "layout"), [("surround", "5.1"), ("surround71", "7.1")])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_surround_sound_survives_a_conversion(
    clips: Path, tmp_path: Path, name: str, layout: str, suffix: str
) -> None:
    carry(corpus.make(name, clips), tmp_path / f"result{suffix}")
    (sound,) = corpus.streams(tmp_path / f"result{suffix}", "audio")
    assert sound["channels"] == {"5.1": 6, "7.1": 8}[layout]
    assert sound["channel_layout"] == layout
