"""Neural style transfer as a filter: on pictures, on recordings, in the manner of OpenCV.

import cv2, nstfilter
paint = nstfilter.StyleFilter("mosaic", strength=0.8)
out = paint(cv2.imread("photo.jpg"))        # BGR uint8 in, BGR uint8 out, same shape
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A script in the root of a source checkout imports this folder, not the installed package; plugins/ and
# styles/ then lie beside it.
_checkout = Path(__file__).resolve().parents[1]
if not Path(__file__).with_name("plugins").is_dir() and (_checkout / "plugins" / "__init__.py").is_file():
    __path__.append(str(_checkout))

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
    from nstfilter.filter import StyleFilter
    from nstfilter.hookspecs import hookimpl
    from nstfilter.live.governor import Governor
    from nstfilter.live.live import Live
    from nstfilter.live.stats import Figures
    from nstfilter.manager import open_model, open_segmenter, open_sink, open_source
    from nstfilter.models import StyleModel
    from nstfilter.packs.reading import list_styles
    from nstfilter.packs.style import Style, StyleMix, StylePack
    from nstfilter.people import Segmenter
    from nstfilter.people.segmenter import PersonSegmenter
    from nstfilter.pipeline import Report, run
    from nstfilter.streams import Frame, Sink, Source, StreamInfo

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
    "live.stats": ["Figures"],
    "filter": ["StyleFilter"],
    "live.governor": ["Governor"],
    "hookspecs": ["hookimpl"],
    "live.live": ["Live"],
    "manager": ["open_model", "open_segmenter", "open_sink", "open_source"],
    "models": ["StyleModel"],
    "people": ["Segmenter"],
    "people.segmenter": ["PersonSegmenter"],
    "pipeline": ["Report", "run"],
    "streams": ["Frame", "Sink", "Source", "StreamInfo"],
    "packs.reading": ["list_styles"],
    "packs.style": ["Style", "StyleMix", "StylePack"],
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
    "PersonSegmenter",
    "PluginError",
    "Report",
    "Segmenter",
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
    "open_segmenter",
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
