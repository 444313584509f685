"""The threads of a live run, and how they meet: a clock that may be a fake one, a place for one thing, a
switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

Thing = TypeVar("Thing")


class Condition(Protocol):
    """What is used of `threading.Condition`."""

    def __enter__(self) -> object: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def notify_all(self) -> None: ...
    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool: ...


class Clock:
    """The time, in seconds from some moment on, and ways to wait: whoever waits does it on a `condition` of
    the clock, so that `testing.FakeClock` can let time pass once everybody waits."""

    def now(self) -> float:
        return time.monotonic()

    def condition(self) -> Condition:
        return threading.Condition()


class Mailbox(Generic[Thing]):
    """A place for one thing. The newer replaces the older, which is counted in `dropped`: nothing queues."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.dropped = 0
        self.ended = False
        self._thing: Thing | None = None

    @property
    def full(self) -> bool:
        return self._thing is not None

    def put(self, thing: Thing) -> None:
        with self.condition:
            self.dropped += self.full or self.ended
            self._thing = None if self.ended else thing
            self.condition.notify_all()

    def take(self, timeout: float | None = None) -> Thing | None:
        """What lies here, or comes within `timeout` seconds; None when nothing does, or nothing will."""
        with self.condition:
            self.condition.wait_for(lambda: self.full or self.ended, timeout)
            thing, self._thing = self._thing, None
            return thing

    def end(self, *, drop: bool = False) -> None:
        """Nothing more will come. What lies here can still be taken, or is dropped."""
        with self.condition:
            self.ended = True
            if drop and self.full:
                self.dropped += 1
                self._thing = None
            self.condition.notify_all()


class Switch:
    """Off, and once on for good."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.on = False

    def set(self) -> None:
        with self.condition:
            self.on = True
            self.condition.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait at most so many seconds; whether it is on."""
        with self.condition:
            return self.condition.wait_for(lambda: self.on, timeout)


class ThreadGroup:
    """Threads at work. What one of them raises is left in `error`; who waits on `condition` is told."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.threads: set[threading.Thread] = set()
        self.error: BaseException | None = None

    def start(self, target: Callable[..., None], *arguments: Any) -> None:
        def body() -> None:
            try:
                target(*arguments)
            except BaseException as error:  # Ctrl-C reaches the main thread alone: here it is a plugin's
                self.error = self.error or error
            finally:
                with self.condition:
                    self.threads.remove(thread)
                    self.condition.notify_all()

        name = f"nstfilter-live-{target.__name__.strip('_')}"
        thread = threading.Thread(target=body, name=name, daemon=True)
        with self.condition:
            self.threads.add(thread)
        thread.start()

    def gone(self, timeout: float) -> bool:
        """Whether they all end within so many seconds."""
        with self.condition:
            return self.condition.wait_for(lambda: not self.threads, timeout)
