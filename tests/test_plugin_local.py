"""Work in this process and in worker processes: real ones, which find their model by the plugin door."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from nstfilter.errors import NstfilterError, SourceError, UsageError
from nstfilter.jobs.task import Executor, Pictures, Settings, Task
from nstfilter.manager import open_executor, open_sink, open_source
from nstfilter.pipeline import Report, run
from nstfilter.plugins.executors import local_pool
from nstfilter.testing import MemorySource

pytestmark = pytest.mark.slow

MODELS = '''
    import os, signal, time
    from pathlib import Path

    NOTES = Path(os.environ["NSTFILTER_TEST_NOTES"])

    def note(name, text):
        with (NOTES / name).open("a") as file:
            file.write(f"{text}\\n")

    class Slow(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            time.sleep(0.02)
            return super().stylize(frame, embedding, out=out)

    class Mortal(FakeModel):
        """Kills its process at the fifth frame it sees, as often as `lives` says, all processes counted, also
        where two come to it at once."""

        seen = 0

        def __init__(self, lives):
            super().__init__()
            self.lives = lives

        def stylize(self, frame, embedding, *, out=None):
            self.seen += 1
            if self.seen == 5:
                for number in range(self.lives):
                    try:
                        (NOTES / f"death {number}").touch(exist_ok=False)
                    except FileExistsError:
                        continue
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().stylize(frame, embedding, out=out)

    class Faulty(FakeModel):
        def stylize(self, frame, embedding, *, out=None):
            return {}["no such key"]

    class Together(FakeModel):
        """Waits until another process has opened it too."""

        def stylize(self, frame, embedding, *, out=None):
            for _ in range(6000):
                if len((NOTES / "opened").read_text().splitlines()) > 1:
                    break
                time.sleep(0.02)
            return super().stylize(frame, embedding, out=out)

    def open_slow(target, *, threads=None):
        note("opened", f"{os.getpid()} {threads}")
        note("gpus", os.environ.get("CUDA_VISIBLE_DEVICES"))
        return Together() if target == "together" else Slow()

    @hookimpl
    def register_models(register):
        register("cheap", lambda target, threads=None: FakeModel())
        register("slow", open_slow)
        register("mortal", lambda target, threads=None: Mortal(int(target)))
        register("faulty", lambda target, threads=None: Faulty())

    @hookimpl
    def register_segmenters(register):
        from nstfilter.testing import FakeSegmenter

        register("half", lambda target: FakeSegmenter())
'''


@pytest.fixture
def notes(site, tmp_path, monkeypatch):
    """The models are installed; what they note down lies in this folder."""
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("NSTFILTER_TEST_NOTES", str(folder))
    site("models-to-try", MODELS)
    return folder


def settings(model="cheap", threads=None):
    return Settings("ruby", np.float32([10, 20, 200]).tobytes(), (3,), model, threads=threads)


def videos(folder, count=3, frames=12):
    made = [folder / f"{index}.mp4" for index in range(count)]
    for index, path in enumerate(made):
        images = [np.full((48, 64, 3), (10 * i + index) % 256, np.uint8) for i in range(frames)]
        run(MemorySource(images), lambda image: image, open_sink(path))
    return made


def tasks(inputs, how, where="out"):
    for path in inputs:
        (path.parent / where).mkdir(exist_ok=True)
        yield Task(path, path.parent / where / path.name, how)


def frames(path):
    with open_source(path) as source:
        return [(frame.pts, frame.image) for frame in source]


def same(one, other):
    return len(one) == len(other) and all(
        a == b and np.array_equal(x, y) for (a, x), (b, y) in zip(one, other, strict=True)
    )


def parted():
    """A person in the left half, painted before a picture."""
    picture = np.full((48, 64, 3), (10, 90, 10), np.uint8)
    return replace(
        settings(),
        area="people",
        background="green.png",
        room=picture.tobytes(),
        room_shape=picture.shape,
        segmenter="half",
        stability=0.8,
    )


def painted_here(inputs, how=None):
    done = list(open_executor("local").run(tasks(inputs, how or settings(), "expected")))
    return {task.input: frames(task.output) for task, _ in done}


def gone(pid):
    """Whether the process ends soon; a deadline for what must happen, not a time that is waited."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with contextlib.suppress(FileNotFoundError):  # ended, and nobody has noticed
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.05)
    return False


def test_two_workers_make_the_frames_that_one_process_makes(notes, tmp_path):
    inputs = videos(tmp_path)
    expected = painted_here(inputs)
    told = {}
    with open_executor("local", jobs=2) as executor:
        assert executor.workers == 2
        for task, report in executor.run(
            tasks(inputs, settings()), on_frames=lambda t, n: told.update({t.input: n})
        ):
            assert report.frames == 12
            assert same(frames(task.output), expected.pop(task.input))
        assert told.keys() == set(inputs)
    assert not expected


def test_a_worker_loads_its_model_once_and_has_its_share_of_the_threads(notes, tmp_path):
    inputs = videos(tmp_path, 4, 5)
    with open_executor("local", jobs=2) as executor:
        for _ in range(2):
            assert len(list(executor.run(tasks(inputs, settings("slow", threads=6))))) == 4
            for path in inputs:
                (path.parent / "out" / path.name).unlink()
    opened = (notes / "opened").read_text().split("\n")[:-1]
    assert len(opened) == 2
    assert [line.split()[1] for line in opened] == ["3", "3"]
    assert str(os.getpid()) not in {line.split()[0] for line in opened}


def test_no_more_workers_are_started_than_there_are_tasks(notes, tmp_path):
    with open_executor("local", jobs=8) as executor:
        list(executor.run(tasks(videos(tmp_path, 1), settings("slow"))))
        assert len(executor._pool) == 1


def pictures(folder, count, names=None):
    for name in names or (f"{index:03}.png" for index in range(count)):
        cv2.imwrite(str(folder / name), np.full((20, 30, 3), 100, np.uint8))
    return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(".png")]


def test_few_pictures_are_painted_without_workers(notes, tmp_path):
    inputs = pictures(tmp_path, 30)
    with open_executor("local", jobs=2) as executor:
        done = list(executor.run(Pictures(tasks(inputs, settings("slow")), 30)))
        assert not executor._pool
    assert [task.input for task, _ in done] == inputs
    assert [report.frames for _, report in done] == [1] * 30
    assert {int(line.split()[0]) for line in (notes / "opened").read_text().splitlines()} == {os.getpid()}


@pytest.mark.parametrize(
    ("share", "left", "workers"),
    [
        (1.0, 10_000, False),  # one process keeps all processors busy: no number of pictures is worth it
        (0.9, 5000, True),  # 100 s may be saved of a thousand
        (0.9, 400, False),  # 8 s of 80
        (0.3, 60, False),
        (0.3, 400, True),
    ],
)
def test_workers_are_started_where_processors_are_idle(tmp_path, monkeypatch, share, left, workers):
    """With clocks of the test's own: a picture takes 0.2 s, and `share` of all processors meanwhile."""
    clock = {"now": 0.0}
    clocks = {"monotonic": lambda: clock["now"], "process_time": lambda: clock["now"] * share * 4}
    monkeypatch.setattr(local_pool, "time", SimpleNamespace(**clocks))
    monkeypatch.setattr(local_pool, "_cores", lambda: 4)

    class Here(Executor):
        def run(self, tasks, **_):
            for task in tasks:
                clock["now"] += 0.2
                yield task, Report(1)

    task = Task(tmp_path / "a.png", tmp_path / "b.png", settings("plain"))
    pool = local_pool.Pool(2, Here())
    pictures = Pictures(itertools.repeat(task, left), left)
    painted = sum(1 for _ in pool._while_quicker_here(pictures, lambda *_: None, threading.Event()))
    assert (painted < left) == workers


def test_many_pictures_are_painted_by_workers(notes, tmp_path, monkeypatch):
    monkeypatch.setattr(local_pool, "WORTHWHILE", 0.01)  # and a slow picture takes 0.02 s
    inputs = pictures(tmp_path, 12)
    with open_executor("local", jobs=2) as executor:
        done = [task.input for task, _ in executor.run(Pictures(tasks(inputs, settings("slow")), 12))]
        assert len(executor._pool) == 2
    assert sorted(done) == inputs
    opened = {int(line.split()[0]) for line in (notes / "opened").read_text().splitlines()}
    assert len(opened - {os.getpid()}) == 2


def test_tasks_are_taken_as_workers_come_free(notes, tmp_path):
    taken = []

    def one_by_one():
        for task in tasks(videos(tmp_path, 5, 3), settings()):
            taken.append(task)
            yield task

    with open_executor("local", jobs=2) as executor:
        next(executor.run(one_by_one()))
    assert len(taken) in (3, 4)  # one or both had become free


def test_what_a_killed_worker_was_at_is_done_by_another(notes, tmp_path):
    inputs = videos(tmp_path)
    expected = painted_here(inputs)
    with open_executor("local", jobs=2) as executor:
        for task, report in executor.run(tasks(inputs, settings("mortal:2"))):
            assert report.frames == 12
            assert same(frames(task.output), expected.pop(task.input))
    assert len(list(notes.glob("death *"))) == 2
    assert not expected


def test_a_task_that_ends_every_worker_is_given_up_and_the_rest_is_done(notes, tmp_path):
    (fatal,) = videos(tmp_path, 1)
    (tmp_path / "short").mkdir()
    harmless = videos(tmp_path / "short", 2, 1)
    how = settings("mortal:99")  # one frame each is over before the fifth
    with open_executor("local", jobs=2) as executor:
        results = {task.input: what for task, what in executor.run(tasks([fatal, *harmless], how))}
    assert isinstance(results[fatal], NstfilterError)
    assert str(results[fatal]).startswith(f"{fatal} has killed 3 workers, the last with SIGKILL; ")
    assert [results[path].frames for path in harmless] == [1, 1]


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_come_home(notes, tmp_path, jobs):
    (good,) = videos(tmp_path, 1)
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a video")
    odd = tmp_path / "odd.xyz"
    odd.touch()
    with open_executor("local", jobs=jobs) as executor:
        results = {t.input: what for t, what in executor.run(tasks([bad, odd, good], settings()))}
        assert isinstance(results[bad], SourceError)
        assert "bad.mp4" in str(results[bad])
        assert isinstance(results[odd], UsageError)
        assert results[good].frames == 12
        ((_, unexpected),) = executor.run(tasks([good], settings("faulty"), "again"))
    assert isinstance(unexpected, KeyError)
    # a worker's traceback comes as a note
    assert "".join(traceback.format_exception(unexpected)).count('return {}["no such key"]') == 1
    assert os.listdir(tmp_path / "again") == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_stop_ends_the_work_and_leaves_nothing(notes, tmp_path, jobs):
    inputs = videos(tmp_path, 4, 200)
    stop = threading.Event()
    with open_executor("local", jobs=jobs) as executor:
        work = executor.run(tasks(inputs, settings("slow")), on_frames=lambda *_: stop.set(), stop=stop)
        assert list(work) == []
    pids = [int(line.split()[0]) for line in (notes / "opened").read_text().splitlines()]
    assert all(gone(pid) for pid in pids if pid != os.getpid())
    assert [path for path in (tmp_path / "out").iterdir() if "partial" not in path.name] == []


def test_a_run_that_is_left_alone_ends_its_workers(notes, tmp_path):
    with open_executor("local", jobs=2) as executor:
        work = executor.run(tasks(videos(tmp_path, 4, 30), settings("slow")))
        next(work)
        work.close()
    assert all(gone(int(line.split()[0])) for line in (notes / "opened").read_text().splitlines())


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_workers_end_when_their_parent_is_killed(notes, tmp_path, site):
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from nstfilter.manager import open_executor; from nstfilter.jobs.work import Settings, Task\n"
        "how = Settings('ruby', np.zeros(3, np.float32).tobytes(), (3,), 'slow')\n"
        "tasks = [Task(Path(p), Path(p + '.mp4'), how) for p in sys.argv[1:]]\n"
        "told = lambda task, frames: print(frames, flush=True)\n"
        "if __name__ == '__main__': list(open_executor('local', jobs=2).run(tasks, on_frames=told))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site-packages")}
    inputs = [str(path) for path in videos(tmp_path, 2, 500)]
    with subprocess.Popen([sys.executable, script, *inputs], env=environ, stdout=subprocess.PIPE) as parent:
        while len((notes / "opened").read_text().splitlines() if (notes / "opened").exists() else []) < 2:
            assert parent.stdout.readline()
        parent.send_signal(signal.SIGKILL)
    pids = [int(line.split()[0]) for line in (notes / "opened").read_text().splitlines()]
    assert all(gone(pid) for pid in pids)
    assert not (tmp_path / "0.mp4.mp4").exists()


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("local:here", {}, "local takes nothing after its name, and was given 'here'"),
        ("local", {"jobs": 0}, "jobs is 0; expected a whole number from 1 up"),
    ],
)
def test_what_cannot_be_meant_is_one_line(target, options, says):
    with pytest.raises(UsageError, match=says):
        open_executor(target, **options)


def test_pictures_too(notes, tmp_path):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((20, 30, 3), 100, np.uint8))
    with open_executor("local", jobs=2) as executor:
        done = list(executor.run(tasks([tmp_path / "a.png", tmp_path / "b.png"], settings())))
    assert {task.input.name for task, _ in done} == {"a.png", "b.png"}
    assert cv2.imread(str(tmp_path / "out" / "a.png"))[0, 0].tolist() == [55, 60, 150]


def shades(folder, count=6):
    made = [folder / f"{index}.png" for index in range(count)]
    for index, path in enumerate(made):
        cv2.imwrite(str(path), np.full((48, 64, 3), 30 * index, np.uint8))
    return made


def test_pictures_are_read_while_another_is_painted(notes, tmp_path, monkeypatch):
    """The first is not painted before the second was opened, and no two are painted at once."""
    inputs, opened, painting = shades(tmp_path), threading.Event(), []

    def opening(path):
        if Path(path) == inputs[1]:
            opened.set()
        return open_source(path)

    def stylize(self, frame, embedding, *, out=None):
        assert opened.wait(60)
        painting.append(threading.current_thread())
        assert len(painting) == 1
        time.sleep(0.01)
        painting.clear()
        return 255 - frame

    monkeypatch.setattr("nstfilter.jobs.work.open_source", opening)
    monkeypatch.setattr("nstfilter.testing.FakeModel.stylize", stylize)
    told = []
    done = list(
        open_executor("local").run(tasks(inputs, settings()), on_frames=lambda *what: told.append(what))
    )
    assert [task.input for task, _ in done] == inputs
    assert told == [(task, 1) for task, _ in done]
    for index, (task, report) in enumerate(done):
        assert report.frames == 1
        assert (cv2.imread(str(task.output)) == 255 - 30 * index).all(), "no picture is mixed with another"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nstfilter-picture")]


def test_a_picture_that_fails_is_told_of_and_the_others_are_done(notes, tmp_path):
    inputs = shades(tmp_path)
    inputs[2].write_bytes(b"not a picture")
    done = {task.input: result for task, result in open_executor("local").run(tasks(inputs, settings()))}
    assert list(done) == inputs
    assert isinstance(done.pop(inputs[2]), SourceError)
    assert all(report.frames == 1 for report in done.values())


def test_pictures_and_videos_may_alternate_and_stop_ends_both(notes, tmp_path):
    stills, films = shades(tmp_path, 4), videos(tmp_path, 1)
    mixed = [*stills[:3], *films, stills[3]]
    done = [task.input for task, _ in open_executor("local").run(tasks(mixed, settings()))]
    assert done == mixed
    stop = threading.Event()
    done = []
    for task, _ in open_executor("local").run(tasks(mixed, settings(), "again"), stop=stop):
        done.append(task.input)
        stop.set()
    assert len(done) <= 3
    assert not list((tmp_path / "again").glob("*.mp4"))
    assert not list((tmp_path / "again").glob(".*"))
