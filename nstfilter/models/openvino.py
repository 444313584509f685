"""OpenVINO, imported in one place so that it does not call home, and starts sooner.

    from nstfilter.models.openvino import ov

Its wheel brings `openvino_telemetry`, which reports every import to an analytics server: it forks the
process, writes to the home folder, and holds up the end of a program that has no network. OpenVINO does
without that package where it is not installed, so it is hidden while OpenVINO is imported. The same way its
converter of models, a quarter of the time of the import, is left for when a model is converted.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_TELEMETRY, _CONVERTER = "openvino_telemetry", "openvino.tools.ovc"


@contextlib.contextmanager
def _hidden(*modules: str) -> Iterator[None]:
    """Has the import of modules that are not imported yet end in an ImportError."""
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _convert_model(*given: Any, **options: Any) -> Any:
    with _hidden(_TELEMETRY):
        from openvino.tools.ovc import convert_model

        return convert_model(*given, **options)


def _import() -> Any:
    with _hidden(_TELEMETRY, _CONVERTER):
        import openvino
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model
    return openvino


ov = _import()
__all__ = ["ov"]
