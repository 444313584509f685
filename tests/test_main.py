"""The program as it is started, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nstfilter.__main__ import main

PLUGIN = """
    @hookimpl
    def register_commands(app):
        @app.command()
        def fail():
            {}
"""


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "nstfilter", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_an_expected_error_is_one_line_and_an_exit_code(tmp_path):
    done = run("apply", "photo.nothing", "--style", "no-such-style", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.glob("*.*")) == []


def test_notes_stand_behind_the_error(site, monkeypatch, capsys):
    body = """from nstfilter import SinkError
            error = SinkError("the disk is full")
            error.add_note("the finished part is kept in x.mp4")
            raise error"""
    site("failing", PLUGIN.format(body))
    monkeypatch.setattr(sys, "argv", ["nstfilter", "fail"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: the disk is full; the finished part is kept in x.mp4\n"


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a shell does")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed):
    command = f'exec "{sys.executable}" -m nstfilter {{}} {closed}'
    listed = subprocess.run(["sh", "-c", command.format("plugins")], capture_output=True, check=False)
    assert (listed.returncode, listed.stderr) == (0, b"")
    wrong = subprocess.run(
        ["sh", "-c", command.format("apply no-such.png")], capture_output=True, check=False
    )
    assert (wrong.returncode, wrong.stdout) == (1, b"")


def test_an_unexpected_error_keeps_its_traceback(site, monkeypatch):
    site("failing", PLUGIN.format("{}['key']"))
    monkeypatch.setattr(sys, "argv", ["nstfilter", "fail"])
    with pytest.raises(KeyError, match="key"):
        main()


def test_an_early_ctrl_c_is_no_traceback(site, monkeypatch, capsys):
    site("slow", "raise KeyboardInterrupt")
    monkeypatch.setattr(sys, "argv", ["nstfilter", "plugins"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), None])
def test_a_library_that_ctrl_c_kept_from_loading_is_no_failure(site, monkeypatch, capsys, cause):
    site("failing", PLUGIN.format(f"raise ImportError('initialization failed') from {cause!r}"))
    monkeypatch.setattr(sys, "argv", ["nstfilter", "fail"])
    with pytest.raises(SystemExit if cause else ImportError) as caught:
        main()
    if cause:
        assert caught.value.code == 130
        assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no polite way to end a process")
def test_sigterm_ends_as_cleanly_as_ctrl_c(tmp_path):
    words = ["apply", "demo:320x180", "-o", "film.mkv", "--threads", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "nstfilter", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not list(tmp_path.glob("film*")):
            time.sleep(0.01)
        process.terminate()
        said = process.communicate()[1]
    assert process.returncode == 130
    assert said.startswith("stopped with 0 of 1 done")
    assert said.count("\n") == 1
    assert not (tmp_path / "film.mkv").exists()


def test_a_reader_that_closes_the_pipe_gets_no_traceback():
    command = f"{sys.executable} -m nstfilter plugins --json | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("words", ["plugins", "plugins --json", "styles", "--help", "apply -h", "--version"])
def test_where_the_output_cannot_be_written_it_is_said_in_one_line(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nstfilter", *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == "error: standard output cannot be written to: No space left on device\n"
    assert done.returncode == 1


def test_another_full_disk_keeps_its_traceback(site, monkeypatch):
    site("failing", PLUGIN.format("raise OSError(28, 'No space left on device')"))
    monkeypatch.setattr(sys, "argv", ["nstfilter", "fail"])
    with pytest.raises(OSError, match="No space"):
        main()


LEAVING = """
import atexit, sys, threading, time
import nstfilter.__main__ as program
def run():
    threading.Thread(target=time.sleep, args=({},), name="nstfilter-studio-gallery", daemon=True).start()
    sys.exit(3)
atexit.register(print, "taken down")
program._run = run
program.main()
"""


@pytest.mark.parametrize(("seconds", "printed"), [(100, ""), (0.05, "taken down\n")])
def test_python_is_not_taken_down_while_a_thread_is_at_work_in_a_library(seconds, printed):
    # seen were a segmentation fault and "terminate called without an active exception"
    line = [sys.executable, "-c", LEAVING.format(seconds)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, printed, "")
