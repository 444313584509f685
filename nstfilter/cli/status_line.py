"""The terminal during a live run: messages, and below them a status line."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

# seconds between two updates of the status line
PACE = 0.5


class StatusLine:
    """Prints to stderr from a thread of its own, so that a terminal stopped with Ctrl-S blocks no caller.

    `status` returns the status line, shown while stderr is a terminal and this process in its foreground.
    """

    def __init__(self, status: Callable[[], str]) -> None:
        self._status = status
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._shown = 0  # length of the status line on the screen
        self._thread = threading.Thread(target=self._work, name="nstfilter-status", daemon=True)

    def say(self, line: str) -> None:
        """Print a line soon. May be called from any thread."""
        self._lines.put(line)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.put(None)
        self._thread.join(2)

    def _work(self) -> None:
        while True:
            try:
                line = self._lines.get(timeout=PACE)
            except queue.Empty:
                line = ""
            with suppress(OSError):  # the terminal was closed; the run goes on
                if line or line is None:
                    self._wipe()
                if line:
                    print(line, file=sys.stderr, flush=True)
                elif line is not None and (columns := _columns()):
                    self._show(self._status(), columns)
            if line is None:
                return

    def _show(self, status: str, columns: int) -> None:
        status = status[: columns - 1]
        print("\r" + status.ljust(self._shown), end="", file=sys.stderr, flush=True)
        self._shown = len(status)

    def _wipe(self) -> None:
        if self._shown:
            print("\r" + " " * self._shown + "\r", end="", file=sys.stderr, flush=True)
            self._shown = 0


def _columns() -> int:
    """Width of the terminal that stderr goes to; 0 without one, or if this process is in the background."""
    try:
        if not sys.stderr.isatty():
            return 0
        fd = sys.stderr.fileno()
        if hasattr(os, "tcgetpgrp") and os.tcgetpgrp(fd) != os.getpgrp():
            return 0
        return os.get_terminal_size(fd).columns
    except (OSError, ValueError):
        return 0
