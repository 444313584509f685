"""`nstfilter score`, with the real model and real files."""

from __future__ import annotations

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from nstfilter import StyleFilter, open_sink, run
from nstfilter.cli.app import build_app
from nstfilter.errors import UsageError
from nstfilter.testing import MemorySource

pytestmark = pytest.mark.slow


@pytest.fixture
def score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        return CliRunner().invoke(build_app(), ["score", *words])

    return call


def scene(shift=0):
    noise = np.random.default_rng(4).integers(0, 256, (9, 20, 3), np.uint8)
    return np.ascontiguousarray(
        cv2.resize(noise, (320, 144), interpolation=cv2.INTER_CUBIC)[:, shift : shift + 256]
    )


def test_a_painting_is_nearer_to_its_style_than_the_picture_was(score):
    cv2.imwrite("plain.png", scene())
    cv2.imwrite("painted.png", StyleFilter("mosaic")(scene()))
    same = json.loads(score("plain.png", "mosaic", "plain.png", "--json").stdout)
    painted = json.loads(score("plain.png", "mosaic", "painted.png", "--json").stdout)
    assert same["style_score"] == 0
    assert sum(same["content_loss"].values()) == 0
    assert painted["style_score"] > 0.2
    assert sum(painted["style_loss"].values()) < sum(same["style_loss"].values())
    content, style = sum(painted["content_loss"].values()), painted["style_loss"].values()
    assert painted["total_loss"] == pytest.approx(content + 1000 * sum(style) / len(style))
    assert "flicker" not in painted


@pytest.mark.slow
def test_videos_flicker(score):
    frames = [scene(shift) for shift in range(12)]
    run(MemorySource(frames, rate=Fraction(25)), lambda image: image, open_sink("plain.mp4"))
    run(MemorySource(frames, rate=Fraction(25)), lambda image: 255 - image, open_sink("calm.mp4"))
    values = iter([0, 40] * 6)
    run(
        MemorySource(frames, rate=Fraction(25)),
        lambda image: image // 2 + next(values),
        open_sink("wild.mp4"),
    )
    calm = json.loads(score("plain.mp4", "wave", "calm.mp4", "--json").stdout)
    wild = json.loads(score("plain.mp4", "wave", "wild.mp4", "--json").stdout)
    assert 3 * calm["flicker"] < wild["flicker"]
    assert wild["flicker"] == pytest.approx(40 / 255, rel=0.2)


@pytest.mark.parametrize(("first", "second"), [(5, 3), (3, 5)])
def test_of_videos_of_different_lengths_the_rest_is_not_left_out_in_silence(score, first, second):
    for name, count in (("plain.mp4", first), ("painted.mp4", second)):
        frames = [scene(shift) for shift in range(count)]
        run(MemorySource(frames, rate=Fraction(25)), lambda image: image // 2, open_sink(name))
    result = score("plain.mp4", "wave", "painted.mp4", "--json")
    assert json.loads(result.stdout)["frames"] == 3
    short, long = ("painted.mp4", "plain.mp4") if first > second else ("plain.mp4", "painted.mp4")
    assert result.stderr == (
        f"warning: {short} ends after 3 frames and {long} goes on; only these were compared\n"
    )


def test_the_table_names_every_layer(score):
    cv2.imwrite("plain.png", scene())
    lines = score("plain.png", "wave", "plain.png").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[:3]] == ["frames", "style score", "content loss"]
    assert "style loss\trelu1_1\t" in "\n".join(lines)


def test_a_painting_of_another_size_is_refused(score):
    cv2.imwrite("plain.png", scene())
    cv2.imwrite("small.png", scene()[:50])
    error = score("plain.png", "wave", "small.png").exception
    assert isinstance(error, UsageError)
    assert "a painting has its content's size" in str(error)


def test_a_picture_in_its_own_style_is_refused(score):
    cv2.imwrite("plain.png", scene())
    error = score("plain.png", "plain.png", "plain.png").exception
    assert isinstance(error, UsageError)
    assert "the same embedding" in str(error)
