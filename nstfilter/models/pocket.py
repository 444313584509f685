"""pocket: the model that is always there. Small enough to lie in the package, fast enough for live video.

An encoder turns a style picture into 100 numbers, a transformer paints a frame with them. Both were distilled
from Magenta's arbitrary style transfer network (Ghiasi et al. 2017, arXiv 1705.06830); training/ tells how.
The network itself is in network.py; pocket_openvino.py and pocket_tensorflow.py run it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nstfilter.errors import ModelError
from nstfilter.models import allowed_threads, chosen_engine, network, taught
from nstfilter.models.network import EPSILON, Statistics, Weights
from nstfilter.models.weights import read_weights

if TYPE_CHECKING:
    from nstfilter.models.pocket_openvino import PocketInOpenVINO
    from nstfilter.models.pocket_tensorflow import PocketInTensorFlow

WEIGHTS = Path(__file__).with_name("pocket.npz")
PICTURE = 256  # the encoder looks at style pictures at this size
SMALLEST = 16  # frames smaller than this are mirrored up to it
LARGEST = 10_000  # no number of an embedding comes near it: those of the bundled styles are below 3


def load(path: Path) -> Weights:
    """The weights as float32, with colors turned from RGB, as trained, to BGR, as frames are. Raises
    `ModelError` when they are not what the network needs."""
    weights = read_weights(path, network.shapes(), "pocket")
    kernel = weights["stage0.0.weight"]
    weights["stage0.0.weight"] = kernel.reshape(len(kernel), 16, 3, 3, 3)[:, :, ::-1].reshape(kernel.shape)
    return weights | taught.for_frames(weights)


class PocketModel:
    """The embedded model. Frames and pictures are HxWx3 BGR uint8; an embedding is float32 [100], and of a
    taught style, or a mix with one, float32 [taught.SIZE].

    threads    how many the engine may use; default: the variable NSTFILTER_THREADS, or the engine decides
    engine     "openvino" or "tensorflow"; default: OpenVINO where it is installed
    precision  "f32" or "bf16"; default: bf16 where the processor has it and the picture stays the same
    device     "cpu", "gpu", "npu" or "auto", for OpenVINO; default: the CPU

    Raises ModelError when the weights cannot be used, UsageError for an unknown engine, precision or device.
    Several threads may call it; those that paint at the same size take turns.
    """

    name = "pocket"
    mixes = True

    def __init__(
        self,
        *,
        threads: int | None = None,
        engine: str | None = None,
        precision: str | None = None,
        device: str | None = None,
        weights: Path = WEIGHTS,
    ) -> None:
        threads = allowed_threads(threads)
        engine = chosen_engine(engine, precision, device)
        self._weights = load(weights)
        self.fingerprint = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
        self._network: PocketInOpenVINO | PocketInTensorFlow
        if engine == "openvino":
            from nstfilter.models.engines import Engine
            from nstfilter.models.pocket_openvino import PocketInOpenVINO

            runner = Engine(threads=threads, precision=precision, device=device)
            self._network = PocketInOpenVINO(self._weights, self.fingerprint, runner)
        else:
            from nstfilter.models.pocket_tensorflow import PocketInTensorFlow

            self._network = PocketInTensorFlow(self._weights, threads)
        self.engine, self.device, self.precision = engine, self._network.device, self._network.precision
        self._latest: _Condition | None = None

    def prepare(self, height: int, width: int) -> None:
        """Compile what frames of this size need; see `PreparingModel.prepare`."""
        self._network.prepare((1, *_extended_size(height, width), 3))

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """The embedding of a style picture of any size, float32 [100].

        Its middle square is what is looked at: squeezing the picture would squeeze its brush strokes.
        """
        return self._network.encode(_square(picture))

    def taught(self, path: Path, picture: Path) -> np.ndarray:
        """The embedding of the taught style in a file, float32 [taught.SIZE]. Raises `StyleError`, also where
        it was taught to another picture than the one at `picture`."""
        return taught.vector(path, picture)

    def mix(self, embeddings: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
        """The weighted mean; `shares` sum to 1. Where one of the styles is taught, so is the mix: a style
        that is not taught is the base network with its own scales and shifts."""
        if len({embedding.shape for embedding in embeddings}) > 1:
            embeddings = [
                z if z.shape == (taught.SIZE,) else taught.base(self._weights, z) for z in embeddings
            ]
        mixed = sum(z * np.float32(share) for z, share in zip(embeddings, shares, strict=True))
        return np.asarray(mixed, np.float32)

    def stylize(
        self,
        frame: np.ndarray,
        embedding: np.ndarray,
        *,
        out: np.ndarray | None = None,
        statistics: Statistics | None = None,
    ) -> np.ndarray:
        """The painted frame, the same shape, in `out` when given.

        With `statistics` from `measure`, these normalize the frame in place of its own.
        """
        condition = self._condition(embedding, statistics)
        height, width = frame.shape[:2]
        frame = _extended(frame)
        h, w = frame.shape[:2]
        fits = (h, w) == (height, width)
        direct = fits and out is not None and out.flags.c_contiguous
        target = out if direct else np.empty((h, w, 3), np.uint8)
        assert target is not None
        self._network.paint(
            np.ascontiguousarray(frame)[None],
            condition.weights,
            condition.scale,
            condition.shift,
            statistics is not None,
            target[None],
        )
        if direct:
            return target
        painted = target if fits else np.ascontiguousarray(target[:height, :width])
        if out is None:
            return painted
        np.copyto(out, painted)
        return out

    def begin(self, frame: np.ndarray, embedding: np.ndarray) -> Callable[[], np.ndarray]:
        """Begin to paint; what it returns waits for the painted frame. See `AheadModel.begin`."""
        condition = self._condition(embedding, None)
        height, width = frame.shape[:2]
        extended = np.ascontiguousarray(_extended(frame))[None]
        finish = self._network.begin(extended, condition.weights, condition.scale, condition.shift)
        return lambda: np.ascontiguousarray(finish()[0, :height, :width])

    def measure(self, patches: np.ndarray, embedding: np.ndarray) -> Statistics:
        """Normalization statistics over patches [n, h, w, 3] taken together."""
        condition = self._condition(embedding, None)
        patches = np.stack([_extended(patch) for patch in patches])
        return self._network.measure(patches, condition.weights, condition.scale, condition.shift)

    def _condition(self, embedding: np.ndarray, statistics: Statistics | None) -> _Condition:
        """What a style brings to the network; the latest is kept."""
        latest = self._latest
        if (
            latest is None
            or latest.statistics is not statistics
            or not np.array_equal(latest.embedding, embedding)
        ):
            _check(embedding)
            if embedding.shape == (taught.SIZE,):
                weights, both = taught.split(embedding.copy())
                scale, shift = both[network.SPREAD]
            else:
                weights, (scale, shift) = self._weights, network.conditions(self._weights, embedding)
            if statistics is not None:
                scale = scale / np.sqrt(statistics.variance + EPSILON)
                shift = shift - statistics.mean * scale
            latest = self._latest = _Condition(embedding.copy(), statistics, weights, scale, shift)
        return latest


class _Condition(NamedTuple):
    """Kernels, and what multiplies and is added after each layer, for a style, with statistics if given."""

    embedding: np.ndarray
    statistics: Statistics | None
    weights: Weights
    scale: np.ndarray
    shift: np.ndarray


def _check(embedding: np.ndarray) -> None:
    """Raises `ModelError` for an embedding that neither `embed` nor a taught style gives."""
    own = (network.EMBEDDING,)
    if embedding.shape not in (own, (taught.SIZE,)):
        raise ModelError(f"an embedding of shape {embedding.shape} was not made by pocket; expected {own}")
    if not np.abs(embedding).max() <= LARGEST:  # a NaN is not either
        raise ModelError(f"an embedding with numbers beyond {LARGEST:g} was not made by pocket")


def _extended_size(height: int, width: int) -> tuple[int, int]:
    """The next size that the network takes: multiples of 4."""
    return max(SMALLEST, -(-height // 4) * 4), max(SMALLEST, -(-width // 4) * 4)


def _extended(frame: np.ndarray) -> np.ndarray:
    """The frame, mirrored on the right and below to a size that the network takes."""
    h, w = _extended_size(*frame.shape[:2])
    if (h, w) == frame.shape[:2]:
        return frame
    from nstfilter.graphics.opencv import cv2

    below, right = h - frame.shape[0], w - frame.shape[1]
    return cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REFLECT_101)


def _square(picture: np.ndarray) -> np.ndarray:
    """The picture's middle square as the encoder wants it, [1, 256, 256, 3]."""
    from nstfilter.graphics.opencv import cv2

    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    middle = picture[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > PICTURE else cv2.INTER_LINEAR
    return cv2.resize(middle, (PICTURE, PICTURE), interpolation=way)[None]
