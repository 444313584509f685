"""nstfilter live: from a camera to a call, a window and recordings, painted."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstfilter.cli.live_report import facts, summary
from nstfilter.cli.options import complete_style, option
from nstfilter.cli.output import warn
from nstfilter.errors import NstfilterError, UsageError, bare_address, without_secrets
from nstfilter.parameters import PARAMETERS

if TYPE_CHECKING:
    import numpy as np

    from nstfilter.live.letterbox import Crop
    from nstfilter.manager import Registry
    from nstfilter.packs.style import StyleMix
    from nstfilter.streams import Source

# pixels each way, and frames a second, that can be meant
SIDES, RATES = (64, 4096), (1, 240)
DAY = 24 * 3600.0


def live(
    style: Annotated[
        str | None,
        typer.Option(
            "-s",
            "--style",
            help="A style, a picture, or a mix; by default the one last used.",
            autocompletion=complete_style,
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="webcam, webcam:1, webcam:NAME, screen, rtsp://..., demo, or a video.",
            metavar="SOURCE",
        ),
    ] = "webcam",
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="virtualcam, preview, rtmp://..., or a video to record, each as often as wanted; by default "
            "the virtual camera, and a preview where there is a display.",
            metavar="SINK",
        ),
    ] = None,
    size: Annotated[
        int | None,
        option(
            "size", help="The shorter side that the network works at; by default as large as keeps the rate."
        ),
    ] = PARAMETERS["size"].default,
    floor: Annotated[int, option("floor")] = PARAMETERS["floor"].default,
    output_size: Annotated[
        str | None, typer.Option(help="Of what is put out; by default the camera's.", metavar="WxH")
    ] = None,
    fit: Annotated[str, option("fit")] = PARAMETERS["fit"].default,
    crop: Annotated[
        str | None,
        typer.Option(
            help="The part of the camera's picture to take: 9:16, or 800x600+100+50 for a rectangle with its "
            "upper left corner.",
            metavar="PART",
        ),
    ] = None,
    fps: Annotated[str, typer.Option(help="Frames a second of what is put out.", metavar="RATE")] = "30",
    mirror: Annotated[bool, option("mirror")] = PARAMETERS["mirror"].default,
    preview_mirror: Annotated[
        bool | None,
        typer.Option(
            "--preview-mirror/--no-preview-mirror",
            help="Show the preview as a mirror would, and nothing else; by default for a webcam.",
        ),
    ] = None,
    stability: Annotated[float, option("stability")] = PARAMETERS["stability"].default,
    strength: Annotated[float, option("strength")] = PARAMETERS["strength"].default,
    keep_colors: Annotated[bool, option("keep_colors")] = PARAMETERS["keep_colors"].default,
    glide: Annotated[float, option("glide")] = PARAMETERS["glide"].default,
    rotate: Annotated[float, option("rotate")] = PARAMETERS["rotate"].default,
    styles: Annotated[
        str | None,
        typer.Option(
            help="The styles to go through, wave,mosaic,my.jpg for example, or a file with one in each line; "
            "by default all. The keys 1 to 9 are the first of them.",
            metavar="STYLES",
        ),
    ] = None,
    model: Annotated[str, option("model")] = PARAMETERS["model"].default,
    area: Annotated[str, option("area")] = PARAMETERS["area"].default,
    background: Annotated[str | None, option("background")] = PARAMETERS["background"].default,
    feather: Annotated[float, option("feather")] = PARAMETERS["feather"].default,
    face: Annotated[float, option("face")] = PARAMETERS["face"].default,
    segmenter: Annotated[str, option("segmenter")] = PARAMETERS["segmenter"].default,
    device: Annotated[str | None, option("device")] = PARAMETERS["device"].default,
    threads: Annotated[int | None, option("threads", min=1)] = PARAMETERS["threads"].default,
    panel: Annotated[bool, typer.Option("--panel", help="Steer the run from a page in the browser.")] = False,
    open_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="Open the panel's page, or only print its address."),
    ] = True,
    osc: Annotated[
        str | None, typer.Option(help="Take and send OSC at this port, with a panel.", metavar="PORT")
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(
            help="The words, or the picture, shown when there is nothing to show.", metavar="TEXT|PICTURE"
        ),
    ] = None,
    never_plain: Annotated[
        bool,
        typer.Option(
            "--never-plain", help="Plain video is seen in the preview alone, and others see the painting."
        ),
    ] = False,
    record_input: Annotated[
        str | None, typer.Option(help="Record the plain camera as well.", metavar="FILE")
    ] = None,
    sound: Annotated[
        str | None,
        typer.Option(
            help="Record sound as well: mic, the microphone that the system uses, or mic:1, mic:NAME.",
            metavar="MICROPHONE",
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help="1 to 100, of recordings as numbered JPEG or WebP pictures.")
    ] = None,
    crf: Annotated[
        int | None, typer.Option(help="Constant rate factor of recordings: smaller is better.")
    ] = None,
    codec: Annotated[
        str | None, typer.Option(help="The codec of recordings: h264, hevc, av1, vp9, prores.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print how it went as JSON.")] = False,
) -> None:
    """Paint a camera as it runs: for calls, streams and recordings."""
    shape, rate, part = _shape(output_size), _rate(fps), _crop(crop)
    fit = PARAMETERS["fit"].check(fit)
    floor = PARAMETERS["floor"].check(floor)
    targets = [*(to or _default_sinks()), *(["panel"] if panel else [])]
    if osc is not None and not any(target.partition(":")[0] == "panel" for target in targets):
        raise UsageError("--osc is of no use without a panel; add --panel")
    _check(source, targets, record_input)
    if quality is not None:
        _check_quality([*targets, *([record_input] if record_input else [])])

    from nstfilter.cli.keys import TypedText, keys
    from nstfilter.cli.status_line import StatusLine
    from nstfilter.filter import StyleFilter
    from nstfilter.graphics.opencv import cv2
    from nstfilter.live.actions import HELP, KEYS
    from nstfilter.live.controls import ROOM_SEEN, Controls
    from nstfilter.live.governor import Governor
    from nstfilter.live.last_style import remember
    from nstfilter.live.live import Live
    from nstfilter.live.recordings import Recordings
    from nstfilter.live.session import Session
    from nstfilter.manager import manager, open_microphone, open_sink
    from nstfilter.models import allowed_threads, spare_threads

    chosen = _chosen(styles)
    mix = _style(style or (chosen[0] if chosen else None))
    shown = _card(card)
    cv2.setNumThreads(allowed_threads(threads) or spare_threads())
    paint = StyleFilter(
        mix,
        strength=strength,
        keep_colors=keep_colors,
        model=model,
        size=size,
        stability=stability,
        area=area,
        background=background,
        feather=feather,
        face=face,
        segmenter=segmenter,
        device=device,
        threads=_threads(model, threads),
    )
    with _open_source(source, shape, rate) as camera, ExitStack() as opened:
        status = StatusLine(lambda: "   ".join(controls.status(run.figures())))
        session = Session(
            source, model, on_address=partial(_show_page, as_json, open_page), preview_mirror=preview_mirror
        )
        session.listen(status.say)
        session.open_source = lambda target: _open_source(target, shape, rate)
        controls = session.controls = Controls(
            paint,
            chosen or _names,
            favorites=chosen or _names(),
            mirror=mirror,
            never_plain=never_plain,
            sound=sound is not None,
            on_air=lambda: run.on_air,
            say=session.say,
        )
        controls.set("glide", glide)
        controls.set("rotate", rotate)
        controls.set("fit", fit)
        encoding = {"crf": crf, "codec": codec, "quality": quality}
        encoding = {name: value for name, value in encoding.items() if value is not None}
        options = {
            **encoding,
            "session": session,
            "osc": osc,
            "overwrite": overwrite,
            "on_key": controls.press,
            "mirror": session.mirrors_preview,
        }
        sinks = [open_sink(target, **_taken(manager().sinks, target, options)) for target in targets]
        plain = (
            open_sink(record_input, **_taken(manager().sinks, record_input, options))
            if record_input
            else None
        )
        microphone = opened.enter_context(open_microphone(sound)) if sound is not None else None
        if microphone and not any(sink.takes_sound for sink in [*sinks, plain] if sink):
            warn("no target takes sound; it is in what the key r records")
        if controls.room_seen:
            warn(ROOM_SEEN)
        run = session.live = Live(
            camera,
            controls,
            sinks,
            size=shape,
            crop=part,
            rate=rate,
            governor=None if size else Governor(rate, floor),
            card=shown,
            record=plain,
            microphone=microphone,
            overlay=controls.describe,
            say=session.say,
        )
        recordings = session.recordings = Recordings(
            run, controls, _taken(manager().sinks, "a.mp4", encoding)
        )
        controls.handlers |= {"snapshot": recordings.snapshot, "record": recordings.record, "quit": run.stop}

        typed = TypedText(KEYS)

        def pressed(key: str) -> None:
            if typed(key):
                return
            if key in ("h", "?"):  # the overlay is not seen here
                status.say("\n".join(HELP))
            else:
                controls.press(key)

        remember(mix)
        failure = None
        with status, keys(pressed) as there:
            if there:
                status.say("h shows the keys, q quits")
            try:
                run.run()
            except NstfilterError as error:
                failure = error
        if controls.style:
            remember(controls.style)
    for warning in run.warnings:
        warn(warning)
    files = [str(path) for path in (*recordings.files, *run.kept)]
    told = facts(run.figures(), run.warnings, files, failure)
    if as_json:
        about = {
            "from": without_secrets(source),
            "sound": microphone.name if microphone else None,
            "style": (controls.style or mix).spelled,
            "model": paint.model.name,
            "width": run.info.width,
            "height": run.info.height,
            "fps": float(rate),
        }
        print(json.dumps(about | told, indent=2))
    elif told["ticks"]:
        print("\n".join(summary(told)))
    if failure:
        unopened = [
            sink["name"] for sink in told["sinks"] if sink["state"] == "failed" and not sink["written"]
        ]
        if not to and "virtualcam" in unopened:
            failure.add_note("without a virtual camera, --to preview shows a window and --to FILE records")
        raise failure


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    shape = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(SIDES[0] <= side <= SIDES[1] for side in shape):
        raise UsageError(
            f"--output-size is {text}; expected 1280x720, say, with sides of {SIDES[0]} to {SIDES[1]} pixels"
        )
    return shape


def _crop(text: str | None) -> Crop | None:
    from nstfilter.live.letterbox import Crop

    if text is None:
        return None
    if (match := re.fullmatch(r"(\d{1,4}):(\d{1,4})", text)) and int(match[1]) and int(match[2]):
        return Crop(Fraction(int(match[1]), int(match[2])))
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})\+(\d{1,5})\+(\d{1,5})", text)
    if not match or not (int(match[1]) and int(match[2])):
        raise UsageError(f"--crop is {text}; expected proportions such as 9:16, or 800x600+100+50")
    width, height, left, top = map(int, match.groups())
    return Crop(None, width, height, left, top)


def _card(text: str | None) -> str | np.ndarray:
    """The words or the picture to show. Raises `UsageError` for letters that cannot be written."""
    from nstfilter.graphics.text import missing
    from nstfilter.live import privacy_card

    if text is None:
        return privacy_card.TEXT
    if os.path.isfile(text):
        from nstfilter.frames import as_bgr
        from nstfilter.manager import open_source

        with open_source(text) as picture:
            return as_bgr(next(iter(picture)).image)[0]
    if letters := missing(text):
        raise UsageError(
            f"--card has letters that cannot be written here: {letters}; use others, or a picture of the text"
        )
    return text


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not RATES[0] <= rate <= RATES[1]:
        raise UsageError(
            f"--fps is {text}; expected a number from {RATES[0]} to {RATES[1]}, such as 30 or 29.97"
        )
    return rate


def _show_page(to_stderr: bool, open_page: bool, address: str) -> None:
    """Print where the panel is, on a line of its own, and open it."""
    print(address, file=sys.stderr if to_stderr else sys.stdout, flush=True)
    if open_page:
        import webbrowser

        webbrowser.open(address)


def _default_sinks() -> list[str]:
    """The virtual camera, and a preview where one could be seen."""
    from nstfilter.graphics.display import has_windows, why_no_window
    from nstfilter.graphics.opencv import cv2
    from nstfilter.manager import manager

    there = "preview" in manager().sinks.names()
    seen = there and not why_no_window() and has_windows(cv2.getBuildInformation())
    return ["virtualcam", "preview"] if seen else ["virtualcam"]


def _check(source: str, targets: list[str], record_input: str | None) -> None:
    """Raises `UsageError` for places that nobody knows, or that are meant twice."""
    from nstfilter.manager import manager

    manager().sources.resolve(source)
    sinks = manager().sinks
    everywhere = [*targets, record_input] if record_input else targets
    for target in everywhere:
        sinks.resolve(target)
        if os.path.exists(target) and os.path.exists(source) and os.path.samefile(target, source):
            raise UsageError(f"{target} is the input itself; give the recording another name")
    named = [bool(sinks.named(target)) or "://" in target for target in everywhere]
    places = Counter(
        target if is_name else os.path.realpath(target)
        for target, is_name in zip(everywhere, named, strict=True)
    )
    for place, count in places.items():
        if count > 1:
            named_so = bare_address(place) if "://" in place else place
            raise UsageError(f"{named_so} is asked for {count} times; once is enough")


def _check_quality(targets: list[str]) -> None:
    """Raises `UsageError` where none of `targets` takes a quality."""
    from nstfilter.manager import manager

    if not any("quality" in manager().sinks.options(target) for target in targets):
        raise UsageError(
            "--quality is of no use here: it is for recordings as pictures, such as --to shots/%05d.jpg; "
            "those of videos take --crf"
        )


def _open_source(target: str, shape: tuple[int, int] | None, rate: Fraction) -> Source:
    """What gives frames of about that size and rate, and where it draws them itself, for a day and silently.
    Raises `UsageError` for a picture."""
    from nstfilter.manager import manager, open_source

    wishes: dict[str, Any] = {"rate": rate, "seconds": DAY, "sound": False}
    if shape:
        wishes |= {"width": shape[0], "height": shape[1]}
    opened = open_source(target, **_taken(manager().sources, target, wishes))
    if opened.info.still:
        opened.close()
        raise UsageError(f"{target} is a picture; nstfilter apply paints those")
    return opened


def _taken(registry: Registry, target: str, options: dict[str, Any]) -> dict[str, Any]:
    """Those of `options` that the plugin which opens `target` takes."""
    taken = registry.options(target)
    return {name: value for name, value in options.items() if name in taken}


def _chosen(text: str | None) -> list[str]:
    """The styles of --styles: separated by commas, or a line each in a file. Raises as `parse_style` does."""
    from nstfilter.packs.reading import parse_style

    if text is None:
        return []
    if Path(text).suffix.lower() == ".txt":
        try:
            lines = Path(text).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--styles: {text} cannot be read: {error}") from None
        names = [line.partition("#")[0].strip() for line in lines]
    else:
        names = [name.strip() for name in text.split(",")]
    names = list(dict.fromkeys(name for name in names if name))
    if not names:
        raise UsageError("--styles names no style; expected wave,mosaic for example, or a .txt file")
    for name in names:
        parse_style(name)
    return names


def _style(text: str | None) -> StyleMix:
    """The style asked for, else the one last used, else the default."""
    from nstfilter.live.last_style import last_style
    from nstfilter.packs.reading import parse_style

    if text is None and (last := last_style()):
        try:
            return parse_style(last)
        except NstfilterError as error:
            warn(f"the style last used is gone ({error}); this is {PARAMETERS['style'].default}")
    return parse_style(PARAMETERS["style"].default if text is None else text)


def _names() -> list[str]:
    """Every style, by its name, or by that of its pack too where several have it; and pictures that lie in a
    pack's folder of the user's and are not in its manifest, by their paths."""
    from nstfilter.packs.reading import PICTURE_SUFFIXES, list_styles, packs, user_pack_folders

    packs.cache_clear()  # something may have been added since
    styles = list_styles()
    count = Counter(style.name for style in styles)
    names = [style.name if count[style.name] == 1 else f"{style.pack}/{style.name}" for style in styles]
    known = {style.path.resolve() for style in styles}
    for folder in user_pack_folders():
        files = sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
        names += [str(path) for path in files if path not in known]
    return names


def _threads(model: str, asked: int | None) -> int | None:
    """As many as were asked for, else all processors but one, where the model lets itself be told."""
    from nstfilter.manager import manager
    from nstfilter.models import allowed_threads, spare_threads

    if asked is None and "threads" not in manager().models.options(model):
        return None
    return allowed_threads(asked) or spare_threads()
