"""Ctrl-C, polite kills and hang-ups, held back where they would spoil something."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# a terminal that is closed sends SIGHUP, which Windows does not know
INTERRUPTS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Hold Ctrl-C, polite kills and hang-ups back until the block is done; the first then takes effect."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    pressed: list[Any] = []
    usual = {n: signal.getsignal(n) for n in INTERRUPTS}
    held: dict[int, Any] = {n: handler for n, handler in usual.items() if callable(handler)}
    for number in held:
        signal.signal(number, lambda *press: pressed.append(press))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    if pressed:
        held[pressed[0][0]](*pressed[0])
