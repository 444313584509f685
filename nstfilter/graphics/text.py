"""Text in pictures, in any script that this computer has the letters for.

OpenCV 5 brings fonts for Latin, Greek, Cyrillic and CJK. It writes Arabic and Hebrew backwards and has no
letters for Thai, Devanagari and others; lines with those are drawn by Pillow, in a font of the system.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import cache, lru_cache
from typing import Protocol

import numpy as np

from nstfilter.graphics.opencv import cv2

# in units of the letters' size: height of a line, of its baseline below its top, of a capital
LINE, BASELINE, CAPITAL = 1.4, 1.05, 0.7
REGULAR = 400  # the weight; OpenCV's own default is a thin 300, and its Greek always 400
SMALLEST = 4  # pixels
# of the system's fonts, those with many scripts; beside them, the Noto fonts are looked for by script
FONTS = ("DejaVuSans.ttf", "segoeui.ttf", "LeelawUI.ttf", "Nirmala.ttc", "Nirmala.ttf", "Arial Unicode.ttf")

# an overlay: how much of the picture's light shows through, and the letters and the margin as shares of the
# picture's height
DIMMED = 0.35
OVERLAY_SIZE, OVERLAY_LEAST, OVERLAY_MARGIN = 1 / 34, 14, 1 / 72


def missing(text: str) -> str:
    """The letters of `text` that cannot be drawn here, each once; in the picture there is a ? for each."""
    return "".join(dict.fromkeys(letter for line in _lines(text) for letter in _best(line)[1]))


def text_width(line: str, size: int) -> int:
    """How many pixels wide one line is in letters of `size` pixels."""
    return line_mask(line, size).shape[1]


def line_mask(line: str, size: int) -> np.ndarray:
    """One line in letters of `size` pixels, in a font's measure: HxW uint8, 255 where the ink covers a pixel
    whole. H is `LINE` times `size`, the baseline is `BASELINE` times `size` below the top, and W is what the
    text needs. Not to be written to."""
    return _drawn("".join(_lines(line)), max(SMALLEST, size))


def draw_text(
    image: np.ndarray, line: str, at: tuple[int, int], size: int, color: tuple[int, int, int]
) -> None:
    """Write one line on `image` (HxWx3 BGR uint8), in place; what lies beyond its edges is cut off.

    `at`     x of the line's left end and y of its baseline, in pixels
    `size`   of the letters, as in `line_mask`
    `color`  BGR
    """
    x, y = at[0], at[1] - round(BASELINE * max(SMALLEST, size))
    left, top = max(0, x), max(0, y)
    ink = line_mask(line, size)[top - y :, left - x :]
    area = image[top : top + ink.shape[0], left : left + ink.shape[1]]
    share = ink[: area.shape[0], : area.shape[1], None] / np.float32(255)
    area[:] = np.rint(area + (np.array(color, np.float32) - area) * share)


def draw_overlay(image: np.ndarray, lines: tuple[str, ...]) -> None:
    """Write `lines` in white on a darkened plate in the upper left of `image` (HxWx3 BGR uint8), in place;
    what does not fit is cut off."""
    if not lines:
        return
    plate = _plate(lines, max(OVERLAY_LEAST, round(image.shape[0] * OVERLAY_SIZE)))
    edge = round(image.shape[0] * OVERLAY_MARGIN)
    below = image[edge : edge + plate.shape[0], edge : edge + plate.shape[1]]
    dimmed = cv2.convertScaleAbs(below, alpha=DIMMED)
    below[:] = np.maximum(dimmed, plate[: below.shape[0], : below.shape[1]])


@lru_cache(maxsize=4)  # the text changes now and then, the picture thirty times a second
def _plate(lines: tuple[str, ...], size: int) -> np.ndarray:
    """HxWx3 uint8: white letters on black."""
    masks = [line_mask(line, size) for line in lines]
    inset = size // 2
    plate = np.zeros((sum(map(len, masks)) + inset, max(m.shape[1] for m in masks) + 2 * inset), np.uint8)
    top = inset // 2
    for mask in masks:
        plate[top : top + mask.shape[0], inset : inset + mask.shape[1]] = mask
        top += mask.shape[0]
    return cv2.cvtColor(plate, cv2.COLOR_GRAY2BGR)


def _lines(text: str) -> list[str]:
    """`text` as it is drawn: letters and accents composed, control characters as spaces, and no selectors
    between forms of an emoji. Lone surrogates, of names that are not UTF-8, crash OpenCV."""
    text = unicodedata.normalize("NFC", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    text = re.sub("[\ufe00-\ufe0f]", "", text)
    return [re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", line) for line in text.splitlines()]


# -- fonts --


class _Font(Protocol):
    def has(self, letter: str) -> bool: ...

    def draw(self, line: str, size: int) -> np.ndarray:
        """See `line_mask`."""
        ...


class _OpenCVFont:
    """The fonts inside OpenCV 5."""

    def has(self, letter: str) -> bool:
        if unicodedata.bidirectional(letter) in ("R", "AL", "AN"):
            return False
        return letter == "?" or not np.array_equal(self.draw(letter, 24), self.draw("?", 24))

    def draw(self, line: str, size: int) -> np.ndarray:
        font = cv2.FontFace("sans")
        left, _, wide, _ = cv2.getTextSize((0, 0), line, (0, 0), font, size, REGULAR)
        mask = np.zeros((round(LINE * size), max(1, left + wide)), np.uint8)
        cv2.putText(mask, line, (0, round(BASELINE * size)), 255, font, size, REGULAR)
        return mask


class _PillowFont:
    """A font file of the system, by its name; Pillow's own, of ASCII letters, where `name` is None. Raises
    `OSError` where there is none of this name."""

    def __init__(self, name: str | None) -> None:
        from PIL import ImageFont, features

        font = ImageFont.truetype(name, 24) if name else ImageFont.load_default(24)
        assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
        self._font = font
        # one glyph for each letter, as the font has it: Raqm would put accents on a dotted circle
        self._glyphs = self._font.font_variant(layout_engine=ImageFont.Layout.BASIC)
        # without FriBidi Pillow writes from left to right
        self._any_direction = features.check("raqm") and features.check("fribidi")
        self._none = self._image("\U0010ffff")

    def has(self, letter: str) -> bool:
        if unicodedata.bidirectional(letter) in ("R", "AL", "AN") and not self._any_direction:
            return False
        return self._image(letter) != self._none

    def _image(self, letter: str) -> tuple[object, bytes]:
        mask = self._glyphs.getmask(letter)
        return mask.size, bytes(mask)

    def draw(self, line: str, size: int) -> np.ndarray:
        from PIL import Image, ImageDraw

        font = self._font.font_variant(size=size)
        image = Image.new("L", (max(1, math.ceil(font.getlength(line))), round(LINE * size)))
        ImageDraw.Draw(image).text((0, round(BASELINE * size)), line, 255, font, anchor="ls")
        return np.asarray(image)


@cache
def _font(name: str | None) -> _Font | None:
    """That of the system's fonts, where it is installed."""
    try:
        return _PillowFont(name)
    except OSError:
        return None


def _fonts(line: str) -> list[_Font]:
    """Those that may have the letters of `line`, the first to be preferred."""
    scripts = dict.fromkeys(unicodedata.name(letter, "").partition(" ")[0].title() for letter in line)
    noto = ["NotoSans-Regular.ttf", *(f"NotoSans{script}-Regular.ttf" for script in scripts if script)]
    return [font for name in [*FONTS, *noto, None] if (font := _font(name))]


@lru_cache(maxsize=64)
def _best(line: str) -> tuple[_Font, tuple[str, ...]]:
    """The font that lacks the fewest letters of `line`, and those."""
    letters = dict.fromkeys(x for x in line if not x.isspace() and unicodedata.category(x) != "Cf")
    fonts: list[_Font] = [_OpenCVFont()] if hasattr(cv2, "FontFace") else []
    for font in fonts:
        if all(map(font.has, letters)):
            return font, ()
    found = [(font, tuple(x for x in letters if not font.has(x))) for font in [*fonts, *_fonts(line)]]
    return min(found, key=lambda pair: len(pair[1]))


@lru_cache(maxsize=64)
def _drawn(line: str, size: int) -> np.ndarray:
    font, lacking = _best(line)
    mask = font.draw("".join("?" if letter in lacking else letter for letter in line), size)
    mask.setflags(write=False)
    return mask
