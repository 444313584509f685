"""Virtual cameras as sinks: what calls, streams and recorders show as a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter.hookspecs import Register, hookimpl
from nstfilter.plugins.v4l2 import is_device

if TYPE_CHECKING:
    from nstfilter.plugins.virtualcam.sink import VirtualcamSink


def open_virtualcam(target: str, *, backend: str | None = None) -> VirtualcamSink:
    """The virtual camera that `target` means: nothing (the one labeled nstfilter, or the first that is
    free), a path or a part of its name.

    `backend` is one of pyvirtualcam's, `v4l2loopback`, `obs` or `unitycapture`; None takes the camera's own.
    On opening it raises `SinkError` for a camera that is missing or busy, `UsageError` for a name that fits
    several cameras or an unknown backend.
    """
    from nstfilter.plugins.virtualcam.sink import VirtualcamSink

    return VirtualcamSink(target, backend)


@hookimpl
def register_sinks(register: Register) -> None:
    register(
        "virtualcam",
        open_virtualcam,
        accepts=is_device,
        help="a virtual camera: virtualcam, virtualcam:nstfilter, /dev/video10",
    )
