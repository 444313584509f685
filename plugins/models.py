"""The models that come with nstfilter: its own small one, and those of TensorFlow Hub."""

from __future__ import annotations

from nstfilter.errors import UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.models import StyleModel


@hookimpl
def register_models(register: Register) -> None:
    register("pocket", _open_pocket, help="nstfilter's own: small, fast, needs no download")
    register(
        "magenta",
        _open_magenta,
        accepts=_accepts,
        help="Magenta's, from TensorFlow Hub; or any SavedModel like it by folder, .tar.gz or handle",
    )


def _open_pocket(
    target: str,
    *,
    threads: int | None = None,
    engine: str | None = None,
    precision: str | None = None,
    device: str | None = None,
) -> StyleModel:
    if target:
        raise UsageError(f"pocket takes nothing after its name, and was given {target!r}")
    from nstfilter.models.pocket import PocketModel

    return PocketModel(threads=threads, engine=engine, precision=precision, device=device)


def _accepts(target: str) -> bool:
    from nstfilter.models.fetch import accepts

    return accepts(target)


def _open_magenta(
    target: str,
    *,
    threads: int | None = None,
    engine: str | None = None,
    precision: str | None = None,
    device: str | None = None,
) -> StyleModel:
    from nstfilter.models.fetch import fetch
    from nstfilter.models.hub import HubModel

    options = {"threads": threads, "engine": engine, "precision": precision, "device": device}
    return HubModel(fetch(target), name=target or "magenta", **options)
