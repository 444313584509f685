from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nstfilter.models import embeddings
from nstfilter.models.embeddings import EmbeddingCache, cache_folder, picture_hash
from nstfilter.testing import FakeModel

PICTURE = np.full((4, 6, 3), (10, 90, 200), np.uint8)
MEAN = np.array([10, 90, 200], np.float32)


def read() -> np.ndarray:
    return PICTURE


def entry(cache: EmbeddingCache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """The folder of a cache with one embedding in it."""
    EmbeddingCache(tmp_path / "cache").get(FakeModel(), "picture", read)
    return tmp_path / "cache"


def get_again(folder: Path) -> FakeModel:
    """Ask a new cache in `folder` for the embedding, which must be right, and give the model back."""
    model = FakeModel()
    np.testing.assert_array_equal(EmbeddingCache(folder).get(model, "picture", read), MEAN)
    return model


def test_the_second_time_comes_from_memory(tmp_path: Path) -> None:
    model, cache = FakeModel(), EmbeddingCache(tmp_path / "cache")
    first = cache.get(model, "picture", read)
    entry(cache).unlink()
    assert cache.get(model, "picture", read) is first
    assert model.embedded == 1


def test_another_process_or_day_comes_from_disk(filled: Path) -> None:
    assert get_again(filled).embedded == 0


def test_a_known_picture_is_not_even_read(filled: Path) -> None:
    def fail() -> np.ndarray:
        raise AssertionError("the picture was read")

    EmbeddingCache(filled).get(FakeModel(), "picture", fail)


def test_each_model_and_each_picture_has_its_own(tmp_path: Path) -> None:
    cache, model, other = EmbeddingCache(tmp_path / "cache"), FakeModel(), FakeModel()
    other.fingerprint = "0ther"
    cache.get(model, "picture", read)
    cache.get(other, "picture", read)
    np.testing.assert_array_equal(cache.get(model, "black", lambda: PICTURE * 0), MEAN * 0)
    assert (model.embedded, other.embedded) == (2, 1)
    assert len(list(cache.folder.iterdir())) == 3


def test_the_default_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EmbeddingCache().folder == tmp_path / "user-cache" / "embeddings"
    monkeypatch.delenv("NSTFILTER_CACHE_DIR")
    assert cache_folder().name == "nstfilter"


Spoil = Callable[[Path], object]


def save(array: np.ndarray) -> Spoil:
    return lambda path: np.save(path, array)


def cut(size: int) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[:size])


def write(data: bytes) -> Spoil:
    return lambda path: path.write_bytes(data)


def change(before: bytes, after: bytes) -> Spoil:
    """Put `after` in place of `before` in the header, and take away as many of its spaces."""

    def spoil(path: Path) -> None:
        data = path.read_bytes()
        spaces = b" " * (len(after) - len(before)) + b"\n"
        assert before in data
        assert spaces in data
        path.write_bytes(data.replace(before, after).replace(spaces, b"\n"))

    return spoil


def archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, MEAN)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(cut(0), id="empty"),
        pytest.param(cut(5), id="cut in its magic"),
        pytest.param(cut(40), id="cut in its header"),
        pytest.param(cut(-1), id="cut in its numbers"),
        pytest.param(write(b"not an array at all"), id="text"),
        pytest.param(write(bytes(range(256))), id="noise"),
        pytest.param(archive, id="npz"),
        pytest.param(change(b"(3,)", b"(3,("), id="open bracket"),
        pytest.param(change(b"(3,)", b"(99999999999999,)"), id="terabytes"),
        pytest.param(save(np.array([np.nan, 1, 2], np.float32)), id="NaN"),
        pytest.param(save(np.array([np.inf, 1, 2], np.float32)), id="infinite"),
        pytest.param(save(MEAN.astype(np.float64)), id="float64"),
        pytest.param(save(MEAN.astype(">f4")), id="big-endian"),
        pytest.param(save(np.array(["ink", "wave", "dots"])), id="strings"),
        pytest.param(save(np.zeros((0,), np.float32)), id="no numbers"),
        pytest.param(lambda path: np.save(path, np.array([{}], object), allow_pickle=True), id="pickle"),
    ],
)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_a_spoilt_entry_is_made_again(filled: Path, spoil: Spoil) -> None:
    (path,) = filled.iterdir()
    spoil(path)
    assert get_again(filled).embedded == 1
    assert get_again(filled).embedded == 0  # and mended


def test_an_entry_that_is_a_folder_costs_only_time(filled: Path) -> None:
    (path,) = filled.iterdir()
    path.unlink()
    path.mkdir()
    assert get_again(filled).embedded == 1
    assert list(filled.iterdir()) == [path]


@pytest.mark.parametrize("where", ["a file", "below a file", "a device"])
def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("in the way")
    folders = {"a file": "file", "below a file": "file/cache", "a device": "/proc/nstfilter-cache"}
    assert get_again(tmp_path / folders[where]).embedded == 1
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_read_only_cache_is_read(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.chmod(0o500)
    if os.access(filled, os.W_OK):  # nothing is read-only to an administrator

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(embeddings, "NewFile", refuse)
    assert get_again(filled).embedded == 0
    EmbeddingCache(filled).get(FakeModel(), "another", read)
    filled.chmod(0o700)
    assert len(list(filled.iterdir())) == 1


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: object, array: object, **_: object) -> None:
        file.write(b"\x93NUMPY")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embeddings.np, "save", full)
    assert get_again(tmp_path / "cache").embedded == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_ctrl_c_while_saving_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(embeddings.np, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        get_again(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_entry_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is being saved, slowly, whoever looks finds no entry."""
    halfway, go_on = threading.Event(), threading.Event()
    whole = np.save

    def slow(file: object, array: np.ndarray, **options: bool) -> None:
        file.write(b"\x93NUMPY")  # type: ignore[attr-defined]
        file.flush()  # type: ignore[attr-defined]
        halfway.set()
        assert go_on.wait(60)
        file.seek(0)  # type: ignore[attr-defined]
        whole(file, array, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(embeddings.np, "save", slow)
    folder = tmp_path / "cache"
    saver = threading.Thread(target=get_again, args=(folder,))
    saver.start()
    try:
        assert halfway.wait(60)
        assert list(folder.glob("*.npy")) == []
    finally:
        go_on.set()
        saver.join()
    assert [path.suffix for path in folder.iterdir()] == [".npy"]
    assert get_again(folder).embedded == 0


PROCESS = """
import sys
from pathlib import Path
import numpy as np
from nstfilter.models.embeddings import EmbeddingCache
from nstfilter.testing import FakeModel

print("ready", flush=True)
sys.stdin.readline()
for number in range(300):
    # a new cache each time, so that what the other process has just written is read
    embedding = EmbeddingCache(Path(sys.argv[1])).get(
        FakeModel(), str(number % 60), lambda: np.full((2, 2, 3), number % 60, np.uint8)
    )
    assert (embedding == number % 60).all() and embedding.shape == (3,), embedding
"""


def test_two_processes_share_a_cache(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    results = []
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        results.append((process.communicate(timeout=300)[1], process.returncode))
    assert results == [("", 0), ("", 0)]
    assert len(list(tmp_path.glob("*.npy"))) == 60
    assert len(list(tmp_path.iterdir())) == 60


def test_a_picture_is_known_by_its_pixels_and_shape() -> None:
    hashes = [
        picture_hash(PICTURE),
        picture_hash(PICTURE.reshape(6, 4, 3)),
        picture_hash(PICTURE[..., ::-1]),
        picture_hash(PICTURE + 1),
    ]
    assert len(set(hashes)) == 4
    assert picture_hash(np.asfortranarray(PICTURE)) == hashes[0]


def test_what_many_share_nobody_changes(filled: Path) -> None:
    embedding = EmbeddingCache(filled).get(FakeModel(), "picture", read)
    with pytest.raises(ValueError, match="read-only"):
        embedding[0] = 1
