"""What is said while a live run lasts, on a terminal and elsewhere."""

from __future__ import annotations

import io
import os
import threading
from types import SimpleNamespace

import pytest

from nstfilter.cli import status_line as board
from nstfilter.cli.status_line import StatusLine


class Screen(io.StringIO):
    """A terminal of 40 columns; `there` is set once something was written to it."""

    def __init__(self):
        super().__init__()
        self.there = threading.Event()

    def isatty(self):
        return True

    def fileno(self):
        return 2

    def write(self, text):
        written = super().write(text)
        if text:
            self.there.set()
        return written


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    # for the board alone: pytest puts its own stderr in place before each test
    monkeypatch.setattr(board, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setattr(board, "PACE", 0.01)
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((40, 24)))
    monkeypatch.setattr(os, "tcgetpgrp", lambda fd: os.getpgrp(), raising=False)
    return screen


def shown(text):
    """What a terminal shows of the text: after a carriage return the line is written over."""
    lines = []
    for line in text.split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_messages_stand_above_the_line(screen):
    with StatusLine(lambda: "29.8 frames/s   " + "much more than a line holds" * 3) as it:
        assert screen.there.wait(60)
        assert shown(screen.getvalue()) == ["29.8 frames/s   much more than a line h"]
        it.say("the camera is back")
        it.say("two\nlines")
    assert shown(screen.getvalue()) == ["the camera is back", "two", "lines", ""]


def test_a_line_that_gets_shorter_leaves_nothing_behind(screen):
    states = iter(["10 dropped", "9"])
    over = threading.Event()

    def status():
        state = next(states, None)
        if state is None:
            over.set()
            return "9"
        return state

    with StatusLine(status):
        assert over.wait(60)
        assert shown(screen.getvalue()) == ["9"]
    assert shown(screen.getvalue()) == [""]


def test_in_the_background_there_are_messages_and_no_line(screen, monkeypatch):
    monkeypatch.setattr(os, "tcgetpgrp", lambda fd: -1, raising=False)
    with StatusLine(pytest.fail) as it:
        it.say("the camera is away")
        assert screen.there.wait(60)
    assert screen.getvalue() == "the camera is away\n"


def test_elsewhere_there_are_messages_and_no_line(capsys, monkeypatch):
    monkeypatch.setattr(board, "PACE", 0.01)
    with StatusLine(pytest.fail) as it:
        for number in range(3):
            it.say(f"message {number}")
    assert capsys.readouterr().err == "message 0\nmessage 1\nmessage 2\n"


def test_a_terminal_that_takes_nothing_holds_nobody_up(screen, monkeypatch):
    free = threading.Event()

    def write(text):
        screen.there.set()
        free.wait(60)
        raise OSError("hung up")

    screen.write = write
    with StatusLine(lambda: "29.8 frames/s") as it:
        assert screen.there.wait(60)
        it.say("the camera is away")
        free.set()
