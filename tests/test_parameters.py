"""The list of parameters, what it allows, and that everything that names one reads it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from typer.main import get_command

from nstfilter import StyleFilter
from nstfilter.cli.app import build_app
from nstfilter.errors import UsageError
from nstfilter.parameters import PARAMETERS, Parameter


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda p: p.name)
def test_the_default_is_allowed_and_everything_is_described(parameter: Parameter) -> None:
    assert parameter.check(parameter.default) == parameter.default
    assert parameter.help.endswith(".")
    assert parameter.range
    if parameter.kind in (int, float):
        assert parameter.minimum is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", 0),
        ("strength", 1.0),
        ("strength", np.float32(0.5)),
        ("size", None),
        ("size", 480),
        ("size", 480.0),
        ("keep_colors", True),
    ],
)
def test_what_is_allowed_comes_back_as_its_kind(name: str, value: object) -> None:
    checked = PARAMETERS[name].check(value)
    assert checked == value
    assert checked is None or type(checked) is PARAMETERS[name].kind


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("strength", 1.5, "strength is 1.5; expected a number from 0 to 1"),
        ("strength", float("nan"), "strength is nan; expected a number from 0 to 1"),
        ("strength", "1", "strength is '1'; expected a number from 0 to 1"),
        ("strength", True, "strength is True; expected a number from 0 to 1"),
        ("strength", None, "strength is None; expected a number from 0 to 1"),
        ("stability", [0.5], "expected a number from 0 to 1"),
        ("size", 15, "size is 15; expected a whole number from 16 to 16384 pixels"),
        ("size", 480.5, "size is 480.5; expected a whole number"),
        ("size", float("inf"), "expected a whole number"),
        ("keep_colors", 1, "keep_colors is 1; expected true or false"),
        ("threads", 0, "threads is 0; expected a whole number of at least 1"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(name: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        PARAMETERS[name].check(value)
    assert message in str(refused.value)


def test_choices_are_named() -> None:
    fit = Parameter("fit", str, "fill", "How.", choices=("fill", "letterbox"))
    assert fit.check("letterbox") == "letterbox"
    with pytest.raises(UsageError, match="fit is 'x'; expected fill or letterbox"):
        fit.check("x")


@pytest.mark.parametrize("command", ["apply", "live"])
def test_the_command_line_shows_what_the_list_says(command: str) -> None:
    options = {option.name: option for option in get_command(build_app()).commands[command].params}
    shared = set(options) & set(PARAMETERS)
    assert {"style", "strength", "stability", "keep_colors", "size", "model", "threads"} <= shared
    for name in shared:
        assert PARAMETERS[name].option in options[name].opts
        if (command, name) not in {("live", "style"), ("live", "size")}:  # their defaults differ there
            assert (options[name].help, options[name].default) == (
                PARAMETERS[name].help,
                PARAMETERS[name].default,
            )


def test_the_filter_takes_every_parameter_of_a_frame() -> None:
    of_live_runs_alone = {"mirror", "fit", "glide", "rotate", "floor"}
    assert set(PARAMETERS) - of_live_runs_alone <= set(inspect.signature(StyleFilter).parameters)
