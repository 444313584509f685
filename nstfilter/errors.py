"""Everything nstfilter raises on purpose.

    NstfilterError              exit code 1: something in the world is not as it must be
    ├── UsageError              exit code 2: the request itself cannot be meant (also a ValueError)
    │   └── UnknownNameError    a name nobody registered; carries the nearest known ones
    ├── FrameError              an array that is not a frame (also a ValueError)
    ├── SourceError             an input that cannot be opened or read
    ├── SinkError               an output that cannot be opened or written
    ├── StyleError              a style picture or pack that cannot be used
    ├── ModelError              a model that cannot be found, loaded or run
    ├── PluginError             a plugin that broke its contract
    └── MissingLibraryError     a system library or optional package is not installed

Every message is one line: what is wrong, what was expected, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def one_line(text: str) -> str:
    """`text` fit to be printed in one line: names of files may hold newlines and whatever else moves a
    terminal's cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class NstfilterError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class UsageError(NstfilterError, ValueError):
    exit_code = 2


class UnknownNameError(UsageError):
    """`name` is not among `known`; the message names the nearest, in `suggestions`."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(set(known))
        self.name = name
        self.suggestions = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if self.suggestions:
            rest = f"; did you mean {' or '.join(map(repr, self.suggestions))}?"
        else:
            rest = f"; known: {', '.join(known)}" if known else "; none is registered"
        super().__init__(f"no {kind} is called {name!r}{rest}{' ' + hint if hint else ''}")


class FrameError(NstfilterError, ValueError):
    pass


class SourceError(NstfilterError):
    pass


class SinkError(NstfilterError):
    pass


class StyleError(NstfilterError):
    pass


class ModelError(NstfilterError):
    pass


class PluginError(NstfilterError):
    pass


class MissingLibraryError(NstfilterError):
    pass
