"""What a panel is given of a live run."""

from __future__ import annotations

from nstfilter.live.session import Session


def test_every_listener_is_told():
    first: list[str] = []
    second: list[str] = []
    session = Session("demo", "pocket")
    session.say("to nobody")
    session.listen(first.append)
    session.listen(second.append)
    session.say("to both")
    assert (first, second) == (["to both"], ["to both"])
