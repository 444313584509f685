"""What a user changes in mid-run: style, strength, mirror, plain video, the card."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstfilter.errors import NstfilterError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.graphics.opencv import cv2
from nstfilter.live.actions import BY_KEY, FAVORITES, HELP, NAMES, SWITCHES
from nstfilter.live.last_style import spelled_background
from nstfilter.live.mailbox import Clock
from nstfilter.live.stats import Figures
from nstfilter.models import mix_embeddings
from nstfilter.packs.reading import parse_style
from nstfilter.packs.style import StyleMix
from nstfilter.parameters import PARAMETERS, changeable

# how much of the next style one press mixes in
MIX_STEP = 0.25
# seconds that a message stays on the overlay, and within which `quit` is to be pressed a second time
SHOWN = 4.0
# a glide begins with a step, this part of its way, and ends gently: beginning gently too, it would show
# nothing for a tenth of a second
AT_ONCE = 0.15
# with `never_plain`, the least strength that others see
LEAST_STRENGTH = 0.5
ROOM_SEEN = "with area people others see the room as it is, never-plain or not; background blur hides it"
# shorter times between two styles of a rotation would leave no time to look at one
SHORTEST_TURN = 2.0

log = logging.getLogger("nstfilter")


@dataclass(frozen=True, slots=True)
class _Glide:
    """On the way between two embeddings since a moment of the clock, for so many seconds."""

    start: np.ndarray
    end: np.ndarray
    since: float
    seconds: float = 0.0

    def at(self, now: float) -> np.ndarray:
        part = (now - self.since) / self.seconds if self.seconds > 0 else 1.0
        if part >= 1:
            return self.end
        eased = np.float32(1 - (1 - AT_ONCE) * (1 - max(0.0, part)) ** 2)
        return self.start * (1 - eased) + self.end * eased


class Controls:
    """The filter of a live run: BGR uint8 frame in, BGR uint8 frame out, same shape. One thread calls it,
    any other may change it.

        controls = Controls(StyleFilter("mosaic"), ["mosaic", "wave"])
        controls.press("n")                          # as do("next"): glides to wave
        controls.set("strength", 0.8)                # a parameter
        controls.set("card", True)                   # one of SWITCHES

    `paint`     does the painting; its style and strength are what the run begins with
    `styles`    what `next`, `previous` and `mix` go through, in the words of `parse_style`; or what gives
                them, asked again each time, so that a picture added in mid-run is among them
    `mirror`    whether the picture is mirrored
    `favorites` the styles of the keys 1 to 9
    `never_plain`  whether plain video is kept from others: they see the painting meanwhile, and the card
                where there is none. Strengths below LEAST_STRENGTH are refused
    `sound`     whether the run has sound, which `mute` takes away
    `on_air`    tells whether others see the run now: `q` is to be pressed twice then
    `handlers`  do the actions that take more than a filter (snapshot, record, quit); what one returns is said
    `say`       is told what a key did, where that is worth a line

    `plain_frame` is the latest frame before painting, mirrored as the painted one is, its room replaced where
    the filter's `background` does that; None before the first.
    `private_frame` is what the user alone sees in place of the frame just returned; None where that is the
    same. `card_shown` has the run show others its card; the painting goes on behind it. `fit` is how the run
    places pictures of other proportions. `muted` has it record silence, as the card does.
    """

    def __init__(
        self,
        paint: StyleFilter,
        styles: Sequence[str] | Callable[[], Sequence[str]],
        *,
        mirror: bool = False,
        favorites: Sequence[str] = (),
        never_plain: bool = False,
        sound: bool = False,
        on_air: Callable[[], bool] = lambda: False,
        handlers: Mapping[str, Callable[[], str | None]] | None = None,
        say: Callable[[str], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.paint = paint
        self.mirrored = mirror
        self.glide: float = PARAMETERS["glide"].default
        self.plain_frame: np.ndarray | None = None
        self.private_frame: np.ndarray | None = None
        self.handlers = dict(handlers or {})
        self.favorites = tuple(favorites)
        self.rotate: float = PARAMETERS["rotate"].default
        self.fit: str = PARAMETERS["fit"].default
        self.never_plain, self.on_air = never_plain, on_air
        self.plain = self.help_shown = self.locked = self.muted = False
        self.sound = sound
        self.overlay_shown = True
        self.is_recording: Callable[[], bool] = lambda: False
        self._card_up = False
        self._quit_by = float("-inf")
        self._say = say
        self._clock = clock or Clock()
        self._changing, self._hiding = threading.Lock(), threading.Lock()  # the card waits for no embedding
        self._began_with = paint.embedding
        began = paint.style if isinstance(paint.style, StyleMix) else None
        self._styles = styles if callable(styles) else lambda: styles
        self._named: list[str] = []
        self._ring: list[StyleMix | None] = [began]
        self._at = 0
        self._gather()
        self._turned = self._clock.now()
        self._mixed = 0.0
        self._other: StyleMix | None = None  # painted in place of those of the ring
        self._fixed_size: int | None = paint.size
        self._glide = _Glide(paint.embedding, paint.embedding, self._clock.now())
        self._strength = paint.strength
        self._afresh = False
        self._message, self._message_ends = "", 0.0
        # the room itself is among them only where the run began with it: no slip of a finger shows it
        words = [word for word in ("blur", "plain") if word != str(paint.background)]
        self._backgrounds = [paint.background, *words]
        self._check_strength(paint.strength)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        if self.mirrored:
            frame = cv2.flip(frame, 1)
        self.private_frame = None
        if self.plain and not self.never_plain:
            self.plain_frame = self.paint.unpainted(frame)
            return self.plain_frame
        if self._afresh:
            self._afresh = False
            self.paint.reset()
        now = self._clock.now()
        if self.rotate and now - self._turned >= max(self.rotate, SHORTEST_TURN):
            self._turned = now
            # a new style may have to be embedded first, and painting goes on meanwhile
            threading.Thread(target=self.do, args=("next",), name="nstfilter-rotate", daemon=True).start()
        self.paint.style = self._glide.at(now)
        self.paint.strength = self._strength
        painted = self.paint(frame)
        self.plain_frame = self.paint.plain_frame
        if not self.plain or self.plain_frame is None:
            return painted
        if not self.never_plain:  # pressed while it was painted: at once is at once
            return self.plain_frame
        self.private_frame = self.plain_frame
        return painted

    def prepare(self, height: int, width: int, size: int | None = None) -> None:
        """Compile ahead what frames of `height` by `width` need at `size`; as `StyleFilter.prepare`."""
        self.paint.prepare(height, width, size)

    @property
    def card_shown(self) -> bool:
        """Whether others are to see the privacy card: because the user wants it, or, with `never_plain`,
        because faces would be seen as they are."""
        return self._card_up or (self.never_plain and self._bares())

    def _bares(self) -> bool:
        """Whether a picture as it is painted now shows faces hardly changed."""
        return self._strength * self.paint.face < LEAST_STRENGTH or self.paint.area == "background"

    @property
    def room_seen(self) -> bool:
        """Whether others see the room as it is although `never_plain` is on: `area` leaves it as it is."""
        return self.never_plain and self.paint.area == "people" and self.paint.background is None

    @property
    def recording(self) -> bool:
        """Whether a recording that was begun by a key is being written."""
        return self.is_recording()

    @property
    def size(self) -> int | None:
        """The shorter side the network works at, in pixels; None for the usual. What the user chose stays."""
        return self.paint.size

    @size.setter
    def size(self, size: int | None) -> None:
        self.paint.size = self._fixed_size or size

    @property
    def sparing(self) -> bool:
        """As `StyleFilter.sparing`; set while the governor is short of time."""
        return self.paint.sparing

    @sparing.setter
    def sparing(self, sparing: bool) -> None:
        self.paint.sparing = sparing

    def get(self, name: str) -> Any:
        """The value now of the parameter called `name`, one that can change between frames, or of one of
        SWITCHES. The style is as `parse_style` reads it anywhere, empty where it has no name; the size None
        where it is not fixed; a background by its name, its picture by its whole path."""
        if name in SWITCHES:
            return self._switches()[name]
        own = {
            "style": self.style.spelled if self.style else "",
            "strength": self._strength,
            "size": self._fixed_size,
            "mirror": self.mirrored,
            "glide": self.glide,
            "rotate": self.rotate,
            "fit": self.fit,
            "background": spelled_background(self.paint.background),
        }
        name = changeable(name).name
        return own[name] if name in own else getattr(self.paint, name)

    def set(self, name: str, value: Any) -> None:
        """Change the parameter `name` from the next frame on, to a style it glides; or turn one of SWITCHES
        on or off. Raises `UsageError` for what `parameters.py` does not allow, and as `parse_style` does."""
        if name in SWITCHES:
            if not isinstance(value, bool):
                raise UsageError(f"{name} is {value!r}; expected true or false")
            self.do(name, value)
            return
        value = changeable(name).check(value)
        with self._changing:
            seen = self.room_seen
            match name:
                case "style":
                    self._go_to(parse_style(value))
                case "strength":
                    self._check_strength(value)
                    self._strength = value
                case "size":
                    self._fixed_size, self.paint.size = value, value
                case "mirror":
                    self._afresh, self.mirrored = self._afresh or value != self.mirrored, value
                case "glide":
                    self.glide = value
                case "fit":
                    self.fit = value
                case "rotate":
                    self.rotate, self._turned = value, self._clock.now()
                case _:
                    setattr(self.paint, name, value)
        if not seen and self.room_seen and self._say:
            self._say(ROOM_SEEN)

    def state(self) -> dict[str, Any]:
        """Everything a panel shows: each parameter that can change between frames and each of SWITCHES by its
        name, and `styles`, `favorites`, `never_plain` and `message`, the latest one."""
        values = {one.name: self.get(one.name) for one in PARAMETERS.values() if one.between_frames}
        return {
            **values,
            **self._switches(),
            "styles": [mix.spelled if mix else "" for mix in self._ring],
            "favorites": list(self.favorites),
            "never_plain": self.never_plain,
            "message": self._message if self._clock.now() < self._message_ends else "",
        }

    def _switches(self) -> dict[str, bool]:
        return {
            "card": self._card_up,
            "plain": self.plain,
            "lock": self.locked,
            "overlay": self.overlay_shown,
            "help": self.help_shown,
            "record": self.recording,
            "mute": self.muted,
        }

    def _check_strength(self, strength: float) -> None:
        if self.never_plain and strength < LEAST_STRENGTH:
            raise UsageError(
                f"strength is {strength:g}; with --never-plain it stays at {LEAST_STRENGTH:g} or more"
            )

    @property
    def style(self) -> StyleMix | None:
        """What is painted in now, or will be once the glide is over; None where it has no name."""
        if self._other:
            return self._other
        here, there = self._ring[self._at], self._ring[self._after()]
        if not self._mixed or here is None or there is None:
            return here
        weights = ((here, 1 - self._mixed), (there, self._mixed))
        return StyleMix(tuple((part, share * weight) for mix, weight in weights for part, share in mix.parts))

    def press(self, key: str) -> None:
        """Do what `key` (one letter, of either case) stands for; nothing, where that is nothing.

        Locked keys do nothing but unlock, mute, and put the card up. `q` is to be pressed twice where others
        see the run.
        """
        action = BY_KEY.get(key.lower())
        allowed = ["lock"]
        allowed += [name for name, on in (("card", self._card_up), ("mute", self.muted)) if not on]
        if self.locked and action not in allowed:
            if action or key in FAVORITES:
                self._tell("the keys are locked; l unlocks them")
        elif action == "quit" and self.on_air() and self._clock.now() > self._quit_by:
            self._quit_by = self._clock.now() + SHOWN
            self._tell("others see this run; press q again to end it")
        elif action:
            self.do(action)
        elif key in FAVORITES:
            self.favorite(int(key))

    def favorite(self, number: int) -> None:
        """Glide to the favorite style of that number, counted from 1; that there is none is said."""
        if number > len(self.favorites):
            self._tell(f"there is no favorite {number}; --styles or a file of favorites sets them")
            return
        try:
            self.set("style", self.favorites[number - 1])
        except NstfilterError as error:
            self._tell(str(error))

    def do(self, action: str, on: bool | None = None) -> None:
        """Do the action of that name in `ACTIONS`; with `on`, turn that one of SWITCHES so, or leave it so.
        What goes wrong is said and changes nothing; only an unknown name raises, `UsageError`."""
        if action not in NAMES:
            raise UsageError(f"there is no action {action!r}; expected one of {', '.join(NAMES)}")
        try:
            with self._hiding if action in ("card", "mute") else self._changing:
                if on is not None and self._switches().get(action) == on:
                    return
                message = self.handlers[action]() if action in self.handlers else self._do(action)
        except NstfilterError as error:
            message = str(error)
        except Exception as error:  # a key must not end a call
            log.exception("%s failed", action)
            message = f"{action} failed: {error}"
        if message:
            self._tell(message)

    def _tell(self, message: str) -> None:
        self._message, self._message_ends = message, self._clock.now() + SHOWN
        if self._say:
            self._say(message)

    def _do(self, action: str) -> str | None:
        match action:
            case "next":
                self._gather()
                self._go(self._after(), 0.0)
            case "previous":
                self._gather()
                self._go(self._at if self._mixed or self._other else (self._at - 1) % len(self._ring), 0.0)
            case "mix":
                self._gather()
                mixed = self._mixed + MIX_STEP
                self._go(*((self._after(), 0.0) if mixed >= 1 else (self._at, mixed)))
            case "stronger" | "weaker":
                step = PARAMETERS["strength"].step or 0.0
                step = step if action == "stronger" else -step
                least = LEAST_STRENGTH if self.never_plain else 0.0
                self._strength = round(min(1.0, max(least, self._strength + step)), 2)
            case "plain":
                self._afresh, self.plain = True, not self.plain
            case "card":
                self._card_up = not self._card_up
            case "lock":
                self.locked = not self.locked
                return "keys locked" if self.locked else "keys unlocked"
            case "area":
                choices = PARAMETERS["area"].choices
                self.paint.area = choices[(choices.index(self.paint.area) + 1) % len(choices)]
                return ROOM_SEEN if self.room_seen else f"painting {self.paint.area}"
            case "background":
                background = self.paint.background = self._next_background()
                name = "the room" if background is None else "your picture"
                name = background if isinstance(background, str) else name
                return ROOM_SEEN if self.room_seen else f"background: {name}"
            case "mute" if self.sound:
                self.muted = not self.muted
                return "muted" if self.muted else "sound is on"
            case "mirror":
                self._afresh, self.mirrored = True, not self.mirrored
            case "overlay":
                self.overlay_shown = not self.overlay_shown
            case "help":
                self.help_shown = not self.help_shown
            case _:
                return f"{action} is not there in this run"
        return None

    def _next_background(self) -> Any:
        """The one after the one there is now; the first, where that came from elsewhere, as from a panel."""
        now = self.paint.background
        named = isinstance(now, str | StyleMix)
        known = [
            one is now or (named and isinstance(one, str | StyleMix) and one == now)
            for one in self._backgrounds
        ]
        return self._backgrounds[(known.index(True) + 1) % len(known) if True in known else 0]

    def _go(self, at: int, mixed: float) -> None:
        """Glide to the style at `at` with so much of the one after it."""
        model = self.paint.model
        if mixed and not model.mixes:
            raise UsageError(f"{model.name} cannot mix styles")
        end = self._embedding(at)
        if mixed:
            after = self._embedding((at + 1) % len(self._ring))
            end = mix_embeddings(model, [end, after], [1 - mixed, mixed])
        self._begin_glide(end)
        self._at, self._mixed, self._other = at, mixed, None

    def _go_to(self, mix: StyleMix) -> None:
        """Glide to `mix`: to its place in the ring, or beside the ring where it has none."""
        if mix in self._ring:
            self._go(self._ring.index(mix), 0.0)
        else:
            self._begin_glide(self.paint.embed(mix))
            self._other = mix

    def _begin_glide(self, end: np.ndarray) -> None:
        now, model = self._clock.now(), self.paint.model
        start = self._glide.at(now) if model.mixes else end
        if start.shape != end.shape:  # one of the two is taught: both as mixes, so that a line leads there
            pair = [start, end]
            start, end = mix_embeddings(model, pair, [1, 0]), mix_embeddings(model, pair, [0, 1])
        self._glide = _Glide(start, end, now, self.glide)

    def _after(self) -> int:
        return (self._at + 1) % len(self._ring)

    def _embedding(self, at: int) -> np.ndarray:
        mix = self._ring[at]
        return self._began_with if mix is None else self.paint.embed(mix)

    def _gather(self) -> None:
        """Bring the ring up to date with the styles there are; what is painted now stays in it."""
        named = list(self._styles())
        if named == self._named:
            return
        here = self._ring[self._at]
        ring: list[StyleMix | None] = []
        for name in named:
            try:
                ring.append(parse_style(name))
            except NstfilterError as error:
                if not self._named:
                    raise
                log.debug("%s cannot be a style", name, exc_info=error)  # just now being copied, say
        if here is None or here not in ring:
            ring.insert(0, here)
        self._named, self._ring, self._at = named, ring, ring.index(here)

    def describe(self, figures: Figures) -> list[str]:
        """The overlay: what is on, how the run is doing, the latest message, help if it is asked for."""
        lines = [*self.status(figures)] if self.overlay_shown else []
        if self.overlay_shown and self._clock.now() < self._message_ends:
            lines.append(self._message)
        return [*lines, *HELP] if self.help_shown else lines

    def status(self, figures: Figures) -> tuple[str, str]:
        """What is on, and how the run is doing, in a line each."""
        shown = ["plain video"] if self.plain else [self._label(), f"strength {100 * self._strength:.0f} %"]
        if self.card_shown:
            shown.insert(0, "privacy card")
        elif self.plain and self.never_plain:
            shown.append("for you alone")
        marks = ("mirrored", "recording", "muted", "locked")
        shown += [mark for mark in marks if getattr(self, mark)]
        doing = [f"{figures.rate:.1f} frames/s"]
        if figures.latency:
            median, p95 = (round(1000 * seconds) for seconds in figures.latency)
            doing.append(f"latency {median} ms (p95 {p95})")
        if figures.size:
            doing.append(f"{figures.size} px")
        doing.append(f"{figures.dropped} dropped")
        if figures.camera:
            doing.insert(1, f"camera {figures.camera:.1f}")
        for sink in figures.sinks:
            unsteady = [f"{sink.dropped} dropped"] if sink.dropped else []
            unsteady += [sink.state] if sink.state not in ("open", "closing", "closed") else []
            if unsteady:
                doing.append(f"{sink.name} {sink.rate:.1f}/s, {', '.join(unsteady)}")
        return "   ".join(shown), "   ".join(doing)

    def _label(self) -> str:
        if self._other:
            return str(self._other)
        here, there = (str(self._ring[at] or "your picture") for at in (self._at, self._after()))
        if not self._mixed:
            return here
        return f"{here} {100 - 100 * self._mixed:.0f} % + {there} {100 * self._mixed:.0f} %"
