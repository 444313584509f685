"""Addresses of streams in messages: without passwords and stream keys."""

from __future__ import annotations

import av

from nstfilter.errors import without_secrets


def shown(address: str) -> str:
    """The address as a message may show it: without secrets, which may be in its query too."""
    return without_secrets(address.partition("?")[0])


def reason(error: Exception) -> str:
    """What went wrong, in words; FFmpeg's own messages repeat the address."""
    if isinstance(error, av.ProtocolNotFoundError):
        return "this build of FFmpeg does not have the protocol"
    return getattr(error, "strerror", None) or type(error).__name__
