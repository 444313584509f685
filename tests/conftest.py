"""What every test stands on: folders of its own, and no memory of the test before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nstfilter.manager import manager
from nstfilter.style import packs

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Caches and the user's packs live under `tmp_path`: nothing of this computer is read or written."""
    monkeypatch.setenv("NSTFILTER_CACHE_DIR", str(tmp_path / "user-cache"))
    monkeypatch.setenv("NSTFILTER_DATA_DIR", str(tmp_path / "user-data"))
    packs.cache_clear()
    yield
    packs.cache_clear()


@pytest.fixture
def fresh_manager() -> Iterator[None]:
    """For a test that changes which plugins there are: they are discovered anew, before it and after it."""
    manager.cache_clear()
    yield
    manager.cache_clear()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Models and clips that are too large for the repository, where somebody has laid them beside it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ is not there beside the repository: its models and clips are needed")
    return SHARED
