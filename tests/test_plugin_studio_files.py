"""What pages send: received within bounds, kept through kills, one queue for all processes of the user."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock, Timeout
from studio_run import PATIENCE, not_behind_others, wait_for

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.jobs.run import Progress, Result
from nstfilter.live.session import Session
from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.plugins.studio import renders as renders_module
from nstfilter.plugins.studio import uploads as uploads_module
from nstfilter.plugins.studio.renders import Renders
from nstfilter.plugins.studio.scratch import Scratch
from nstfilter.plugins.studio.sources import LoopedFile, SentVideos, switch_source
from nstfilter.plugins.studio.uploads import TooLargeError, UploadedStyles, receive
from nstfilter.streams import Frame, Source, StreamInfo
from nstfilter.testing import MemorySource

# received


async def chunks(*parts, pause=0.0):
    for part in parts:
        yield part
        await asyncio.sleep(pause)


def test_what_comes_is_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads_module, "PIECE", 10)
    size = asyncio.run(receive(chunks(b"abc", b"", b"d" * 30, b"e"), tmp_path / "upload", 100))
    assert (tmp_path / "upload").read_bytes() == b"abc" + b"d" * 30 + b"e"
    assert size == 34


@pytest.mark.parametrize(
    ("parts", "pause", "free", "error", "match"),
    [
        ([b"x" * 60, b"x" * 60], 0, 10**12, TooLargeError, "larger"),
        ([], 0, 10**12, UsageError, "empty"),
        ([b"x"], 9, 10**12, UsageError, "nothing came for"),
        ([b"x" * 40, b"x" * 40], 0, 10_000, SinkError, "too little room"),  # whatever length was told
    ],
)
def test_what_cannot_be_received_leaves_nothing(tmp_path, monkeypatch, parts, pause, free, error, match):
    monkeypatch.setattr(uploads_module, "STALLED", 0.1 if pause else PATIENCE)
    monkeypatch.setattr(uploads_module, "PIECE", 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(error, match=match):
        asyncio.run(receive(chunks(*parts, pause=pause), tmp_path / "upload", 100))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_has_is_not(tmp_path):
    line = "import os,sys,pathlib; from nstfilter.plugins.studio.scratch import Scratch; " + (
        "new = Scratch(pathlib.Path(sys.argv[1])).new(); new.mkdir(); (new / 'upload').write_bytes(b'x'); "
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", line, str(tmp_path)], check=False)
    (left,) = tmp_path.rglob("upload")
    here, other = Scratch(tmp_path), Scratch(tmp_path)
    kept = here.new()
    kept.write_bytes(b"on its way")
    other.clear()
    here.clear()
    assert not left.exists()
    assert kept.read_bytes() == b"on its way"
    kept.unlink()
    here.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_cleared_away_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    here, other, opened = Scratch(tmp_path), Scratch(tmp_path), os.open

    def open_late(path, *arguments, **options):
        monkeypatch.setattr(os, "open", opened)
        other.clear()
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", open_late)
    new = here.new()
    assert os.open is opened
    other.clear()
    assert list(tmp_path.iterdir()) == [new.parent]


# the queue


@pytest.fixture
def painted(monkeypatch):
    """Painting without a model: it takes until `go` is set or it is stopped. `begun` are the files' names."""
    go, begun = threading.Event(), []

    def render_all(jobs, settings, executor, *, on_progress, stop, **options):
        (job,) = jobs
        begun.append(job.input.name)
        for number in itertools.count():
            on_progress(Progress(number, 100, 1, 0, 0, 0))
            if stop.is_set():
                return [Result(job, "stopped")]
            if go.wait(0.01):
                break
        job.output.write_bytes(b"painted")
        return [Result(job, "done", frames=100)]

    monkeypatch.setattr(renders_module, "render_all", render_all)
    monkeypatch.setattr(renders_module, "LOOK", 0.05)
    not_behind_others(monkeypatch)
    monkeypatch.setattr(Renders, "_settings", lambda self, render: (None, "{}"))
    return SimpleNamespace(go=go, begun=begun)


@pytest.fixture
def two(tmp_path, painted):
    """Two processes' queues: the first one paints."""
    first, second = Renders("fake", tmp_path / "renders"), Renders("fake", tmp_path / "renders")
    first.start()

    def is_held():
        try:
            with FileLock(tmp_path / "renders/.lock", timeout=0):
                return False
        except Timeout:
            return True

    wait_for((tmp_path / "renders/.lock").exists)
    wait_for(is_held)
    second.start()
    yield first, second
    for one in (first, second):
        one.stop()
    for thread in threading.enumerate():
        if thread.name == "nstfilter-studio-renders":
            thread.join(PATIENCE)


def queued(renders, name="photo.png"):
    folder = renders.new_folder()
    (folder / "upload").write_bytes(b"a photo")
    return renders.add(folder, name, "Ruby", {"style": "ruby"}).key


def state(renders, key):
    return next((one["state"] for one in renders.facts() if one["key"] == key), None)


def test_what_one_process_queues_another_paints_and_both_know(two, painted, tmp_path):
    first, second = two
    key = queued(second)
    wait_for(lambda: state(first, key) == "painting" and state(second, key) == "painting")
    painted.go.set()
    wait_for(lambda: state(first, key) == "done" and state(second, key) == "done")
    assert second.output(key).read_bytes() == b"painted"
    assert painted.begun == ["photo.png"]
    first.remove(key)
    wait_for(lambda: second.facts() == [])
    with pytest.raises(UsageError):
        second.output(key)
    assert list((tmp_path / "renders").glob("[!.]*")) == []


def test_what_another_process_paints_is_paused_gone_on_with_and_removed(two, painted, tmp_path):
    first, second = two
    key = queued(first)
    wait_for(lambda: state(second, key) == "painting")
    second.pause(key)
    wait_for(lambda: state(first, key) == "paused" and first._at_work is None)
    assert state(second, key) == "paused"
    second.resume(key)
    wait_for(lambda: state(first, key) == "painting")
    wait_for(lambda: state(second, key) == "painting")
    second.remove(key)
    assert state(second, key) is None
    wait_for(lambda: state(first, key) is None and not list((tmp_path / "renders").glob("[!.]*")))


def test_the_other_process_goes_on_when_the_one_that_painted_ends(two, painted):
    first, second = two
    key = queued(first)
    wait_for(lambda: state(second, key) == "painting")
    first.stop()
    wait_for(lambda: second._at_work == key)
    painted.go.set()
    wait_for(lambda: state(second, key) == "done")


def test_two_processes_that_change_one_queue_at_once_lose_nothing(two, painted):
    painted.go.set()
    keys: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: keys.extend(queued(one, f"{n}.png") for n in range(10)))
        for one in two
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: all([one["state"] for one in renders.facts()] == ["done"] * 20 for renders in two))
    assert len(set(keys)) == 20
    assert sorted(painted.begun) == sorted(2 * [f"{n}.png" for n in range(10)])


def test_a_file_is_removed_where_the_disk_is_full(two, monkeypatch):
    first, _ = two
    key = queued(first)
    wait_for(lambda: state(first, key) == "painting")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(renders_module, "NewFile", full)
    first.remove(key)
    wait_for(lambda: not (first.folder / key).exists())


# styles of the user's own


def test_styles_that_are_kept_at_once_are_all_kept(tmp_path):
    from nstfilter.graphics.opencv import cv2
    from nstfilter.packs.reading import list_styles

    uploads = [UploadedStyles(tmp_path / "uploads") for _ in range(2)]
    styles = []
    for number in range(8):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((8, 8, 3), 30 * number, np.uint8))
        styles.append(uploads[0].add(path, f"{number}.png"))
    threads = [
        threading.Thread(target=uploads[number % 2].keep, args=(style, f"Garden {number}"))
        for number, style in enumerate(styles)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {style.name for style in list_styles() if style.pack == "mine"}
    assert names == {f"garden-{number}" for number in range(8)}


# videos to see through


class Film(Source):
    """Three frames whose first pts is not 0; the second time round it is damaged in its middle."""

    def __init__(self, damaged=False):
        super().__init__()
        self.damaged = damaged
        self.info = StreamInfo(8, 8, rate=30, frames=3)

    def _frames(self):
        for number in range(3):
            if number and self.damaged:
                raise SourceError("it is cut off")
            yield Frame(np.full((8, 8, 3), number, np.uint8), pts=10 + number, duration=1)


def test_a_video_goes_round_and_round(monkeypatch):
    opened = []

    def open_film():
        opened.append(Film(damaged=len(opened) == 1))
        return opened[-1]

    monkeypatch.setattr("nstfilter.plugins.studio.sources.RETRY", 0.01)
    said = []
    source = LoopedFile(open_film, said.append)
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 10:
            source.close()
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2, 0, 0, 1, 2, 0, 1, 2]
    assert [frame.pts for frame in frames] == list(range(10))
    assert said == ["the video cannot be read: it is cut off; trying again"]
    assert all(one.closed for one in opened)


def test_a_real_video_is_seen_through_again_and_again(tmp_path):
    film = tmp_path / "film.mp4"
    run(
        MemorySource([np.full((32, 48, 3), 50 * n, np.uint8) for n in range(4)]), lambda i: i, open_sink(film)
    )
    with LoopedFile(lambda: open_source(film), print) as source:
        frames = [frame for frame, _ in zip(source, range(9), strict=False)]
    assert [round(frame.image.mean() / 50) for frame in frames] == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert (np.diff([frame.pts for frame in frames]) > 0).all()


def test_videos_keep_their_names_and_take_nobody_elses(tmp_path):
    videos = SentVideos(tmp_path / "sources")
    for _ in range(2):
        new = videos.scratch.new()
        new.write_bytes(b"film")
        videos.add(new, "../../my film.mp4")
    assert set(videos.names()) == {"my film.mp4", "my film-2.mp4"}
    for name in ("../../etc/passwd", "/etc/passwd", ".lock", "", "..", "other.mp4"):
        with pytest.raises(UsageError):
            videos.path(name)
        with pytest.raises(UsageError):
            videos.remove(name)
    videos.remove("my film.mp4")
    videos.scratch.close()
    assert os.listdir(tmp_path / "sources") == ["my film-2.mp4"]


def test_no_page_is_told_in_which_folder_a_video_lies_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.sources.RETRY", 0.01)
    videos, session, seen, said = SentVideos(tmp_path), Session("demo", "fake"), [], []
    (tmp_path / "film.mp4").write_bytes(b"film")
    session.live = SimpleNamespace(switch=seen.append)
    session.listen(lambda line: (said.append(line), seen[0].close()))

    def open_film(target):
        if seen:
            raise SourceError(f"there is no {target}")
        return Film()

    session.open_source = open_film
    switch_source(session, videos, "file:film.mp4")
    assert len(list(seen[0])) == 3
    assert said == ["the video cannot be read: there is no film.mp4; trying again"]


def test_two_pages_that_choose_a_source_at_once_get_one_of_them():
    session = Session("camera", "fake")
    seen = []
    session.live = SimpleNamespace(switch=seen.append)
    session.open_source = lambda name: (time.sleep(0.05), name)[1]
    threads = [threading.Thread(target=session.switch_source, args=(name,)) for name in ("demo", "webcam:1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.source == seen[-1]
    session.switch_source(session.source)
    assert len(seen) == 2
