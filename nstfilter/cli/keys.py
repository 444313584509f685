"""Single keys from the terminal, while something else runs; the terminal is as it was afterwards."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

# seconds between two looks at whether it is over, or the terminal is ours again
LOOK = 0.1
# seconds between two different keys below which they are typed text, and after which keys count again
TYPED, QUIET = 0.1, 1.0


class TypedText:
    """Tells keys that are pressed from a text that is typed, or pasted, into the wrong window.

    Such a text has letters that are no keys, or comes faster than keys are chosen. At most its first letter
    is taken for a key.

        typed = TypedText("npq")
        if typed(key): ...         # leave it
    """

    def __init__(self, keys: Collection[str], now: Callable[[], float] = time.monotonic) -> None:
        self._keys, self._now = keys, now
        self._last, self._at, self._typing = "", float("-inf"), False

    def __call__(self, key: str) -> bool:
        """Whether `key`, pressed now, is part of a text; to be asked about every key."""
        since, self._at = self._now() - self._at, self._now()
        fast = since < TYPED and key != self._last
        self._last = key
        if since > QUIET:
            self._typing = False
        self._typing = self._typing or fast or key.lower() not in self._keys
        return self._typing


@contextmanager
def keys(on_key: Callable[[str], None]) -> Iterator[bool]:
    """While this lasts, each key pressed in the terminal goes to `on_key`, in a thread of its own, and is not
    shown. Gives whether there is such a terminal: where stdin is none, nothing happens.

    Ctrl-C and Ctrl-Z mean what they always do; a stopped program leaves the terminal as it found it, and
    takes it up again when it is back in the foreground.
    """
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        yield False
        return
    with _Terminal(on_key, sys.stdin.fileno()):
        yield True


class _Reader:
    """A thread that reads the terminal at the descriptor `fd` until it is told to end."""

    def __init__(self, on_key: Callable[[str], None], fd: int) -> None:
        self.on_key = on_key
        self.fd = fd
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._read, name="nstfilter-keys", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()

    def _read(self) -> None:
        raise NotImplementedError


if sys.platform == "win32":
    import msvcrt

    class _Terminal(_Reader):
        def _read(self) -> None:
            while not self.ended.wait(LOOK):
                while msvcrt.kbhit():
                    key = msvcrt.getwch()
                    if key in ("\x00", "\xe0"):  # an arrow, or another key that is no letter
                        msvcrt.getwch()
                    else:
                        self.on_key(key)

else:
    import select
    import termios
    import tty

    # what a terminal sends for an arrow, a function key, or a letter with Alt (ECMA-48, 5.4); some
    # begin with two escapes where Alt is pressed, and F1 to F5 of Linux's own console with two brackets
    _NO_LETTER = re.compile(r"\x1b+(\[\[?[0-?]*[ -/]*[@-~]?|O.?|.?)", re.DOTALL)
    # what stops or ends a program from its terminal, and would leave that as it is
    _SIGNALS = (signal.SIGTSTP, signal.SIGQUIT)

    class _Terminal(_Reader):
        """The terminal is in cbreak mode as long as this program is in its foreground: a
        program in the background that reads, or sets modes, is stopped by the system."""

        def __init__(self, on_key: Callable[[str], None], fd: int) -> None:
            super().__init__(on_key, fd)
            self.before: list[Any] | None = None  # the modes to go back to; None while they are in force
            self.away = False
            self.turn = threading.RLock()  # a signal may arrive while its own thread has it

        def __enter__(self) -> Self:
            self._take()
            if threading.current_thread() is threading.main_thread():
                self.handlers = {number: signal.signal(number, self._step_aside) for number in _SIGNALS}
            else:
                self.handlers = {}
            return super().__enter__()

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            try:
                super().__exit__(kind, error, trace)
            finally:
                self._give_back()
                for number, handler in self.handlers.items():
                    signal.signal(number, handler)

        def _step_aside(self, number: int, frame: FrameType | None) -> None:
            """Let the signal do what it does, to a terminal that is in order."""
            self.away = True
            self._give_back()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            # here it goes on, after Ctrl-Z and fg
            signal.signal(number, self._step_aside)
            self.away = False

        def _ours(self) -> bool:
            try:
                return not self.away and os.tcgetpgrp(self.fd) == os.getpgrp()
            except OSError:  # the terminal is gone
                return False

        def _take(self) -> None:
            with self.turn, suppress(termios.error):
                if self.before is None and self._ours():
                    self.before = termios.tcgetattr(self.fd)
                    tty.setcbreak(self.fd, termios.TCSANOW)

        def _give_back(self) -> None:
            with self.turn, suppress(termios.error, OSError):
                if self.before is not None and os.tcgetpgrp(self.fd) == os.getpgrp():
                    termios.tcsetattr(self.fd, termios.TCSANOW, self.before)
                self.before = None

        def _read(self) -> None:
            while not self.ended.is_set():
                self._take()
                if not self._ours():
                    self.ended.wait(LOOK)
                elif select.select([self.fd], [], [], LOOK)[0] and self._ours():
                    try:
                        text = os.read(self.fd, 4096).decode("utf-8", "ignore")
                    except OSError:
                        return
                    if not text:
                        return
                    for key in _NO_LETTER.sub("", text):
                        self.on_key(key)
