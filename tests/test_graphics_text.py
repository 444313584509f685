"""Text in pictures: every script that there are letters for, and the truth about those there are none for."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nstfilter.graphics import text as texts
from nstfilter.graphics.opencv import cv2
from nstfilter.graphics.text import (
    BASELINE,
    DIMMED,
    LINE,
    draw_overlay,
    draw_text,
    line_mask,
    missing,
    text_width,
)

needs_opencv_5 = pytest.mark.skipif(
    not hasattr(cv2, "FontFace"), reason="before OpenCV 5 there are no fonts in it"
)
IMAGE = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)

SENTENCES = {
    "Latin": "Back in a moment, Žluťoučký ÆØ ß ở",
    "Greek": "Επιστρέφω σε λίγο",
    "Cyrillic": "Скоро вернусь, Ґанок",
    "Japanese": "少々お待ちください",
    "Chinese": "请稍候",
    "Korean": "곧 돌아오겠습니다",
}
RIGHT_TO_LEFT = {"Arabic": "سأعود قريبا", "Hebrew": "אחזור בקרוב"}


def glyph(letter: str) -> bytes:
    return line_mask(letter, 24).tobytes()


@pytest.fixture
def only(monkeypatch):
    """Pretends that these of the system's fonts are all there is."""

    def only(*names):
        real = texts._font.__wrapped__
        monkeypatch.setattr(
            texts, "_font", lambda name: real(name) if name in names or name is None else None
        )
        for memory in (texts._best, texts._drawn):
            memory.cache_clear()

    yield only
    for memory in (texts._best, texts._drawn):
        memory.cache_clear()


@needs_opencv_5
@pytest.mark.parametrize("script", SENTENCES)
def test_opencv_has_the_letters_of_most_scripts(script, only):
    only()
    sentence = SENTENCES[script]
    assert missing(sentence) == ""
    letters = {letter for letter in sentence if not letter.isspace()}
    assert all(glyph(letter) != glyph("?") for letter in letters)
    assert len({glyph(letter) for letter in letters}) == len(letters), "each letter looks its own way"


@needs_opencv_5
def test_what_nothing_can_draw_is_named_once_and_shown_as_a_question_mark(only):
    only()
    assert missing("wave 🎨 น 🎨") == "🎨น"
    assert np.array_equal(line_mask("a🎨b", 30), line_mask("a?b", 30))
    assert missing("why? a-b 100 %") == ""


@needs_opencv_5
@pytest.mark.parametrize("script", RIGHT_TO_LEFT)
def test_without_a_font_for_it_text_from_right_to_left_is_missing_and_never_drawn_backwards(script, only):
    only()
    sentence = RIGHT_TO_LEFT[script]
    assert set(missing(sentence)) == set(sentence) - {" "}


@pytest.mark.parametrize("script", RIGHT_TO_LEFT)
def test_text_from_right_to_left_begins_at_the_right(script):
    sentence = RIGHT_TO_LEFT[script]
    if missing(sentence):
        pytest.skip(f"no font of this system has {script} letters, or Pillow lacks FriBidi")
    whole, first = line_mask(sentence, 40), line_mask(sentence.split()[0], 40)
    assert np.abs(whole[:, -first.shape[1] + 4 :].astype(int) - first[:, 4:]).mean() < 12
    assert np.abs(whole[:, : first.shape[1] - 4].astype(int) - first[:, 4:]).mean() > 20


@pytest.mark.parametrize("line", ["e\u0301", "✓\ufe0f", "a\u200db"])
def test_accents_and_joiners_are_no_letters_of_their_own(line):
    assert not set(missing(line)) & {"\u0301", "\ufe0f", "\u200d"}
    assert np.array_equal(line_mask("e\u0301", 30), line_mask(unicodedata.normalize("NFC", "e\u0301"), 30))


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\x1b[31m", "a\tb", "\udcff", "a\ud800b", "\r\n", "\u2028", "\U0010ffff"]
)
def test_nothing_that_can_be_typed_breaks_it(text):
    missing(text)
    draw_text(IMAGE.copy(), text, (4, 40), 20, (0, 0, 0))


def test_before_opencv_5_there_is_pillow(monkeypatch, only):
    monkeypatch.delattr(cv2, "FontFace", raising=False)
    only()
    assert missing("Back in a moment") == ""
    assert missing("wâve 波") == "â波"
    assert np.array_equal(line_mask("wâve", 30), line_mask("w?ve", 30))
    assert line_mask("Back", 30).max() == 255


@pytest.mark.parametrize("size", [9, 13, 30, 111])
def test_every_line_is_as_tall_and_stands_on_the_same_baseline(size):
    for line in ("H", "Hg", "Ầ", "波", ""):
        mask = line_mask(line, size)
        assert mask.shape == (round(LINE * size), text_width(line, size))
    rows = np.flatnonzero(line_mask("HHH", size).max(axis=1) > 127)
    assert rows[-1] + 1 == pytest.approx(BASELINE * size, abs=1.5)
    assert rows.size == pytest.approx(0.7 * size, abs=0.06 * size + 1)


def test_longer_text_is_wider_and_all_of_it_is_there():
    assert text_width("wave", 30) < text_width("wave at night", 30) < text_width("wave at night", 40)
    mask = line_mask("HIIH", 60)
    columns = np.flatnonzero(mask.max(axis=0) > 127)
    assert columns[0] < 10
    assert columns[-1] > mask.shape[1] - 10
    assert mask[:, -1].max() < 255, "nothing is cut off at the right"


def test_text_is_drawn_in_its_color_and_place():
    image = np.zeros((60, 200, 3), np.uint8)
    draw_text(image, "HHH", (20, 50), 40, (10, 200, 90))
    rows, columns = np.nonzero(image[:, :, 1] > 100)
    assert (rows.max(), columns.min()) == (pytest.approx(49, abs=1), pytest.approx(23, abs=4))
    assert tuple(image[rows[5], columns[5]]) == pytest.approx((10, 200, 90), abs=90)
    assert image.reshape(-1, 3).max(axis=0).tolist() == [10, 200, 90]


@pytest.mark.parametrize("at", [(-30, 20), (300, 20), (10, 5), (10, 190), (-999, 20), (10, -999), (999, 999)])
def test_what_lies_beyond_the_edges_is_cut_off(at):
    large = np.zeros((180 + 400, 320 + 400, 3), np.uint8)
    small = np.zeros((180, 320, 3), np.uint8)
    draw_text(small, "Back in a moment", at, 30, (255, 255, 255))
    draw_text(large, "Back in a moment", (at[0] + 200, at[1] + 200), 30, (255, 255, 255))
    assert np.array_equal(small, large[200:380, 200:520])


def test_threads_may_draw_at_once():
    words = [f"{word} {number}" for number in range(6) for word in ("wave", "Σήμερα", "波")]
    before = [line_mask(word, 31).copy() for word in words]
    texts._drawn.cache_clear()
    with ThreadPoolExecutor(6) as pool:
        after = list(pool.map(lambda word: line_mask(word, 31), words))
    assert all(map(np.array_equal, before, after))


def test_the_overlay_is_light_on_dark_whatever_lies_below():
    for level in (0, 128, 255):
        image = np.full((360, 640, 3), level, np.uint8)
        draw_overlay(image, ("wave   strength 100 %",))
        changed = image != level if level else image > 0
        rows, columns = np.nonzero(changed.any(axis=2))
        plate = image[rows.min() : rows.max(), columns.min() : columns.max()]
        assert plate.max() == 255
        assert np.median(plate) <= 255 * DIMMED + 1
        assert rows.max() < 60
        assert columns.max() < 320


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 9, 3), (90, 20, 3)])
def test_an_overlay_that_does_not_fit_is_cut_off(shape):
    draw_overlay(np.zeros(shape, np.uint8), ("a long line of text",) * 20)


def test_no_lines_are_no_plate():
    image = IMAGE.copy()
    draw_overlay(image, ())
    assert np.array_equal(image, IMAGE)
