from __future__ import annotations

import threading

from nstfilter.live.mailbox import Clock, Mailbox, Switch


def mailbox():
    return Mailbox(Clock().condition())


def test_the_newer_replaces_the_older_which_is_counted():
    place = mailbox()
    for thing in "abc":
        place.put(thing)
    assert place.dropped == 2
    assert place.take() == "c"
    assert not place.full
    assert place.take(timeout=0) is None


def test_an_end_wakes_who_waits_and_leaves_what_is_there():
    place = mailbox()
    thread = threading.Thread(target=place.end)
    thread.start()
    assert place.take() is None
    thread.join()
    place = mailbox()
    place.put("last")
    place.end()
    assert place.take() == "last"
    assert place.take() is None


def test_what_comes_after_the_end_or_is_dropped_by_it_is_counted():
    place = mailbox()
    place.put("a")
    place.end(drop=True)
    place.put("b")
    assert place.take() is None
    assert place.dropped == 2


def test_a_switch_wakes_who_waits():
    switch = Switch(Clock().condition())
    assert not switch.wait(0)
    assert not switch.wait(-1)
    thread = threading.Thread(target=switch.set)
    thread.start()
    assert switch.wait(10)
    thread.join()
    assert switch.on
