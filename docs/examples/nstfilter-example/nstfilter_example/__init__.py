"""A source, a sink, a model, a segmenter and a command for nstfilter.

Every `nstfilter` command imports this module, so it only registers names. The classes, and the libraries they
need, are imported when one is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstfilter import hookimpl

if TYPE_CHECKING:
    import typer

    from nstfilter.hookspecs import Register
    from nstfilter_example.gpl import GplSink
    from nstfilter_example.gradient import GradientModel
    from nstfilter_example.greenscreen import GreenScreen
    from nstfilter_example.plasma import PlasmaSource


@hookimpl
def register_sources(register: Register) -> None:
    register("plasma", open_plasma, help="a moving field of color, for so many seconds: plasma:4")


@hookimpl
def register_sinks(register: Register) -> None:
    register(
        "gpl",
        open_gpl,
        accepts=lambda target: target.lower().endswith(".gpl"),
        help="the painted colors as a palette for GIMP, Krita and Inkscape",
    )


@hookimpl
def register_models(register: Register) -> None:
    register("gradient", open_gradient, help="dark to light in the style's colors; no network, very fast")


@hookimpl
def register_segmenters(register: Register) -> None:
    register("greenscreen", open_greenscreen, help="people before a green screen")


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.command()(colors)


def open_plasma(target: str) -> PlasmaSource:
    """`target` is what follows `plasma:`, a number of seconds or nothing."""
    from nstfilter_example.plasma import PlasmaSource

    return PlasmaSource(target)


def open_gpl(target: str, *, overwrite: bool = False, count: int = 12) -> GplSink:
    """Keep at most `count` colors."""
    from nstfilter_example.gpl import GplSink

    return GplSink(target, overwrite=overwrite, count=count)


def open_gradient(target: str) -> GradientModel:
    from nstfilter_example.gradient import GradientModel

    return GradientModel()


def open_greenscreen(target: str) -> GreenScreen:
    from nstfilter_example.greenscreen import GreenScreen

    return GreenScreen()


def colors(picture: str) -> None:
    """Print a picture's colors from dark to light, as #rrggbb."""
    from nstfilter import open_source
    from nstfilter_example.gradient import GradientModel

    with open_source(picture) as source:
        for frame in source:
            for blue, green, red in GradientModel().embed(frame.image[:, :, :3]).round().astype(int):
                print(f"#{red:02x}{green:02x}{blue:02x}")
            return
