from __future__ import annotations

import io
import sys

from nstfilter.cli.output import progress, table, warn


class Terminal(io.StringIO):
    def isatty(self):
        return True


ROWS = [["wave", "a [bold] sea"], ["mosaic", "stones"]]


def test_a_program_reads_tabs(capsys):
    table(["style", "title"], ROWS)
    assert capsys.readouterr().out == "wave\ta [bold] sea\nmosaic\tstones\n"


def test_a_person_reads_columns_with_a_header_and_nothing_is_taken_for_markup(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    table(["style", "title"], ROWS)
    printed = sys.stdout.getvalue()
    assert "style " in printed
    assert "a [bold] sea" in printed
    assert "\x1b[3" not in printed, "NO_COLOR is set"


def test_a_narrow_terminal_still_gets_whole_names(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "20")
    table(["style", "licence"], [["stained-glass", "Apache-2.0"]])
    printed = sys.stdout.getvalue()
    assert "…" not in printed
    assert sum(line.strip() != "" for line in printed.splitlines()) > 3


def test_warnings_go_to_stderr(capsys):
    warn("two frames were damaged")
    assert capsys.readouterr() == ("", "warning: two frames were damaged\n")


def test_progress_is_silent_where_nobody_watches(capsys):
    with progress() as bars:
        bars.advance(bars.add_task("files", total=2, speed=""))
    assert capsys.readouterr() == ("", "")


def test_progress_is_drawn_on_stderr_where_somebody_watches(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress() as bars:
        bars.advance(bars.add_task("files", total=2, speed="12.0 frames/s"))
        bars.refresh()
    assert "12.0 frames/s" in sys.stderr.getvalue()
    assert capsys.readouterr().out == ""
