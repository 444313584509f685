"""Work on a Ray cluster: a real one, on this computer, with two workers."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import PLUGIN_IMPORTS
from test_plugin_local import MODELS, frames, gone, painted_here, parted, same, settings, tasks, videos

from nstfilter.errors import MissingLibraryError, NstfilterError, SourceError, UsageError
from nstfilter.jobs.task import Task
from nstfilter.manager import open_executor

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Ray with two processors, which finds the models as it finds everything that is installed."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    folder = tmp_path_factory.mktemp("ray")
    about = folder / "models_to_try-1.0.dist-info"
    about.mkdir()
    (folder / "models_to_try.py").write_text(PLUGIN_IMPORTS + dedent(MODELS))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: models-to-try\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[nstfilter]\nmodels-to-try = models_to_try\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init("local", num_cpus=2, num_gpus=1, log_to_driver=False, logging_level="ERROR")
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
            pytest.skip("Ray gave its own start up: it lets a machine have thirty seconds for it")
        yield ray
        ray.shutdown()


@pytest.fixture
def notes(cluster, tmp_path, monkeypatch, fresh_manager):
    """What the models note down lies in this folder."""
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("NSTFILTER_TEST_NOTES", str(folder))
    return folder


def pids(notes):
    return [int(line.split()[0]) for line in (notes / "opened").read_text().splitlines()]


@slow
def test_an_actor_whose_result_has_come_is_ended_without_waiting(monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    from nstfilter.plugins.executors import ray_cluster

    waited, killed = [], []
    fake = SimpleNamespace(wait=lambda results, **_: waited.append(results), kill=killed.append)
    monkeypatch.setattr(ray_cluster, "ray", fake)
    handle = SimpleNamespace(stop=SimpleNamespace(remote=lambda: None))
    cluster = object.__new__(ray_cluster.Cluster)
    cluster._actors = [
        ray_cluster._Actor(handle, False, result, doing=object()) for result in (None, "a reference")
    ]
    cluster._end_actors()
    assert waited == [["a reference"]]
    assert len(killed) == 2


@slow
def test_two_workers_make_the_frames_that_one_process_makes(notes, tmp_path):
    inputs = videos(tmp_path, 4)
    expected = painted_here(inputs)
    with open_executor("ray") as executor:
        assert executor.workers == 2
        for task, report in executor.run(tasks(inputs, settings())):
            assert report.frames == 12
            assert same(frames(task.output), expected.pop(task.input))
    assert not expected


@slow
def test_people_and_their_background_travel(notes, tmp_path):
    inputs = videos(tmp_path, 2)
    expected = painted_here(inputs, parted())
    with open_executor("ray") as executor:
        for task, report in executor.run(tasks(inputs, parted())):
            assert report.frames == 12
            painted = frames(task.output)
            assert same(painted, expected.pop(task.input))
            for _, image in painted:
                assert np.abs(image[:, 44:].astype(int) - (10, 90, 10)).max() < 40, "the room was shown"
                assert np.abs(image[:, :20].astype(int) - (10, 90, 10)).max() > 60, "nobody is there"
    assert not expected


@slow
def test_a_worker_loads_its_model_once_and_those_who_can_get_a_gpu(notes, tmp_path):
    inputs = videos(tmp_path, 6, 8)
    told = []
    with open_executor("ray") as executor:
        for again in ("one", "two"):
            work = tasks(inputs, settings("slow:together"), again)
            assert len(list(executor.run(work, on_frames=lambda _, n: told.append(n)))) == 6
    assert len(pids(notes)) == len(set(pids(notes))) == 2
    assert sorted((notes / "gpus").read_text().split("\n")) == ["", "", "0"]
    assert all(gone(pid) for pid in pids(notes))


@slow
def test_jobs_and_threads_say_how_many_workers_there_are(notes, tmp_path):
    inputs = videos(tmp_path, 2, 3)
    with open_executor("ray", jobs=1) as executor:
        assert len(list(executor.run(tasks(inputs, settings("slow"))))) == 2
        assert executor.workers == 1
    with open_executor("ray") as executor:
        list(executor.run(tasks(inputs, settings("slow", threads=2), "two")))
        assert executor.workers == 1
    with (
        open_executor("ray") as executor,
        pytest.raises(NstfilterError, match="no machine of the Ray cluster has 3 processors"),
    ):
        next(executor.run(tasks(inputs, settings(threads=3))))
    assert [line.split()[1] for line in (notes / "opened").read_text().splitlines()] == ["None", "2"]


@slow
def test_how_far_a_long_task_is_can_be_seen(notes, tmp_path):
    told = []
    with open_executor("ray") as executor:
        work = tasks(videos(tmp_path, 1, 150), settings("slow"))
        ((_, report),) = executor.run(work, on_frames=lambda _, n: told.append(n))
    assert report.frames == 150
    assert 0 < max(told) <= 150
    assert told == sorted(told)


@slow
def test_what_a_killed_worker_was_at_is_done_by_another(notes, tmp_path):
    inputs = videos(tmp_path, 4)
    expected = painted_here(inputs)
    with open_executor("ray") as executor:
        for task, report in executor.run(tasks(inputs, settings("mortal:1"))):
            assert report.frames == 12
            assert same(frames(task.output), expected.pop(task.input))
    assert len(list(notes.glob("death *"))) == 1
    assert not expected


@slow
def test_a_task_that_ends_every_worker_is_given_up_and_the_rest_is_done(notes, tmp_path):
    (fatal,) = videos(tmp_path, 1)
    (tmp_path / "short").mkdir()
    harmless = videos(tmp_path / "short", 2, 1)
    with open_executor("ray") as executor:
        work = tasks([fatal, *harmless], settings("mortal:99"))
        results = {task.input: what for task, what in executor.run(work)}
    assert isinstance(results[fatal], NstfilterError)
    assert str(results[fatal]).startswith(f"{fatal} has killed 3 workers of the Ray cluster: ")
    assert "\n" not in str(results[fatal])
    assert [results[path].frames for path in harmless] == [1, 1]


@slow
def test_errors_come_home(notes, tmp_path):
    (good,) = videos(tmp_path, 1)
    bad, odd = tmp_path / "bad.mp4", tmp_path / "odd.xyz"
    bad.write_text("not a video")
    odd.touch()
    with open_executor("ray") as executor:
        results = {t.input: what for t, what in executor.run(tasks([good, bad, odd], settings()))}
        ((_, unexpected),) = executor.run(tasks([good], settings("faulty"), "again"))
    assert isinstance(results[bad], SourceError)
    assert isinstance(results[odd], UsageError)
    assert results[good].frames == 12
    assert isinstance(unexpected, KeyError)
    assert 'return {}["no such key"]' in "".join(unexpected.__notes__)


@slow
def test_stop_ends_the_work_and_leaves_nothing(notes, tmp_path):
    stop = threading.Event()
    with open_executor("ray") as executor:
        work = tasks(videos(tmp_path, 4, 200), settings("slow"))
        assert list(executor.run(work, on_frames=lambda *_: stop.set(), stop=stop)) == []
    assert all(gone(pid) for pid in pids(notes))
    assert [path for path in (tmp_path / "out").iterdir() if "partial" not in path.name] == []


@slow
def test_paths_mean_the_same_wherever_the_work_is_done(notes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (given,) = videos(Path("."), 1)
    with open_executor("ray") as executor:
        ((task, report),) = executor.run(tasks([given], settings()))
    assert task.output == Path("out/0.mp4")
    assert report.frames == 12
    assert (tmp_path / "out" / "0.mp4").exists()


@slow
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="the path that differs by process is Linux's")
def test_a_path_that_not_all_machines_see_is_one_clear_line(notes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (given,) = videos(tmp_path, 1)
    (tmp_path / "out").mkdir()
    elsewhere = Path("/proc/self/cwd")  # every process has its own
    before = sorted(tmp_path.rglob("*"))
    for input, output, unseen in (
        (elsewhere / "0.mp4", tmp_path / "out" / "0.mp4", elsewhere / "0.mp4"),
        (given, elsewhere / "out" / "0.mp4", elsewhere / "out"),
    ):
        with (
            open_executor("ray") as executor,
            pytest.raises(NstfilterError, match=f"does not see {unseen}; input and output") as caught,
        ):
            next(executor.run([Task(input, output, settings())]))
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@slow
def test_a_cluster_that_does_not_answer_is_one_clear_line(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from nstfilter.manager import open_executor; open_executor('ray:127.0.0.1:9')",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NstfilterError: no Ray cluster answers at 127.0.0.1:9 (" in done.stderr.splitlines()[-1]


def test_without_ray_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "nstfilter.plugins.executors.ray_cluster", raising=False)
    with pytest.raises(MissingLibraryError, match=r'Ray is not installed; pip install "nstfilter\[ray\]"'):
        open_executor("ray")


def test_no_workers_at_all_cannot_be_meant():
    with pytest.raises(UsageError, match="jobs is 0"):
        open_executor("ray", jobs=0)
