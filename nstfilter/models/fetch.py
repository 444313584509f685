"""Finds the files of a Hub model: where the user points, in the caches, and only then on the network.

Since late 2025 tfhub.dev redirects to kaggle.com, which answers 403 to tensorflow-hub's downloads
(https://github.com/tensorflow/hub/issues/932), so Kaggle's own client is tried too, and the message that is
left when all fails says how to do without either.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import shutil
import socket
import tarfile
import tempfile
import urllib.error
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from nstfilter.errors import ModelError
from nstfilter.files import file_hash
from nstfilter.models.embeddings import cache_folder

MAGENTA = "google/magenta/arbitrary-image-stylization-v1-256/2"
TFHUB = "https://tfhub.dev/"
KAGGLE = "https://www.kaggle.com/models/"
_ARCHIVES = (".tar.gz", ".tgz")
_MOST_BYTES = 2 << 30
_MOST_FILES = 1000
_TIMEOUT = 30  # seconds without a byte from the network


def accepts(target: str) -> bool:
    """Whether `target` is a SavedModel's folder, an archive of one, or a Hub handle."""
    path = Path(target).expanduser()
    return target.lower().endswith(_ARCHIVES) or is_model(path) or (_is_handle(target) and not path.exists())


def fetch(target: str = "") -> Path:
    """The folder of the SavedModel that `target` names: a folder, a .tar.gz, or a Hub handle; by default
    Magenta's. Fetched from the network when it is nowhere else, and kept.

    A handle is looked for in $TFHUB_CACHE_DIR, in our own cache, at tfhub.dev, and at Kaggle when kagglehub
    is installed. Raises `ModelError` when it is found nowhere, saying what was tried.
    """
    target = target if target not in ("", "magenta") else MAGENTA
    path = Path(target).expanduser()
    if path.is_dir():
        if not is_model(path):
            raise ModelError(f"{target} is not a SavedModel: it has no saved_model.pb")
        return path
    if path.is_file() and target.lower().endswith(_ARCHIVES):
        return _unpack(path)
    if path.exists() or not _is_handle(target):
        raise ModelError(
            f"there is no model at {target}; expected the folder of a SavedModel, a .tar.gz of one, "
            f"or a handle such as {MAGENTA}"
        )
    tried = places(target)
    return next(filter(is_model, tried), None) or _download(target, tried)


def is_model(folder: Path) -> bool:
    """Whether `folder` is a SavedModel."""
    return (folder / "saved_model.pb").is_file()


def _is_handle(target: str) -> bool:
    if re.match(r"https?://(www\.)?kaggle\.com/models/", target) or target.startswith(TFHUB):
        return True
    return target.startswith("google/") and target.count("/") >= 2


def _addresses(handle: str) -> tuple[str, str]:
    """The URL that tensorflow-hub is asked for, and Kaggle's handle, empty where that is not known.

    Kaggle's handles are owner/model/framework/variation/version (https://github.com/Kaggle/kagglehub#readme);
    tfhub.dev redirects google/magenta/arbitrary-image-stylization-v1-256/2 to
    https://www.kaggle.com/models/google/arbitrary-image-stylization-v1/tensorFlow1/256/2
    """
    handle = handle.partition("?")[0].rstrip("/")
    name = re.sub(r"https?://(www\.)?kaggle\.com/models/", "", handle).removeprefix(TFHUB)
    if magenta := re.fullmatch(
        r"google/(?:magenta/arbitrary-image-stylization-v1-256"
        r"|arbitrary-image-stylization-v1/(?:frameworks/)?tensorflow1/(?:variations/)?256(?:/versions)?)/(\d+)",
        name,
        re.IGNORECASE,
    ):
        version = magenta[1]
        return (
            f"{TFHUB}google/magenta/arbitrary-image-stylization-v1-256/{version}",
            f"google/arbitrary-image-stylization-v1/tensorFlow1/256/{version}",
        )
    if name != handle.removeprefix(TFHUB) or re.search("/tensorflow[12]/", name, re.IGNORECASE):
        name = re.sub("/(frameworks|variations|versions)/", "/", name)
        return KAGGLE + name, name
    return TFHUB + name, ""


def places(handle: str) -> list[Path]:
    """Where the files of a Hub handle may lie already. The last is where they are put."""
    url, _ = _addresses(handle)
    folders = [Path(folder) for folder in [os.environ.get("TFHUB_CACHE_DIR")] if folder]
    # tensorflow-hub's layout, by the URL as somebody may have written it
    urls = dict.fromkeys(name for name in (handle, url) if name.startswith("http"))
    names = [hashlib.sha1(name.encode()).hexdigest() for name in urls]
    return [folder / name for folder in [*folders, cache_folder() / "models"] for name in names]


def _download(handle: str, tried: list[Path]) -> Path:
    url, kaggle = _addresses(handle)
    final = tried[-1]
    failures = []
    try:
        return _from_tensorflow_hub(url, final)
    except Exception as error:  # whatever the libraries raise becomes one line of the message
        failures.append(f"{url} ({_reason(error)})")
    if kaggle:
        try:
            return _from_kaggle(kaggle, final)
        except Exception as error:
            failures.append(f"Kaggle's {kaggle} ({_reason(error)})")
    page = KAGGLE + kaggle if kaggle else url
    raise ModelError(
        f"the model {handle} is not on this computer and could not be fetched: tried "
        f"{', '.join(map(str, tried))} (not there), {', '.join(failures)}; "
        f"download it with a browser from {page} and give the path of the .tar.gz as the model, "
        f"or unpack it into {final}"
    )


def _from_tensorflow_hub(url: str, final: Path) -> Path:
    import nstfilter.models.tensorflow  # noqa: F401 - before tensorflow-hub, so that TensorFlow starts quietly

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources announces its end
        import tensorflow_hub
    with _scratch(final) as scratch, _network("TFHUB_CACHE_DIR", scratch):
        return _settle(url, Path(tensorflow_hub.resolve(url)), final)


def _from_kaggle(handle: str, final: Path) -> Path:
    import kagglehub

    with _scratch(final) as scratch, _network("KAGGLEHUB_CACHE", scratch):
        return _settle(handle, Path(kagglehub.model_download(handle)), final)


def _unpack(archive: Path) -> Path:
    """The SavedModel in `archive`, unpacked into the cache; once for every archive of the same bytes."""
    try:
        final = cache_folder() / "models" / f"archive-{file_hash(archive)}"
    except OSError as error:
        raise ModelError(f"{archive} cannot be read: {error.strerror}") from None
    if is_model(final):
        return final
    with _scratch(final) as scratch:
        files = size = 0
        try:
            with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in tar:
                    files, size = files + 1, size + member.size
                    if files > _MOST_FILES or size > _MOST_BYTES:
                        raise ModelError(
                            f"{archive} is no style model: over {_MOST_FILES} files or {_MOST_BYTES} bytes"
                        )
                    # the filter refuses devices, and whatever would land or point outside of the folder
                    tar.extract(member, scratch, filter="data")
                while stream.read(1 << 20):  # gzip's checksum comes at the end, after tar's
                    pass
        except tarfile.FilterError as error:
            raise ModelError(f"{archive} is not safe to unpack: {error}") from None
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            raise ModelError(f"{archive} cannot be unpacked ({_reason(error)}); download it again") from None
        return _settle(str(archive), scratch, final)


def _settle(name: str, found: Path, final: Path) -> Path:
    """Move the SavedModel that is `found`, or one folder below it, to `final`: whole or not at all."""
    model = next(filter(is_model, [found, *sorted(path for path in found.iterdir() if path.is_dir())]), None)
    if model is None:
        raise ModelError(f"{name} holds no SavedModel: there is no saved_model.pb in it")
    if not model.is_relative_to(final.parent):
        return model  # on Kaggle's and Google's notebooks it lies ready, and is not ours to move
    if is_model(final):
        return final  # another process was quicker
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(final)
    os.replace(model, final)
    return final


@contextlib.contextmanager
def _scratch(final: Path) -> Iterator[Path]:
    """A folder beside `final` to put things together in."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=".fetching-") as folder:
        scratch = Path(folder) / "files"
        scratch.mkdir()
        yield scratch


@contextlib.contextmanager
def _network(cache_variable: str, folder: Path) -> Iterator[None]:
    """Has a library download into `folder`, and give up on a network that says nothing."""
    before, timeout = os.environ.get(cache_variable), socket.getdefaulttimeout()
    os.environ[cache_variable] = str(folder)
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)
        if before is None:
            del os.environ[cache_variable]
        else:
            os.environ[cache_variable] = before


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "pkg_resources":
        return 'tensorflow-hub needs pkg_resources: pip install "setuptools<82"'
    if isinstance(error, ModuleNotFoundError) and error.name == "kagglehub":
        return 'needs kagglehub: pip install "nstfilter[kaggle]"'
    if isinstance(error, urllib.error.HTTPError):
        return f"refused: {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection: {error.reason}"
    if type(error).__name__ in ("ConnectionError", "ConnectTimeout"):  # of requests, which kagglehub uses
        return "no connection"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
