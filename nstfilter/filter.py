"""StyleFilter: a BGR uint8 frame in, the painted BGR uint8 frame out, the same size."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nstfilter.errors import ModelError, StyleError, UsageError
from nstfilter.files import file_hash
from nstfilter.frames import as_bgr, check_out, like, network_size, reduced
from nstfilter.graphics.opencv import cv2
from nstfilter.manager import manager, open_model, open_segmenter
from nstfilter.models import (
    DEFAULT_MODEL,
    AheadModel,
    PreparingModel,
    StyleModel,
    TeachableModel,
    TilingModel,
    mix_embeddings,
)
from nstfilter.models.embeddings import EmbeddingCache, picture_hash
from nstfilter.models.tiles import stylize_in_tiles
from nstfilter.packs.reading import parse_style, read_picture
from nstfilter.packs.style import Style, StyleMix
from nstfilter.parameters import PARAMETERS
from nstfilter.people import DEFAULT_SEGMENTER, Segmenter
from nstfilter.people.backdrop import Backdrop
from nstfilter.people.parts import Parts
from nstfilter.stability import SizeFade, Stabilizer

# above this many pixels a network's activations no longer fit beside everything else in a laptop's memory
ONE_PIECE = 6_000_000
# how much of the detail between the network's size and the frame's own is given back
DETAIL = 0.6
# how many frames of a video the network is ahead of what is done with its paintings; only where three of them
# take no more memory than the largest piece
AHEAD = 2


Background = str | os.PathLike[str] | Style | StyleMix | np.ndarray | None


class _Behind(NamedTuple):
    """What stands behind people as the user `named` it, and what replaces the room or paints it for that."""

    named: Background = None
    backdrop: Backdrop | None = None
    embedding: np.ndarray | None = None


class _Begun(NamedTuple):
    """A frame that the network works on: `image`, `small` at the network's size, painted with `embedding`.
    `finish` waits for it."""

    image: np.ndarray
    small: np.ndarray
    embedding: np.ndarray
    finish: Callable[[], np.ndarray]


def _wait(begun: _Begun | None) -> None:
    """Until the network has done with what is of no use any more: till then it writes into its memory."""
    if begun:
        with contextlib.suppress(Exception):
            begun.finish()


class StyleFilter:
    """Paints frames in a style.

        paint = StyleFilter("mosaic", strength=0.8)
        out = paint(cv2.imread("photo.jpg"))
        paint.style = "wave:0.7+mosaic:0.3"

    `style`        a name, `pack/name`, a picture's path, a mix such as "wave:0.7+mosaic:0.3" (mixed as
                   embeddings), a `Style` or `StyleMix`, a picture (HxWx3 BGR uint8), or an embedding of the
                   model (float32, as `embedding` gives it)
    `strength`     0 gives the frame back, 1 the full style
    `keep_colors`  keep the frame's own colors and take only the light and the strokes from the style
    `model`        a name, path or Hub handle, or a `StyleModel`
    `size`         the shorter side, in pixels, that the network works at; None for `default_size`. Frames
                   smaller than that are painted at their own size; the result always has the frame's size
    `stability`    for videos, 0 to 1: 0 paints every frame on its own, 1 is as calm as it gets. The filter
                   then remembers the frame before; `reset` starts a new stream
    `area`         what is painted: "all", "people" or "background"
    `background`   what stands behind people: None for the room as it is; "plain" for an even wall, "blur" for
                   the room out of focus, or a picture (its path, or HxWx3 BGR uint8), painted where `area`
                   says; or, as `style` takes it, the style that the room is painted in
    `feather`      how wide the edge between people and background is, as a share of the shorter side
    `face`         the share of the strength that faces are painted with
    `segmenter`    what finds people: a name, or a `Segmenter`; loaded where one is needed first
    `device`       what the model computes on: "cpu", "gpu", "npu" or "auto"; None leaves it to the model
    `threads`      how many threads the model may use; None leaves it to the model
    `cache`        where embeddings are kept

    All but `model`, `segmenter`, `device`, `threads` and `cache` can be set between two frames and take
    effect on the next. Raises `UsageError`, `StyleError` or `ModelError`. One filter serves one thread at a
    time.

    `plain_frame` is the latest frame before painting, HxWx3 BGR uint8, its room replaced where `background`
    does that; None before the first. `sparing` tells that time is short: people are then looked for in every
    second frame, but where much has changed or the room is replaced.
    """

    def __init__(
        self,
        style: str | os.PathLike[str] | Style | StyleMix | np.ndarray,
        *,
        strength: float = 1.0,
        keep_colors: bool = False,
        model: str | os.PathLike[str] | StyleModel = DEFAULT_MODEL,
        size: int | None = None,
        stability: float = 0.0,
        area: str = "all",
        background: Background = None,
        feather: float = PARAMETERS["feather"].default,
        face: float = 1.0,
        segmenter: str | Segmenter = DEFAULT_SEGMENTER,
        device: str | None = None,
        threads: int | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self.strength = strength
        self.keep_colors = keep_colors
        self.size = size
        self.stability = stability
        self._stabilizer, self._room_stabilizer = Stabilizer(), Stabilizer()
        self._size_fade, self._room_size_fade = SizeFade(), SizeFade()
        self._painted_before: Backdrop | None = None  # the backdrop of the frame before
        self._shape: tuple[int, ...] | None = None
        self._begun: _Begun | None = None  # what is known of the frame that is being painted
        self._parts = Parts(lambda: _segmenter(segmenter, threads))
        self._style: StyleMix | np.ndarray
        mix = style if isinstance(style, np.ndarray) else _mix(style)  # a misspelt name need not load a model
        self.model: StyleModel
        if isinstance(model, str | os.PathLike):
            options: dict[str, Any] = {"threads": threads, "device": PARAMETERS["device"].check(device)}
            options = {name: value for name, value in options.items() if value is not None}
            self.model = open_model(model, **options)
        else:
            self.model = model
        self.cache = cache or EmbeddingCache()
        self.style = mix
        self._behind = _Behind()
        self.background = background
        self.plain_frame: np.ndarray | None = None
        self.area, self.feather, self.face = area, feather, face
        self.sparing = False

    @property
    def style(self) -> StyleMix | np.ndarray:
        return self._style

    @style.setter
    def style(self, style: str | os.PathLike[str] | Style | StyleMix | np.ndarray) -> None:
        if isinstance(style, np.ndarray) and style.dtype == np.float32:
            self.embedding, self._style = style, style
        elif isinstance(style, np.ndarray):
            picture, _ = as_bgr(style)
            self.embedding = self.cache.get(self.model, picture_hash(picture), lambda: picture)
            self._style = style
        else:
            mix = _mix(style)
            self.embedding = self.embed(mix)
            self._style = mix

    @property
    def strength(self) -> float:
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._strength: float = PARAMETERS["strength"].check(strength)

    @property
    def stability(self) -> float:
        return self._stability

    @stability.setter
    def stability(self, stability: float) -> None:
        self._stability: float = PARAMETERS["stability"].check(stability)

    def reset(self) -> None:
        """Forget the frame before: the next one begins a new stream."""
        self._forget_paintings()
        self._parts.reset()

    def _forget_paintings(self) -> None:
        self._stabilizer.reset()
        self._size_fade.reset()
        self._forget_room()

    def _forget_room(self) -> None:
        self._room_stabilizer.reset()
        self._room_size_fade.reset()

    @property
    def area(self) -> str:
        return self._parts.area

    @area.setter
    def area(self, area: str) -> None:
        area = PARAMETERS["area"].check(area)
        if area != "all":
            self._parts.load()
        self._parts.area = area

    @property
    def feather(self) -> float:
        return self._parts.feather

    @feather.setter
    def feather(self, feather: float) -> None:
        self._parts.feather = PARAMETERS["feather"].check(feather)

    @property
    def face(self) -> float:
        return self._parts.face

    @face.setter
    def face(self, face: float) -> None:
        face = PARAMETERS["face"].check(face)
        if face < 1:
            self._parts.load()
        self._parts.face = face

    @property
    def background(self) -> Background:
        return self._behind.named

    @background.setter
    def background(self, background: Background) -> None:
        backdrop: Backdrop | None = None
        embedding: np.ndarray | None = None
        if isinstance(background, np.ndarray) and background.dtype == np.float32:
            embedding = background
        elif isinstance(background, np.ndarray):
            backdrop = Backdrop(as_bgr(background)[0].copy())
        elif background == "plain":
            backdrop = Backdrop.wall()
        elif background == "blur":
            backdrop = Backdrop(None)
        elif isinstance(background, str | os.PathLike) and os.path.isfile(background):
            backdrop = Backdrop(read_picture(Style(os.path.basename(background), Path(background))))
        elif background is not None:
            embedding = self.embed(_mix(background))
        if background is not None:
            self._parts.load()
        # all at once, for another thread may be painting
        self._behind = _Behind(background, backdrop, embedding)

    @property
    def background_data(self) -> np.ndarray | None:
        """What `background` stands for, in a form that it takes too: the embedding of its style, or its
        picture. None where it is a word, or nothing."""
        named, backdrop, embedding = self._behind
        if isinstance(named, str) and named in ("plain", "blur"):
            return None
        return embedding if backdrop is None else backdrop.picture

    @property
    def segmenter_fingerprint(self) -> str:
        """The fingerprint of what finds people; empty where nothing depends on where they are."""
        named = self._behind.named
        if self.area == "all" and self.face == 1 and named is None:
            return ""
        return self._parts.segmenter.fingerprint

    def unpainted(self, frame: np.ndarray) -> np.ndarray:
        """`frame` as filmed; but where `background` replaces the room, that is still not seen."""
        image, alpha = as_bgr(frame)
        self._forget_paintings()  # they will be old when it is painted again
        backdrop = self._behind.backdrop
        if backdrop is None:
            self._parts.reset()
            self.plain_frame = image
            return frame
        self.plain_frame = self._parts.unpainted(image, backdrop, self._stability)
        return like(frame, self.plain_frame, alpha)

    @property
    def size(self) -> int | None:
        return self._size

    @size.setter
    def size(self, size: int | None) -> None:
        self._size: int | None = PARAMETERS["size"].check(size)

    def __call__(self, frame: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
        """Paint one frame.

        `frame` is HxW or HxWx1 (gray), HxWx3 (BGR) or HxWx4 (BGRA, alpha kept), uint8, of any size from
        1x1 up and any memory layout. The result has the same shape; it is `out` where that is given, which
        may be `frame` itself. Raises `FrameError` for anything else.
        """
        image, alpha = as_bgr(frame)
        if out is not None:
            check_out(out, frame)
        if self._shape not in (None, image.shape):  # another stream; another size of the network is none
            self.reset()
        self._shape = image.shape
        if self._strength == 0:
            result = self.unpainted(frame).copy()
        else:
            result = like(frame, self._parted(image), alpha)
        if out is None:
            return result
        if self.plain_frame is not None and np.may_share_memory(self.plain_frame, out):
            self.plain_frame = self.plain_frame.copy()
        np.copyto(out, result)
        return out

    def stream(self, frames: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        """Paint the frames of a video, one after another, as the filter does when it is called with each.

        It looks AHEAD frames ahead in `frames`: the network begins with them while the rest is done for the
        one before, so that no core waits. A frame is left as it is until its painting is given; what is set
        meanwhile takes effect on the next one. Raises what calling the filter raises, and what `frames` does.
        """
        begun: deque[tuple[np.ndarray, _Begun | None]] = deque()
        try:
            for frame in frames:
                begun.append((frame, self._begin(frame)))
                if len(begun) > AHEAD:
                    yield self._finished(*begun.popleft())
            while begun:
                yield self._finished(*begun.popleft())
        finally:
            for _, ahead in begun:
                _wait(ahead)

    def _begin(self, frame: np.ndarray) -> _Begun | None:
        """Have the network begin with `frame`; None where what it is to paint is not known yet."""
        if self._strength == 0 or not self._parts.whole or self._behind.named is not None:
            return None
        image, _ = as_bgr(frame)
        height, width = image.shape[:2]
        inner = network_size(height, width, self._size)
        if image is not frame or not isinstance(self.model, AheadModel):
            return None
        if inner[0] * inner[1] > ONE_PIECE // (AHEAD + 1):
            return None
        small = image if inner == (height, width) else reduced(image, *inner)
        return _Begun(image, small, self.embedding, self.model.begin(small, self.embedding))

    def _finished(self, frame: np.ndarray, begun: _Begun | None) -> np.ndarray:
        self._begun = begun
        try:
            return self(frame)
        finally:
            _wait(self._begun)
            self._begun = None

    def _take_begun(self, image: np.ndarray, embedding: np.ndarray, inner: tuple[int, int]) -> _Begun | None:
        """What is begun, if that is `image` with this embedding at this size of the network, and nothing was
        set since."""
        begun, self._begun = self._begun, None
        if begun and begun.image is image and begun.embedding is embedding and begun.small.shape[:2] == inner:
            return begun
        _wait(begun)
        return None

    def prepare(self, height: int, width: int, size: int | None = None) -> None:
        """Compile ahead what frames of `height` by `width` need when the network works at `size`, as in
        `StyleFilter(size=...)`, so that the first of them takes no longer than the others.

        May be called from any thread, also while another one paints. Returns when that is done, at once for
        what was prepared before and for a model that compiles nothing.
        """
        height, width = network_size(height, width, size)
        if isinstance(self.model, PreparingModel) and height * width <= ONE_PIECE:
            self.model.prepare(height, width)

    def _parted(self, image: np.ndarray) -> np.ndarray:
        behind = self._behind  # for all of the frame: another thread may set another
        paint = partial(
            self._paint, embedding=self.embedding, stabilizer=self._stabilizer, fade=self._size_fade
        )
        if behind.backdrop is not self._painted_before:
            # what was painted of the room as it was is not carried into frames where it is replaced
            self._forget_paintings()
            self._painted_before = behind.backdrop
        paint_room = None
        if behind.embedding is not None:
            paint_room = partial(
                self._paint,
                embedding=behind.embedding,
                stabilizer=self._room_stabilizer,
                fade=self._room_size_fade,
            )
        else:
            self._forget_room()
        painted = self._parts(image, paint, behind.backdrop, self._stability, paint_room, self.sparing)
        self.plain_frame = self._parts.base
        return painted

    def _paint(
        self, image: np.ndarray, embedding: np.ndarray, stabilizer: Stabilizer, fade: SizeFade
    ) -> np.ndarray:
        """The painted image. Beside the network, all pixels of a large one are touched three times: reduced,
        enlarged, mixed."""
        height, width = image.shape[:2]
        inner = network_size(height, width, self._size)
        begun = self._take_begun(image, embedding, inner)
        if inner == (height, width):
            painted = self._stylize(image, embedding, stabilizer, begun)
            detail, gain, offset = 0.0, 1.0, 0.0
        else:
            # The result is painted + DETAIL * (image - small), everything at the frame's size. To enlarge
            # once, painted - DETAIL * small is enlarged, squeezed into the range of uint8.
            small = begun.small if begun else reduced(image, *inner)
            painted = self._stylize(small, embedding, stabilizer, begun)
            detail, gain, offset = DETAIL, 1 + DETAIL, -255 * DETAIL
            painted = cv2.addWeighted(painted, 1 / gain, small, -DETAIL / gain, -offset / gain)
            painted = cv2.resize(painted, (width, height), interpolation=cv2.INTER_CUBIC)
        if self.keep_colors:
            if detail:
                painted = cv2.addWeighted(image, detail, painted, gain, offset, dst=painted)
            painted, detail, gain, offset = _with_light_of(painted, image), 0.0, 1.0, 0.0
        strength = self._strength
        if strength < 1 or detail:
            own = 1 - strength + strength * detail
            painted = cv2.addWeighted(image, own, painted, strength * gain, strength * offset, dst=painted)
        return fade(image, painted, inner)

    def _stylize(
        self, image: np.ndarray, embedding: np.ndarray, stabilizer: Stabilizer, begun: _Begun | None
    ) -> np.ndarray:
        whole = image.shape[0] * image.shape[1] <= ONE_PIECE
        paint = begun.finish if begun else partial(self.model.stylize, image, embedding)
        if whole and self._stability:
            return stabilizer(image, paint, self._stability, embedding)
        stabilizer.reset()  # what it remembers would be old when it is used again
        if whole:
            return paint()
        if isinstance(self.model, TilingModel):
            return stylize_in_tiles(self.model, image, embedding)
        raise ModelError(
            f"{self.model.name} cannot paint {image.shape[1]}x{image.shape[0]} in one piece; "
            f"choose a --size of at most {int(ONE_PIECE**0.5)}, or the model pocket, which paints in tiles"
        )

    def embed(self, mix: StyleMix) -> np.ndarray:
        """The embedding that `mix` is painted with, by this filter's model: of taught styles as they were
        taught, of others as the cache has it. Raises `UsageError` for a model that cannot mix, `StyleError`
        for a file that cannot be read."""
        if len(mix.parts) > 1 and not self.model.mixes:
            raise UsageError(
                f"{self.model.name} cannot mix styles: it has no embedding of its own; name one style"
            )
        embeddings = [self._embed_one(style) for style, _ in mix.parts]
        if len(embeddings) == 1:
            return embeddings[0]
        return mix_embeddings(self.model, embeddings, [weight for _, weight in mix.parts])

    def _embed_one(self, style: Style) -> np.ndarray:
        if style.taught and isinstance(self.model, TeachableModel):
            return self.model.taught(style.taught, style.path)
        try:
            picture = file_hash(style.path)
        except OSError as error:
            raise StyleError(f"{style.path} cannot be read: {error.strerror}") from None
        return self.cache.get(self.model, picture, partial(read_picture, style))


def _segmenter(segmenter: str | Segmenter, threads: int | None) -> Segmenter:
    if not isinstance(segmenter, str):
        return segmenter
    told = threads is not None and "threads" in manager().segmenters.options(segmenter)
    options = {"threads": threads} if told else {}
    return open_segmenter(segmenter, **options)


def _with_light_of(painted: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The image in its own colors, as light and dark as `painted`: of Y, Cr and Cb (ITU-R BT.601) only Y
    changes, which is to add the same to blue, green and red."""
    light, own = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (painted, image))
    brighter = cv2.cvtColor(cv2.subtract(light, own), cv2.COLOR_GRAY2BGR)
    darker = cv2.cvtColor(cv2.subtract(own, light), cv2.COLOR_GRAY2BGR)
    return cv2.subtract(cv2.add(image, brighter, dst=brighter), darker, dst=darker)


def _mix(style: str | os.PathLike[str] | Style | StyleMix) -> StyleMix:
    if isinstance(style, StyleMix):
        return style
    return StyleMix(((style, 1.0),)) if isinstance(style, Style) else parse_style(style)
