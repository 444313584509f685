from __future__ import annotations

import hashlib
import http.server
import io
import os
import sys
import tarfile
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from nstfilter.errors import ModelError
from nstfilter.models import fetch as module
from nstfilter.models.fetch import KAGGLE, MAGENTA, TFHUB, accepts, fetch

KAGGLE_MAGENTA = "google/arbitrary-image-stylization-v1/tensorFlow1/256/2"


def model_at(folder: Path) -> Path:
    """What looks like a SavedModel to whoever does not load it."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "user-cache" / "models"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the real servers; kagglehub is not installed unless a test says so."""
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    monkeypatch.setattr(module, "TFHUB", "http://127.0.0.1:9/")
    monkeypatch.setitem(sys.modules, "kagglehub", None)


def forbid_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_download", lambda *_: pytest.fail("asked the network"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Stands in for tfhub.dev: serves model.tar.gz where that lies in `tmp_path`, otherwise refuses. Gives
    the paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            served = tmp_path / "model.tar.gz"
            self.send_response(200 if served.exists() else 403)
            self.end_headers()
            if served.exists():
                self.wfile.write(served.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setattr(module, "TFHUB", f"http://127.0.0.1:{httpd.server_port}/")
        yield asked
        httpd.shutdown()
        thread.join()


def test_what_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TFHUB", TFHUB)
    monkeypatch.chdir(tmp_path)
    model_at(tmp_path / "model")
    (tmp_path / "google" / "a" / "b").mkdir(parents=True)
    for claimed in [
        "model",
        str(tmp_path / "model"),
        "m.tar.gz",
        "m.TGZ",
        MAGENTA,
        TFHUB + MAGENTA,
        KAGGLE + KAGGLE_MAGENTA,
    ]:
        assert accepts(claimed), claimed
    for other in [
        "",
        ".",
        "wave.jpg",
        "google/a",
        "google/a/b",
        "https://example.org/m",
        "m.tar",
        "owner/model/x",
    ]:
        assert not accepts(other), other


def test_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_network(monkeypatch)
    assert fetch(str(model_at(tmp_path / "model"))) == tmp_path / "model"
    with pytest.raises(ModelError, match=r"is not a SavedModel: it has no saved_model\.pb"):
        fetch(str(tmp_path))
    with pytest.raises(
        ModelError, match=r"there is no model at nowhere/at/all; expected .* such as google/magenta/"
    ):
        fetch("nowhere/at/all")
    with pytest.raises(ModelError, match=r"there is no model at lost\.tar\.gz"):
        fetch("lost.tar.gz")


@pytest.mark.parametrize("prefix", ["", "./", "arbitrary-image-stylization-v1/"])
def test_an_archive_is_unpacked_once(prefix: str, tmp_path: Path, cache: Path) -> None:
    packed = archive(tmp_path / "m.tgz", {prefix + "saved_model.pb": b"graph", prefix + "variables/v": b"12"})
    folder = fetch(str(packed))
    assert folder.parent == cache
    assert (folder / "saved_model.pb").read_bytes() == b"graph"
    assert (folder / "variables" / "v").read_bytes() == b"12"
    stamp = (folder / "saved_model.pb").stat().st_ino
    assert fetch(str(packed)) == folder
    assert (folder / "saved_model.pb").stat().st_ino == stamp
    assert list(cache.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["../escaped", "variables/../../../escaped"])
def test_an_archive_cannot_write_elsewhere(name: str, tmp_path: Path, cache: Path) -> None:
    packed = archive(tmp_path / "m.tar.gz", {"saved_model.pb": b"graph", name: b"bad"})
    with pytest.raises(ModelError, match="is not safe to unpack"):
        fetch(str(packed))
    assert list(cache.iterdir()) == []
    assert not list(tmp_path.rglob("escaped"))


def test_an_archive_cannot_point_elsewhere(tmp_path: Path, cache: Path) -> None:
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("saved_model.pb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(ModelError, match="is not safe to unpack"):
        fetch(str(tmp_path / "m.tar.gz"))
    assert list(cache.iterdir()) == []


def test_an_archive_is_bounded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="over 1000 files or 1000 bytes"):
        fetch(str(archive(tmp_path / "large.tar.gz", {"saved_model.pb": b"", "zeros": bytes(2000)})))
    monkeypatch.setattr(module, "_MOST_FILES", 2)
    with pytest.raises(ModelError, match="over 2 files"):
        fetch(str(archive(tmp_path / "many.tar.gz", dict.fromkeys("abc", b""))))
    assert list(cache.iterdir()) == []


def test_a_broken_archive_is_one_line(tmp_path: Path, cache: Path) -> None:
    whole = archive(tmp_path / "m.tar.gz", {"saved_model.pb": bytes(range(256)) * 99}).read_bytes()
    middle = len(whole) // 2
    for broken in (b"", b"<html>403</html>", whole[:middle], whole[:middle] + b"\xff" * 9 + whole[middle:]):
        (tmp_path / "m.tar.gz").write_bytes(broken)
        with pytest.raises(ModelError, match=r"cannot be unpacked .*; download it again") as caught:
            fetch(str(tmp_path / "m.tar.gz"))
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"holds no SavedModel: there is no saved_model\.pb in it"):
        fetch(str(archive(tmp_path / "other.tar.gz", {"readme": b"hello"})))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "handle", ["", "magenta", MAGENTA, TFHUB + MAGENTA, KAGGLE + KAGGLE_MAGENTA, KAGGLE_MAGENTA]
)
def test_every_spelling_is_found_in_tensorflow_hubs_cache(
    handle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TFHUB", TFHUB)
    forbid_network(monkeypatch)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    lies = model_at(
        tmp_path / "tfhub" / sha1("https://tfhub.dev/google/magenta/arbitrary-image-stylization-v1-256/2")
    )
    assert fetch(handle) == lies


def test_kaggles_urls_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TFHUB", TFHUB)
    magenta = (TFHUB + MAGENTA, KAGGLE_MAGENTA)
    for spelled in [
        MAGENTA,
        TFHUB + MAGENTA + "?tf-hub-format=compressed",
        "https://kaggle.com/models/google/arbitrary-image-stylization-v1/TensorFlow1/256/2",
        KAGGLE + "google/arbitrary-image-stylization-v1/frameworks/TensorFlow1/variations/256/versions/2",
    ]:
        assert module._addresses(spelled) == magenta
    other = "google/other-stylization/tensorFlow2/default/1"
    assert module._addresses(KAGGLE + other) == module._addresses(other) == (KAGGLE + other, other)
    assert module._addresses("google/other/1") == (TFHUB + "google/other/1", "")


def test_a_refusal_says_what_was_tried_and_what_to_do(
    server: list[str], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    with pytest.raises(ModelError) as caught:
        fetch()
    name = sha1(module.TFHUB + MAGENTA)
    assert str(caught.value) == (
        f"the model {MAGENTA} is not on this computer and could not be fetched: tried "
        f"{tmp_path}/tfhub/{name}, {cache}/{name} (not there), "
        f"{module.TFHUB}{MAGENTA} (refused: 403 Forbidden), "
        f'Kaggle\'s {KAGGLE_MAGENTA} (needs kagglehub: pip install "nstfilter[kaggle]"); '
        f"download it with a browser from https://www.kaggle.com/models/{KAGGLE_MAGENTA} "
        f"and give the path of the .tar.gz as the model, or unpack it into {cache}/{name}"
    )
    assert len(server) == 1
    assert list(cache.iterdir()) == []


def test_no_network_at_all(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"\(no connection: .*refused\)"):
        fetch()


def test_the_network_is_asked_once(
    server: list[str], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {"./": b"", "./saved_model.pb": b"graph", "./variables/": b"", "./variables/v": b"12"}
    archive(tmp_path / "model.tar.gz", members)
    folder = fetch()
    assert folder == cache / sha1(module.TFHUB + MAGENTA)
    assert (folder / "variables" / "v").read_bytes() == b"12"
    assert "TFHUB_CACHE_DIR" not in os.environ
    forbid_network(monkeypatch)
    assert fetch() == folder
    assert len(server) == 1
    assert list(cache.iterdir()) == [folder]


def test_kaggles_client_is_the_last_resort(
    server: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def model_download(handle: str) -> str:
        asked.append(handle)
        return str(model_at(Path(os.environ["KAGGLEHUB_CACHE"]) / "models" / handle))

    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(model_download=model_download))
    folder = fetch("magenta")
    assert asked == [KAGGLE_MAGENTA]
    assert (folder / "saved_model.pb").is_file()
    assert list(cache.iterdir()) == [folder]
    assert fetch("magenta") == folder
    assert len(asked) == len(server) == 1


def test_a_model_that_lies_ready_on_a_notebook_is_left_there(
    server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = model_at(tmp_path / "kaggle" / "input")
    fake = types.SimpleNamespace(model_download=lambda handle: str(ready))
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    assert fetch() == ready
    assert (ready / "saved_model.pb").is_file()


def test_a_missing_pkg_resources_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow_hub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pkg_resources", raising=False)

    class NoPkgResources:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "pkg_resources":
                raise ModuleNotFoundError("No module named 'pkg_resources'", name="pkg_resources")

    monkeypatch.setattr(sys, "meta_path", [NoPkgResources(), *sys.meta_path])
    with pytest.raises(ModelError, match=r'tensorflow-hub needs pkg_resources: pip install "setuptools<82"'):
        fetch()
