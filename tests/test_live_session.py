"""What a panel is given of a live run."""

from __future__ import annotations

from types import SimpleNamespace

from nstfilter.live.session import Session


def test_the_secrets_of_an_address_are_shown_nowhere_and_used():
    opened = []
    session = Session("rtsp://me:pass/w@host:554/1?token=a", "pocket")
    session.live = SimpleNamespace(switch=lambda source: None)
    session.open_source = opened.append
    assert (session.source, session.first_source) == ("rtsp://host:554/1", "rtsp://host:554/1")
    session.switch_source("demo")
    session.switch_source("rtsp://host:554/1")
    assert opened == ["demo", "rtsp://me:pass/w@host:554/1?token=a"]
    assert session.source == "rtsp://host:554/1"


def test_every_listener_is_told():
    first: list[str] = []
    second: list[str] = []
    session = Session("demo", "pocket")
    session.say("to nobody")
    session.listen(first.append)
    session.listen(second.append)
    session.say("to both")
    assert (first, second) == (["to both"], ["to both"])
