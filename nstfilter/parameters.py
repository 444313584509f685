"""The one list of what a user can set: the command line, the keys, `StyleFilter` and the docs read it.

PARAMETERS["strength"].check(1.5)      # UsageError: strength is 1.5; expected a number from 0 to 1
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nstfilter.errors import UnknownNameError, UsageError


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a user can set.

    `name`      as Python spells it; `option` is the command line's spelling
    `kind`      float, int, bool or str: the type of its values
    `default`   where the user does not say; None means that the program chooses, as `help` explains
    `help`      one sentence, as `--help` shows it
    `minimum`, `maximum`   the range of a number, both included
    `unit`      of a number: "px", "s"; empty for a share
    `step`      how far one press of a key or one notch of a dial moves a number
    `choices`   the only values allowed, where there are few
    `between_frames`       whether it can be changed while a video or a live run is painted
    """

    name: str
    kind: type
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    step: float | None = None
    choices: tuple[str, ...] = ()
    between_frames: bool = True

    @property
    def option(self) -> str:
        """`--keep-colors` for `keep_colors`."""
        return "--" + self.name.replace("_", "-")

    @property
    def range(self) -> str:
        """The values allowed, in words: `a number from 0 to 1`."""
        if self.choices:
            return " or ".join(self.choices)
        unit = {"px": " pixels", "s": " seconds"}.get(self.unit, "")
        what = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}[self.kind]
        if self.minimum is None:
            return what
        if self.maximum is None:
            return f"{what} of at least {self.minimum:g}{unit}"
        return f"{what} from {self.minimum:g} to {self.maximum:g}{unit}"

    def check(self, value: Any) -> Any:
        """`value` as this parameter's type. None is allowed where it is the default. Raises `UsageError`."""
        if value is None and self.default is None:
            return None
        if not self._allows(value):
            raise UsageError(f"{self.name} is {value!r}; expected {self.range}")
        return self.kind(value)

    def _allows(self, value: Any) -> bool:
        if self.kind in (bool, str):
            return isinstance(value, self.kind) and (not self.choices or value in self.choices)
        if isinstance(value, bool | str):
            return False
        try:
            number = self.kind(value)
        except (TypeError, ValueError, OverflowError):
            return False
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return number == value and bool(low <= number <= high)


_LIST = (
    Parameter("style", str, "mosaic", "A style's name, pack/name, a picture, or a mix: wave:0.7+mosaic:0.3."),
    Parameter("strength", float, 1.0, "0 gives the input back, 1 the full style.", 0, 1, step=0.1),
    Parameter(
        "stability",
        float,
        0.8,
        "How calm a video is: 0 paints every frame on its own, 1 is calmest.",
        0,
        1,
        step=0.1,
    ),
    Parameter("keep_colors", bool, False, "Keep the input's own colors, take light and strokes."),
    Parameter(
        "size",
        int,
        None,
        "The shorter side that the network works at; the result keeps the input's size.",
        16,
        16384,
        unit="px",
        step=48,
    ),
    Parameter(
        "glide", float, 0.5, "How long a change from one style to another takes.", 0, 5, unit="s", step=0.1
    ),
    Parameter(
        "area",
        str,
        "all",
        "What is painted: all, people, or background.",
        choices=("all", "people", "background"),
    ),
    Parameter(
        "background",
        str,
        None,
        "What stands behind people: plain, blur, a picture, or a style to paint it in; by default the room.",
    ),
    Parameter(
        "feather",
        float,
        0.004,
        "How wide the edge around people is, as a share of the shorter side.",
        0,
        0.2,
        step=0.004,
    ),
    Parameter("face", float, 1.0, "The share of the strength that faces get.", 0, 1, step=0.1),
    Parameter(
        "segmenter", str, "people", "What finds people: people, or that of a plugin.", between_frames=False
    ),
    Parameter(
        "rotate",
        float,
        0.0,
        "Live: go on to the next style after so long; 0 for never.",
        0,
        86_400,
        unit="s",
        step=5,
    ),
    Parameter(
        "floor",
        int,
        288,
        "Live: the smallest size chosen to keep the rate; if that is too much, pictures come less often.",
        16,
        16384,
        unit="px",
        step=48,
        between_frames=False,
    ),
    Parameter(
        "fit",
        str,
        "letterbox",
        "Live: bars beside a picture of other proportions (letterbox), or its edges cut off (fill).",
        choices=("letterbox", "fill"),
    ),
    Parameter("mirror", bool, False, "Mirror the picture that goes out."),
    Parameter(
        "model",
        str,
        "pocket",
        "pocket, magenta, a SavedModel's path, or a Hub handle.",
        between_frames=False,
    ),
    Parameter(
        "device",
        str,
        None,
        "What the model computes on; auto is the gpu where there is one. By default the cpu.",
        choices=("cpu", "gpu", "npu", "auto"),
        between_frames=False,
    ),
    Parameter("threads", int, None, "How many threads the model may use.", 1, between_frames=False),
)

PARAMETERS = {parameter.name: parameter for parameter in _LIST}

# those that are about people and rooms
PEOPLE = ("area", "background", "feather", "face", "segmenter")


def changeable(name: str) -> Parameter:
    """The parameter of that name. Raises `UsageError` where there is none that can change between frames."""
    known = {one.name: one for one in _LIST if one.between_frames}
    if name not in known:
        raise UnknownNameError("parameter", name, list(known))
    return known[name]
