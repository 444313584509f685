"""What runs in a worker process: tasks come in through a connection, progress and results go out.

When the connection ends, the parent has closed it or has died. The task being done is then given up, and the
process exits. SIGTERM does the same.
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
from nstfilter.jobs.work import attempt, portable

GRACE = 5.0  # seconds that a task has to remove its temporary files
PACE = 0.2  # seconds between two reports of progress


def work(connection: Connection) -> None:
    """Answer each `Task` with its `Report` or an exception; until then, send how many frames are painted."""
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()  # a signal handler may use it
    stopping = threading.Event()

    def stop(*signal: object) -> None:
        stopping.set()
        tasks.put(None)
        exit_anyway = threading.Timer(GRACE, os._exit, (1,))
        exit_anyway.daemon = True
        exit_anyway.start()

    def receive() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                tasks.put(connection.recv())
        stop()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all processes of a terminal get it; the parent decides
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=receive, daemon=True).start()
    while (task := tasks.get()) and not stopping.is_set():
        _limit_opencv(task.settings.threads)
        result = portable(attempt(task, on_frame=_Reporter(connection), stop=stopping))
        if stopping.is_set() and isinstance(result, Exception):
            return  # no fault of the task's
        with contextlib.suppress(OSError):  # the parent has died, which ends `receive` too
            connection.send(result)


def _limit_opencv(threads: int | None) -> None:
    """Else OpenCV starts a thread for every core in every worker."""
    if threads:
        from nstfilter.graphics.opencv import cv2

        cv2.setNumThreads(threads)


class _Reporter:
    """Sends the number of frames painted, every `PACE` seconds at most."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.next = 0.0

    def __call__(self, frames: int) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + PACE
            with contextlib.suppress(OSError):
                self.connection.send(frames)
