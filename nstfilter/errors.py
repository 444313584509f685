"""Everything nstfilter raises on purpose.

    NstfilterError              exit code 1: the work cannot be done
    ├── UsageError              exit code 2: a wrong argument or option (also a ValueError)
    │   └── UnknownNameError    a name that is not registered; the message suggests the nearest ones
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
import re
from collections.abc import Iterable


def one_line(text: str) -> str:
    """`text` with everything that is not printable escaped: file names may hold newlines and control codes of
    the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# within quotes an address goes to their end, elsewhere to a space, less the marks that end a sentence;
# a long text, which a page or an OSC message may send, is gone through once
ADDRESS = re.compile(
    r"""(?P<quote>['"])(?P<quoted>[\w+.-]+://.*?)(?=(?<!\\)(?P=quote)(?:\W|$)|$)"""
    r"""|(?<![\w+.-])[\w+.-]+://\S*(?<![;,:.)\]'"])"""
)


def without_secrets(text: str) -> str:
    """`text` with less of the addresses in it, as `bare_address` has them."""
    return ADDRESS.sub(lambda found: (found["quote"] or "") + bare_address(found["quoted"] or found[0]), text)


def bare_address(address: str) -> str:
    """`address`, all of it, with no user and password, nothing from a query, fragment or space on, and of an
    RTMP path not the last part, which is the key to a channel."""
    scheme, _, rest = address.partition("://")
    place, slash, path = re.split(r"[?#\s]", rest, maxsplit=1)[0].partition("/")
    # an @ after the place ends a password that has one of these marks in it, or is part of a key
    rest = "..." if "@" in rest[len(place) :] else place.rpartition("@")[2] + slash + path
    if re.match(r"[^/\[]*:(?!\d*(?:/|$))", rest):  # what stands for a port is none, and may be a password
        rest = "..."
    if scheme.lower() in ("rtmp", "rtmps"):
        rest = re.sub(r"^([^/]+/[^/]+)/.+", r"\1/...", rest, flags=re.DOTALL)
    return f"{scheme}://{rest}"


class NstfilterError(Exception):
    """Base of all errors raised on purpose. `exit_code` is that of the command line. Its text is one line,
    without the secrets of addresses, whoever wrote them into it."""

    exit_code = 1

    def __str__(self) -> str:
        return without_secrets(one_line(super().__str__()))


class UsageError(NstfilterError, ValueError):
    exit_code = 2


class UnknownNameError(UsageError):
    """No `kind` is called `name`; `suggestions`, which the message names, are the nearest of `known`."""

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
