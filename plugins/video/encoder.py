"""Frames in, packets out: the codecs a video can be written in, and how each is asked for quality."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from nstfilter.errors import FrameError, SinkError, UsageError
from nstfilter.plugins.video.chroma import CONVERSION, USUAL, Located
from nstfilter.plugins.video.container import warn_once
from nstfilter.plugins.video.source import MATRICES, RGB, usual_color
from nstfilter.streams import Frame, StreamInfo


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write a picture.

    `crf`   usual and worst constant quality; None where the codec has no such scale
    `odd`   the pixel format for a width or height that 4:2:0 cannot halve; None where it makes no difference
    `deep`, `deep_odd`  those with 10 bits a channel; None where there is none, or `pixels` has them
    `alpha` that with transparency; None where there is none
    """

    encoder: str
    pixels: str
    crf: tuple[int, int] | None = None
    odd: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    deep: str | None = None
    deep_odd: str | None = None
    alpha: str | None = None

    def pixels_for(self, alpha: bool, bits: int, odd: bool) -> str:
        """The pixel format for such a picture, which keeps what the codec can."""
        if alpha and self.alpha:
            return self.alpha
        if bits > 8 and self.deep:
            return (odd and self.deep_odd) or self.deep
        return (odd and self.odd) or self.pixels


# Presets are those that leave most of the processor to the style model: superfast takes half the time of
# veryfast, for files up to 8 per cent larger at the same crf and at most 0.5 dB worse. B-frames are done
# without: an MP4 then holds every time and duration as it is (with them, FFmpeg's muxer gets an irregular end
# wrong), and a kill costs less. H.264 is a third larger for it at the same crf, and 1.2 dB better. With
# arithmetic coding (CABAC) painted frames would take a third more time, for files 5 per cent smaller.
CODECS = {
    "h264": Codec(
        "libx264", "yuv420p", (18, 51), "yuv444p", {"preset": "superfast", "bf": "0", "coder": "vlc"}
    ),
    "hevc": Codec(
        "libx265",
        "yuv420p",
        (20, 51),
        "yuv444p",
        {"preset": "ultrafast", "x265-params": "log-level=error:bframes=0"},
        deep="yuv420p10le",
        deep_odd="yuv444p10le",
    ),
    "av1": Codec("libsvtav1", "yuv420p", (24, 63), None, {"preset": "10"}, deep="yuv420p10le"),
    "vp9": Codec(
        "libvpx-vp9",
        "yuv420p",
        (24, 63),
        None,
        {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "b": "0"},
        alpha="yuva420p",
    ),
    "prores": Codec("prores_ks", "yuv422p10le", None, "yuv444p10le", {"profile": "hq"}, alpha="yuva444p10le"),
    "ffv1": Codec("ffv1", "bgr0", None, None, {"level": "3", "slicecrc": "1"}, alpha="bgra"),
    "gif": Codec("gif", "pal8"),
    "raw": Codec("rawvideo", "yuv420p", None, "yuv444p"),
}

LONGEST = 2**31 - 1  # ticks a frame can last: FFmpeg's MP4 muxer ends the process at more
LOOK_AHEAD = 512  # frames; no encoder keeps that many back


class Encoder:
    """Turns frames into packets of a new video stream in `container`.

    A packet's time is exactly its frame's, in the stream's own time base, and so is its duration. Pictures
    are HxW, HxWx3 BGR or HxWx4 BGRA uint8; alpha is kept where the codec can and the stream has it, by its
    `info.details`. Raises `SinkError` when the encoder will not
    start, `FrameError` for a frame of another size than `info`'s.
    """

    def __init__(
        self, container: OutputContainer, name: str, info: StreamInfo, crf: int | None, warnings: list[str]
    ) -> None:
        self.codec = codec = CODECS[name]
        self.info = info
        self.warnings = warnings
        self.time_base = info.time_base
        rate = min(info.rate or Fraction(25), 1 / self.time_base)
        self._nominal = max(1, round(1 / (rate * self.time_base)))
        self._durations: dict[int, int] = {}
        self._last: int | None = None
        self._reformatter = VideoReformatter()
        odd = bool(info.width % 2 or info.height % 2)
        alpha, bits = bool(info.details.get("alpha")), info.details.get("bits")
        self.pixels = codec.pixels_for(alpha, bits if isinstance(bits, int) else 8, odd)
        self.alpha = self.pixels == codec.alpha
        if odd and name in ("h264", "hevc"):
            warnings.append(
                f"{info.width}x{info.height} is odd: {name} is written as 4:4:4, which some players lack"
            )
        self.color = self._output_color()
        self._located: Located | None = None

        options = dict(codec.options)
        location = info.details.get("chroma_location", USUAL)
        halved = any(component.is_chroma for component in av.VideoFormat(self.pixels).components)
        if halved and isinstance(location, str):
            self._located = Located(info.width, info.height, location)
            options["chroma_sample_location"] = location
        if codec.crf:
            options["crf"] = str(codec.crf[0] if crf is None else crf)
        if name == "prores" and "444" in self.pixels:
            options["profile"] = "4444"
        if name == "av1":
            os.environ.setdefault("SVT_LOG", "1")  # the library talks to stderr otherwise
        try:
            self.stream: Any = container.add_stream(codec.encoder, rate=rate, options=options)
        except (ValueError, LookupError) as error:
            raise SinkError(
                f"this build of FFmpeg cannot write {name} ({codec.encoder}); choose another codec"
            ) from error
        if self.alpha and name == "vp9":
            self.stream.metadata["alpha_mode"] = "1"  # without it nobody looks for a second picture
        context: Any = self.stream.codec_context
        context.width, context.height, context.pix_fmt = info.width, info.height, self.pixels
        context.time_base = self.stream.time_base = self.time_base
        context.thread_count = min(os.cpu_count() or 1, 16)
        context.sample_aspect_ratio = info.details.get("sample_aspect_ratio", Fraction(1))
        for tag, value in self.color.items():
            setattr(context, tag, value)

    def _output_color(self) -> dict[str, int]:
        color = dict(usual_color(self.info.width, self.info.height))
        given = self.info.details.get("color")
        if isinstance(given, dict):
            color.update(given)
        if self.codec.encoder == "prores_ks":  # its decoders know no other
            color["color_range"] = ColorRange.MPEG.value
        if self.pixels in ("bgr0", "bgra"):
            color.update(colorspace=RGB, color_range=ColorRange.JPEG.value)
        return color

    @property
    def bits(self) -> int:
        """A channel, as decoders give them."""
        if self.codec.encoder == "prores_ks" and "444" in self.pixels:
            return 12
        return max(component.bits for component in av.VideoFormat(self.pixels).components)

    def encode(self, frame: Frame) -> list[av.Packet[Any]]:
        """The packets that are ready once `frame` has gone in: often none, or those of earlier frames."""
        picture = self._picture(frame.image)
        pts = frame.pts
        if self._last is not None and pts <= self._last:
            warn_once(
                self.warnings,
                "some frames came with a time not after the one before; they were put behind it",
            )
            pts = self._last + 1
        elif self._last is not None and pts - self._last > LONGEST:
            warn_once(
                self.warnings, "some frames came many hours after the one before; they were put behind it"
            )
            pts = self._last + self._nominal
        self._last = pts
        self._durations[pts] = frame.duration or self._nominal
        if len(self._durations) > LOOK_AHEAD:
            del self._durations[next(iter(self._durations))]
        picture.pts, picture.time_base, picture.duration = pts, self.time_base, self._durations[pts]
        return self._timed(self.stream.encode(picture))

    def finish(self) -> list[av.Packet[Any]]:
        """What the encoder still holds."""
        return self._timed(self.stream.encode(None))

    def _timed(self, packets: list[av.Packet[Any]]) -> list[av.Packet[Any]]:
        for packet in packets:
            packet.duration = self._durations.get(packet.pts or 0, self._nominal)
        return packets

    def _picture(self, image: np.ndarray) -> av.VideoFrame:
        if image.shape[:2] != (self.info.height, self.info.width):
            got = "x".join(map(str, image.shape[1::-1]))
            raise FrameError(f"a frame of {got} came in a video of {self.info.width}x{self.info.height}")
        layout = "gray" if image.ndim == 2 else {3: "bgr24", 4: "bgra"}[image.shape[2]]
        picture = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), layout)
        return self._converted(picture)

    def _converted(self, picture: av.VideoFrame) -> av.VideoFrame:
        matrix = MATRICES.get(self.color["colorspace"], Colorspace.DEFAULT)
        if self._located:
            picture = self._located(picture)
        converted = self._reformatter.reformat(
            picture,
            format=self.pixels,
            dst_colorspace=matrix,
            dst_color_range=self.color["color_range"],
            interpolation=CONVERSION,
            threads=1,
        )
        converted.colorspace = self.color["colorspace"]
        return converted


class GifEncoder(Encoder):
    """GIF: 256 colors chosen anew for every frame, and time in hundredths of a second.

    Frames closer together than two hundredths are left out: browsers show those at a crawl.
    """

    def __init__(
        self, container: OutputContainer, name: str, info: StreamInfo, crf: int | None, warnings: list[str]
    ) -> None:
        super().__init__(container, name, info, crf, warnings)
        self.time_base = Fraction(1, 100)
        self._nominal = max(2, round(100 / (info.rate or 25)))
        self.stream.codec_context.time_base = self.stream.time_base = self.time_base

    def encode(self, frame: Frame) -> list[av.Packet[Any]]:
        hundredths = self.info.time_base * 100
        pts = round(frame.pts * hundredths)
        if self._last is not None and pts < self._last + 2:
            warn_once(self.warnings, "GIF shows 50 frames a second at most; frames in between are left out")
            return []
        duration = max(2, round(frame.duration * hundredths)) if frame.duration else None
        return super().encode(Frame(frame.image, pts, duration))

    def _converted(self, picture: av.VideoFrame) -> av.VideoFrame:
        from PIL import Image

        opaque = picture.to_ndarray()[..., 3] >= 128 if picture.format.name == "bgra" else None
        see_through = opaque is not None and not opaque.all()
        rgb = Image.fromarray(picture.to_ndarray(format="rgb24"))
        colors = rgb.quantize(255 if see_through else 256, Image.Quantize.FASTOCTREE)
        dithered = rgb.quantize(palette=colors, dither=Image.Dither.FLOYDSTEINBERG)
        chosen = np.asarray(dithered.getpalette("RGB"), np.uint8).reshape(-1, 3)
        palette = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
        palette[: len(chosen), 1:] = chosen
        numbers = np.asarray(dithered)
        if see_through:
            palette[255] = 0
            numbers = np.where(opaque, numbers, np.uint8(255))
        indexed: Any = numbers, palette
        return av.VideoFrame.from_ndarray(indexed, "pal8")


def usual_codec(codecs: Sequence[str], info: StreamInfo, crf: int | None) -> str:
    """Of `codecs`, the usual one first, which to write where the user does not say: one that keeps what
    `info.details` say of transparency and of more than 8 bits a channel, if there is one."""
    details = info.details
    bits, own = details.get("bits"), details.get("codec")
    choice: list[str] = []
    if details.get("alpha"):
        choice = [name for name in codecs if CODECS[name].alpha]
    elif isinstance(bits, int) and bits > 8:
        choice = [name for name in codecs if CODECS[name].deep]
        if own in codecs and (own == "prores" or own in choice):
            choice = [str(own)]
    if crf is not None:
        choice = [name for name in choice if CODECS[name].crf]
    return [*choice, *codecs][0]


def check_crf(name: str, crf: int | None) -> None:
    """Raises `UsageError` where `crf` means nothing to the codec or is off its scale."""
    if crf is None:
        return
    scale = CODECS[name].crf
    if scale is None:
        raise UsageError(f"{name} has no constant-quality scale; leave crf out")
    if not 0 <= crf <= scale[1]:
        raise UsageError(
            f"crf {crf} is off the scale of {name}: 0 (best) to {scale[1]} (worst), usually {scale[0]}"
        )
