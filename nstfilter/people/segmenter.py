"""The segmenter in the package: a network of ours, taught by MediaPipe's selfie segmentation and by
composites whose mask is known; training/PEOPLE.md tells how.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nstfilter.errors import FrameError
from nstfilter.graphics.opencv import cv2
from nstfilter.models import allowed_threads, chosen_engine
from nstfilter.models.weights import read_weights
from nstfilter.people import network
from nstfilter.people.edge import CAREFUL_GUIDE, EdgeFilter, guide
from nstfilter.people.network import MULTIPLE

if TYPE_CHECKING:
    from nstfilter.people.engines import OpenVINOPeople, TensorFlowPeople

WEIGHTS = Path(__file__).with_name("people.npz")
# how many pixels the network sees: what it was taught with, and 2 ms of one thread
PIXELS = 48_000
# the same where it may take its time: small people and hands are found better
CAREFUL_PIXELS = 72_000
# frames longer than this many times their width are squeezed to it
LONGEST = 3.0
SIDES = (96, 512)


class PersonSegmenter:
    """Finds people.

        mask = PersonSegmenter()(cv2.imread("photo.jpg"))      # HxW uint8, 0 to 255

    threads    how many the engine may use; default: the variable NSTFILTER_THREADS, or the engine decides
    engine     "openvino" or "tensorflow"; default: OpenVINO where it is installed
    precision  "f32" or "bf16"; default: bf16 where the processor has it and the mask stays the same

    Raises ModelError when the weights cannot be used, UsageError for an unknown engine or precision.
    """

    name = "people"

    def __init__(
        self,
        *,
        threads: int | None = None,
        engine: str | None = None,
        precision: str | None = None,
        weights: Path = WEIGHTS,
    ) -> None:
        threads = allowed_threads(threads)
        engine = chosen_engine(engine, precision, None)
        loaded = network.with_bgr(read_weights(weights, network.shapes(), "people"))
        self.fingerprint = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
        self._network: OpenVINOPeople | TensorFlowPeople
        if engine == "openvino":
            from nstfilter.people.engines import OpenVINOPeople

            self._network = OpenVINOPeople(loaded, self.fingerprint, threads, precision)
        else:
            from nstfilter.people.engines import TensorFlowPeople

            self._network = TensorFlowPeople(loaded)
        self.engine, self.precision = engine, self._network.precision

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The mask of one frame by itself, HxW uint8, its edge fitted to the frame's. `frame` is HxWx3 BGR
        uint8. Takes three times as long as `find`. Raises `FrameError` for anything else."""
        if (
            not isinstance(frame, np.ndarray)
            or frame.dtype != np.uint8
            or frame.ndim != 3
            or frame.shape[2] != 3
        ):
            got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise FrameError(f"the frame is {got}; expected uint8 of shape HxWx3 (BGR)")
        seen = guide(np.ascontiguousarray(frame), CAREFUL_GUIDE)
        return EdgeFilter()(cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY), self.find_alone(seen), frame.shape)

    def prepare(self, height: int, width: int) -> None:
        """Compile ahead what frames of this size need, about a tenth of a second."""
        self._network.prepare(input_size(height, width))

    def find(self, frame: np.ndarray) -> np.ndarray:
        """The mask at the network's own size; see `Segmenter.find`."""
        return self._network.find(shrunk(frame, input_size(*frame.shape[:2])))

    def find_alone(self, frame: np.ndarray) -> np.ndarray:
        """The mean mask of the frame and its mirror image, larger; see `CarefulSegmenter.find_alone`."""
        small = shrunk(frame, input_size(*frame.shape[:2], CAREFUL_PIXELS))
        mirrored = self._network.find(cv2.flip(small, 1))
        return cv2.addWeighted(self._network.find(small), 0.5, cv2.flip(mirrored, 1), 0.5, 0)


@cache
def input_size(height: int, width: int, pixels: int = PIXELS) -> tuple[int, int]:
    """The height and width that the network sees a frame at: about `pixels` in the shape of the frame."""
    ratio = min(max(width / height, 1 / LONGEST), LONGEST)
    sides = (math.sqrt(pixels / ratio), math.sqrt(pixels * ratio))
    h, w = (min(max(round(side / MULTIPLE) * MULTIPLE, SIDES[0]), SIDES[1]) for side in sides)
    return h, w


def shrunk(frame: np.ndarray, size: tuple[int, int], way: int = cv2.INTER_LINEAR) -> np.ndarray:
    """`frame` at `size` (height, width): halved while it is twice as large, and then interpolated. Averaging,
    which leaves no trace of fine patterns, would take five times as long."""
    height, width = size
    while frame.shape[0] >= 2 * height and frame.shape[1] >= 2 * width:
        frame = cv2.resize(
            frame, ((frame.shape[1] + 1) // 2, (frame.shape[0] + 1) // 2), interpolation=cv2.INTER_AREA
        )
    return cv2.resize(frame, (width, height), interpolation=way)
