from __future__ import annotations

import subprocess
import sys

import pytest

from nstfilter.errors import UnknownNameError, UsageError
from nstfilter.filter import StyleFilter
from nstfilter.manager import build_manager, manager, open_segmenter
from nstfilter.people import Segmenter
from nstfilter.testing import FakeModel


def test_it_is_registered_through_the_door():
    (ours,) = [r for r in build_manager().segmenters.registrations if r.plugin == "people"]
    assert ours.name == "people"
    assert ours.options == ("threads",)
    assert ours.help


def test_nothing_heavy_is_imported_before_it_is_opened():
    code = """
import sys
from nstfilter.manager import build_manager
build_manager().segmenters.resolve("people")
print(sorted({"tensorflow", "cv2", "openvino", "numpy"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_it_is_opened_by_its_name():
    segmenter = open_segmenter("people", threads=1)
    assert isinstance(segmenter, Segmenter)
    with pytest.raises(UsageError, match="takes nothing after its name"):
        open_segmenter("people:there")
    with pytest.raises(UnknownNameError, match="segmenter"):
        open_segmenter("nobody")


def test_one_of_another_plugin_is_used_by_its_name(site, fresh_manager):
    site(
        "halves",
        """
import nstfilter
from nstfilter.testing import FakeSegmenter

@nstfilter.hookimpl
def register_segmenters(register):
    register("halves", lambda target: FakeSegmenter(), help="a person to the left")
""",
    )
    assert "halves" in manager().segmenters.names()
    paint = StyleFilter("wave", model=FakeModel(), area="people", segmenter="halves", threads=1)
    assert paint._parts.segmenter.name == "fake"
