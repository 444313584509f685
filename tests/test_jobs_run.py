"""Renders that are stopped, damaged, moved and taken up again, with real videos and the real executor."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from test_plugin_video import film, picture

from nstfilter.jobs import checkpoints, segments
from nstfilter.jobs import run as rendering
from nstfilter.jobs.job_file import JobFolder
from nstfilter.jobs.planning import Job
from nstfilter.jobs.run import Progress, Result, render_all
from nstfilter.jobs.task import Executor, Pictures, Settings
from nstfilter.jobs.work import filter_for
from nstfilter.manager import open_executor, open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.plugins.image.sink import ImageSink
from nstfilter.plugins.video.source import VideoSource

RATE = 10
COLOR = np.array([200, 90, 30], np.float32)
SETTINGS = Settings("blue", COLOR.tobytes(), COLOR.shape, "plain", stability=0.4)
MODELS = """
    import os, time

    class Slow(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            time.sleep(float(os.environ.get("NSTFILTER_TEST_SLEEP", "0")))
            return super().stylize(frame, embedding, out=out)

    class Other(FakeModel):
        fingerprint = "07e4"

    class Faulty(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            return {}["no such key"]

    @hookimpl
    def register_models(register):
        register("plain", lambda target, *, threads=None: Slow())
        register("other", lambda target: Other())
        register("faulty", lambda target: Faulty())
"""


@pytest.fixture(autouse=True)
def _models_and_short_segments(site, monkeypatch):
    site("plain_models", MODELS)
    monkeypatch.setattr(segments, "SECONDS", 2.0)
    monkeypatch.setattr(segments, "WARMING", 1.0)
    monkeypatch.setattr(checkpoints, "EVERY", 3600)  # a machine may be slow; some tests have them at once


def clip(path: Path, seconds: int = 10, **how: Any) -> Path:
    times = [12800 // RATE * i for i in range(seconds * RATE)]
    images = [picture(number, 64, 48) for number in range(len(times))]
    options = {"crf": "20", "preset": "ultrafast", "bf": "2", "g": "12"}
    given = {"times": times, "images": images, "size": (64, 48), "rate": RATE, "options": options}
    return film(path, **{**given, "sound": "aac", "seconds": float(seconds), **how})


def render(source: Path, output: Path, settings: Settings = SETTINGS, **how: Any) -> Result:
    (result,) = render_all(
        [Job(source, output)], settings, how.pop("executor", open_executor("local")), **how
    )
    return result


def stop_after(frames: int) -> dict[str, Any]:
    stop = threading.Event()

    def look(progress: Progress) -> None:
        if progress.frames >= frames:
            stop.set()

    return {"on_progress": look, "stop": stop}


def content(path: Path) -> tuple[list[Any], list[Any]]:
    """Every frame with its time, and every packet of sound."""
    with av.open(str(path)) as container:
        frames = [
            (frame.pts, frame.to_ndarray(format="bgr24").tobytes()) for frame in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        sound = [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]
    return frames, sound


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def painted_this_time(progress: list[Progress]) -> int:
    return progress[-1].frames - progress[0].frames


@pytest.mark.slow
def test_a_long_video_is_rendered_in_segments_and_nothing_else_is_left(tmp_path):
    source, seen = clip(tmp_path / "in.mp4"), list[Progress]()
    result = render(source, tmp_path / "out.mp4", on_progress=seen.append)
    assert (result.state, result.frames, result.error, result.kept) == ("done", 100, None, None)
    frames, sound = content(tmp_path / "out.mp4")
    before, sound_before = content(source)
    assert [pts for pts, _ in frames] == [pts for pts, _ in before]
    assert sound == sound_before
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["in.mp4", "out.mp4"]
    assert left(tmp_path) == []
    assert (seen[-1].frames, seen[-1].total, seen[-1].done) == (100, 100, 1)
    assert [one.frames for one in seen] == sorted(one.frames for one in seen)


def test_without_stability_segments_change_no_pixel(tmp_path, monkeypatch):
    source = clip(tmp_path / "in.mp4")
    settings = Settings("blue", COLOR.tobytes(), COLOR.shape, "plain", strength=0.7)
    lossless = {"options": {"codec": "ffv1"}}
    assert render(source, tmp_path / "segments.mkv", settings, **lossless).state == "done"
    monkeypatch.setattr(segments, "borders", lambda source, stability: [])
    assert render(source, tmp_path / "straight.mkv", settings, **lossless).state == "done"
    assert content(tmp_path / "segments.mkv") == content(tmp_path / "straight.mkv")


@pytest.mark.slow
def test_stopped_and_taken_up_again_gives_the_same_file(tmp_path):
    source = clip(tmp_path / "in.mp4")
    render(source, tmp_path / "whole.mp4")
    result = render(source, tmp_path / "out.mp4", **stop_after(47))
    assert (result.state, result.frames) == ("stopped", 40)
    assert result.kept == tmp_path / ".out.mp4.nstfilter"
    assert sorted(path.name for path in result.kept.glob("0*")) == ["00001.mp4", "00002.mp4"]
    assert not (tmp_path / "out.mp4").exists()
    seen: list[Progress] = []
    result = render(source, tmp_path / "out.mp4", on_progress=seen.append)
    assert (result.state, result.frames, painted_this_time(seen)) == ("done", 100, 60)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert left(tmp_path) == []


class Backwards(Executor):
    """All tasks at once, the last one first."""

    def run(self, tasks, *, on_frames=None, stop=None):
        yield from open_executor("local").run(reversed(list(tasks)), on_frames=on_frames, stop=stop)


@pytest.mark.slow
def test_the_order_in_which_segments_are_done_is_of_no_matter(tmp_path):
    source = clip(tmp_path / "in.mp4")
    render(source, tmp_path / "whole.mp4")
    result = render(source, tmp_path / "out.mp4", executor=Backwards(), **stop_after(30))
    assert result.kept
    assert {path.name for path in result.kept.glob("0*")} == {"00005.mp4"}
    render(source, tmp_path / "out.mp4", executor=Backwards())
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


class Counts(Executor):
    """Notes how many pictures are said to be left before each task; None where it is not said."""

    def __init__(self):
        self.left = []

    def run(self, tasks, *, on_frames=None, stop=None):
        tasks = tasks if isinstance(tasks, Pictures) else iter(tasks)
        self.left.append(getattr(tasks, "left", None))
        for task in tasks:
            yield from open_executor("local").run([task])
            self.left.append(getattr(tasks, "left", None))


def test_executors_know_how_many_pictures_are_left(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    jobs = [Job(path, path.with_suffix(".jpg")) for path in [*paths, tmp_path / "gone.png"]]
    jobs[1].output.touch()  # is left as it is
    executor = Counts()
    states = [result.state for result in render_all(jobs, SETTINGS, executor)]
    assert states == ["done", "skipped", "done", "failed"]
    assert executor.left == [3, 2, 1]
    executor = Counts()
    mixed = [Job(paths[0], tmp_path / "d.jpg"), Job(clip(tmp_path / "v.mp4"), tmp_path / "o.mp4")]
    render_all(mixed, SETTINGS, executor)
    assert set(executor.left) == {None}


def test_ctrl_c_says_what_is_kept(tmp_path):
    def press(progress: Progress) -> None:
        if progress.frames == 45:
            raise KeyboardInterrupt

    results: list[Result] = []
    with pytest.raises(KeyboardInterrupt) as stop:
        render(clip(tmp_path / "in.mp4"), tmp_path / "out.mp4", on_progress=press, on_result=results.append)
    (note,) = stop.value.__notes__
    assert note.startswith(f"2 of 5 segments of {tmp_path / 'out.mp4'} are done and kept; the same command")
    assert [result.state for result in results] == ["stopped"]
    assert render(tmp_path / "in.mp4", tmp_path / "out.mp4").state == "done"


def test_stopped_before_anything_was_done_leaves_nothing(tmp_path):
    result = render(clip(tmp_path / "in.mp4"), tmp_path / "out.mp4", **stop_after(5))
    assert (result.state, result.kept) == ("stopped", None)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": "red", "embedding": (COLOR + 1).tobytes()}, "style was blue, is red;"),
        ({"embedding": (COLOR + 1).tobytes()}, "what the style's picture shows changed;"),
        ({"strength": 0.5}, "strength was 1.0, is 0.5;"),
        (
            {"stability": 0.41, "keep_colors": True},
            "keep-colors was False, is True; stability was 0.4, is 0.41;",
        ),
        ({"size": 40}, "size was None, is 40;"),
        ({"model": "other"}, "model was plain, is other;"),
    ],
)
def test_other_settings_are_noticed_and_starting_over_is_possible(tmp_path, change, message):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    render(source, output, **stop_after(47))
    result = render(source, output, replace(SETTINGS, **change))
    assert result.state == "failed"
    assert result.error
    assert f"{output} was begun otherwise: {message} go on as it was begun, or start" in result.error
    assert render(source, output, **stop_after(50)).frames >= 40, "a refusal costs nothing that was done"
    again = render(source, output, replace(SETTINGS, **change), overwrite=True, **stop_after(1))
    assert (again.state, again.frames) == ("stopped", 0)
    assert f"started over: {message[:-1]}" in again.warnings


def test_another_input_and_other_options_are_noticed(tmp_path):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    render(source, output, **stop_after(47))
    assert "crf was None, is 30;" in (render(source, output, options={"crf": 30}).error or "")
    source.unlink()
    clip(source, options={"crf": "30", "g": "12"})
    assert "the input's contents changed;" in (render(source, output).error or "")


def test_the_same_command_with_overwrite_goes_on_too(tmp_path):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    output.write_bytes(b"an earlier one")
    render(source, output, overwrite=True, **stop_after(47))
    assert output.read_bytes() == b"an earlier one"
    seen: list[Progress] = []
    assert render(source, output, overwrite=True, on_progress=seen.append).state == "done"
    assert painted_this_time(seen) == 60


def test_another_number_of_threads_is_no_reason_to_refuse(tmp_path):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    render(source, output, **stop_after(47))
    assert render(source, output, replace(SETTINGS, threads=1)).state == "done"


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [spoil, Path.unlink, lambda path: os.truncate(path, 100)])
def test_a_damaged_segment_is_noticed_and_made_again(tmp_path, damage: Callable[[Path], None]):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    render(source, tmp_path / "whole.mp4")
    kept = render(source, output, **stop_after(67)).kept
    assert kept
    damage(kept / "00002.mp4")
    seen: list[Progress] = []
    result = render(source, output, on_progress=seen.append)
    assert (result.state, painted_this_time(seen)) == ("done", 60)
    assert result.warnings == ["segment 2 of 5 was damaged and is made again"]
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_damaged_job_file_is_noticed_and_all_is_made_again(tmp_path):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    kept = render(source, output, **stop_after(47)).kept
    assert kept
    os.truncate(kept / "job.json", 200)
    seen: list[Progress] = []
    result = render(source, output, on_progress=seen.append)
    assert (result.state, painted_this_time(seen)) == ("done", 100)
    assert result.warnings == [f"{kept / 'job.json'} is damaged; all is rendered anew"]
    assert left(tmp_path) == []


def test_a_job_moved_with_its_output_goes_on(tmp_path):
    (tmp_path / "here").mkdir()
    source, output = clip(tmp_path / "here" / "in.mp4"), tmp_path / "here" / "out.mp4"
    render(source, output, **stop_after(47))
    assert str(tmp_path) not in (tmp_path / "here" / ".out.mp4.nstfilter" / "job.json").read_text()
    shutil.copytree(tmp_path / "here", tmp_path / "there")  # with new times, as a copy to another disk has
    os.utime(tmp_path / "there" / "in.mp4")
    shutil.rmtree(tmp_path / "here")
    seen: list[Progress] = []
    result = render(tmp_path / "there" / "in.mp4", tmp_path / "there" / "out.mp4", on_progress=seen.append)
    assert (result.state, painted_this_time(seen)) == ("done", 60)


def test_a_second_process_on_the_same_output_is_refused(tmp_path):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    other = JobFolder(output)
    other.acquire()
    result = render(source, output)
    other.release()
    assert result.state == "failed"
    assert result.error == (
        f"{output} is being rendered by another process; wait for it, or name another output"
    )
    assert render(source, output).state == "done"


def test_a_stretch_without_frames_has_no_piece(tmp_path):
    step = 12800 // RATE
    times = [step * i for i in range(30)] + [12800 * 13 + step * i for i in range(30)]
    images = [picture(number, 64, 48) for number in range(60)]
    source = clip(tmp_path / "in.mp4", times=times, images=images)
    result = render(source, tmp_path / "out.mp4")
    assert (result.state, result.frames) == ("done", 60)
    assert [pts for pts, _ in content(tmp_path / "out.mp4")[0]] == times


def test_a_gif_that_was_stopped_goes_on_and_its_encoding_shows_progress(tmp_path, monkeypatch):
    source = clip(tmp_path / "in.mp4", 6)
    still = replace(SETTINGS, stability=0.0)
    straight = tmp_path / "straight.gif"
    with open_source(source) as frames:
        run(frames, filter_for(still), open_sink(straight))
    result = render(source, tmp_path / "out.gif", still, **stop_after(47))
    assert (result.state, result.frames) == ("stopped", 40)
    seen: list[Progress] = []
    monkeypatch.setattr(rendering, "PACE", 0)
    assert render(source, tmp_path / "out.gif", still, on_progress=seen.append).state == "done"
    assert [now.joined for now in seen if now.joined][::59] == [(1, 60), (60, 60)]
    assert painted_this_time(seen) == 20
    assert (tmp_path / "out.gif").read_bytes() == straight.read_bytes()
    assert left(tmp_path) == []


def test_short_videos_pictures_and_gifs_feel_nothing_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "Segmented", None)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    clip(tmp_path / "short.mp4", seconds=2)
    clip(tmp_path / "long.mp4")
    pairs = [("a.png", "b.png"), ("short.mp4", "b.mp4"), ("long.mp4", "b.gif")]
    jobs = [Job(tmp_path / source, tmp_path / output) for source, output in pairs]
    seen: list[Progress] = []
    results = render_all(jobs, SETTINGS, open_executor("local"), on_progress=seen.append)
    assert [(result.state, result.frames) for result in results] == [("done", 1), ("done", 20), ("done", 100)]
    assert seen[-1] == Progress(121, 121, 3, 3, 0, 0)
    assert left(tmp_path) == []


def test_what_fails_does_not_stop_the_rest(tmp_path):
    inputs, outputs = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    for number in range(12):
        cv2.imwrite(str(inputs / f"{number}.png"), np.full((20, 20, 3), number, np.uint8))
    for number in range(3):
        clip(inputs / f"{number}.mp4", seconds=1 + 4 * number)
    (inputs / "empty.mp4").touch()
    (inputs / "lies.png").write_text("no picture")
    os.truncate(shutil.copy(inputs / "2.mp4", inputs / "cut.mp4"), 5000)
    outputs.mkdir()
    (outputs / "3.png").write_text("there")
    files = sorted(inputs.iterdir())
    told: list[Result] = []
    results = render_all(
        [Job(path, outputs / path.name, outputs) for path in files],
        SETTINGS,
        open_executor("local"),
        on_result=told.append,
    )
    assert [result.job.input for result in results] == files
    states = {result.job.input.name: result.state for result in results}
    assert {name for name, state in states.items() if state == "failed"} == {
        "empty.mp4",
        "lies.png",
        "cut.mp4",
    }
    assert [name for name, state in states.items() if state == "skipped"] == ["3.png"]
    assert all("\n" not in (result.error or "") for result in results)
    assert sorted(told, key=id) == sorted(results, key=id)
    assert {path.name for path in outputs.iterdir()} == {
        name for name, state in states.items() if state != "failed"
    }
    again = render_all(
        [Job(path, outputs / path.name, outputs) for path in files], SETTINGS, open_executor("local")
    )
    assert {result.state for result in again} == {"skipped", "failed"}


def test_what_nobody_had_thought_of_keeps_its_traceback(tmp_path):
    settings = Settings("blue", COLOR.tobytes(), COLOR.shape, "faulty")
    result = render(clip(tmp_path / "in.mp4"), tmp_path / "out.mp4", settings)
    assert result.state == "failed"
    assert result.error
    assert 'return {}["no such key"]' in result.error
    assert left(tmp_path) == []


def test_a_result_that_cannot_be_joined_keeps_its_pieces(tmp_path, monkeypatch):
    """A limit on the size of a file falls into the join: the segments are smaller."""
    resource = pytest.importorskip("resource")
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    size = sum(path.stat().st_size for path in [render_and_return(source, tmp_path / "whole.mp4")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 2000, hard))
    try:
        result = render(source, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.state == "failed"
    assert result.error == (
        f"{output} could not be written on: the file is larger than this system or its limits allow; "
        f"5 of 5 segments of {output} are done and kept; the same command goes on"
    )
    assert [path.name for path in tmp_path.glob("*.partial*")] == []
    seen: list[Progress] = []
    assert render(source, output, on_progress=seen.append).state == "done"
    assert painted_this_time(seen) == 0
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def render_and_return(source: Path, output: Path) -> Path:
    assert render(source, output).state == "done"
    return output


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_after_room_is_made_the_same_command_goes_on(tmp_path, small_disk):
    noise = np.random.default_rng(1).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    source = clip(tmp_path / "in.mp4", images=list(noise))
    whole = render_and_return(source, tmp_path / "whole.mp4")
    assert 2 * whole.stat().st_size > 400 * 1024, "segments and result together must not fit"
    output, ballast = small_disk / "out.mp4", small_disk / "ballast"
    ballast.write_bytes(bytes(400 * 1024 - whole.stat().st_size // 2))
    result = render(source, output)
    assert result.state == "failed"
    assert result.kept
    done = len(list(result.kept.glob("0*")))
    assert 0 < done < 5
    assert result.error == (
        f"{output} could not be written on: the disk is full; make room and start again; "
        f"{done} of 5 segments of {output} are done and kept; the same command goes on"
    )
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    seen: list[Progress] = []
    assert render(source, output, on_progress=seen.append).state == "done"
    assert painted_this_time(seen) == 100 - 20 * done
    assert output.read_bytes() == whole.read_bytes()
    assert [path.name for path in small_disk.iterdir()] == ["out.mp4"]


RENDERING = """
import os, signal, sys, threading
from pathlib import Path
from nstfilter.jobs import segments
from nstfilter.jobs.run import render_all
from nstfilter.jobs.work import filter_for
from nstfilter.manager import open_executor, open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.jobs.planning import Job
from nstfilter.jobs.task import Settings
segments.SECONDS, segments.WARMING = 2.0, 1.0
if __name__ == "__main__":
    source, output, model, embedding, executor, frames, seconds = sys.argv[1:]
    embedding = Path(embedding).read_bytes()
    settings = Settings("blue", embedding, (len(embedding) // 4,), model, size=32, stability=0.4, threads=1)
    jobs, frames, begun = int(executor), int(frames), []

    def die(progress):
        # by its own hand, since another's comes late on a busy machine; as sudden, and in mid-work
        begun.append(progress.frames)
        if frames and progress.frames >= begun[0] + frames:
            threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL)).start()

    with open_executor("local", jobs=jobs) as workers:
        (result,) = render_all([Job(Path(source), Path(output))], settings, workers, on_progress=die)
    assert result.state == "done", result
"""


def kill_and_go_on(
    tmp_path: Path, source: Path, model: str, embedding: np.ndarray, kills: int, jobs: int = 1
) -> tuple[Path, Path]:
    """One render that is killed so many times and taken up again, and one that is not."""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site-packages")}
    environment["NSTFILTER_TEST_SLEEP"] = "0.002"
    (tmp_path / "rendering.py").write_text(RENDERING)
    (tmp_path / "embedding").write_bytes(embedding.tobytes())

    def render_it(output: str, frames: int = 0, seconds: float = 0.0) -> int:
        words = [sys.executable, str(tmp_path / "rendering.py"), str(source), str(tmp_path / output)]
        words += [model, str(tmp_path / "embedding"), str(jobs), str(frames), str(seconds)]
        return subprocess.run(words, env=environment, check=False).returncode

    assert render_it("whole.mp4") == 0
    dice = random.Random(4)
    for _ in range(kills):
        code = render_it("out.mp4", dice.randint(1, 45), dice.random() * 0.03)
        assert code == -signal.SIGKILL, "it was done before it could be killed so often"
        assert not (tmp_path / "out.mp4").exists()
    assert render_it("out.mp4") == 0
    assert left(tmp_path) == []
    return tmp_path / "whole.mp4", tmp_path / "out.mp4"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_twenty_kills_and_the_frames_and_the_sound_are_those_of_an_uninterrupted_run(tmp_path):
    source = clip(tmp_path / "in.mp4", seconds=90)
    whole, out = kill_and_go_on(tmp_path, source, "plain", COLOR, kills=20)
    assert content(whole) == content(out)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_the_same_with_pocket_and_two_workers(tmp_path):
    from nstfilter import StyleFilter

    embedding = StyleFilter("candy", size=32).embedding
    source = clip(tmp_path / "in.mp4", seconds=20)
    whole, out = kill_and_go_on(tmp_path, source, "pocket", embedding, kills=3, jobs=2)
    assert content(whole) == content(out)


# -- checkpoints --

LOSSLESS = {"options": {"codec": "ffv1"}}


@pytest.mark.parametrize("seconds", [2, 4])
def test_a_segment_that_was_stopped_goes_on_in_its_middle(tmp_path, monkeypatch, seconds):
    source = clip(tmp_path / "in.mp4", seconds=seconds)
    whole = render(source, tmp_path / "whole.mkv", **LOSSLESS)
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    first = render(source, tmp_path / "out.mkv", **stop_after(13), **LOSSLESS)
    assert first.state == "stopped"
    assert first.kept
    seen: list[Progress] = []
    second = render(source, tmp_path / "out.mkv", on_progress=seen.append, **LOSSLESS)
    assert (second.state, second.frames) == ("done", whole.frames)
    assert painted_now(seen) < whole.frames - 2, "those still in a queue are painted again"
    assert [pts for pts, _ in content(tmp_path / "out.mkv")[0]] == [
        pts for pts, _ in content(tmp_path / "whole.mkv")[0]
    ]
    assert content(tmp_path / "out.mkv")[1] == content(tmp_path / "whole.mkv")[1]
    assert left(tmp_path) == []


def painted_now(seen: list[Progress]) -> int:
    """Frames painted after the first progress that knew of earlier ones."""
    known = next(progress.frames for progress in seen if progress.frames)
    return seen[-1].frames - known + 1


def test_without_stability_checkpoints_change_no_pixel(tmp_path, monkeypatch):
    source = clip(tmp_path / "in.mp4", seconds=3)
    settings = Settings("blue", COLOR.tobytes(), COLOR.shape, "plain", strength=0.7)
    render(source, tmp_path / "whole.mkv", settings, **LOSSLESS)
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    render(source, tmp_path / "out.mkv", settings, **stop_after(7), **LOSSLESS)
    render(source, tmp_path / "out.mkv", settings, **LOSSLESS)
    assert content(tmp_path / "out.mkv") == content(tmp_path / "whole.mkv")


@pytest.mark.parametrize("what", ["cut", "gone", "note"])
def test_a_damaged_checkpoint_is_painted_again_and_all_after_it(tmp_path, monkeypatch, what):
    source = clip(tmp_path / "in.mp4", seconds=2)
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    kept = render(source, tmp_path / "out.mp4", **stop_after(12)).kept
    assert kept
    spoiled = kept / "00001.0004.mp4"
    if what == "cut":
        spoiled.write_bytes(spoiled.read_bytes()[:-9])
    elif what == "gone":
        spoiled.unlink()
    else:
        spoiled.with_suffix(".json").write_text("{")
    seen: list[Progress] = []
    assert render(source, tmp_path / "out.mp4", on_progress=seen.append).state == "done"
    assert painted_now(seen) == 20 - 4 + 1
    assert len(content(tmp_path / "out.mp4")[0]) == 20


def test_an_input_that_is_replaced_is_noticed(tmp_path):
    source, other = clip(tmp_path / "in.mp4"), clip(tmp_path / "other.mp4", rate=RATE, sound=None)

    def swap(progress: Progress) -> None:
        if progress.frames >= 30 and other.exists():
            os.replace(other, source)

    result = render(source, tmp_path / "out.mp4", on_progress=swap)
    assert result.state == "failed"
    assert "was replaced or changed while it was rendered" in (result.error or "")
    assert not (tmp_path / "out.mp4").exists()


def test_an_input_that_is_only_touched_is_the_same(tmp_path):
    source = clip(tmp_path / "in.mp4")
    assert render(source, tmp_path / "out.mp4", on_progress=lambda _: os.utime(source)).state == "done"


def test_a_picture_that_is_replaced_while_it_is_read_is_noticed(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "in.png"), np.zeros((20, 20, 3), np.uint8))
    state = rendering.InputState.of(tmp_path / "in.png")
    monkeypatch.setattr(rendering.InputState, "of", classmethod(lambda cls, path: state))
    cv2.imwrite(str(tmp_path / "in.png"), np.ones((30, 20, 3), np.uint8))
    result = render(tmp_path / "in.png", tmp_path / "out.png")
    assert result.state == "failed"
    assert not (tmp_path / "out.png").exists()


def test_while_segments_are_joined_nothing_strange_lies_beside_the_result(tmp_path, monkeypatch):
    from nstfilter.plugins.video.sink import VideoSink

    seen: list[str] = []
    finish = VideoSink._finish_file

    def look(sink: VideoSink, whole: bool = True) -> None:
        seen.extend(path.name for path in tmp_path.iterdir())
        finish(sink, whole)

    monkeypatch.setattr(VideoSink, "_finish_file", look)
    render(clip(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    assert set(seen) - {"site-packages"} == {"in.mp4", ".out.mp4.nstfilter"}


def test_the_progress_of_a_frame_does_not_count_every_result_again():
    """Of a folder with a million files, each frame would look at a million results."""

    class Untouched(dict[Path, Result]):
        def values(self) -> Any:
            raise AssertionError("every result was looked at")

    seen: list[Progress] = []
    run = rendering._Run([], SETTINGS, {"overwrite": False}, threading.Event())
    run.on_progress, run.results = seen.append, Untouched()
    for number, state in enumerate(("done", "done", "failed", "skipped")):
        run._tell(Result(Job(Path("in.png"), Path(f"{number}.png")), state))
    assert (seen[-1].done, seen[-1].failed, seen[-1].skipped) == (2, 1, 1)


@pytest.mark.parametrize("suffix", [".avi", ".mpg"])
def test_a_film_that_is_found_only_from_its_beginning_resumes_too(tmp_path, monkeypatch, suffix):
    how = {"codec": "mpeg4" if suffix == ".avi" else "mpeg2video", "sound": "mp2", "options": {}}
    how |= {"rate": 25, "times": list(range(100)), "time_base": Fraction(1, 25)}
    source = clip(tmp_path / f"in{suffix}", **how)
    settings = Settings("blue", COLOR.tobytes(), COLOR.shape, "plain", strength=0.7)
    whole = render(source, tmp_path / "whole.mkv", settings, **LOSSLESS)
    assert whole.frames >= 99
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    assert render(source, tmp_path / "out.mkv", settings, **stop_after(30), **LOSSLESS).kept
    seen: list[Progress] = []
    again = render(source, tmp_path / "out.mkv", settings, on_progress=seen.append, **LOSSLESS)
    assert (again.state, again.frames) == ("done", whole.frames)
    assert painted_now(seen) < 90
    assert content(tmp_path / "out.mkv")[0] == content(tmp_path / "whole.mkv")[0]


def test_starting_over_uses_no_checkpoint_of_what_was_begun_otherwise(tmp_path, monkeypatch):
    source, output = clip(tmp_path / "in.mp4", 3), tmp_path / "out.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "EVERY", 0)
        assert render(source, output, **stop_after(5)).kept
    other = replace(SETTINGS, embedding=COLOR[::-1].tobytes())
    seen: list[Progress] = []
    result = render(source, output, other, overwrite=True, on_progress=seen.append)
    assert (result.state, result.frames, painted_this_time(seen)) == ("done", 30, 30)
    render(source, tmp_path / "whole.mp4", other)
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_damage_in_several_segments_is_added_up(tmp_path, monkeypatch):
    source, output, decoder = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4", VideoSource._decoder
    damaged = {12800 // RATE * number for number in (10, 19, 50)}  # the second is decoded for two segments

    def fail(self):
        decode = decoder(self)

        def faulty(packet):
            if packet is not None and packet.pts in damaged:
                raise av.error.InvalidDataError(0, "damaged")
            return decode(packet)

        return faulty

    monkeypatch.setattr(VideoSource, "_decoder", fail)
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    assert render(source, output, **stop_after(57)).kept
    result = render(source, output)
    assert [line for line in result.changes if "skipped" in line] == ["3 damaged frames were skipped"]


def test_changes_told_before_a_stop_are_still_changes_after_it(tmp_path):
    source, output = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    kept = render(source, output, **stop_after(47)).kept
    assert kept
    folder = JobFolder(output)
    job = folder.read()
    assert job
    job.segments[0].warnings = ["a frame was skipped", "for your information"]
    job.segments[0].changes = ["a frame was skipped"]
    folder.write(job)
    result = render(source, output)
    assert result.state == "done"
    assert "for your information" in result.warnings
    assert result.changes == ["a frame was skipped"]


def test_what_will_be_lost_is_said_before_the_first_frame(tmp_path):
    source, said = clip(tmp_path / "in.mp4", 2), list[tuple[str, object]]()
    result = render(
        source,
        tmp_path / "out.webm",
        on_begin=lambda job, lines: said.append(("before", lines)),
        on_progress=lambda progress: said.append(("frames", progress.frames)),
        on_result=lambda result: said.append(("after", result.warnings)),
    )
    line = "sound track 1 (deu) is converted from aac to opus"
    assert said[0] == ("before", [line])
    assert result.warnings.count(line) == 1


def test_pictures_of_an_animation_that_are_not_kept_are_not_painted_and_that_is_said_before(tmp_path):
    images = [Image.fromarray(picture(number, 64, 48)) for number in range(5)]
    said: list[tuple[str, object]] = []
    for name in ("a.gif", "b.png"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=100)
        result = render(
            tmp_path / name,
            tmp_path / f"{name}.jpg",
            on_begin=lambda job, lines: said.append(("before", lines)),
            on_progress=lambda progress: said.append(("frames", (progress.frames, progress.total))),
        )
        line = "JPEG holds one picture: only the first of its 5 is kept"
        assert (result.state, result.frames, result.changes) == ("done", 1, [line])
        assert (said[0], said[-1]) == (("before", [line]), ("frames", (1, 1)))
        said.clear()


def test_ctrl_c_while_the_result_is_looked_through_leaves_it_and_nothing_else(tmp_path, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nstfilter.plugins.video.sink.audit", pressed)
    for seconds in (10, 1, 2):  # in segments, in one, and as one task without any
        if seconds == 2:
            monkeypatch.setattr(segments, "borders", lambda *_: [])
        source, output = clip(tmp_path / "in.mp4", seconds), tmp_path / f"{seconds}.mp4"
        results: list[Result] = []
        with pytest.raises(KeyboardInterrupt) as stop:
            render(source, output, on_result=results.append)
        assert [(result.state, result.frames) for result in results] == [("done", seconds * RATE)]
        assert results[0].changes == ["the result was not compared with its input to the end"]
        assert getattr(stop.value, "__notes__", []) == []
        assert len(content(output)[0]) == seconds * RATE
        assert left(tmp_path) == []
        source.unlink()


def test_ctrl_c_while_a_result_is_cleared_up_after_costs_nothing(tmp_path, monkeypatch):
    def press(folder):
        signal.raise_signal(signal.SIGINT)
        return remove(folder)

    remove = JobFolder.remove
    monkeypatch.setattr(JobFolder, "remove", press)
    results: list[Result] = []
    with pytest.raises(KeyboardInterrupt):
        render(clip(tmp_path / "in.mp4"), tmp_path / "out.webm", on_result=results.append)
    ((state, warnings),) = [(result.state, result.warnings) for result in results]
    assert (state, warnings) == ("done", ["sound track 1 (deu) is converted from aac to opus"])
    assert left(tmp_path) == []


@pytest.mark.parametrize("moment", ["took", "finish"])
@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_only_what_was_not_compared_is_said_not_to_be(tmp_path, monkeypatch, suffix, moment):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(segments, "borders", lambda *_: [])
    monkeypatch.setattr(rendering._Whole, moment, pressed)
    source = clip(tmp_path / "in.mp4", 1) if suffix == ".mp4" else tmp_path / "in.png"
    if suffix == ".png":
        Image.fromarray(picture(0, 64, 48)).save(source)
    results: list[Result] = []
    with pytest.raises(KeyboardInterrupt):
        render(source, tmp_path / f"out{suffix}", on_result=results.append)
    lost = (suffix, moment) == (".mp4", "took")  # with the report; it is not known how the comparing ended
    line = "the result was not compared with its input to the end"
    assert [(result.state, result.changes) for result in results] == [("done", [line] if lost else [])]


def test_ctrl_c_ends_an_animation_and_says_where_its_pictures_are(tmp_path, monkeypatch):
    def write(sink, frame):
        add(sink, frame)
        written.append(frame)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    written, add = [], ImageSink._write
    monkeypatch.setattr(ImageSink, "_write", write)
    monkeypatch.setenv("NSTFILTER_TEST_SLEEP", "0.02")
    first, *rest = (Image.fromarray(picture(number, 64, 48)) for number in range(60))
    first.save(tmp_path / "in.webp", save_all=True, append_images=rest, duration=100)
    results: list[Result] = []
    with pytest.raises(KeyboardInterrupt) as stop:
        render(tmp_path / "in.webp", tmp_path / "out.webp", on_result=results.append)
    part = tmp_path / "out.partial.webp"
    assert stop.value.__notes__ == [f"the finished part is kept in {part}"]
    assert [result.state for result in results] == ["stopped"]
    with open_source(part) as source:
        assert 2 <= len(list(source)) < 60
    assert left(tmp_path) == []


def test_a_failed_job_says_nothing_of_a_file_that_is_not_its_own(tmp_path):
    Image.fromarray(picture(0, 64, 48)).save(tmp_path / "in.png")
    output = tmp_path / "out.png"
    result = render(tmp_path / "in.png", output, on_progress=lambda _: output.write_bytes(b"precious"))
    assert (result.state, result.warnings) == ("failed", [])
    assert output.read_bytes() == b"precious"


def test_a_folder_removed_in_mid_render_ends_that_job_alone(tmp_path):
    source, outputs = clip(tmp_path / "in.mp4", 5), [tmp_path / "a.mp4", tmp_path / "b.mp4"]

    def remove(progress: Progress) -> None:
        if progress.frames == 30:
            shutil.rmtree(tmp_path / ".a.mp4.nstfilter", ignore_errors=True)

    jobs = [Job(source, output) for output in outputs]
    results = render_all(jobs, SETTINGS, open_executor("local"), on_progress=remove)
    assert [result.state for result in results] == ["failed", "done"]
    assert left(tmp_path) == []
