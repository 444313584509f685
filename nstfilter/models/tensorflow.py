"""TensorFlow, imported in one place so that it starts quietly and leaves a graphics card to others too.

    from nstfilter.models.tensorflow import tf

Set TF_CPP_MIN_LOG_LEVEL=0 to see everything TensorFlow says.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from nstfilter.errors import MissingLibraryError

# absl's own notice, and log lines of level I, W and E: I0000 00:00:1795181338.921382    5719 port.cc:153] ...
_CHATTER = re.compile(rb"WARNING: All log messages before absl::|[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\] ")


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what native code logs on file descriptor 2, and pass on the rest.

    TensorFlow logs from C++ static initializers, before it has read any setting: no variable silences them.
    """
    try:
        sys.stderr.flush()
        stderr = os.dup(2)
    except (AttributeError, OSError):  # a program without a console
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    with contextlib.suppress(OSError):
                        os.write(2, line)


def _import() -> Any:
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") >= "2"
    # without this TensorFlow takes all of the card's memory, from the game or the recorder beside us as well
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with _without_chatter() if quiet else contextlib.nullcontext():
        try:
            import tensorflow
        except ImportError as error:
            raise MissingLibraryError(
                f"TensorFlow cannot be loaded ({str(error).splitlines()[0]}); "
                "try: pip install --force-reinstall tensorflow"
            ) from error
        if quiet:
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
            tensorflow.config.list_physical_devices()  # says so when there is no graphics card
    return tensorflow


tf = _import()
__all__ = ["tf"]
