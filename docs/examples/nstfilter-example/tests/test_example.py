"""Run after `pip install -e .`: what is tested is what users get, hooks and all."""

from __future__ import annotations

import numpy as np
import pytest

from nstfilter import (
    Frame,
    StreamInfo,
    StyleFilter,
    UsageError,
    open_model,
    open_segmenter,
    open_sink,
    open_source,
)
from nstfilter.testing import check_model, check_segmenter, check_sink, check_source


def test_the_plasma_moves_and_keeps_the_contract():
    frames = [frame.image.astype(int) for frame in open_source("plasma:0.2")]
    assert len(frames) == 5
    assert np.abs(frames[1] - frames[0]).mean() > 1
    check_source(open_source("plasma:0.2"))


@pytest.mark.parametrize("length", ["soon", "0", "-1", "nan", "1e9"])
def test_a_length_that_is_none_is_refused(length):
    with pytest.raises(UsageError, match="no length in seconds"):
        open_source(f"plasma:{length}")


def test_the_palette_holds_the_colors_that_were_written(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    path = folder / "colors.gpl"
    check_sink(lambda: open_sink(path), path)
    sink = open_sink(path, count=2)
    sink.open(StreamInfo(8, 8))
    image = np.full((8, 8, 3), (0, 0, 200), np.uint8)  # red, in BGR
    image[:2] = (200, 100, 0)
    sink.write(Frame(image))
    sink.close()
    assert path.read_text().splitlines()[4:] == ["200   0   0\t#c80000", "  0 100 200\t#0064c8"]


def test_the_gradient_keeps_the_contract_and_paints_in_the_styles_colors():
    check_model(open_model("gradient"))
    style = np.zeros((64, 64, 3), np.uint8)
    style[32:] = (40, 200, 250)
    paint = StyleFilter(style, model="gradient")
    painted = paint(np.array([[0, 255]], np.uint8).repeat(3).reshape(1, 2, 3))
    assert painted.tolist() == [[[0, 0, 0], [40, 200, 250]]]


def test_who_stands_before_a_green_screen_is_found():
    segmenter = open_segmenter("greenscreen")
    check_segmenter(segmenter)
    frame = np.full((90, 160, 3), (60, 200, 70), np.uint8)
    frame[30:, 60:100] = (120, 150, 210)
    mask = segmenter.find(frame)
    assert mask[60, 80] == 255
    assert mask[60, 20] == 0
    out = StyleFilter("mosaic", model="gradient", area="background", segmenter="greenscreen")(frame)
    assert np.array_equal(out[70, 80], frame[70, 80])
    assert not np.array_equal(out[60, 20], frame[60, 20])
