"""Addresses of streams in messages: without passwords and stream keys."""

from __future__ import annotations

from nstfilter.errors import UsageError, bare_address


def shown(address: str) -> str:
    """The address as a message may show it. Raises `UsageError` for one with spaces: where it ended in other
    messages could not be told, and it may hold a secret."""
    bare = bare_address(address)
    if any(map(str.isspace, address)):
        raise UsageError(f"an address has no spaces, and this one has some after {bare}; write %20 for each")
    return bare


def reason(error: Exception) -> str:
    """What went wrong, in words; FFmpeg's own messages repeat the address."""
    return getattr(error, "strerror", None) or type(error).__name__


def missing(name: str, instead: str) -> str:
    """That PyAV's FFmpeg lacks the protocol of the address called `name`, and the command to type instead,
    with another FFmpeg."""
    protocol = name.partition(":")[0]
    return f"{name}: the FFmpeg in PyAV was built without {protocol}; with another one: {instead}"
