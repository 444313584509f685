"""nstfilter studio: a live run with the page opened."""

from __future__ import annotations

from typing import Annotated

import typer

from nstfilter.cli.options import option
from nstfilter.parameters import PARAMETERS


def studio(
    style: Annotated[
        str | None,
        typer.Option("-s", "--style", help="A style, a picture, or a mix; by default the one last used."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="webcam, webcam:1, webcam:NAME, demo, or a video; by default a camera, else the demo.",
            metavar="SOURCE",
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="virtualcam, preview, or a video to record; by default a virtual camera where there is one.",
            metavar="SINK",
        ),
    ] = None,
    open_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="Open the page in the browser, or only print its address."),
    ] = True,
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 lets a phone in, with the token.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="By default a free one from 8450 on.", min=0, max=65535)
    ] = None,
    osc: Annotated[
        str | None, typer.Option(help="Take and send OSC, at this port of this computer.", metavar="PORT")
    ] = None,
    output_size: Annotated[
        str | None, typer.Option(help="Of what is put out; by default the camera's.", metavar="WxH")
    ] = None,
    fps: Annotated[str, typer.Option(help="Frames a second of what is put out.", metavar="RATE")] = "30",
    model: Annotated[str, option("model")] = PARAMETERS["model"].default,
    threads: Annotated[int | None, option("threads", min=1)] = PARAMETERS["threads"].default,
) -> None:
    """Paint a camera from a page in the browser: choose, mix, record, point and click."""
    from nstfilter.cli.live import live

    where = f"[{host}]" if ":" in host else "" if host == "127.0.0.1" else host
    where += "" if port is None else f":{port}"
    panel = f"panel:{where.removeprefix(':')}" if where else "panel"
    targets = list(to) if to else _virtual_camera()
    live(
        style=style,
        source=source or _camera(),
        to=[panel, *targets],
        output_size=output_size,
        fps=fps,
        model=model,
        threads=threads,
        open_page=open_page,
        osc=osc,
    )


def _camera() -> str:
    from nstfilter.plugins.cameras import cameras

    return "webcam" if any(not camera.virtual for camera in cameras()) else "demo"


def _virtual_camera() -> list[str]:
    """The virtual camera, where there is one that can be written to."""
    from nstfilter.plugins.virtual_cameras import virtual_cameras

    return ["virtualcam"] if any(not one.busy_with and not one.denied for one in virtual_cameras()) else []
