"""The filter of a live run: fitted to the output, held to the rate, and tried again when it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nstfilter.filter import as_bgr, check_painted
from nstfilter.live.governor import Governor
from nstfilter.live.letterbox import Letterbox
from nstfilter.live.mailbox import Clock
from nstfilter.streams import Frame

# seconds between two tries of a filter that fails
RETRY = 1.0

log = logging.getLogger("nstfilter")


@dataclass(frozen=True, slots=True)
class PaintedFrame:
    """A picture as large as the output, BGR uint8, and when its frame was captured; None for a card."""

    image: np.ndarray
    captured: float | None


class Painter:
    """Paints frames of any size into pictures of `fit`'s. `seconds` is the time spent inside `filter`."""

    def __init__(
        self,
        filter: Callable[[np.ndarray], np.ndarray],
        fit: Letterbox,
        governor: Governor | None,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self.filter, self.governor = filter, governor
        self.failing = False
        self.seconds = 0.0
        self._letterbox, self._clock, self._say = fit, clock, say
        self._retry_at = 0.0
        if governor:
            self._set_size(governor.size)

    def __call__(self, frame: Frame) -> PaintedFrame | None:
        """The painted frame, or None while the filter fails; it is then tried about once a second."""
        started = self._clock.now()
        if self.failing and started < self._retry_at:
            return None
        try:
            image = self._letterbox.scaled(as_bgr(frame.image)[0])
            painted = self.filter(image)
            check_painted(painted, image)
        except Exception as error:
            if not self.failing:
                log.error("painting failed", exc_info=error)
                self._say(f"painting failed: {error}; a card is shown until it works again")
            self.failing, self._retry_at = True, self._clock.now() + RETRY
            return None
        now = self._clock.now()
        self.seconds += now - started
        if self.failing:
            self.failing = False
            self._say("painting works again")
        if self.governor:
            self.governor.limit(min(image.shape[:2]))
            self._set_size(self.governor.observe(now - started, now))
        return PaintedFrame(self._letterbox.placed(painted), frame.captured)

    def _set_size(self, size: int) -> None:
        if getattr(self.filter, "size", None) != size:
            self.filter.size = size  # type: ignore[attr-defined]
