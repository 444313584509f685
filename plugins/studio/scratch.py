"""A folder for what is being received or deleted, whose remains are found after a kill."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
from pathlib import Path

from filelock import FileLock, Timeout


class Scratch:
    """A hidden folder in `parent`, this process's own. It is locked while the process lives, so that others
    can tell what a killed one has left. Any thread may call any method."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        self._own: tuple[Path, FileLock] | None = None
        self._lock = threading.Lock()

    def new(self) -> Path:
        """The path of a file or folder that is not there yet. Raises `OSError`."""
        with self._lock:
            while self._own is None:
                folder = self.parent / f".{secrets.token_hex(8)}"
                folder.mkdir(parents=True)
                lock = FileLock(folder / ".lock", thread_local=False)
                # another process may take it for a left one, and clear it away, until it is locked
                with contextlib.suppress(Timeout, FileNotFoundError):
                    lock.acquire(timeout=0)
                    if (folder / ".lock").exists():
                        self._own = folder, lock
            return self._own[0] / secrets.token_hex(8)

    def clear(self) -> None:
        """Delete what processes that were killed have left."""
        for folder in self.parent.glob(".*/"):
            if folder.is_dir() and not (self._own and folder == self._own[0]):
                with contextlib.suppress(Timeout, OSError), FileLock(folder / ".lock", timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Delete it, unless something is being received still: the next process does it then."""
        with self._lock:
            if self._own:
                folder, lock = self._own
                self._own = None
                lock.release()
                with contextlib.suppress(OSError):
                    (folder / ".lock").unlink(missing_ok=True)
                    folder.rmdir()
