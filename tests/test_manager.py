"""The plugin door, with real distributions: modules and metadata in a folder on `sys.path`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from nstfilter.cli.app import build_app
from nstfilter.errors import PluginError, UnknownNameError, UsageError
from nstfilter.manager import (
    build_manager,
    manager,
    open_executor,
    open_model,
    open_sink,
    open_source,
)
from nstfilter.testing import FakeModel, MemorySource

GOOD = """
    @hookimpl
    def register_sources(register):
        register("good", lambda target: MemorySource([]), accepts=lambda t: t[-5:] == ".good", help="a test")
"""


def status(name, distribution=None):
    found = [s for s in manager().statuses if s.name == name and distribution in (None, s.distribution)]
    assert len(found) == 1
    return found[0]


def everything_registered():
    return {
        (registry.kind, r.name, r.plugin)
        for registry in manager().registries.values()
        for r in registry.registrations
    }


def test_a_plugin_is_found_and_listed(site):
    site("good", GOOD, version="2.5")
    good = status("good")
    assert (good.distribution, good.version, good.hooks, good.error) == (
        "nstfilter-good",
        "2.5",
        ["register_sources"],
        None,
    )
    assert isinstance(open_source("good:"), MemorySource)
    assert isinstance(open_source("some/file.good"), MemorySource)


def test_our_own_plugins_come_through_the_same_door_and_first():
    statuses = build_manager().statuses
    ours = [s.distribution == "nstfilter" for s in statuses]
    assert ours == sorted(ours, reverse=True)
    assert {"image", "bundled_styles"} <= {s.name for s in statuses if s.distribution == "nstfilter"}


BROKEN = {
    "import": ("import a_library_nobody_has", "ModuleNotFoundError: No module named 'a_library_nobody_has'"),
    "exit": ("raise SystemExit('no camera')", "SystemExit: no camera"),
    "syntax": ("def f(:", "SyntaxError: invalid syntax"),
    "hook that raises": (
        """
        @hookimpl
        def register_sources(register):
            register("half", lambda target: None)
            raise OSError("two\\nlines")
        """,
        "OSError: two lines",
    ),
    "misspelt hook": (
        """
        @hookimpl
        def register_sources(register):
            register("half", lambda target: None)

        @hookimpl
        def register_sourcse(register):
            pass
        """,
        "register_sourcse",
    ),
    "misspelt argument": ("@hookimpl\ndef register_sinks(registry):\n    pass", "registry"),
    "open is no function": ("@hookimpl\ndef register_sinks(register):\n    register('half', 1)", "TypeError"),
    "colon": (
        "@hookimpl\ndef register_sinks(register):\n    register('a:b', print)",
        "'a:b' cannot name a sink",
    ),
    "drive": ("@hookimpl\ndef register_sinks(register):\n    register('c', print)", "'c' cannot name a sink"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_plugin_costs_only_itself(site, kind):
    before = everything_registered()
    manager.cache_clear()
    code, message = BROKEN[kind]
    site("aa-bad", code)
    site("good", GOOD)
    assert message in status("aa-bad").error
    assert "\n" not in status("aa-bad").error
    assert everything_registered() == before | {("source", "good", "good")}
    assert not manager().pluggy.has_plugin("aa-bad")


def test_ctrl_c_during_loading_is_not_a_plugins_failure(site):
    site("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        manager()


def test_the_second_plugin_of_a_name_is_kept_out_visibly(site):
    site("good", GOOD, distribution="a-first")
    site("good", GOOD.replace('"good"', '"other"'), distribution="b-second")
    assert status("good", "a-first").error is None
    assert "a-first has a plugin called 'good' already" in status("good", "b-second").error
    assert "good" in manager().sources.names()
    assert "other" not in manager().sources.names()


def test_a_plugin_cannot_take_the_name_of_one_of_ours(site):
    site("image", GOOD, distribution="aaa")
    assert "nstfilter has a plugin called 'image' already" in status("image", "aaa").error
    assert status("image", "nstfilter").error is None


def test_a_source_name_that_is_taken_keeps_the_whole_second_plugin_out(site):
    site("one", GOOD)
    second = """
    @hookimpl
    def register_models(register):
        register("second", lambda target: FakeModel())
    """
    site("two", second + GOOD)
    assert "'good' is already registered by plugin 'one'" in status("two").error
    assert "second" not in manager().models.names()


def test_two_that_claim_a_target_are_an_error_naming_both_in_either_order(site):
    claim = GOOD.replace('"good"', '"NAME"')
    site("one", claim.replace("NAME", "zebra"))
    site("two", claim.replace("NAME", "ant"))
    with pytest.raises(UsageError) as caught:
        open_source("x.good")
    assert str(caught.value) == (
        "'x.good' is claimed by ant (plugin two) and zebra (plugin one); "
        "choose one with a prefix, as in ant:x.good"
    )
    registry = manager().sources
    registry.registrations.reverse()
    with pytest.raises(UsageError) as again:
        registry.resolve("x.good")
    assert str(again.value) == str(caught.value)
    assert isinstance(open_source("zebra:x.good"), MemorySource)


def test_who_fails_when_asked_costs_nobody_else_a_thing(site):
    site("good", GOOD)
    site("nosy", GOOD.replace('"good"', '"nosy"').replace('t[-5:] == ".good"', "t.no_such_method()"))
    assert isinstance(open_source("x.good"), MemorySource)
    with pytest.raises(UnknownNameError) as caught:
        open_source("nobody")
    assert "plugin 'nosy' failed when asked: AttributeError" in caught.value.__notes__[0]


def test_plugins_are_switched_off_by_name(site, monkeypatch):
    monkeypatch.setenv("NSTFILTER_DISABLE_PLUGINS", "image, good")
    site("good", "raise AssertionError('it must not even be imported')")
    for name in ("image", "good"):
        assert status(name).error == "switched off by NSTFILTER_DISABLE_PLUGINS"
    with pytest.raises(UsageError) as caught:
        open_source("photo.jpg")
    assert any("could not be used" in n and "good" in n and "image" in n for n in caught.value.__notes__)


def test_an_unknown_target_gets_the_nearest_names(site):
    site("good", GOOD)
    with pytest.raises(UnknownNameError, match=r"no source is called 'god'; did you mean 'good'\?"):
        open_source("god")


def test_a_file_of_no_known_kind_is_no_misspelt_name(tmp_path):
    (tmp_path / "photo").touch()
    for name, kind in (("photo", "files without a suffix"), ("photo.god", r"\.god files")):
        with pytest.raises(UsageError, match=rf"no source takes {kind} such as .*{name}; known: demo"):
            open_source(tmp_path / name)


SINK = """
    @hookimpl
    def register_sinks(register):
        def open(target, *, depth=8, **rest):
            sink = MemorySink()
            sink.depth = depth
            return sink
        register("deep", open)
        register("plain", lambda target: MemorySink())
"""


def test_options_reach_open_and_an_unknown_one_is_refused(site):
    site("deep", SINK)
    assert open_sink("deep:", depth=10).depth == 10
    for option in ("dept", "rest"):
        with pytest.raises(UsageError, match=f"sink 'deep' has no option '{option}'; it takes: depth$"):
            open_sink("deep:", **{option: 10})
    with pytest.raises(UsageError, match="it takes: none"):
        open_sink("plain:x", depth=10)


def test_what_open_returns_is_checked(site):
    site(
        "liar",
        """
    @hookimpl
    def register_sources(register):
        register("liar", lambda target: [1, 2])

    @hookimpl
    def register_models(register):
        register("liar", lambda target: FakeModel())
        register("halfway", lambda target: object())
    """,
    )
    with pytest.raises(PluginError, match="plugin 'liar' gave a list for 'liar:'; expected a Source"):
        open_source("liar:")
    with pytest.raises(PluginError, match="expected a StyleModel"):
        open_model("halfway")
    assert isinstance(open_model("liar"), FakeModel)


def test_an_executor_by_name_with_its_address_and_options(site):
    site(
        "farm",
        """
    from nstfilter.jobs.task import Executor

    class Farm(Executor):
        def __init__(self, address, jobs):
            self.address, self.workers = address, jobs

        def run(self, tasks, *, on_frames=None, stop=None):
            return iter(())

    @hookimpl
    def register_executors(register):
        register("farm", lambda target, *, jobs=3: Farm(target, jobs))
        register("liar", lambda target: "done")
    """,
    )
    farm = open_executor("farm:some.where:77", jobs=5)
    assert (farm.address, farm.workers) == ("some.where:77", 5)
    assert open_executor("farm").workers == 3
    with pytest.raises(PluginError, match="expected a Executor"):
        open_executor("liar")
    with pytest.raises(UnknownNameError, match="no executor is called 'fram'; did you mean 'farm'"):
        open_executor("fram")


# --- commands

COMMANDS = """
    import typer

    @hookimpl
    def register_sources(register):
        register("NAME", lambda target: MemorySource([]))

    @hookimpl
    def register_commands(app):
        more = typer.Typer()

        @more.command()
        def deeper():
            print("deep")

        @app.command("NAME")
        def greet():
            "Say hello."
            print("hello from NAME")

        app.add_typer(more, name="NAME-more")
"""

BAD_COMMANDS = {
    "raises": ("raise ValueError('no')", "ValueError: no"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "taken by us": ("app.command('apply')(lambda: None)", "'apply' is already one of nstfilter itself"),
    "taken by a plugin": (
        "app.command('aa-good')(lambda: None)",
        "'aa-good' is already one of plugin 'aa-good'",
    ),
    "signature typer cannot read": ("app.command('odd')(odd)", "support Union"),
}


def test_commands_join_ours(site):
    site("hello", COMMANDS.replace("NAME", "hello"))
    app = build_app()
    assert CliRunner().invoke(app, ["hello"]).stdout == "hello from hello\n"
    assert CliRunner().invoke(app, ["hello-more", "deeper"]).stdout == "deep\n"
    assert "Say hello." in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.parametrize("kind", BAD_COMMANDS)
def test_a_plugin_whose_commands_fail_leaves_the_app_as_it_was(site, kind):
    code, message = BAD_COMMANDS[kind]
    odd = "        def odd(value: int | str): pass\n"
    site("aa-good", COMMANDS.replace("NAME", "aa-good"))
    site("bad", COMMANDS.replace("NAME", "bad") + odd + f"        {code}\n")
    site("zz-good", COMMANDS.replace("NAME", "zz-good"))
    app = build_app()
    assert message in status("bad").error
    assert status("zz-good").error is None
    listing = CliRunner().invoke(app, ["--help"]).stdout
    assert "bad" not in listing
    assert "zz-good" in listing
    assert "bad" not in manager().sources.names()
    assert CliRunner().invoke(app, ["aa-good"]).stdout == "hello from aa-good\n"


def test_a_distribution_with_damaged_metadata_is_listed(site, tmp_path):
    site("good", GOOD)
    (about,) = (tmp_path / "site-packages").glob("*.dist-info")
    (about / "METADATA").write_text("")
    assert status("good").error is None
    assert status("good").version == ""
