"""Where segments begin, what they are made of; and that any plugin's source and sink can be used so."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nstfilter.errors import UsageError
from nstfilter.jobs import work
from nstfilter.jobs.planning import Job
from nstfilter.jobs.run import render_all
from nstfilter.jobs.segments import _made_of, borders, differences, segmented
from nstfilter.jobs.task import Settings
from nstfilter.jobs.unchanged import InputState
from nstfilter.manager import open_executor, open_sink, open_source
from nstfilter.stability import warm_up
from nstfilter.streams import Source, StreamInfo
from nstfilter.testing import FakeSegmenter, check_joining, check_segments

# a source of plain colors and a sink that notes them down, by somebody else
STRANGER = """
    from fractions import Fraction
    from pathlib import Path

    import numpy as np

    from nstfilter.streams import Frame, JoiningSink, Sink, Source, StreamInfo
    from nstfilter.testing import FakeSegmenter

    class Colors(Source):
        def __init__(self, count, begin, end, pre_roll):
            super().__init__()
            begin = 5 if begin is None else begin
            end = count + 5 if end is None else min(end, count + 5)
            self.times = range(max(5, begin - pre_roll), end)
            self.count = count
            self.info = StreamInfo(64, 48, Fraction(1, 25), Fraction(25), max(0, end - begin))

        def span(self):
            return 5, self.count + 5

        def _frames(self):
            for time in self.times:
                yield Frame(np.full((48, 64, 3), time % 251, np.uint8), time, 1)

    class Notes(JoiningSink):
        def __init__(self, path, segment):
            super().__init__()
            self.path = Path(path)
            self.partial = self.path.with_suffix(".begun")

        def _open(self, info):
            self.lines = []
            self.partial.touch()

        def _write(self, frame):
            self.lines.append(f"{frame.pts} {frame.image[0, 0, 0]}")

        def _close(self):
            self.partial.write_text("\\n".join(self.lines) + "\\n")
            self.partial.rename(self.path)

        def _abort(self):
            self.partial.unlink()

        def segment_format(self, info):
            return None if "single" in self.path.name else (".notes", {"segment": True})

        def _join(self, info, segments):
            self.path.write_text("".join(segment.read_text() for segment in segments))

    class Reader(Source):
        def __init__(self, path):
            super().__init__()
            self.lines = [line.split() for line in Path(path).read_text().splitlines()]
            self.info = StreamInfo(1, 1, Fraction(1, 25), Fraction(25), len(self.lines))

        def _frames(self):
            for time, color in self.lines:
                yield Frame(np.full((1, 1, 3), int(color), np.uint8), int(time), 1)

    @hookimpl
    def register_sources(register):
        def open(target, *, begin=None, end=None, pre_roll=0):
            return Colors(int(Path(target).stem), begin, end, pre_roll)
        register("colors", open, accepts=lambda target: target.endswith(".colors"))
        register("notes", Reader, accepts=lambda target: target.endswith(".notes"))

    @hookimpl
    def register_sinks(register):
        register(
            "notes",
            lambda target, *, overwrite=False, segment=False: Notes(target, segment),
            accepts=lambda target: target.endswith(".notes"),
        )

    @hookimpl
    def register_models(register):
        register("plain", lambda target: FakeModel())

    @hookimpl
    def register_segmenters(register):
        register("halves", lambda target: FakeSegmenter())
"""
COLOR = np.zeros(3, np.float32)
SETTINGS = Settings("black", COLOR.tobytes(), COLOR.shape, "plain")


class Spanning(Source):
    def __init__(self, seconds: float, rate: int = 25, begin: int = 0) -> None:
        super().__init__()
        self.info = StreamInfo(64, 48, Fraction(1, 1000), Fraction(rate))
        self.begin, self.end = begin, begin + round(seconds * 1000)

    def span(self) -> tuple[int, int]:
        return self.begin, self.end

    def _frames(self):
        yield from ()


def test_segments_take_about_ten_seconds():
    assert borders(Spanning(60), 0) == [0, 10_000, 20_000, 30_000, 40_000, 50_000]
    assert borders(Spanning(64, begin=-300), 0) == [-300, 9700, 19_700, 29_700, 39_700, 49_700]
    assert borders(Spanning(66), 0)[-1] == 60_000


def test_calm_ones_take_longer_so_that_warming_up_costs_little():
    for stability in (0.2, 0.5, 0.8, 1.0):
        first, second, *_ = borders(Spanning(600), stability)
        frames = (second - first) / 1000 * 25
        assert frames >= 250
        assert warm_up(stability) / frames <= 1 / 40 + 1e-6


def test_without_a_span_there_are_none():
    class Endless(Spanning):
        def span(self):
            return None

    assert borders(Endless(60), 0) == []


def test_what_differs_is_said_in_a_few_words():
    before = {"style": "wave", "embedding": "abc", "input": "1", "strength": 1.0, "version": "0.1"}
    now = {**before, "style": "mosaic", "embedding": "xyz", "input": "2", "version": "0.2", "crf": 30}
    assert differences(before, before) == []
    assert differences(before, now) == [
        "style was wave, is mosaic",
        "the input's contents changed",
        "nstfilter's version was 0.1, is 0.2",
        "crf was None, is 30",
    ]
    assert differences(before, {**before, "embedding": "xyz"}) == ["what the style's picture shows changed"]
    assert differences(before, {**before, "style": "atelier/wave"}) == [], "another name for the same"


def test_a_render_does_not_go_on_with_masks_of_another_network(tmp_path, site, monkeypatch):
    site("stranger", STRANGER)
    source = tmp_path / "1000.colors"
    source.touch()
    settings = replace(SETTINGS, segmenter="halves", area="people")
    job = Job(source, tmp_path / "out.notes")

    def begin(settings):
        work._latest.clear()
        with open_source(str(source)) as opened:
            return segmented(job, opened, settings, {})

    begun = begin(settings)
    begun.folder.release()
    begin(settings).folder.release()
    monkeypatch.setattr(FakeSegmenter, "fingerprint", "0ther")
    with pytest.raises(UsageError, match=r"was begun otherwise: what finds people changed; .*--overwrite"):
        begin(settings)


def test_who_finds_people_is_of_no_matter_where_all_is_painted(tmp_path, site):
    site("stranger", STRANGER)
    state = InputState(0, 0, "")
    made = [_made_of(state, replace(SETTINGS, segmenter=name), {}, [0]) for name in ("halves", "people")]
    assert differences(*made) == []


def test_sources_and_sinks_of_other_plugins_can_do_it_too(tmp_path, site):
    site("stranger", STRANGER)
    own = tmp_path / "own"
    own.mkdir()
    check_segments(lambda **part: open_source("40.colors", **part))
    check_joining(open_sink, own / "a.notes", open_source)

    source = tmp_path / "1000.colors"
    source.touch()
    outputs = [tmp_path / "segments.notes", tmp_path / "single.notes"]
    begun: list[Path] = []

    def look(progress):
        begun.extend(path for path in tmp_path.glob(".*/0*") if path not in begun)

    jobs = [Job(source, output) for output in outputs]
    results = render_all(jobs, SETTINGS, open_executor("local"), on_progress=look)
    assert [(result.state, result.frames) for result in results] == [("done", 1000)] * 2
    assert {path.parent.name for path in begun} == {".segments.notes.nstfilter"}
    assert len({path.name[:5] for path in begun}) == 4
    assert outputs[0].read_text() == outputs[1].read_text()
    assert outputs[0].read_text().startswith("5 2\n6 3\n")


def test_a_sink_that_fails_to_join_keeps_the_pieces(tmp_path, site):
    site("stranger", STRANGER.replace("self.path.write_text", 'raise OSError(28, "full")\n            self'))
    source = tmp_path / "1000.colors"
    source.touch()
    (result,) = render_all([Job(source, tmp_path / "out.notes")], SETTINGS, open_executor("local"))
    assert result.state == "failed"
    assert result.kept
    assert len(list(result.kept.glob("0*"))) == 4


def test_a_sink_joins_once(tmp_path, site):
    site("stranger", STRANGER)
    sink = open_sink(tmp_path / "out.notes")
    sink.join(StreamInfo(64, 48), [])
    for again in (lambda: sink.join(StreamInfo(64, 48), []), lambda: sink.open(StreamInfo(64, 48))):
        with pytest.raises(ValueError, match="closed sink"):
            again()
