"""`nstfilter` and `python -m nstfilter`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line. Expected errors become one line on stderr and their exit code."""
    # a polite kill keeps what was finished and clears the rest away, as Ctrl-C does; also in a script's
    # background, where Ctrl-C is ignored
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
