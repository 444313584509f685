"""The filter of a live run: fitted to the output, held to the rate, and tried again when it fails."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from nstfilter.frames import as_bgr, check_painted
from nstfilter.live.governor import Governor
from nstfilter.live.letterbox import Letterbox
from nstfilter.live.mailbox import Clock
from nstfilter.streams import Frame

# seconds between two tries of a filter that fails
RETRY = 1.0
# seconds without a picture after which painting counts as hanging, and for the first few pictures of a source
# and while sizes are compiled, when a model may be compiling or waiting for those who do
PATIENCE, FIRST = 1.0, 5.0
# a model that is slow but steady is given so many times what its last pictures took, of which so many count
SLOWER, LATELY = 2.5, 5

log = logging.getLogger("nstfilter")


@dataclass(frozen=True, slots=True)
class PaintedFrame:
    """A picture as large as the output, BGR uint8.

    `captured`  when its frame was captured; None for the card
    `made`      when it was ready
    `private`   what the user alone sees in its place; None where that is the same
    `hidden`    whether others must not see it, later either: it was painted while the card was up for them
    """

    image: np.ndarray
    captured: float | None
    made: float = 0.0
    private: np.ndarray | None = None
    hidden: bool = False


class Painter:
    """Paints frames of any size into pictures of the size of `letterbox`.

    One thread calls it; `hanging` may be asked from any other. `seconds` is the time spent inside `filter`,
    `failing` whether the filter raised last. A filter may have `private_frame`, the picture that only the
    user sees in place of the one just returned, `card_shown`, whether others see the card instead, and `fit`.
    """

    def __init__(
        self,
        filter: Callable[[np.ndarray], np.ndarray],
        letterbox: Letterbox,
        governor: Governor | None,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self.filter, self.governor = filter, governor
        self.failing = False
        self.prepared = True  # False while sizes are compiled, which makes painting slow
        self.seconds = 0.0
        self._letterbox, self._clock, self._say = letterbox, clock, say
        self._retry_at = 0.0
        self._busy_since: float | None = None
        self._lately: deque[float] = deque(maxlen=LATELY)
        self._shape: tuple[int, ...] | None = None
        self._follow_fit()  # for who asks the letterbox before the first frame
        if governor:
            self._set_size(governor.size)

    @property
    def hanging(self) -> bool:
        """Whether the filter has been at one frame for longer than it may."""
        since = self._busy_since
        return since is not None and self._clock.now() - since > self._patience()

    def __call__(self, frame: Frame) -> PaintedFrame | None:
        """The painted frame; None while the filter fails, which is then tried about once a second, and for
        a picture that took so long that a card stood in for it."""
        started = self._clock.now()
        if self.failing and started < self._retry_at:
            return None
        self._busy_since = started
        try:
            self._follow_fit()
            image = self._letterbox.scaled(as_bgr(frame.image)[0])
            if image.shape != self._shape:  # a model may compile for it
                self._shape = image.shape
                self._lately.clear()
            patience = self._patience()
            hidden = self._card_shown()
            painted = self.filter(image)
            hidden = hidden or self._card_shown()
            check_painted(painted, image)
            private = getattr(self.filter, "private_frame", None)
        except BaseException as error:  # SystemExit too: whatever a model raises, there is a card
            if not self.failing:
                log.error("painting failed", exc_info=error)
                reason = str(error) or type(error).__name__
                self._say(f"painting failed: {reason}; a card is shown until it works again")
            self.failing, self._retry_at = True, self._clock.now() + RETRY
            return None
        finally:
            self._busy_since = None
        now = self._clock.now()
        self.seconds += now - started
        self._lately.append(now - started)
        if self.failing:
            self.failing = False
            self._say("painting works again")
        if self.governor and self.prepared:
            self.governor.limit(min(image.shape[:2]))
            self._set_size(self.governor.observe(now - started, now))
            self.filter.sparing = self.governor.short  # type: ignore[attr-defined]
        if now - started > patience:
            return None
        return PaintedFrame(
            self._letterbox.placed(painted),
            frame.captured,
            now,
            None if private is None else self._letterbox.placed(private),
            hidden,
        )

    def _follow_fit(self) -> None:
        if fit := getattr(self.filter, "fit", None):
            self._letterbox.fill = fit == "fill"

    def _card_shown(self) -> bool:
        return bool(getattr(self.filter, "card_shown", False))

    def _patience(self) -> float:
        lately = list(self._lately)
        usual = max(PATIENCE, SLOWER * median(lately)) if lately else FIRST
        return usual if self.prepared and len(lately) == LATELY else max(FIRST, usual)

    def _set_size(self, size: int) -> None:
        if getattr(self.filter, "size", None) != size:
            self.filter.size = size  # type: ignore[attr-defined]
