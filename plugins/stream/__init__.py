"""Streams on a network as sources and sinks, and the screen as a source."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from nstfilter.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nstfilter.plugins.stream.screen import ScreenSource
    from nstfilter.plugins.stream.sink import StreamSink
    from nstfilter.plugins.stream.source import StreamSource

READABLE = ("rtsp", "rtsps", "http", "https", "srt", "rtmp", "rtmps", "udp", "tcp")
# each with the container that is usual on it
WRITABLE = {"rtmp": "flv", "rtmps": "flv", "srt": "mpegts", "udp": "mpegts", "tcp": "mpegts"}


def scheme(target: str) -> str:
    """`rtmp` for rtmp://host/app/key; empty for what is no address."""
    before, there, _ = target.partition("://")
    return before.lower() if there else ""


def open_source(target: str) -> StreamSource:
    """The video at an address. Raises `SourceError` where there is none."""
    from nstfilter.plugins.stream.source import StreamSource

    return StreamSource(target)


def open_sink(target: str, *, bitrate: int | None = None) -> StreamSink:
    """A stream to an address, in H.264. `bitrate` is in bits a second; None for what the size asks for. On
    opening it raises `SinkError` where nobody takes it."""
    from nstfilter.plugins.stream.sink import StreamSink

    return StreamSink(target, WRITABLE[scheme(target)], bitrate)


def open_screen(target: str, *, rate: Fraction | float = 30) -> ScreenSource:
    """The screen that `target` means: nothing (the first), its number from 1 up, or WxH+X+Y, a part of the
    desktop in pixels. Raises `SourceError` where there is no screen."""
    from nstfilter.plugins.stream.screen import ScreenSource

    return ScreenSource(target, Fraction(rate))


@hookimpl
def register_sources(register: Register) -> None:
    register(
        "stream",
        open_source,
        accepts=lambda target: scheme(target) in READABLE,
        help="a network stream: rtsp://camera/1, http://host/live.m3u8, rtmp://, udp://",
    )
    register("screen", open_screen, help="what is on the screen: screen, screen:2, screen:1280x720+100+0")


@hookimpl
def register_sinks(register: Register) -> None:
    register(
        "stream",
        open_sink,
        accepts=lambda target: scheme(target) in WRITABLE,
        help="a network stream: rtmp://live.example/app/KEY, udp://, tcp://",
    )
