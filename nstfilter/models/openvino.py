"""OpenVINO, imported in one place so that it does not call home.

    from nstfilter.models.openvino import ov

Its wheel brings `openvino_telemetry`, which reports every import to an analytics server: it forks the
process, writes to the home folder, and holds up the end of a program that has no network. OpenVINO does
without that package where it is not installed, so it is hidden while OpenVINO is imported.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_TELEMETRY = "openvino_telemetry"


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    there = _TELEMETRY in sys.modules
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # importing it is now an ImportError
    try:
        yield
    finally:
        if there:
            sys.modules[_TELEMETRY] = before  # type: ignore[assignment]
        else:
            del sys.modules[_TELEMETRY]


def _import() -> Any:
    with _without_telemetry():
        import openvino
    return openvino


ov = _import()
__all__ = ["ov"]
