from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
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


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("nstfilter sty", {"styles"}),
        ("nstfilter apply --keep", {"--keep-colors"}),
        ("nstfilter apply a.png --style wa", {"wave", "watercolor"}),
        ("nstfilter live --style ink+mosa", {"ink+mosaic"}),
    ],
)
def test_the_shell_completes_commands_options_and_styles(words, offered):
    environ = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_NSTFILTER_COMPLETE": "complete_bash",
    }
    result = CliRunner().invoke(build_app(), [], prog_name="nstfilter", env=environ)
    assert set(result.stdout.split()) == offered


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_completion_is_installed_with_one_command(tmp_path):
    environ = {**os.environ, "HOME": str(tmp_path)}
    command = f"{shlex.quote(sys.executable)} -m nstfilter --install-completion; exit $?"  # asks its shell
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ".bash_completions/nstfilter.sh" in (tmp_path / ".bashrc").read_text()


def test_an_unknown_command_is_a_usage_error():
    result = invoke("paint")
    assert result.exit_code == 2
    assert "paint" in result.stderr
