"""Addresses of streams in messages: without passwords and stream keys."""

from __future__ import annotations

import re

import av


def shown(address: str) -> str:
    """The address as a message may show it: no user, no password, no query, no last part of an RTMP path,
    which is the key to a channel."""
    address = re.sub(r"://[^/]*@", "://", address.partition("?")[0])
    return re.sub(r"^(rtmps?://[^/]+/[^/]+)/.+", r"\1/...", address, flags=re.IGNORECASE)


def reason(error: Exception) -> str:
    """What went wrong, in words; FFmpeg's own messages repeat the address."""
    if isinstance(error, av.ProtocolNotFoundError):
        return "this build of FFmpeg does not have the protocol"
    return getattr(error, "strerror", None) or type(error).__name__
