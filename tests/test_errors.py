from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from nstfilter import errors
from nstfilter.errors import NstfilterError, UnknownNameError, UsageError, without_secrets

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


@pytest.mark.parametrize(
    ("text", "less"),
    [
        ("'rtsp://cam/1' and 'rtsp://me:pw@cam/2'", "'rtsp://cam/1' and 'rtsp://cam/2'"),
        ("rtsp://me:pw@cam/1, (rtsp://me:pw@cam/2).", "rtsp://cam/1, (rtsp://cam/2)."),
        ("'rtsp://me:pw@cam/1 is not closed", "'rtsp://cam/1"),
        ("rtsp://cam/1?user=me@home.org&pass=SECRET: gone", "rtsp://...: gone"),
        ("rtsp://me:p?w@cam/1", "rtsp://..."),
        ("rtsp://me:p/w@cam/1", "rtsp://..."),
        ("rtsp://me:p#w@cam/1", "rtsp://..."),
        ("'rtsp://me:p w@cam/1' is gone", "'rtsp://...' is gone"),
        ("rtsp://me:p/w", "rtsp://..."),
        ("srt://h:9000?passphrase=K@Y", "srt://..."),
        ("srt://h:9000?passphrase=KEY", "srt://h:9000"),
        ("rtmp://h/app/KE@Y", "rtmp://..."),
        ("http://h/x#SECRET", "http://h/x"),
        ("'tcp://h:9/x pass=KEY' twice", "'tcp://h:9/x' twice"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
    ],
)
def test_no_message_has_the_secrets_of_an_address(text, less):
    assert without_secrets(text) == str(NstfilterError(text)) == less


def test_a_message_of_a_million_letters_is_no_work():
    line = "from nstfilter.errors import without_secrets as less; [less(one * 250_000) for one in {}]"
    texts = ["aaaa", "'a:// ", "'a://", "a://", ";a://;;;", "'" * 4, "a.a."]
    # where one is gone through again from each of its letters, this takes an hour
    subprocess.run([sys.executable, "-c", line.format(texts)], check=True, timeout=120)
