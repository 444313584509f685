"""Neural style transfer as a filter: on pictures, on recordings, in the manner of OpenCV.

import cv2, nstfilter
paint = nstfilter.StyleFilter("mosaic", strength=0.8)
out = paint(cv2.imread("photo.jpg"))        # BGR uint8 in, BGR uint8 out, same shape
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstfilter.errors import (
        FrameError,
        MissingLibraryError,
        ModelError,
        NstfilterError,
        PluginError,
        SinkError,
        SourceError,
        StyleError,
        UnknownNameError,
        UsageError,
    )
    from nstfilter.figures import Figures
    from nstfilter.filter import StyleFilter
    from nstfilter.governor import Governor
    from nstfilter.hookspecs import hookimpl
    from nstfilter.live import Live
    from nstfilter.manager import open_model, open_sink, open_source
    from nstfilter.models import StyleModel
    from nstfilter.pipeline import Report, run
    from nstfilter.streams import Frame, Sink, Source, StreamInfo
    from nstfilter.style import Style, StyleMix, StylePack, list_styles

# where each public name lives: resolved on first use, so that importing nstfilter loads nothing heavy
_HOMES = {
    "errors": [
        "FrameError",
        "MissingLibraryError",
        "ModelError",
        "NstfilterError",
        "PluginError",
        "SinkError",
        "SourceError",
        "StyleError",
        "UnknownNameError",
        "UsageError",
    ],
    "figures": ["Figures"],
    "filter": ["StyleFilter"],
    "governor": ["Governor"],
    "hookspecs": ["hookimpl"],
    "live": ["Live"],
    "manager": ["open_model", "open_sink", "open_source"],
    "models": ["StyleModel"],
    "pipeline": ["Report", "run"],
    "streams": ["Frame", "Sink", "Source", "StreamInfo"],
    "style": ["Style", "StyleMix", "StylePack", "list_styles"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Figures",
    "Frame",
    "FrameError",
    "Governor",
    "Live",
    "MissingLibraryError",
    "ModelError",
    "NstfilterError",
    "PluginError",
    "Report",
    "Sink",
    "SinkError",
    "Source",
    "SourceError",
    "StreamInfo",
    "Style",
    "StyleError",
    "StyleFilter",
    "StyleMix",
    "StyleModel",
    "StylePack",
    "UnknownNameError",
    "UsageError",
    "hookimpl",
    "list_styles",
    "open_model",
    "open_sink",
    "open_source",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("nstfilter")
    if name not in _HOME:
        raise AttributeError(f"module 'nstfilter' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nstfilter.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
