"""Pictures in and out: real files of every kind, and a chart that shows every swap, turn and mirroring."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import corpus
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin
from PIL.ExifTags import IFD, Base

from nstfilter.errors import MissingLibraryError, SinkError, SourceError, UnknownNameError, UsageError
from nstfilter.manager import manager, open_sink, open_source
from nstfilter.pipeline import run
from nstfilter.streams import Change, Frame, StreamInfo

pytestmark = pytest.mark.filterwarnings("error")  # nothing Pillow remarks may reach the terminal

# red, green, blue over yellow, white, black, 16 pixels a cell: no turn, mirroring or swap gives it again
COLORS = [[(0, 0, 255), (0, 255, 0), (255, 0, 0)], [(0, 255, 255), (255, 255, 255), (0, 0, 0)]]
CHART = np.array(COLORS, np.uint8).repeat(16, axis=0).repeat(16, axis=1)  # BGR, 32x48
LOSSLESS = [".png", ".tiff", ".tif", ".bmp"]
LOSSY = [".jpg", ".jpeg", ".webp", ".avif"]


def pil(bgr: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(bgr[..., [2, 1, 0, 3][: bgr.shape[2]]]))


def read(path: Path) -> np.ndarray:
    with open_source(path) as source:
        (frame,) = source
        assert frame.image.dtype == np.uint8
        assert frame.image.shape[:2] == (source.info.height, source.info.width)
        return frame.image


def remarks(path: Path) -> str:
    with open_source(path) as source:
        list(source)
        return "; ".join(source.warnings)


def info(image: np.ndarray, origin: Path | None = None) -> StreamInfo:
    return StreamInfo(image.shape[1], image.shape[0], frames=1, origin=origin)


def write(path: Path, image: np.ndarray, **options: object) -> list[str]:
    sink = open_sink(path, **options)
    sink.open(info(image))
    assert not path.exists() or options.get("overwrite")
    sink.write(Frame(image))
    sink.close()
    assert [p.name for p in path.parent.iterdir() if "partial" in p.name] == []
    return sink.warnings


def assert_close(image: np.ndarray, expected: np.ndarray, worst: int) -> None:
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= worst


def assert_chart(image: np.ndarray) -> None:
    """Whether the middles of the chart's cells have their colors: a lossy format blurs the edges."""
    assert_close(image[8::16, 8::16], np.array(COLORS), 12)


def patched_tiff(data: bytes, tag: int, old: int, new: int) -> bytes:
    before, after = struct.pack("<HHII", tag, 3, 1, old), struct.pack("<HHII", tag, 3, 1, new)
    assert data.count(before) == 1
    return data.replace(before, after)


# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".PNG"])
def test_lossless_pictures_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    pil(CHART).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}"), CHART)


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_pictures_are_read_in_the_right_colors(tmp_path: Path, suffix: str) -> None:
    pil(CHART).save(tmp_path / f"a{suffix}", quality=100)
    assert_chart(read(tmp_path / f"a{suffix}"))


def test_what_is_known_of_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pil(CHART).save(path)
    with open_source(path) as source:
        assert (source.info.width, source.info.height) == (48, 32)
        assert source.info.still
        assert source.info.frames == 1
        assert source.info.origin == path
        assert source.warnings == []


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    pil(CHART).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(read(tmp_path / "a.jpg"), CHART)


STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    lossless = {"lossless": True} if suffix == ".webp" else {"quality": 100, "subsampling": 0}
    pil(STORED[orientation](CHART)).save(path, exif=exif, **lossless)
    assert_close(read(path), CHART, 8)
    if suffix == ".jpg":
        assert_close(cv2.imread(str(path)), CHART, 8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_gray_is_read_as_bgr(tmp_path: Path, suffix: str) -> None:
    ramp = np.arange(0, 256, 8, dtype=np.uint8).repeat(8).reshape(1, -1).repeat(16, axis=0)
    Image.fromarray(ramp).save(tmp_path / f"a{suffix}", quality=100)
    assert_close(read(tmp_path / f"a{suffix}"), np.dstack([ramp] * 3), 2)


def test_one_bit_is_read_as_black_and_white(tmp_path: Path) -> None:
    bits = CHART[..., 2] > 0
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), np.dstack([bits * np.uint8(255)] * 3))


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    indexed = pil(CHART).quantize(6)
    indexed.save(tmp_path / "plain.png")
    np.testing.assert_array_equal(read(tmp_path / "plain.png"), CHART)

    red = int(np.asarray(indexed)[0, 0])
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:16, :16] = 0
    indexed.save(tmp_path / "index.png", transparency=red)
    np.testing.assert_array_equal(read(tmp_path / "index.png"), np.dstack([CHART, alpha]))

    alpha[:16, :16] = 77
    indexed.save(tmp_path / "table.png", transparency=bytes(77 if i == red else 255 for i in range(256)))
    np.testing.assert_array_equal(read(tmp_path / "table.png"), np.dstack([CHART, alpha]))


def test_a_transparent_color_and_gray_with_alpha(tmp_path: Path) -> None:
    pil(CHART).save(tmp_path / "key.png", transparency=(255, 0, 0))
    image = read(tmp_path / "key.png")
    np.testing.assert_array_equal(image[..., :3], CHART)
    np.testing.assert_array_equal(image[..., 3] == 0, (CHART == (0, 0, 255)).all(axis=2))

    Image.fromarray(np.dstack([CHART[..., 0], CHART[..., 1]]), "LA").save(tmp_path / "la.png")
    expected = np.dstack([CHART[..., 0]] * 3 + [CHART[..., 1]])
    np.testing.assert_array_equal(read(tmp_path / "la.png"), expected)


INKS = np.array(  # cyan, magenta, yellow, black
    [[(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0)], [(0, 0, 0, 0), (0, 0, 0, 255), (99, 0, 0, 99)]]
)
INKS = INKS.astype(np.uint8).repeat(16, axis=0).repeat(16, axis=1)
PRINTED = 255 - np.minimum(255, INKS[..., 2::-1].astype(int) * (255 - INKS[..., 3:]) // 255 + INKS[..., 3:])


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(INKS, "CMYK").save(tmp_path / f"a{suffix}", quality=100, subsampling=0)
    assert_close(read(tmp_path / f"a{suffix}"), PRINTED, 4)
    assert "CMYK" in remarks(tmp_path / f"a{suffix}")


def test_ycck(tmp_path: Path) -> None:
    """Nothing at hand writes YCCK: put luma, chroma and black into the four channels, and say so in the
    Adobe segment, where 2 stands for YCCK and 0 for CMYK."""
    luma = np.asarray(Image.fromarray(np.ascontiguousarray(INKS[..., :3])).convert("YCbCr"))
    channels = np.dstack([luma, 255 - INKS[..., 3]])
    encoded = io.BytesIO()
    Image.fromarray(255 - channels, "CMYK").save(encoded, "JPEG", quality=100, subsampling=0)
    data = bytearray(encoded.getvalue())
    data[data.index(b"Adobe") + 11] = 2
    (tmp_path / "a.jpg").write_bytes(data)
    assert_close(read(tmp_path / "a.jpg"), PRINTED, 8)
    assert_close(cv2.imread(str(tmp_path / "a.jpg")), PRINTED, 8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_become_eight(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), dtype=np.uint16)
    for image in (deep, deep[..., :3]):
        cv2.imwrite(str(path), image)
        assert_close(read(path), np.round(image / 257).astype(int), 1)
        assert "16 bits" in remarks(path)
    cv2.imwrite(str(path), deep[..., 0])
    np.testing.assert_array_equal(read(path), np.round(np.dstack([deep[..., 0]] * 3) / 257))
    assert "16 bits" in remarks(path)


def test_other_deep_tiffs_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    uncompressed = [cv2.IMWRITE_TIFF_COMPRESSION, 1]

    gray = cv2.imencode(".tif", deep[..., 0], uncompressed)[1].tobytes()
    path.write_bytes(patched_tiff(gray, Base.PhotometricInterpretation, 1, 0))
    np.testing.assert_array_equal(read(path)[..., 1], 255 - np.round(deep[..., 0] / 257))

    color = cv2.imencode(".tif", deep, uncompressed)[1].tobytes()
    path.write_bytes(patched_tiff(color, Base.PlanarConfiguration, 1, 2))
    with pytest.raises(SourceError, match="separate planes"):
        open_source(path)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pixels_that_cannot_be_painted_are_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (8, 8)).save(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=r"a\.tif has .* pixels; save it with 8 or 16 bits"):
        open_source(tmp_path / "a.tif")


def test_float_colors_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), CHART.astype(np.float32))
    with pytest.raises(SourceError, match="of a kind that is not read"):
        open_source(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_of_several_pictures_the_first_is_used(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    pil(CHART).save(path, save_all=True, append_images=[pil(CHART[::-1]), pil(255 - CHART)], lossless=True)
    with open_source(path, still=True) as source:
        (frame,) = source
        np.testing.assert_array_equal(frame.image[..., :3], CHART)
        assert "the first of its 3 pictures" in "; ".join(source.warnings)


# --- animations -----------------------------------------------------------------------------------------

MILLISECONDS = [40, 100, 1700, 33]


def animation(path: Path, alpha: bool = False, **options: object) -> list[np.ndarray]:
    images = [CHART, CHART[::-1], 255 - CHART, CHART[:, ::-1]]
    if alpha:
        see_through = np.tile(np.linspace(0, 255, CHART.shape[1]).astype(np.uint8), (CHART.shape[0], 1))
        images = [np.dstack([image, see_through]) for image in images]
    first, *rest = map(pil, images)
    how: dict[str, Any] = {"lossless": True, "exact": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=rest, duration=MILLISECONDS, **how, **options)
    return images


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("plays", [0, 1, 3])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_animations_are_painted_whole(tmp_path: Path, suffix: str, plays: int, alpha: bool) -> None:
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    images = animation(source, alpha, loop=plays)
    with open_source(source) as frames:
        assert (frames.info.frames, frames.info.still) == (4, False)
        report = run(
            frames,
            lambda image: 255 - image if image.shape[2] == 3 else image,
            open_sink(target, quality=100 if suffix == ".webp" else None),
        )
    assert [line for line in report.warnings if "quality" not in line] == []
    with Image.open(target) as painted:
        assert (painted.n_frames, painted.info["loop"]) == (4, plays)
        for number, image in enumerate(images):
            painted.seek(number)
            painted.load()
            assert painted.info["duration"] == pytest.approx(MILLISECONDS[number], abs=0.1)
            mode = "RGBA" if alpha else "RGB"
            shown = np.asarray(painted.convert(mode))[..., [2, 1, 0, 3][: len(mode)]].astype(int)
            expected = image if alpha else 255 - image
            if alpha:
                assert np.abs(shown[..., 3] - expected[..., 3]).max() <= 1
                shown, expected = (
                    shown[:, 24:, :3],
                    expected[:, 24:, :3],
                )  # lossy WebP makes up what is not seen
            assert np.abs(shown - expected).mean() <= (0 if suffix == ".png" else 8)


@pytest.mark.parametrize("claimed", [2, 1 << 30])
def test_an_animation_that_claims_other_pictures_than_it_has(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "a.png"
    animation(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"acTL")
    struct.pack_into(">L", data, place + 4, claimed)
    struct.pack_into(">L", data, place + 12, zlib.crc32(data[place : place + 12]))
    path.write_bytes(data)
    with open_source(path) as source:
        assert len(list(source)) == min(claimed, 4)
        (line,) = source.warnings
        assert isinstance(line, Change)
        assert line.startswith(f"it claims {claimed} pictures and has 4")


@pytest.mark.skipif(not corpus.AVAILABLE, reason=corpus.REASON)
def test_an_animated_png_is_one_to_ffmpeg_too(tmp_path: Path) -> None:
    animation(tmp_path / "a.png")
    run(open_source(tmp_path / "a.png"), np.copy, open_sink(tmp_path / "b.png", recipe="{}"))
    (tmp_path / "b.png").rename(tmp_path / "b.apng")
    times = [float(time) for time in corpus.times(tmp_path / "b.apng")]
    assert times == pytest.approx([0, 0.04, 0.14, 1.84], abs=0.001)
    assert corpus.pixels(tmp_path / "b.apng", "bgr24")[: CHART.size] == CHART.tobytes()


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webm"])
def test_an_animation_becomes_a_video_and_a_video_an_animation(tmp_path: Path, suffix: str) -> None:
    animation(tmp_path / "a.webp")
    run(open_source(tmp_path / "a.webp"), np.copy, open_sink(tmp_path / f"b{suffix}"))
    report = run(open_source(tmp_path / f"b{suffix}"), np.copy, open_sink(tmp_path / "c.webp"))
    assert report.frames == 4
    with open_source(tmp_path / "c.webp") as source:
        begins = [float(frame.pts * source.info.time_base) for frame in source]
    assert begins == pytest.approx([0, 0.04, 0.14, 1.84], abs=0.011)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_one_picture_of_an_animation_is_painted_where_there_is_room_for_one(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    animation(path)
    sink = open_sink(tmp_path / "b.tiff")
    report = run(open_source(path), np.copy, sink)
    assert (report.frames, sink.state) == (1, "closed")
    assert report.warnings == ["TIFF holds one picture: only the first of its 4 is kept"]
    assert isinstance(report.warnings[0], Change)
    with open_source(path) as source:
        np.testing.assert_array_equal(read(tmp_path / "b.tiff"), next(iter(source)).image[..., :3])


def test_an_animation_is_painted_whole_where_one_of_two_sinks_holds_it(tmp_path: Path) -> None:
    animation(tmp_path / "a.png")
    sinks = [open_sink(tmp_path / name) for name in ("b.bmp", "b.webp")]
    report = run(open_source(tmp_path / "a.png"), np.copy, sinks)
    assert (report.frames, [sink.state for sink in sinks]) == (4, ["closed", "closed"])
    with open_source(tmp_path / "a.png") as source, open_source(tmp_path / "b.webp") as whole:
        np.testing.assert_array_equal(read(tmp_path / "b.bmp"), next(iter(source)).image[..., :3])
        assert whole.info.frames == 4


def test_what_a_picture_is_can_be_told_without_decoding_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pil(CHART).save(path)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(path.read_bytes()[:60])  # its pixels are missing
    for each in (path, damaged):
        with open_source(each, describe=True) as source:
            assert (source.info.width, source.info.height) == CHART.shape[1::-1]
            assert source.info.still
    with pytest.raises(SourceError, match="there is no file"):
        open_source(tmp_path / "none.png", describe=True)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_an_animation_that_is_cut_short_gives_what_it_has(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3), np.uint8)
    first, *rest = map(pil, noise)
    first.save(path, save_all=True, append_images=rest, duration=40)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with suppress(SourceError), open_source(path) as source:  # one or the other
        assert len(list(source)) < 6
        assert source.warnings, "it is said that some are missing"


def test_an_animation_that_grows_too_large_for_webp_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    animation(tmp_path / "a.png")
    run(open_source(tmp_path / "a.png"), np.copy, open_sink(tmp_path / "whole.webp"))
    size = (tmp_path / "whole.webp").stat().st_size
    monkeypatch.setattr("nstfilter.plugins.image.animation.LARGEST_WEBP", size - 1)
    with pytest.raises(SinkError, match="would be larger than the 4 GB that a WebP can have, at 2 s") as told:
        run(open_source(tmp_path / "a.png"), np.copy, open_sink(tmp_path / "b.webp"))
    assert told.value.__notes__ == [f"the finished part is kept in {tmp_path / 'b.partial.webp'}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.partial.webp", "whole.webp"]
    with open_source(tmp_path / "b.partial.webp") as source:
        assert len(list(source)) == 3


@pytest.mark.parametrize("end", ["stopped", "full", "appeared"])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_of_an_animation_that_is_not_whole_the_pictures_so_far_are_kept(
    tmp_path: Path, suffix: str, end: str
) -> None:
    resource = pytest.importorskip("resource", reason="limits on file size need POSIX")
    animation(tmp_path / f"a{suffix}")
    (tmp_path / f"b.partial{suffix}").write_bytes(b"all that is left")
    with open_source(tmp_path / f"a{suffix}") as source:
        info, (*frames, last) = source.info, list(source)
    sink = open_sink(tmp_path / f"b{suffix}", recipe='{"style": "mosaic"}')
    sink.open(info)
    for frame in frames:
        sink.write(frame)
    if end == "appeared":
        (tmp_path / f"b{suffix}").write_bytes(b"precious")
        with pytest.raises(SinkError, match="exists"):
            sink.close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if end == "full":
            size = next(tmp_path.glob(".b*")).stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, limits[1]))
            noise = np.random.default_rng(0).integers(0, 256, CHART.shape, np.uint8)
            with pytest.raises(SinkError, match="is full"):
                sink.write(Frame(noise, last.pts, last.duration))
        kept = sink.abort()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept == tmp_path / f"b.partial2{suffix}"
    assert (tmp_path / f"b.partial{suffix}").read_bytes() == b"all that is left"
    with open_source(kept) as source:
        assert source.info.details["recipe"] == '{"style": "mosaic"}'
        assert [(frame.pts, frame.duration) for frame in source] == [(f.pts, f.duration) for f in frames]
        assert source.warnings == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert (tmp_path / f"b{suffix}").exists() == (end == "appeared")


@pytest.mark.parametrize("name", ["a.png", "%d.png"])
def test_transparency_that_a_video_has_no_room_for_is_said(tmp_path: Path, name: str) -> None:
    for number, image in enumerate(animation(tmp_path / "a.png", alpha=True)):
        pil(image).save(tmp_path / f"{number}.png")
    for target, lost in (("b.mp4", ["picture: its transparency is not in the result"]), ("b.webm", [])):
        with open_source(tmp_path / name) as source:
            assert open_sink(tmp_path / target).losses(source.info) == lost
            report = run(source, np.copy, open_sink(tmp_path / target))
        assert report.warnings == lost
        assert all(isinstance(line, Change) for line in report.warnings)


def test_sound_that_an_animation_cannot_hold_is_said(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "a.webp")
    info = StreamInfo(48, 32, rate=Fraction(25), details={"tracks": ["sound track 1 (deu)"]})
    assert sink.losses(info) == ["sound track 1 (deu) is left out: WEBP holds none"]


def test_the_previews_in_a_phones_jpeg_are_no_second_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    pil(CHART).save(path, format="MPO", save_all=True, append_images=[pil(CHART[::-1])], quality=100)
    assert_chart(read(path))
    assert remarks(path) == ""


# --- color profiles -------------------------------------------------------------------------------------

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_profile_that_is_srgb_but_for_rounding_changes_nothing(tmp_path: Path) -> None:
    almost, entry = bytearray(SRGB), SRGB.index(b"rXYZ")
    (where,) = struct.unpack_from(">I", SRGB, entry + 4)
    (x,) = struct.unpack_from(">i", SRGB, where + 8)
    struct.pack_into(">i", almost, where + 8, x + 40)  # of 65536
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    pil(noise).save(tmp_path / "a.png", icc_profile=bytes(almost))
    np.testing.assert_array_equal(read(tmp_path / "a.png"), noise)


def test_color_profiles_are_converted_to_srgb(tmp_path: Path) -> None:
    """With sRGB's red and blue primaries exchanged, pure red in the file is to be shown as blue."""
    exchanged = SRGB.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    picture = pil(np.dstack([CHART, CHART[..., 1]]))
    picture.save(tmp_path / "a.png", icc_profile=exchanged)
    assert_close(read(tmp_path / "a.png"), np.dstack([CHART[..., ::-1], CHART[..., 1]]), 2)
    assert remarks(tmp_path / "a.png") == ""


def test_a_gray_profile(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(1, -1).repeat(4, axis=0)
    gray = SRGB[:16] + b"GRAY" + SRGB[20:].replace(b"rTRC", b"kTRC")
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=gray)
    assert_close(read(tmp_path / "a.png"), np.dstack([ramp] * 3), 2)
    assert remarks(tmp_path / "a.png") == ""


def cmyk_profile() -> bytes:
    """A press whose cyan prints as a pure CIELAB red (L 50, a +60, b +40), whatever else is on the paper,
    whose black is black, and whose paper is white: an ICC.1:2001 lut8Type with two grid points an ink."""
    ramp = bytes(range(256))
    grid = b""
    for corner in range(16):
        cyan, black = corner & 8, corner & 1
        grid += bytes((0, 128, 128) if black else (128, 188, 168) if cyan else (255, 128, 128))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + grid + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = [(b"A2B0", lut + bytes(-len(lut) % 4)), (b"wtpt", white)]
    offset, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">2I", offset + len(body), len(data))
        body += data
    d50 = struct.pack(">3i", 63190, 65536, 54061)
    header = b"lcms" + struct.pack(">I", 0x02400000) + b"prtrCMYKLab " + bytes(12) + b"acsp" + bytes(28) + d50
    header = struct.pack(">I", offset + len(body)) + header
    return header + bytes(128 - len(header)) + table + body


def test_a_cmyk_profile(tmp_path: Path) -> None:
    inks = INKS.copy()
    inks[..., 1:3] = 0
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.jpg", quality=100, icc_profile=cmyk_profile())
    image = read(tmp_path / "a.jpg")
    assert remarks(tmp_path / "a.jpg") == "its CMYK colors are sRGB in the result"
    assert image[24, 8].min() >= 253  # paper
    assert image[24, 24].max() <= 5  # black
    blue, green, red = image[8, 8].astype(int)  # cyan
    assert red > 180
    assert max(blue, green) < 90


def test_a_profile_that_is_broken_or_for_other_colors_is_left_out(tmp_path: Path) -> None:
    for profile in (b"nonsense" * 20, cmyk_profile()):
        pil(CHART).save(tmp_path / "a.png", icc_profile=profile)
        np.testing.assert_array_equal(read(tmp_path / "a.png"), CHART)
        assert "profile is not used" in remarks(tmp_path / "a.png")


# --- what cannot be read ---------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SourceError) as caught:
            open_source(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("Dear diary,\nno picture today.\n")
    assert "there is no file" in refusal(tmp_path / "missing.png")
    assert "is a folder" in refusal(tmp_path / "folder.png")
    assert "is empty" in refusal(tmp_path / "empty.png")
    assert "is not a picture" in refusal(tmp_path / "text.jpg")
    assert "File name too long" in refusal(tmp_path / ("x" * 300 + ".png"))


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95])
def test_truncated_pictures_are_refused(tmp_path: Path, suffix: str, part: float) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pil(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert "is truncated" in refusal(path)


def png_header(width: int, height: int) -> bytes:
    whole = io.BytesIO()
    Image.new("1", (8, 8)).save(whole, "PNG")
    data = bytearray(whole.getvalue())
    data[16:24] = struct.pack(">2I", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_pictures_over_the_limit_are_refused_with_their_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(20_000, 20_000))
    assert "20000x20000 pixels, 400 million; at most 300 million" in refusal(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(png_header(17_000, 17_000))
    assert "is truncated" in refusal(tmp_path / "a.png")  # its size alone is no reason


def test_pillows_own_limit_is_put_back(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    pil(CHART).save(tmp_path / "a.png")
    threads = [threading.Thread(target=read, args=[tmp_path / "a.png"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refusal(tmp_path / "missing.png")
    assert before is not None
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.slow
def test_a_picture_of_a_hundred_megapixels_opens_without_a_murmur(tmp_path: Path) -> None:
    Image.new("1", (12_000, 8_334), 1).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(tmp_path / "a.png").shape == (8_334, 12_000, 3)


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of an ordinary user's, and that user's rights: root may read and write everything."""
    outer = Path(tempfile.mkdtemp(prefix="nstfilter-"))
    root = os.geteuid() == 0
    outer.chmod(0o777)
    if root:
        os.seteuid(65534)
    try:
        folder = outer / "mine"
        folder.mkdir()
        yield folder
        folder.chmod(0o700)
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(outer)


def test_forbidden_pictures_and_folders_are_refused(ordinary_user: Path) -> None:
    path = ordinary_user / "a.png"
    pil(CHART).save(path)
    path.chmod(0)
    assert "not allowed to read" in refusal(path)
    ordinary_user.chmod(0o555)
    with pytest.raises(SinkError, match="not allowed to write in"):
        open_sink(ordinary_user / "b.png").open(info(CHART))


# --- writing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_pictures_are_written_exactly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, CHART)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), CHART[..., ::-1])
    np.testing.assert_array_equal(cv2.imread(str(path)), CHART)
    write(path, CHART[..., 1], overwrite=True)
    with Image.open(path) as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), CHART[..., 1])


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_pictures_are_written_in_the_right_colors(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, CHART)
    assert_chart(cv2.imread(str(path)))


def test_views_are_written_as_they_look(tmp_path: Path) -> None:
    write(tmp_path / "a.png", CHART[::-1, ::2])
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), CHART[::-1, ::2])


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_quality(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sizes = []
    for quality in (1, 50, None, 100):
        write(tmp_path / f"{quality}{suffix}", noise, quality=quality)
        sizes.append((tmp_path / f"{quality}{suffix}").stat().st_size)
    assert sizes == sorted(set(sizes))
    if suffix == ".jpg":
        with Image.open(tmp_path / "None.jpg") as picture:
            assert JpegImagePlugin.get_sampling(picture) == 0  # 4:4:4


def test_requests_that_cannot_be_meant() -> None:
    for quality in (0, 101, -5):
        with pytest.raises(UsageError, match="from 1 to 100"):
            open_sink("a.jpg", quality=quality)
    for name in ("a.png", "a.bmp", "a.tiff"):
        assert "have no quality setting" in open_sink(name, quality=90).warnings[0]
    with pytest.raises(UsageError, match="not named like a picture"):
        open_sink("image:a.xyz")


def transparent() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 48, 4), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_survives_exactly(tmp_path: Path, suffix: str) -> None:
    image = transparent()
    image[:8, :, 3] = 0  # and the colors under it
    assert write(tmp_path / f"a{suffix}", image) == []
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}"), image)


def test_alpha_survives_in_webp(tmp_path: Path) -> None:
    image = np.dstack([CHART, transparent()[..., 3]])
    assert write(tmp_path / "a.webp", image) == []
    np.testing.assert_array_equal(read(tmp_path / "a.webp")[..., 3], image[..., 3])


def test_where_there_is_no_alpha_the_picture_is_put_on_white(tmp_path: Path) -> None:
    image = transparent()
    (warning,) = write(tmp_path / "a.bmp", image)
    assert "white" in warning
    alpha = image[..., 3:] / 255
    assert_close(cv2.imread(str(tmp_path / "a.bmp")), np.round(image[..., :3] * alpha + 255 * (1 - alpha)), 1)
    (warning,) = write(tmp_path / "a.jpg", np.dstack([CHART, np.zeros_like(CHART[..., 0])]))
    assert "white" in warning
    assert cv2.imread(str(tmp_path / "a.jpg")).min() == 255

    opaque = np.dstack([CHART, np.full_like(CHART[..., 0], 255)])
    assert write(tmp_path / "b.bmp", opaque) == []
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "b.bmp")), CHART)


@pytest.mark.parametrize(
    "name", ["mein Bild.png", "絵画🎨.png", "Ünï côde.jpg", "n" * 251 + ".png", "é" * 125 + ".webp"]
)
def test_names_of_all_kinds(tmp_path: Path, name: str) -> None:
    folder = tmp_path / ("deep " * 20) / ("and deeper " * 20)
    folder.mkdir(parents=True)
    write(folder / name, CHART)
    assert read(folder / name).shape == CHART.shape


def sink_refusal(path: Path, image: np.ndarray = CHART, origin: Path | None = None, **options: object) -> str:
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else None
    with pytest.raises(SinkError) as caught:
        open_sink(path, **options).open(info(image, origin))
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else None) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_targets_that_cannot_be_written_are_refused_on_opening(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"precious")
    (tmp_path / "folder.png").mkdir()
    assert "there.png exists" in sink_refusal(tmp_path / "there.png")
    assert "is a folder" in sink_refusal(tmp_path / "folder.png", overwrite=True)
    assert f"there is no folder {tmp_path / 'no'}" in sink_refusal(tmp_path / "no" / "a.png")
    assert "there is no folder" in sink_refusal(tmp_path / "there.png" / "a.png")
    assert "File name too long" in sink_refusal(tmp_path / ("x" * 300 + ".png"))
    assert "JPEG, which ends at 65535" in sink_refusal(tmp_path / "a.jpg", np.empty((1, 65536, 3), np.uint8))
    assert "WEBP, which ends at 16383" in sink_refusal(tmp_path / "a.webp", np.empty((16384, 1), np.uint8))
    same = sink_refusal(tmp_path / "there.png", origin=tmp_path / "there.png", overwrite=True)
    assert "is the picture being read" in same
    assert (tmp_path / "there.png").read_bytes() == b"precious"


def test_overwriting_keeps_the_old_picture_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(path, CHART)
    sink = open_sink(path, overwrite=True)
    sink.open(info(CHART))
    sink.write(Frame(255 - CHART))
    np.testing.assert_array_equal(read(path), CHART)
    sink.close()
    np.testing.assert_array_equal(read(path), 255 - CHART)


def opened(path: Path) -> object:
    sink = open_sink(path)
    sink.open(info(CHART))
    return sink


def test_a_second_frame_is_refused(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.png")
    sink.write(Frame(CHART))
    with pytest.raises(SinkError, match="one picture and a second one came"):
        sink.write(Frame(CHART))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_what_the_encoder_cannot_do_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("encoder error -2 when writing image file")

    monkeypatch.setattr(Image.Image, "save", fails)
    sink = open_sink(tmp_path / "a.avif")
    sink.open(info(CHART))
    with pytest.raises(SinkError, match=r"a\.avif cannot be encoded as AVIF with 48x32 pixels; .* error -2"):
        sink.write(Frame(CHART))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_no_frame_at_all_is_an_error(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.png")
    with pytest.raises(SinkError, match="no picture came"):
        sink.close()
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.png")
    sink.write(Frame(CHART))
    (tmp_path / "a.png").write_bytes(b"precious")
    with pytest.raises(SinkError, match="exists"):
        sink.close()
    sink.abort()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"precious"


def test_ctrl_c_while_encoding_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    pil(CHART).save(tmp_path / "in.png")
    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(open_source(tmp_path / "in.png"), np.copy, open_sink(tmp_path / "out.png"))
    assert [p.name for p in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.bmp")
    full = pytest.raises(SinkError, match=r"the disk that holds .* is full; a\.bmp needs 0\.1 MB")
    with sink._new.file, Path("/dev/full").open("wb", buffering=0) as sink._new.file, full:
        sink.write(Frame(np.zeros((200, 200, 3), np.uint8)))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


# --- tags ------------------------------------------------------------------------------------------------


def tagged(path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    exif[Base.Artist] = "Lumière".encode()
    exif[Base.DateTime] = "1895:03:22 12:00:00"
    exif[IFD.Exif] = {
        Base.DateTimeOriginal: "1895:03:19 12:00:00",
        Base.MakerNote: b"secret" * 9,
        Base.ExifImageWidth: 32,
    }
    exif[IFD.GPSInfo] = {1: "N", 2: (45.0, 44.0, 42.0)}
    whole = {"tiffinfo": dict(exif)} if path.suffix == ".tif" else {"exif": exif.tobytes()}
    pil(STORED[6](CHART)).save(path, dpi=(300, 300), **whole)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("original", [".jpg", ".tif"])
def test_date_camera_place_and_resolution_are_kept(tmp_path: Path, original: str, suffix: str) -> None:
    tagged(tmp_path / f"in{original}")
    path = tmp_path / f"out{suffix}"
    run(open_source(tmp_path / f"in{original}"), np.copy, open_sink(path))
    with Image.open(path) as picture:
        assert picture.size == (48, 32)
        tags = picture.getexif()
        assert tags[Base.Artist].encode("latin-1").decode() == "Lumière"
        assert tags[Base.DateTime] == "1895:03:22 12:00:00"
        assert tags.get(Base.Orientation, 1) == 1
        camera = tags.get_ifd(IFD.Exif)
        assert camera[Base.DateTimeOriginal] == "1895:03:19 12:00:00"
        assert {Base.MakerNote, Base.ExifImageWidth} & set(camera) == set()
        assert tags.get_ifd(IFD.GPSInfo)[1] == "N"
        if suffix != ".webp":  # has no place for it
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert_chart(read(path))


def test_broken_tags_do_not_cost_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    tagged(path)
    whole, start = path.read_bytes(), path.read_bytes().index(b"Exif\0\0") + 6
    random = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for where in random.integers(start, start + 120, 4):
            data[where] = random.integers(256)
        path.write_bytes(data)
        run(open_source(path), np.copy, open_sink(tmp_path / "out.jpg", overwrite=True))


RECIPE = '{"style": "kätz & <chen>.jpg", "command": "nstfilter apply \'a b\'", "x": "\\n"}'


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_recipe_is_carried_beside_the_tags(tmp_path: Path, suffix: str) -> None:
    tagged(tmp_path / "in.jpg")
    path = tmp_path / f"out{suffix}"
    run(open_source(tmp_path / "in.jpg"), np.copy, open_sink(path, recipe=RECIPE))
    with open_source(path) as source:
        assert source.info.details["recipe"] == RECIPE
    with Image.open(path) as picture:  # as others see it: an XMP packet that is proper XML
        description = ElementTree.fromstring(picture.info["xmp"].decode()).find(".//{*}Description")
        assert [(element.tag, element.text) for element in description] == [
            ("{urn:nstfilter:xmp/1.0/}recipe", RECIPE)
        ]
        assert picture.getexif()[Base.Artist].encode("latin-1").decode() == "Lumière"
    # what is painted from a painting has another recipe, or none
    run(open_source(path), np.copy, open_sink(tmp_path / "again.png"))
    assert "recipe" not in open_source(tmp_path / "again.png").info.details


def test_a_bmp_has_no_room_for_a_recipe(tmp_path: Path) -> None:
    assert write(tmp_path / "a.bmp", CHART, recipe=RECIPE) == []
    assert "recipe" not in open_source(tmp_path / "a.bmp").info.details


def test_a_recipe_does_not_change_the_picture(tmp_path: Path) -> None:
    write(tmp_path / "with.png", CHART, recipe=RECIPE)
    np.testing.assert_array_equal(read(tmp_path / "with.png"), CHART)


# --- the door --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sources", "sinks"])
def test_who_is_claimed(kind: str) -> None:
    registry = getattr(manager(), kind)
    for target in ("a.png", "b.JPG", "c d.jpeg", "/x/é.webp", "a.b.TIFF", "t.tif", "x.bmp", "image:whatever"):
        assert registry.resolve(target)[0].name == "image"
    for target in ("a.gif", "a.mp4", "png"):
        with suppress(UnknownNameError):
            assert registry.resolve(target)[0].name != "image"


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = "import sys, nstfilter.plugins.image; print({'PIL', 'numpy', 'cv2'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_a_live_run_is_no_picture(tmp_path):
    sink = open_sink(tmp_path / "a.png")
    with pytest.raises(SinkError, match="a live run has many"):
        sink.open(StreamInfo(64, 48, live=True))
    assert list(tmp_path.iterdir()) == []


# --- wide gamut, and formats of today --------------------------------------------------------------------

# the primaries in XYZ, adapted to D50, and gamma
SPACES = {
    "Display P3": ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407), 2.2),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.2),
    "ProPhoto": ((0.7977, 0.288, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249), 1.8),
}


def wide_profile(space: str) -> bytes:
    """A profile of ICC.1:2001 with a matrix and a gamma."""
    *primaries, gamma = SPACES[space]

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = space.encode() + b"\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": desc + bytes(-len(desc) % 4), b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    tags |= {key: xyz(values) for key, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    place, table, data = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">II", place + len(data), len(value))
        data += value
    head = struct.pack(
        ">I4sI4s4s4s", 128 + len(table) + len(data), b"", 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    head = head + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    return head + bytes(128 - len(head)) + table + data


def lab(picture: Image.Image) -> np.ndarray:
    """In CIE L*a*b*, by the picture's own profile."""
    own = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    to_lab = ImageCms.buildTransform(own, ImageCms.createProfile("LAB"), "RGB", "LAB")
    raw = np.asarray(ImageCms.applyTransform(picture.convert("RGB"), to_lab)).astype(float)
    return np.stack([raw[..., 0] / 2.55, *((raw[..., n] + 128) % 256 - 128 for n in (1, 2))], -1)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp", ".avif", ".jpg"])
def test_wide_colors_come_back_in_their_own_space(tmp_path: Path, space: str, suffix: str) -> None:
    colors = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    Image.fromarray(colors).save(tmp_path / "a.png", icc_profile=wide_profile(space))
    out = tmp_path / f"b{suffix}"
    with open_source(tmp_path / "a.png") as source:
        report = run(source, lambda image: image, open_sink(out, quality=100))
    assert not [line for line in report.warnings if isinstance(line, Change)]
    with Image.open(out) as result, Image.open(tmp_path / "a.png") as original:
        assert result.info["icc_profile"] == wide_profile(space)
        difference = np.linalg.norm(lab(result) - lab(original), axis=-1)
    inner = difference.reshape(6, 16, 8, 16)[:, 4:12, :, 4:12]
    assert np.median(inner) < 2, "what the coding of the file costs"
    if suffix in (".png", ".tiff"):
        assert difference.max() == 0


def test_a_painting_in_a_wide_space_looks_as_it_does_in_srgb(tmp_path: Path) -> None:
    profile = wide_profile("Display P3")
    red, painted = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), (200, 60, 20), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(tmp_path / "a.png", icc_profile=profile)
    with open_source(tmp_path / "a.png") as source:
        assert np.abs(next(iter(source)).image[0, 0].astype(int) - (0, 0, 255)).max() < 12, "clipped to sRGB"
    with open_source(tmp_path / "a.png") as source:
        run(source, lambda image: painted, open_sink(tmp_path / "b.png"))
    again = read(tmp_path / "b.png")
    assert np.abs(again.astype(int) - painted).max() <= 2


def test_bmp_has_no_room_for_a_profile_and_that_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png", icc_profile=wide_profile("Adobe RGB"))
    with open_source(tmp_path / "a.png") as source:
        report = run(source, lambda image: image, open_sink(tmp_path / "b.bmp"))
    assert [line for line in report.warnings if isinstance(line, Change)] == [
        "BMP has no color profiles; the result is sRGB"
    ]


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra 'heic'")
    rgb = np.ascontiguousarray(CHART.repeat(3, 0).repeat(3, 1)[..., ::-1])
    heif.from_bytes(mode="RGB", size=rgb.shape[1::-1], data=rgb.tobytes()).save(
        tmp_path / "a.heic", quality=95
    )
    found = read(tmp_path / "a.heic")[24::48, 24::48].astype(int)
    assert np.abs(found - CHART[8::16, 8::16]).max() < 12


def test_heic_without_its_library_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(MissingLibraryError, match=r'pip install "nstfilter\[heic\]"'):
        open_source(tmp_path / "a.heic")


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_what_is_made_of_a_private_picture_is_private(tmp_path: Path) -> None:
    for mode, expected in ((0o600, 0o600), (0o644, 0o666)):
        source, out = tmp_path / f"{mode}.png", tmp_path / f"{mode}-out.png"
        pil(CHART).save(source)
        source.chmod(mode)
        with open_source(source) as frames:
            run(frames, lambda image: image, open_sink(out))
        umask = os.umask(0)
        os.umask(umask)
        assert out.stat().st_mode & 0o777 == expected & ~umask
