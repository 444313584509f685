from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.manager import HOOKS

GOOD = """
    @hookimpl
    def register_sources(register):
        register("good", lambda target: MemorySource([]), help="a test")
"""


def test_the_listing_shows_who_is_here_and_who_failed(site):
    site("good", GOOD, version="2.5")
    site("bad", "import a_library_nobody_has")
    result = CliRunner().invoke(build_app(), ["plugins"])
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert ["good", "nstfilter-good 2.5", "sources", "source good"] in lines
    assert any(line[0] == "bad" and "a_library_nobody_has" in line[3] for line in lines)
    assert result.exit_code == 0


def test_the_listing_as_json(site):
    site("good", GOOD, version="2.5")
    site("bad", "import a_library_nobody_has")
    listing = json.loads(CliRunner().invoke(build_app(), ["plugins", "--json"]).stdout)
    by_name = {plugin["name"]: plugin for plugin in listing["plugins"]}
    assert by_name["good"] == {
        "name": "good",
        "distribution": "nstfilter-good",
        "version": "2.5",
        "hooks": ["register_sources"],
        "error": None,
        "registered": [{"kind": "source", "name": "good", "help": "a test"}],
    }
    assert by_name["bad"]["error"].startswith("ModuleNotFoundError")
    assert listing["hooks"] == HOOKS


def test_each_plugin_is_a_row_on_a_terminal(site, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    site("good", GOOD, version="2.5")
    site("bad", "raise OSError('[bold]no camera')")
    with pytest.raises(SystemExit):
        build_app()(["plugins"])
    printed = capsys.readouterr().out
    assert "plugin " in printed
    assert "source good" in printed
    assert "OSError: [bold]no camera" in printed
