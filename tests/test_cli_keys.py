"""Keys from a real pseudo-terminal, and what becomes of the terminal."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import threading
import time
from textwrap import dedent
from types import SimpleNamespace

import pytest

import nstfilter.cli.keys
from nstfilter.cli.keys import TypedText, keys

if sys.platform != "win32":
    import termios

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")

# stands for a shell: gives the terminal to a job, and tells on stdout what becomes of both
SHELL = dedent("""
    import os, signal, subprocess, sys, termios
    terminal, job = sys.argv[1:]
    fd = os.open(terminal, os.O_RDWR)           # the first terminal of a session is its controlling one
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", job], stdin=fd, process_group=0,
                             preexec_fn=lambda: signal.signal(signal.SIGTTOU, signal.SIG_DFL))
    def modes():
        local = termios.tcgetattr(fd)[3]
        return "echo" if local & termios.ECHO and local & termios.ICANON else "raw"
    def tell(*words):
        print(*words, flush=True)
    os.tcsetpgrp(fd, child.pid)
    for line in sys.stdin:
        match line.strip():
            case "modes":
                tell(modes())
            case "wait":
                _, status = os.waitpid(child.pid, os.WUNTRACED)
                os.tcsetpgrp(fd, os.getpgrp())
                tell("stopped" if os.WIFSTOPPED(status) else "ended", modes())
            case "fg":
                os.tcsetpgrp(fd, child.pid)
                child.send_signal(signal.SIGCONT)
            case "bg":
                child.send_signal(signal.SIGCONT)
    child.kill()
""")
JOB = dedent("""
    import signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from nstfilter.cli.keys import TypedText, keys
    with keys(lambda key: print("key", repr(key), flush=True)) as there:
        print("ready", there, flush=True)
        {body}
""")


class Terminal:
    """A pseudo-terminal with a shell and a job in it. `say` types, `ask` speaks to the shell."""

    def __init__(self, body="time.sleep(60)"):
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        words = [sys.executable, "-c", SHELL, os.ttyname(self.slave), JOB.format(body=body)]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def say(self, text):
        os.write(self.master, text.encode())

    def ask(self, word):
        print(word, file=self.process.stdin, flush=True)

    def hears(self):
        return self.process.stdout.readline().strip()

    def answer(self):
        """What the shell says, among lines that the job writes."""
        while (said := self.hears()) == "at work":
            pass
        return said

    def modes(self, wanted):
        """Ask until the terminal is in those modes."""
        for _ in range(6000):
            self.ask("modes")
            if self.answer() == wanted:
                return
            time.sleep(0.01)
        raise AssertionError(f"the terminal never came to {wanted}")


@pytest.fixture
def terminal():
    opened = []

    def make(*arguments):
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield make
    for one in opened:
        one.process.communicate()
        os.close(one.slave)
        os.close(one.master)


@posix
def test_keys_arrive_one_by_one_and_are_not_shown(terminal):
    here = terminal()
    assert here.hears() == "ready True"
    here.modes("raw")
    here.say("n")
    assert here.hears() == "key 'n'"
    here.say(" é")
    assert [here.hears(), here.hears()] == ["key ' '", "key 'é'"]
    # arrows, F5, F3 of Linux's console, Alt-Up and Alt-N are no keys of ours, and take no other with them
    here.say("\x1b[B" * 30 + "\x1b[15~\x1b[[C\x1b\x1b[Ap\x1bn")
    here.say("q")
    assert [here.hears(), here.hears()] == ["key 'p'", "key 'q'"]


@posix
@pytest.mark.parametrize("body", ["pass", "raise SystemExit(3)", "{}['no such key']"])
def test_the_terminal_is_as_it_was_however_it_ends(terminal, body):
    here = terminal(body)
    assert here.hears() == "ready True"
    here.ask("wait")
    said = [here.hears()]
    while not said[-1].startswith(("ended", "stopped")):
        said.append(here.hears())
    assert said[-1] == "ended echo"
    assert termios.tcgetattr(here.slave) == here.before


@posix
@pytest.mark.parametrize("key", ["\x03", "\x1c"], ids=["Ctrl-C", "Ctrl-backslash"])
def test_ctrl_c_ends_it_and_the_terminal_is_in_order(terminal, key):
    here = terminal()
    here.hears()
    here.modes("raw")
    here.say(key)
    here.ask("wait")
    while (said := here.hears()) and not said.startswith("ended"):
        pass
    assert said == "ended echo"
    assert termios.tcgetattr(here.slave) == here.before


@posix
def test_ctrl_z_leaves_the_terminal_in_order_and_fg_takes_it_up_again(terminal):
    here = terminal()
    here.hears()
    for _ in range(2):
        here.modes("raw")
        here.say("\x1a")
        here.ask("wait")
        assert here.hears() == "stopped echo"
        here.ask("fg")
    here.modes("raw")
    here.say("n")
    assert here.hears() == "key 'n'"


@posix
def test_in_the_background_it_leaves_the_terminal_alone(terminal):
    here = terminal("while not print('at work', flush=True): time.sleep(0.05)")
    here.hears()
    here.modes("raw")
    here.say("\x1a")
    here.ask("wait")
    assert here.answer() == "stopped echo"
    here.ask("bg")
    here.say("n\n")  # meant for the shell
    assert [here.hears() for _ in range(10)] == ["at work"] * 10
    here.ask("modes")
    assert here.answer() == "echo"


@pytest.mark.parametrize("stdin", [None, io.StringIO("nnn")])
def test_where_stdin_is_no_terminal_nothing_happens(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    before = threading.active_count()
    with keys(pytest.fail) as there:
        assert not there
        assert threading.active_count() == before


def test_windows_against_a_fake_of_its_module(monkeypatch):
    typed, came, done = list("n\xe0Hq\x00;"), [], threading.Event()
    console = SimpleNamespace(kbhit=lambda: bool(typed) or done.set() or False, getwch=lambda: typed.pop(0))
    monkeypatch.setitem(sys.modules, "msvcrt", console)
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("windows_keys", nstfilter.cli.keys.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    with module._Terminal(came.append, 0):
        assert done.wait(60)
    assert came == ["n", "q"]


def pressed(*keys_and_pauses):
    """Which of the keys count, each pressed so many seconds after the one before."""
    now = [100.0]
    typed = TypedText("npqc+ ", lambda: now[0])
    counted = ""
    for key, pause in keys_and_pauses:
        now[0] += pause
        counted += "" if typed(key) else key
    return counted


def test_keys_pressed_one_by_one_count():
    assert pressed(("n", 1), ("P", 0.3), ("+", 0.2), ("+", 0.03), ("+", 0.03), ("c", 0.2)) == "nP+++c"


def test_typed_and_pasted_text_does_next_to_nothing():
    sentence = "no quick copy, please"
    assert len(pressed(*((letter, 0.15) for letter in sentence))) <= 1
    assert len(pressed(*((letter, 0.0) for letter in "cnpqnpc"))) <= 1


def test_keys_count_again_after_a_pause():
    assert pressed(("x", 1), ("n", 0.5), ("n", 0.9), ("n", 1.5)) == "n"
