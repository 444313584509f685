"""A live run and what steers it, in one hand: for a sink that is also a panel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nstfilter.live.stats import Figures
from nstfilter.manager import manager

if TYPE_CHECKING:
    from nstfilter.live.controls import Controls
    from nstfilter.live.live import Live
    from nstfilter.live.recordings import Recordings
    from nstfilter.streams import Source


@dataclass
class Session:
    """What a sink with the option `session` is given. The sink is opened by the run, so all is there then.

    `source`, `model`  as the user wrote them, secrets of an address too; `source` is then the name of the
                       one in use
    `preview_mirror`   whether the user asked for a preview as in a mirror; None where not
    `open_source`      opens a source as the first one was opened
    `say`              is told what happens, in a line each; `listen` adds another that is told
    `on_address`       is told where the panel can be found
    """

    source: str
    model: str
    controls: Controls = field(init=False)
    live: Live = field(init=False)
    recordings: Recordings = field(init=False)
    open_source: Callable[[str], Source] = field(init=False)
    on_address: Callable[[str], None] = print
    preview_mirror: bool | None = None
    _listeners: list[Callable[[str], None]] = field(default_factory=list)
    _switching: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.first_source = self.source

    def say(self, message: str) -> None:
        """Tell every listener; from any thread."""
        for listener in list(self._listeners):
            listener(message)

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def switch_source(self, name: str, opened: Callable[[], Source] | None = None) -> None:
        """Go on with the source called `name`, which `opened` gives; by default `name` says where it is, and
        it is opened as the first one was. From any thread. Raises what opening it raises; the run then goes
        on with the one it has."""
        with self._switching:  # two pages at once
            if name != self.source:
                self.live.switch(opened() if opened else self.open_source(name))
                self.source = name

    @property
    def mirrors_preview(self) -> bool:
        """Whether the user sees the picture as in a mirror, and nobody else: as wished, else for a webcam."""
        if self.preview_mirror is not None:
            return self.preview_mirror
        sources = manager().sources
        opener = sources.named(self.source) or next(iter(sources.claims(self.source)), None)
        return opener is not None and opener.name == "webcam"

    def figures(self) -> Figures:
        """How the run is doing lately."""
        return self.live.figures()
