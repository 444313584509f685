from __future__ import annotations

import os
import signal
import threading

import pytest

from nstfilter.jobs.interrupts import interrupted_later


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such kill")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interruption_waits_for_the_end_of_the_block(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.default_int_handler)
    done = []

    def work() -> None:
        with interrupted_later():
            for _ in range(3):
                os.kill(os.getpid(), number)
            done.append("all of it")

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        assert done == ["all of it"]
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_handlers_are_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="no"), interrupted_later():
        raise ValueError("no")
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_nothing_to_hold_back():
    ran = []

    def work() -> None:
        with interrupted_later():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [True]
