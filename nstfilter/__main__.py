"""`nstfilter` and `python -m nstfilter`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run the command line. Expected errors become one line on stderr and their exit code."""
    try:
        _run()
    except SystemExit as end:
        # A model or a driver that hangs in a thread of a live run: Python would wait for it, or be aborted
        # by it. Whatever there was to finish is finished
        if any(thread.name.startswith("nstfilter-live") for thread in threading.enumerate()):
            _end_at_once(end.code)
        raise


def _end_at_once(code: object) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _hang_up(number: int, frame: FrameType | None) -> NoReturn:
    """The terminal was closed: end as after Ctrl-C. It is often told twice, by the shell and by the system,
    and the second must not disturb what finishes."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run() -> None:
    # a polite kill keeps what was finished and clears the rest away, as Ctrl-C does; also in a script's
    # background, where Ctrl-C is ignored
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
    except KeyboardInterrupt:  # so early that no command was there to see to it
        sys.exit(130)
    except ImportError as error:  # what a library written in C makes of it while it is loaded
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(130)
    except OSError as error:
        # whoever read our output may have heard enough; a full disk is another matter
        heard_enough = isinstance(error, BrokenPipeError)
        if not heard_enough and _stdout_works():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not heard_enough:
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
