from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app

MODEL = """
    @hookimpl
    def register_models(register):
        register("fake", lambda target: FakeModel(), help="a mean color")
"""


@pytest.mark.parametrize("command", [["models"], ["models", "list"]])
def test_models_are_listed_with_the_plugin_they_come_from(site, command):
    site("faker", MODEL)
    result = CliRunner().invoke(build_app(), command)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert ["fake", "faker", "a mean color"] in lines
    assert {"pocket", "magenta"} <= {line[0] for line in lines}


@pytest.mark.parametrize("command", [["models"], ["models", "list"]])
def test_models_are_listed_as_json(site, command):
    site("faker", MODEL)
    listing = json.loads(CliRunner().invoke(build_app(), [*command, "--json"]).stdout)
    assert {"name": "fake", "plugin": "faker", "help": "a mean color"} in listing
