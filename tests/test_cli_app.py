from __future__ import annotations

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app


def invoke(*arguments):
    return CliRunner().invoke(build_app(), [*arguments])


def test_the_version_is_that_of_the_installed_package():
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"nstfilter {version('nstfilter')}\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands(flag):
    result = invoke(flag)
    assert result.exit_code == 0
    for command in ("apply", "styles", "models", "plugins"):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize("command", ["apply", "styles", "models", "plugins"])
def test_every_command_has_help(command):
    assert invoke(command, "-h").exit_code == 0


def test_an_unknown_command_is_a_usage_error():
    result = invoke("paint")
    assert result.exit_code == 2
    assert "paint" in result.stderr
