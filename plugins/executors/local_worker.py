"""What runs in a worker's process: tasks come in through a connection, and what became of them goes out.

A connection that ends means that the work is over: the other side wants it so, or has died, however suddenly.
What is being painted is then given up, and the process ends. A polite kill does the same.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from multiprocessing.connection import Connection

from nstfilter.jobs.task import Task
from nstfilter.jobs.work import attempt

GRACE = 5.0  # seconds that a task has to clear away what it began
PACE = 0.2  # seconds between two words on how far a task is


def work(connection: Connection) -> None:
    """Answer each `Task` with its `Report` or an exception; while at it, say how many frames are painted."""
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()  # the one that a signal's handler may use
    over = threading.Event()

    def end(*signal: object) -> None:
        over.set()
        tasks.put(None)
        hurry = threading.Timer(GRACE, os._exit, (1,))
        hurry.daemon = True
        hurry.start()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                tasks.put(connection.recv())
        end()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches every process of a terminal; the parent decides
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=listen, daemon=True).start()
    while (task := tasks.get()) and not over.is_set():
        _share_the_processor(task.settings.threads)
        result = attempt(task, on_frame=_Reporter(connection), stop=over)
        if over.is_set() and isinstance(result, Exception):
            return  # no fault of the task's
        with contextlib.suppress(OSError):  # nobody is there; `listen` hears of it too
            connection.send(result)


def _share_the_processor(threads: int | None) -> None:
    """OpenCV would start a thread for every core, in every worker."""
    if threads:
        from nstfilter.graphics.opencv import cv2

        cv2.setNumThreads(threads)


class _Reporter:
    """Says how far a task is, now and then."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.next = 0.0

    def __call__(self, frames: int) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + PACE
            with contextlib.suppress(OSError):
                self.connection.send(frames)
