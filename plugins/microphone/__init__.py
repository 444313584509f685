"""Microphones, and whatever else the system lists as an input of sound, through PortAudio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nstfilter.plugins.microphone.device import SoundDevice


def open_mic(target: str) -> SoundDevice:
    """The input of sound that `target` means: nothing (the system's own choice), a number, or a part of its
    name. Raises `SourceError` for one that is missing or busy, `UsageError` for a name of several,
    `MissingLibraryError` where sounddevice or PortAudio is not installed."""
    from nstfilter.plugins.microphone.device import SoundDevice

    return SoundDevice(target)


@hookimpl
def register_microphones(register: Register) -> None:
    register("mic", open_mic, accepts=lambda target: True, help="a microphone: mic, mic:1, mic:Yeti")
