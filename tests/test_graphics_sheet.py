"""Contact sheets: every picture whole, in its place, with something written below."""

from __future__ import annotations

import numpy as np
import pytest

from nstfilter.graphics.sheet import BACKGROUND, contact_sheet

RED, GREEN = (0, 0, 255), (0, 255, 0)


def plain(width: int, height: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def test_the_sheet_holds_every_tile_in_rows() -> None:
    tiles = [(str(k), plain(64, 36, (k * 20, 0, 255))) for k in range(7)]
    sheet = contact_sheet(tiles, columns=3, tile=(64, 36), margin=10)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * (64 + 10) + 10
    rows = [y for y in range(sheet.shape[0]) if (sheet[y, 10] != BACKGROUND).any()]
    assert len(rows) == 3 * 36
    for k in range(7):
        y, x = rows[36 * (k // 3)] + 18, 10 + 74 * (k % 3) + 32
        assert tuple(sheet[y, x]) == (k * 20, 0, 255), k
    assert (sheet[rows[72] : rows[72] + 36, 10 + 74 :] == BACKGROUND).all(), "the last row has one tile"


def test_few_tiles_make_a_narrow_sheet() -> None:
    sheet = contact_sheet([("one", plain(64, 36, RED))], tile=(64, 36), margin=10)
    assert sheet.shape[1] == 64 + 20


@pytest.mark.parametrize(("width", "height"), [(36, 64), (640, 36), (5, 5), (300, 301)])
def test_pictures_are_fitted_whole_and_never_stretched(width: int, height: int) -> None:
    picture = plain(width, height, RED)
    picture[:, width // 2 :] = GREEN
    sheet = contact_sheet([("", picture)], tile=(120, 80), margin=8)
    shown = (sheet != BACKGROUND).any(axis=2)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    assert (columns.size, rows.size) in {(c, r) for c in (columns.size, 120) for r in (rows.size, 80)}
    assert max(columns.size / 120, rows.size / 80) == 1
    assert columns.size / rows.size == pytest.approx(
        width / height, rel=0.25 if min(width, height) < 40 else 0.02
    )
    middle = sheet[rows[rows.size // 2]]
    assert tuple(middle[columns[1]]) == RED
    assert tuple(middle[columns[-2]]) == GREEN


def test_names_are_written_below_and_stay_below() -> None:
    blank, named, long, foreign = (
        contact_sheet([(name, plain(64, 36, RED))], tile=(64, 36), margin=10)
        for name in ("", "wave", "a name much longer than its picture is wide", "Æther")
    )
    assert (named != blank).any()
    assert (foreign != blank).any()
    for sheet in (named, long, foreign):
        changed = np.argwhere((sheet != blank).any(axis=2))
        assert changed[:, 0].min() >= 10 + 36
        assert 10 <= changed[:, 1].min() <= changed[:, 1].max() < 10 + 64


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([])
    with pytest.raises(ValueError, match="one column"):
        contact_sheet([("a", plain(4, 4, RED))], columns=0)
