"""What a panel is given of a live run."""

from __future__ import annotations

import pytest

from nstfilter.live.session import Session


@pytest.mark.parametrize(
    ("source", "mirrored"),
    [
        ("webcam", True),
        ("webcam:1", True),
        ("/dev/video2", True),
        ("screen", False),
        ("rtsp://camera/1", False),
    ],
)
def test_a_webcam_alone_is_seen_as_in_a_mirror(source, mirrored):
    assert Session(source, "pocket").mirrors_preview is mirrored


def test_every_listener_is_told():
    first: list[str] = []
    second: list[str] = []
    session = Session("demo", "pocket")
    session.say("to nobody")
    session.listen(first.append)
    session.listen(second.append)
    session.say("to both")
    assert (first, second) == (["to both"], ["to both"])
