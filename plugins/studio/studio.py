"""What a page can see and do of a live run: the values of `parameters.py`, actions, styles, files.

Everything goes through `Controls` and `Live`, as the keys do; nothing here knows of HTTP.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nstfilter.errors import NstfilterError, UnknownNameError, UsageError
from nstfilter.packs.style import Style, StyleMix
from nstfilter.parameters import PARAMETERS, Parameter
from nstfilter.plugins.studio.gallery import Gallery
from nstfilter.plugins.studio.presets import Preset, Presets
from nstfilter.plugins.studio.preview import Preview
from nstfilter.plugins.studio.renders import Renders
from nstfilter.plugins.studio.sources import SentVideos, shown
from nstfilter.plugins.studio.uploads import UploadedStyles

if TYPE_CHECKING:
    from nstfilter.live.session import Session

# a mix of more styles than this is mud
MAX_PARTS = 4


class Studio:
    """The live run as a page sees it. Any thread may call any method.

    `session`  the run, its controls and its recordings
    `uploads`  where pictures that pages send are kept as styles
    """

    def __init__(self, session: Session, uploads: UploadedStyles | None = None) -> None:
        self.session = session
        self.preview = Preview()
        self.uploads = uploads or UploadedStyles()
        self.presets = Presets()
        self.renders = Renders(session.model)
        self.videos = SentVideos()
        self.gallery = Gallery(self._plain_picture, session.model, self.uploads)
        self._began_with = session.controls.style
        self._recording_since: float | None = None
        self._lock = threading.Lock()

    # what there is

    def parameters(self) -> list[dict[str, Any]]:
        """Every value that can be changed in mid-run, with its type, range, unit, step, default and help."""
        return [_described(parameter) for parameter in PARAMETERS.values() if parameter.between_frames]

    def values(self) -> dict[str, Any]:
        """The value of each parameter now; the style as `text`."""
        values = {}
        for parameter in PARAMETERS.values():
            if parameter.between_frames and parameter.name != "style":
                value = self.session.controls.get(parameter.name)
                # a background may also be a path, or a picture
                plain = value is None or isinstance(value, str | bool | int | float)
                values[parameter.name] = (
                    value if plain else str(value) if not hasattr(value, "shape") else None
                )
        style = self.session.controls.style
        values["style"] = style.spelled if style else ""
        return values

    def look(self) -> str:
        """What people call the style of the moment."""
        return " + ".join(part["name"] for part in self._parts(self.session.controls.style)) or "painted"

    def state(self) -> dict[str, Any]:
        """All that pages show, as JSON values, but for figures and pictures."""
        controls = self.session.controls
        style = controls.style
        recording = controls.recording
        recorded = {str(path) for path in self.session.recordings.made}
        if recording != (self._recording_since is not None):
            self._recording_since = time.time() if recording else None
        return {
            "values": self.values(),
            "parts": self._parts(style),
            "plain": controls.plain,
            "card": controls.card_shown,
            "recording": recording,
            "recording_since": self._recording_since,
            "recording_plain": self.session.recordings.recording_plain,
            "with_plain": self.session.recordings.with_plain,
            "locked": controls.locked,
            "muted": controls.muted if controls.sound else None,  # there is nothing to mute
            "never_plain": controls.never_plain,
            "mixes": controls.paint.model.mixes,
            "source": shown(self.session.source),
            "mirrors_preview": self.session.mirrors_preview,
            "outputs": [
                {"name": shown(sink.name), "state": sink.state}
                for sink in self.session.figures().sinks
                if sink.state != "closed" and not sink.name.startswith("panel") and sink.name not in recorded
            ],
            "files": [self._file(path) for path in reversed(self.session.recordings.files)],
            "gallery": self.gallery.version,
            "presets": self.presets.facts(),
        }

    def stats(self) -> dict[str, Any]:
        """How the run is doing lately."""
        figures = self.session.figures()
        picture = self.preview.latest
        return {
            "rate": round(figures.rate, 1),
            "latency_ms": None if figures.latency is None else round(1000 * figures.latency[0]),
            "size": figures.size,
            "shown": figures.shown,
            "dropped": figures.dropped,
            "captured": figures.captured,
            "seconds": round(figures.seconds),
            "width": None if picture is None else picture.shape[1],
            "height": None if picture is None else picture.shape[0],
        }

    # what can be done

    def set(self, values: Mapping[str, Any]) -> None:
        """Change `values`, all or none. Raises `UsageError` for a name or a value that is not allowed."""
        checked: dict[str, Any] = {}
        for name, value in values.items():
            parameter = PARAMETERS.get(name)
            if parameter is None or not parameter.between_frames:
                known = [one.name for one in PARAMETERS.values() if one.between_frames]
                raise UnknownNameError("value", str(name), known)
            # these two could name files
            if name == "style" or (name == "background" and value not in (None, "plain", "blur")):
                checked[name] = self.mix(value).spelled
            else:
                checked[name] = parameter.check(value)
        # a background comes before all else and goes after it: the room is not seen in between
        turn = {"background": 1 if checked.get("background") is None else -1}
        with self._lock:
            for name in sorted(checked, key=lambda name: turn.get(name, 0)):
                self.session.controls.set(name, checked[name])

    def mix(self, text: Any) -> StyleMix:
        """The styles that `text` names, `wave` or `wave:0.7+mosaic:0.3`. Only styles of the gallery count:
        unlike `parse_style`, this opens no file that it is told of. Raises `UsageError`."""
        if not isinstance(text, str) or len(text) > 4000:
            raise UsageError("style is not a text; expected a name, or a mix such as wave:0.7+mosaic:0.3")
        known = {}
        for thumbnail in self.gallery.thumbnails.values():
            known[thumbnail.style.name] = known[thumbnail.key] = known[thumbnail.text] = thumbnail.style
        for part, _ in self._began_with.parts if self._began_with else ():
            known[StyleMix(((part, 1.0),)).spelled] = part
        if text in known:
            return StyleMix(((known[text], 1.0),))
        parts: list[tuple[Style, float]] = []
        for piece in text.split("+"):
            name, _, number = piece.rpartition(":")
            try:
                weight = float(number) if name else 1.0
            except ValueError:
                name, weight = "", 1.0
            style = known.get((name or piece).strip())
            if style is None:
                raise UnknownNameError(
                    "style", (name or piece).strip(), [one for one in known if "/" not in one]
                )
            if not 0 < weight <= 1e6:
                raise UsageError(f"the weight {weight:g} in {text!r} must be greater than 0")
            parts.append((style, weight))
        if len(parts) > MAX_PARTS:
            raise UsageError(f"{len(parts)} styles are too many for a mix; at most {MAX_PARTS} make sense")
        total = sum(weight for _, weight in parts)
        return StyleMix(tuple((style, weight / total) for style, weight in parts))

    def do(self, action: str, on: bool | None = None) -> None:
        """As `Controls.do`. Raises `UsageError` for an unknown action."""
        self.session.controls.do(action, on)

    def keep_style(self, key: str, name: str) -> None:
        """Keep an uploaded picture as a style of the user's own pack, under `name`. Raises `UsageError`."""
        thumbnail = self.gallery.thumbnails.get(key)
        if thumbnail is None or thumbnail.style.pack:
            raise UsageError("there is no such picture")
        kept = self.uploads.keep(thumbnail.style, name)
        on = self.session.controls.style
        if on and len(on.parts) == 1 and on.parts[0][0].path == thumbnail.style.path:
            self.session.controls.set("style", kept)
        self.uploads.remove(thumbnail.style)
        self.gallery.reload()

    # presets

    def portable_values(self) -> dict[str, Any]:
        """As `values`, with styles called as they are on any computer."""
        keys = {one.text: one.key for one in self.gallery.thumbnails.values()}
        style = self.session.controls.style
        names = [(keys.get(part["text"], part["text"]), part["weight"]) for part in self._parts(style)]
        text = names[0][0] if len(names) == 1 else "+".join(f"{name}:{weight:g}" for name, weight in names)
        return {**self.values(), "style": text}

    def save_preset(self, name: Any, slot: Any) -> Preset:
        """The look of the moment as a preset, called like its styles where `name` is empty. Raises
        `UsageError`, `PresetError`."""
        if not isinstance(name, str) or not (slot is None or isinstance(slot, int)):
            raise UsageError('expected something like {"name": "Evening", "slot": 1}')
        return self.presets.save(name.strip() or self.look(), slot, self.portable_values())

    # pictures and files

    def show(self, painted: np.ndarray) -> None:
        """A new frame is put out; called by the thread of the panel's sink."""
        self.preview.show(painted, lambda: self._plain_like(painted))

    def file(self, key: str) -> Path:
        """The recording or snapshot that `state` calls `key`. Raises `UsageError`."""
        for path in self.session.recordings.files:
            if _key(path) == key:
                return path
        raise UsageError("there is no such file")

    def _parts(self, mix: StyleMix | None) -> list[dict[str, Any]]:
        known = {one.text: one.style for one in self.gallery.thumbnails.values()}
        parts = []
        for part, weight in mix.parts if mix else ():
            text = StyleMix(((part, 1.0),)).spelled
            style = known.get(text, part)  # an upload has a title there
            parts.append({"text": text, "name": style.title or style.name, "weight": weight})
        return parts

    def _file(self, path: Path) -> dict[str, Any]:
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        kind = "picture" if path.suffix == ".png" else "video"
        return {
            "key": _key(path),
            "name": path.name,
            "kind": kind,
            "bytes": size,
            "folder": str(path.parent.resolve()),
        }

    def _plain_picture(self) -> np.ndarray | None:
        """What the camera sees, for thumbnails; nothing while the privacy card is up."""
        controls = self.session.controls
        return None if controls.card_shown else controls.plain_frame

    def _plain_like(self, painted: np.ndarray) -> np.ndarray | None:
        """The plain frame of the moment, placed as the painted one is; nothing while the card is up."""
        plain = self._plain_picture()
        if plain is None:
            return None
        high, wide = painted.shape[0] - plain.shape[0], painted.shape[1] - plain.shape[1]
        if high == wide == 0:
            return plain
        if high < 0 or wide < 0:
            return None
        whole = np.zeros_like(painted)
        whole[high // 2 : high // 2 + plain.shape[0], wide // 2 : wide // 2 + plain.shape[1]] = plain
        return whole


def _key(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _described(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.kind.__name__,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "unit": parameter.unit,
        "step": parameter.step,
        "default": parameter.default,
        "choices": list(parameter.choices),
        "help": parameter.help,
    }


def error_line(error: Exception) -> str:
    """What a page is told of `error`: one line, and never a traceback."""
    return str(error) if isinstance(error, NstfilterError) else f"that did not work ({type(error).__name__})"
