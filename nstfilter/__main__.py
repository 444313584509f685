"""`nstfilter` and `python -m nstfilter`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

# seconds that threads have to end once the command has; the panel says goodbye to its pages meanwhile
GRACE = 0.5


def main() -> None:
    """Run the command line. Expected errors become one line on stderr and their exit code."""
    _open_what_is_closed()
    try:
        _run()
    except SystemExit as end:
        # A model or a driver hangs in a thread of a live run, nobody writes to or reads from a pipe, or a
        # thumbnail is being painted: Python would wait for it, or be aborted by the library that is at work
        # there ("terminate called without an active exception", or a segmentation fault). Everything that has
        # to be finished is finished.
        if _left_behind():
            _end_at_once(end.code)
        raise


def _open_what_is_closed() -> None:
    """After `>&-` the next file to be opened would be standard output, and whatever a library prints would
    end up in it; and Python has None for `sys.stdout`. Either is the null device then."""
    with contextlib.suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(number, True)
        os.close(number)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (to the end)
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _left_behind() -> bool:
    """Whether threads of ours that nobody waits for are still at work after GRACE."""
    until = time.monotonic() + GRACE
    own = [one for one in threading.enumerate() if one.daemon and one.name.startswith("nstfilter-")]
    with contextlib.suppress(KeyboardInterrupt):
        for thread in own:
            thread.join(max(0.0, until - time.monotonic()))
    return any(thread.is_alive() for thread in own)


def _end_at_once(code: object) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _hang_up(number: int, frame: FrameType | None) -> NoReturn:
    """The terminal was closed: end as after Ctrl-C. SIGHUP often comes twice, from the shell and from the
    system; the second must not interrupt the ending."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run() -> None:
    # SIGTERM ends the program as Ctrl-C does: what is finished is kept, the rest removed. It also works in
    # the background of a script, where Ctrl-C is ignored
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _hang_up)
    from nstfilter.errors import NstfilterError

    try:
        from nstfilter.cli.app import build_app

        try:
            build_app()(prog_name="nstfilter")
        finally:
            sys.stdout.flush()
    except NstfilterError as error:
        print("error:", "; ".join([str(error), *getattr(error, "__notes__", [])]), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before a command has begun, which would handle it
        sys.exit(130)
    except ImportError as error:  # Ctrl-C while a library written in C is loaded
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(130)
    except OSError as error:
        # a reader that closes the pipe, as head does, is no error to report; a full disk is
        closed = isinstance(error, BrokenPipeError)
        if not closed and _stdout_works():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not closed:
            print(f"error: standard output cannot be written to: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _stdout_works() -> bool:
    try:
        print(flush=True)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
