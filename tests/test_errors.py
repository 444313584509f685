from __future__ import annotations

import inspect
import re

from nstfilter import errors
from nstfilter.errors import NstfilterError, UnknownNameError, UsageError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, NstfilterError)]


def test_the_tree_at_the_top_names_every_error():
    drawn = set(re.findall(r"\w+Error", errors.__doc__)) - {"ValueError"}
    assert drawn == {c.__name__ for c in CLASSES}


def test_a_message_is_one_line_whatever_a_file_is_called():
    assert str(NstfilterError("there is no file a\nb\x1b[31m\udcff ä.png")) == (
        r"there is no file a\nb\x1b[31m\udcff ä.png"
    )


def test_usage_ends_with_2_and_everything_else_with_1():
    for c in CLASSES:
        assert c.exit_code == (2 if issubclass(c, UsageError) else 1)


def test_an_unknown_name_suggests_the_nearest():
    error = UnknownNameError(
        "style", "wavve", ["wave", "mosaic", "halftone"], "(nstfilter styles lists them)"
    )
    assert str(error) == "no style is called 'wavve'; did you mean 'wave'? (nstfilter styles lists them)"
    assert error.suggestions == ["wave"]


def test_an_unknown_name_with_nothing_near_lists_the_known():
    assert str(UnknownNameError("model", "zzz", ["pocket", "magenta"])).endswith("known: magenta, pocket")
    assert str(UnknownNameError("model", "zzz", [])).endswith("none is registered")
