"""Where the samples of chroma lie in a picture that has fewer of them than pixels.

H.264, HEVC, MPEG-2 and MPEG-4 usually have each in line with the left one of its two pixels ("left", by the
names of FFmpeg's AVChromaLocation), MPEG-1 and JPEG in the middle of its four ("center"). Where one is taken
for the other, color moves by half a pixel every time a video is painted.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from nstfilter.graphics.opencv import cv2

# To BGR and back, exact to half a level. Without ACCURATE_RND, swscale rounds by up to five levels; with
# FULL_CHR_H_INP it takes every pixel's color into account, and is quicker than when it leaves some out.
CONVERSION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
# Its way to packed pixels is another one: that darkens every frame by a level, and takes rows of chroma for
# half a row higher or lower than they are. By way of planes takes half a millisecond more at 720p.
PLANES = {"bgr24": "gbrp", "bgra": "gbrap", "bgr48le": "gbrp16le", "bgra64le": "gbrap16le"}

USUAL = "left"
# by how many half pixels the first sample lies right of, and below, the first pixel
_OFFSETS = {
    (0, 1): "left",
    (1, 1): "center",
    (0, 0): "topleft",
    (1, 0): "top",
    (0, 2): "bottomleft",
    (1, 2): "bottom",
}
# codecs whose decoders say so; of others FFmpeg assumes the center where the file says nothing
_SAYING = frozenset({"h263", "h264", "hevc", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "vvc"})


def bgr_from(
    frame: av.VideoFrame, width: int, height: int, pixels: str, reformatter: VideoReformatter
) -> np.ndarray:
    """The frame's picture as HxWx3 BGR or HxWx4 BGRA, uint8 or uint16: `pixels` is one of `PLANES`."""
    if frame.format.is_rgb:
        how: dict[str, Any] = {"interpolation": CONVERSION, "threads": 1}
        return reformatter.reformat(frame, width, height, pixels, **how).to_ndarray()
    converted = reformatter.reformat(
        frame, width, height, PLANES[pixels], interpolation=CONVERSION, threads=1
    )
    dtype = np.dtype(np.uint16 if pixels.endswith("le") else np.uint8)
    green, blue, red, *alpha = (
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width] for plane in converted.planes
    )
    merged: np.ndarray = cv2.merge([blue, green, red, *alpha])
    return merged


def chroma_location(frame: av.VideoFrame, codec: str) -> str | None:
    """Where the chroma samples of a frame that `codec` gave lie; None where nobody says. Then neither the way
    to BGR nor that back moves anything.

    PyAV has no name for it, but its conversions go by it: a dot is drawn into a small copy of the frame, and
    converted.
    """
    size, at = 16, 4
    small = frame.reformat(size, size, "yuv420p")
    for plane in small.planes:
        values = np.full((plane.height, plane.line_size), 128, np.uint8)
        if plane.width < size:
            values[at, at] = 255
        plane.update(values)
    whole = VideoReformatter().reformat(small, format="yuv444p", interpolation=CONVERSION, threads=1)
    plane = whole.planes[1]
    dot = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] - 128.0
    y, x = (np.average(np.arange(size), weights=dot.sum(axis)) - 2 * at for axis in (1, 0))
    location = _OFFSETS.get((round(2 * x), round(2 * y)))
    return None if location == "center" and codec not in _SAYING else location


class Located:
    """Says of pictures of one size where the chroma samples are to lie that they will be converted to."""

    def __init__(self, width: int, height: int, location: str) -> None:
        self._size, self._location = f"{width}x{height}", location
        self._graphs: dict[str, av.filter.Graph] = {}

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The same picture, its pixels not copied."""
        graph = self._graphs.get(picture.format.name)
        if graph is None:
            graph = self._graphs[picture.format.name] = self._graph(picture.format.name)
        graph.vpush(picture)
        located: Any = graph.vpull()
        return located

    def _graph(self, pixels: str) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add(
            "buffer", f"video_size={self._size}:pix_fmt={pixels}:time_base=1/1:pixel_aspect=1/1"
        )
        named = graph.add("setparams", f"chroma_location={self._location}")
        sink = graph.add("buffersink")
        source.link_to(named)
        named.link_to(sink)
        graph.configure()
        return graph
