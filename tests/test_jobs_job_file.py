"""The folder of a job that is not finished."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from nstfilter.errors import SinkError, SourceError
from nstfilter.files import file_hash
from nstfilter.jobs import job_file
from nstfilter.jobs.job_file import SAMPLE, SAMPLES, JobFile, JobFolder, SegmentState, content_hash


def job(**changes) -> JobFile:
    segments = [SegmentState(begin=0, end=10), SegmentState(begin=10, end=None)]
    given = {"input": "in.mp4", "output": "out.mp4", "made_of": {"style": "wave"}, "suffix": ".mp4"}
    return JobFile(**{**given, "segments": segments, **changes})


@pytest.fixture
def folder(tmp_path):
    folder = JobFolder(tmp_path / "out.mp4")
    folder.acquire()
    yield folder
    folder.release()


def finish(folder: JobFolder, job: JobFile, number: int, content: bytes = b"segment") -> Path:
    path = folder.segment_file(job, number)
    path.write_bytes(content)
    job.segments[number].frames = 5
    job.segments[number].hash = file_hash(path)
    return path


def test_the_folder_is_hidden_and_lies_beside_the_output(folder, tmp_path):
    assert folder.path == tmp_path / ".out.mp4.nstfilter"


def test_what_is_written_is_read_again_and_nothing_else_lies_there(folder):
    assert folder.read() is None
    written = job(recipe=False)
    finish(folder, written, 1)
    folder.write(written)
    assert folder.read() == written
    assert written.done == 1
    assert {path.name for path in folder.path.iterdir()} == {"job.json", "lock", "00002.mp4"}


def test_long_names_that_begin_alike_have_folders_of_their_own(tmp_path):
    names = [f"{'ä' * 120}{ending}.mp4" for ending in ("one", "two")]
    folders = [JobFolder(tmp_path / name) for name in names]
    for folder in folders:
        folder.acquire()
        assert folder.read() is None
        folder.write(job())
    assert folders[0].path != folders[1].path
    for folder in folders:
        folder.release()


def test_a_job_file_that_cannot_be_replaced_stays_as_it_was(folder, monkeypatch):
    folder.write(job(recipe=False))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match="the disk is full; make room"):
        folder.write(job(recipe=True))
    assert folder.read() == job(recipe=False)
    assert {path.name for path in folder.path.iterdir()} == {"job.json", "lock"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe\x00", b"null"])
def test_a_damaged_job_file_is_noticed(folder, content):
    folder.file.write_bytes(content)
    with pytest.raises(ValueError, match=r"job\.json is damaged"):
        folder.read()


def test_a_job_file_cut_anywhere_is_noticed(folder):
    folder.write(job())
    text = folder.file.read_bytes()
    for length in range(0, len(text) - 1, 7):
        folder.file.write_bytes(text[:length])
        with pytest.raises(ValueError, match="damaged"):
            folder.read()


def test_a_job_of_a_later_version_is_left_alone(folder):
    folder.write(job(format=2))
    with pytest.raises(SinkError, match="later nstfilter; go on with that, or remove"):
        folder.read()


def test_pieces_that_are_not_as_they_were_left_are_taken_back(folder):
    there = job(segments=[SegmentState(begin=n, end=n + 1) for n in range(5)])
    paths = [finish(folder, there, number) for number in range(4)]
    paths[1].write_bytes(b"piecE")
    paths[2].unlink()
    there.segments[3].hash = None  # no frame was in it, and so there is no segment
    assert folder.verify(there) == [1, 2]
    assert [segment.frames for segment in there.segments] == [5, None, None, 5, None]


def test_strays_are_swept_away(folder):
    there = job()
    finish(folder, there, 0)
    folder.write(there)
    for stray in ("00002.mp4", "00002.partial.mp4", "job.new"):
        (folder.path / stray).write_bytes(b"half")
    folder.sweep(there)
    assert {path.name for path in folder.path.iterdir()} == {"job.json", "lock", "00001.mp4"}


def test_a_second_one_is_kept_out_until_the_first_lets_go(folder, tmp_path):
    folder.write(job())
    second = JobFolder(tmp_path / "out.mp4")
    with pytest.raises(SinkError, match=r"out\.mp4 is being rendered by another process"):
        second.acquire()
    folder.release()
    second.acquire()
    second.release()


def test_another_process_is_kept_out_and_a_killed_one_keeps_nobody_out(tmp_path):
    code = (
        "import sys; from pathlib import Path; from nstfilter.jobs.job_file import JobFolder\n"
        "folder = JobFolder(Path(sys.argv[1])); folder.acquire()\n"
        "print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"mine\n"
        folder = JobFolder(tmp_path / "out.mp4")
        with pytest.raises(SinkError, match="another process"):
            folder.acquire()
        other.kill()
        other.wait()
        folder.acquire()
        folder.release()


def test_an_empty_folder_goes_with_its_lock(tmp_path):
    folder = JobFolder(tmp_path / "out.mp4")
    folder.acquire()
    folder.release()
    assert not folder.path.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(SinkError, match="could not be worked on: Permission denied"):
        JobFolder(tmp_path / "closed" / "out.mp4").acquire()


def test_an_input_is_known_by_what_is_in_it(tmp_path):
    path = tmp_path / "in.mp4"
    path.write_bytes(bytes(range(256)) * 9000)
    before = content_hash(path)
    copy = tmp_path / "elsewhere.mp4"
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (1, 1))
    assert content_hash(copy) == before
    for place in (0, 1_234_567, -1):
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        copy.write_bytes(data)
        assert content_hash(copy) != before
    with pytest.raises(SourceError, match="cannot be read"):
        content_hash(tmp_path / "none.mp4")


def test_of_a_huge_input_both_ends_and_the_size_count(tmp_path):
    path = tmp_path / "huge.mkv"
    size = SAMPLE * SAMPLES * 1000

    def with_byte(place: int, size: int = size) -> str:
        with path.open("wb") as file:  # sparse: it takes no room
            file.truncate(size)
            file.seek(place)
            file.write(b"x")
        return content_hash(path)

    hashes = {with_byte(0), with_byte(1), with_byte(size - 1), with_byte(0, size + 1)}
    assert len(hashes) == 4


def test_asking_whether_a_folder_is_busy_changes_nothing_and_keeps_nobody_out(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(job_file, "PATIENCE", 60)  # a busy machine lets go late
    other = JobFolder(tmp_path / "out.mp4")
    folder.write(job())
    assert other.busy
    folder.release()
    assert not other.busy
    assert (other.path / "job.json").exists()
    asking = FileLock(other.path / "lock", thread_local=False)
    asking.acquire()
    threading.Timer(0.05, asking.release).start()
    folder.acquire()


def test_two_never_hold_the_same_folder(tmp_path, monkeypatch):
    """One removes the folder and lets go while the other waits for its lock."""
    monkeypatch.setattr(job_file, "PATIENCE", 60)
    first, second = JobFolder(tmp_path / "out.mp4"), JobFolder(tmp_path / "out.mp4")
    first.acquire()
    thread = threading.Thread(target=second.acquire)
    thread.start()
    time.sleep(0.05)
    first.release()
    thread.join()
    monkeypatch.undo()
    assert second.path.is_dir()
    with pytest.raises(SinkError, match="another process"):
        JobFolder(tmp_path / "out.mp4").acquire()
    second.release()
    assert not second.path.exists()


def test_a_folder_called_just_like_the_ending_is_nobodys_render(tmp_path):
    (tmp_path / ".nstfilter").mkdir()
    (tmp_path / ".out.mp4.nstfilter").mkdir()
    assert [found.path.name for found in JobFolder.below(tmp_path)] == [".out.mp4.nstfilter"]
