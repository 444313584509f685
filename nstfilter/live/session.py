"""A live run and what steers it, in one hand: for a sink that is also a panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nstfilter.live.stats import Figures

if TYPE_CHECKING:
    from nstfilter.live.controls import Controls
    from nstfilter.live.live import Live
    from nstfilter.live.recordings import Recordings
    from nstfilter.streams import Source


@dataclass
class Session:
    """What a sink with the option `session` is given. The sink is opened by the run, so all is there then.

    `source`, `model`  as the user wrote them
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
    _listeners: list[Callable[[str], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first_source = self.source

    def say(self, message: str) -> None:
        """Tell every listener; from any thread."""
        for listener in list(self._listeners):
            listener(message)

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def switch_source(self, target: str) -> None:
        """Go on with the source that `target` names, opened as the first one was. Raises what opening it
        raises; the run then goes on with the one it has."""
        if target != self.source:
            self.live.switch(self.open_source(target))
            self.source = target

    def figures(self) -> Figures:
        """How the run is doing lately."""
        return self.live.figures()
