"""Where the people are in a frame, so that they, or everything but them, can be painted.

A `Segmenter` gives a small mask, `Calm` carries it from frame to frame, an `EdgeFilter` fits it to the edges
of the frame, and `Parts` paints with it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

DEFAULT_SEGMENTER = "people"


@runtime_checkable
class Segmenter(Protocol):
    """The contract of everything that finds people, registered with the hook `register_segmenters`.

    `name`          what the user called it
    `fingerprint`   a short hex string that changes whenever the same frame would get another mask: a render
                    that was interrupted does not go on with other masks
    """

    name: str
    fingerprint: str

    def find(self, frame: np.ndarray) -> np.ndarray:
        """How likely each place of `frame` belongs to a person: hxw uint8, 0 for certainly not, 255 for
        certainly.

        `frame` is C-contiguous HxWx3 BGR uint8 of any size from 1x1 up; a large one was halved until its
        longer side is less than 1280 pixels. The mask may be smaller than the frame: it covers all of it, and
        is fitted to the edges of the frame afterwards. A frame with nobody in it has a mask of zeros. Called
        by one thread at a time, by the thread that paints; not always for every frame, and every frame is by
        itself, as a new video may begin with any. An exception is shown as a failure to paint.
        """
        ...


@runtime_checkable
class CarefulSegmenter(Segmenter, Protocol):
    """A segmenter that finds people better where it may take longer."""

    def find_alone(self, frame: np.ndarray) -> np.ndarray:
        """As `find`, for a photograph or the first frame of a stream, which have no frames before them that
        would make up for a mistake. `frame` is less than 2560 pixels long. May take ten times as long."""
        ...
