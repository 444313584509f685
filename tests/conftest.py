"""What every test stands on: folders of its own, and no memory of the test before."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from nstfilter.manager import manager
from nstfilter.packs.reading import packs

SHARED = Path(__file__).parents[2] / "shared"

# a script's background ignores Ctrl-C, and programs started from there would too: here it always counts
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # and nohup has them ignore a terminal that closes
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# files with few tests that take long
LONG = ("camera_vm", "plugin_ray_address", "packaging", "readme", "live_sound", "whole", "models_hub")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process waits for another in the end: files in `LONG`, then
    those with the most slow tests. A file stays together, since its tests share what they need."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    first = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (first.get(item.path.name, len(LONG)), -slow[item.path], item.path))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Caches and the user's packs live under `tmp_path`: nothing of this computer is read or written."""
    monkeypatch.setenv("NSTFILTER_CACHE_DIR", str(tmp_path / "user-cache"))
    monkeypatch.setenv("NSTFILTER_DATA_DIR", str(tmp_path / "user-data"))
    monkeypatch.setenv("NSTFILTER_CONFIG_DIR", str(tmp_path / "user-config"))
    monkeypatch.setenv("NSTFILTER_STATE_DIR", str(tmp_path / "user-state"))
    packs.cache_clear()
    yield
    packs.cache_clear()


# how long a live run waits until it calls a model, a camera or a sink stuck; a busy machine is none of them
PATIENT = """
from nstfilter.live import live, painter, sink_worker
live.HOLD = painter.PATIENCE = painter.FIRST = sink_worker.STUCK = 120.0
"""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For live runs on the real clock: what a busy machine delays is waited for, and no card comes for it.
    Programs that are started need `PATIENT` in a plugin of theirs."""
    for name in ("live.HOLD", "painter.PATIENCE", "painter.FIRST", "sink_worker.STUCK"):
        monkeypatch.setattr(f"nstfilter.live.{name}", 120.0)


@pytest.fixture
def fresh_manager() -> Iterator[None]:
    """For a test that changes which plugins there are: they are discovered anew, before it and after it."""
    manager.cache_clear()
    yield
    manager.cache_clear()


@pytest.fixture
def own_packs_only(monkeypatch: pytest.MonkeyPatch, fresh_manager: None) -> None:
    """For a test that counts on its packs' style names being the only ones."""
    monkeypatch.setenv("NSTFILTER_DISABLE_PLUGINS", "bundled_styles")


MakePack = Callable[..., Path]


@pytest.fixture
def make_pack() -> MakePack:
    """Makes a pack of tiny PNGs in a folder."""

    def make(folder: Path, *styles: str, name: str = "mine") -> Path:
        from nstfilter.graphics.opencv import cv2

        folder.mkdir(parents=True)
        text = f'[pack]\nname = "{name}"\nversion = "1.0"\nauthor = "A. Author"\nlicence = "CC0-1.0"\n'
        for number, style in enumerate(styles):
            picture = np.full((8, 8, 3), (number * 40 % 256, 90, 200), np.uint8)
            assert cv2.imwrite(str(folder / f"{style}.png"), picture)
            text += (
                f'\n[[styles]]\nname = "{style}"\ntitle = "{style.title()}"\npicture = "{style}.png"\n'
                'artist = "B. Artist"\nyear = 2026\nlicence = "CC0-1.0"\nsource = "made for a test"\n'
            )
        (folder / "pack.toml").write_text(text, "utf-8")
        return folder

    return make


PLUGIN_IMPORTS = """\
from nstfilter import hookimpl
from nstfilter.testing import FakeModel, MemorySink, MemorySource
"""


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_manager: None
) -> Iterator[Callable[..., None]]:
    """Installs plugins: `site(name, code)` makes a distribution with one module and one entry point."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    modules: list[str] = []

    def install(name: str, code: str, *, distribution: str = "", version: str = "1.0") -> None:
        distribution = distribution or f"nstfilter-{name}"
        module = f"plugin_under_test_{len(modules)}"
        modules.append(module)
        (folder / f"{module}.py").write_text(PLUGIN_IMPORTS + dedent(code))
        about = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[nstfilter]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(folder)  # forgets what the importers had seen of the folder

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Models and clips that are too large for the repository, where somebody has laid them beside it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ is not there beside the repository: its models and clips are needed")
    return SHARED
