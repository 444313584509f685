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

        build_app()()
    except NstfilterError as error:
        print("error:", "; ".join([str(error), *getattr(error, "__notes__", [])]), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # so early that no command was there to see to it
        sys.exit(130)
    except BrokenPipeError:
        # whoever read our output has heard enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
