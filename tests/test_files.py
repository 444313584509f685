"""Files appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nstfilter.files import NewFile, file_hash, put_in_place, write_file

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and folders are POSIX's")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file with something in it, alone in its folder."""
    path = tmp_path / "target"
    path.write_bytes(b"before")
    return path


def alone(path: Path) -> bool:
    return os.listdir(path.parent) == [path.name]


def test_a_file_appears_at_the_end_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new"
    with NewFile(path) as file:
        file.write(b"all ")
        file.flush()
        assert not path.exists()
        file.write(b"of it")
    assert path.read_bytes() == b"all of it"
    assert alone(path)


def test_until_then_the_old_one_is_there(target):
    with NewFile(target) as file:
        file.write(b"after")
        file.flush()
        assert target.read_bytes() == b"before"
    assert target.read_bytes() == b"after"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_any_exception_leaves_what_was_there(target, error):
    def write():
        with NewFile(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_bytes() == b"before"
    assert alone(target)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_leaves_what_was_there(target, monkeypatch, call):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_file(target, b"after")
    assert target.read_bytes() == b"before"
    assert alone(target)


def test_of_two_who_write_at_once_the_second_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # both have looked, and neither has written
    first, second = (NewFile(tmp_path / "new", overwrite=False) for _ in range(2))
    first.file.write(b"first")
    first.commit()
    with pytest.raises(FileExistsError):
        second.commit()
    assert (tmp_path / "new").read_bytes() == b"first"
    assert alone(tmp_path / "new")


def test_where_there_are_no_links_a_new_file_appears_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_file(tmp_path / "new", b"all", overwrite=False)
    assert (tmp_path / "new").read_bytes() == b"all"
    assert alone(tmp_path / "new")


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files, set with prlimit")
def test_a_full_disk_leaves_what_was_there(target):
    code = (
        "import resource, signal, sys; from nstfilter.files import write_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_file(sys.argv[1], bytes(5000))\n"
        "except OSError as error: print(error.strerror)"
    )
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert target.read_bytes() == b"before"
    assert alone(target)


@posix
def test_a_killed_process_leaves_what_was_there_and_one_hidden_file(target):
    code = (
        "import os, signal, sys; from nstfilter.files import NewFile\n"
        "with NewFile(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"before"
    (left,) = (path.name for path in target.parent.iterdir() if path != target)
    assert left.startswith(".target.")
    assert left.endswith(".partial")


def test_what_is_written_is_on_the_disk_before_it_gets_its_name(target, monkeypatch):
    calls = []
    synced, replaced = os.fsync, os.replace

    def sync(handle):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        synced(handle)

    def replace(*names):
        calls.append("replace")
        replaced(*names)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    write_file(target, b"after")
    assert calls == (["file", "replace", "folder"] if sys.platform == "linux" else calls)
    assert calls.index("file") < calls.index("replace")


def test_a_file_system_that_cannot_sync_folders_is_no_error(target, monkeypatch):
    opened = os.open

    def refuse(name, *rest):
        if os.path.isdir(name):
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(name, *rest)

    monkeypatch.setattr(os, "open", refuse)
    write_file(target, b"after")
    assert target.read_bytes() == b"after"


def test_a_file_that_has_appeared_is_not_replaced_unless_that_is_allowed(tmp_path):
    path = tmp_path / "new"
    new = NewFile(path, overwrite=False)
    path.write_bytes(b"theirs")
    with pytest.raises(FileExistsError, match="new"):
        new.commit()
    assert path.read_bytes() == b"theirs"
    assert alone(path)
    write_file(path, b"ours")
    assert path.read_bytes() == b"ours"


@posix
def test_a_broken_link_counts_as_a_file(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "link", b"ours", overwrite=False)
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "done").write_bytes(b"ours")
    put_in_place(tmp_path / "done", tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").read_bytes() == b"ours"
    assert not (tmp_path / "link").is_symlink()


@posix
@pytest.mark.parametrize(
    ("umask", "mode", "expected"),
    [(0o022, None, 0o644), (0o077, None, 0o600), (0o022, 0o600, 0o600), (0o027, 0o664, 0o640)],
)
def test_permissions_are_those_asked_for_less_the_umask(tmp_path, umask, mode, expected):
    before = os.umask(umask)
    try:
        new = NewFile(tmp_path / "new", **({} if mode is None else {"mode": mode}))
        assert new.temporary.stat().st_mode & 0o777 == expected, "not even for a moment anything else"
        new.commit()
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == expected


@pytest.mark.parametrize("letter", ["a", "ä", "絵", "🖼"])
def test_names_as_long_as_names_may_be(tmp_path, letter):
    path = tmp_path / (letter * (255 // len(letter.encode())))
    write_file(path, b"long")
    assert path.read_bytes() == b"long"


@pytest.mark.parametrize("name", ["gone/new", "file/new"])
def test_where_no_file_can_be_made_that_is_the_error(target, name):
    target.rename(target.with_name("file"))
    with pytest.raises(OSError, match=r"No such file|Not a directory"):
        NewFile(target.parent / name)


def test_two_at_once_do_not_disturb_each_other(target):
    first, second = NewFile(target), NewFile(target)
    first.file.write(b"first")
    second.file.write(b"second")
    second.commit()
    assert target.read_bytes() == b"second"
    first.commit()
    assert target.read_bytes() == b"first"
    assert alone(target)


def test_a_file_is_known_by_its_content(tmp_path):
    for name, content in [("a", b"wave"), ("b", b"wave"), ("c", b"ink")]:
        (tmp_path / name).write_bytes(content)
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") != file_hash(tmp_path / "c")
    assert file_hash(tmp_path / "a") == "4b125ec99a74470517f9f51ac1a70eafa3dbd1ddd4bae409fe59a98ed720a3a4"
    with pytest.raises(FileNotFoundError):
        file_hash(tmp_path / "gone")
