"""Loads plugins, confines their failures, and finds the one that opens what the user named."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from nstfilter import hookspecs
from nstfilter.errors import PluginError, SourceError, UnknownNameError, UsageError

if TYPE_CHECKING:
    import typer

    from nstfilter.jobs.task import Executor
    from nstfilter.models import StyleModel
    from nstfilter.people import Segmenter
    from nstfilter.streams import Microphone, Sink, Source

HOOKS = [name for name in vars(hookspecs) if name.startswith("register_")]


@dataclass(frozen=True, slots=True)
class Registration:
    """One thing a plugin can open: `plugin` is that plugin's name, `options` the keywords `open` takes."""

    name: str
    open: Callable[..., Any]
    accepts: Callable[[str], bool] | None
    help: str
    plugin: str
    options: tuple[str, ...]


@dataclass(slots=True)
class PluginStatus:
    """One plugin: the hooks it implements, or the error that kept it out."""

    name: str
    distribution: str
    version: str
    hooks: list[str] = field(default_factory=list)
    error: str | None = None


class Registry:
    """What was registered under one hook. `statuses` are those of all plugins."""

    def __init__(self, kind: str, statuses: list[PluginStatus]) -> None:
        self.kind = kind
        self.statuses = statuses
        self.registrations: list[Registration] = []

    def add(self, registration: Registration) -> None:
        # one letter and a colon are a drive on Windows
        if len(registration.name) < 2 or ":" in registration.name:
            raise PluginError(
                f"{registration.name!r} cannot name a {self.kind}; expected two letters or more and no colon"
            )
        for other in self.registrations:
            if other.name == registration.name:
                raise PluginError(
                    f"its {self.kind} {other.name!r} is already registered by plugin {other.plugin!r}"
                )
        self.registrations.append(registration)

    def drop(self, plugin: str) -> None:
        self.registrations = [r for r in self.registrations if r.plugin != plugin]

    def names(self) -> list[str]:
        return sorted(r.name for r in self.registrations)

    def claims(self, target: str) -> list[Registration]:
        """The registrations that accept `target`."""
        return self._ask(target)[0]

    def _ask(self, target: str) -> tuple[list[Registration], list[str]]:
        """The registrations that accept `target`, and a line for each plugin whose `accepts` raised."""
        claims, failures = [], []
        for registration in self.registrations:
            try:
                if registration.accepts and registration.accepts(target):
                    claims.append(registration)
            except Exception as error:
                failures.append(f"plugin {registration.plugin!r} failed when asked: {_one_line(error)}")
        return claims, failures

    def named(self, target: str) -> Registration | None:
        """The registration whose name is the part of `target` before the colon, or all of it."""
        prefix = target.partition(":")[0]
        return next((r for r in self.registrations if r.name == prefix), None)

    def resolve(self, target: str) -> tuple[Registration, str]:
        """The registration that opens `target`, and what to call its `open` with.

        An explicit prefix (`webcam:0`) wins; otherwise the one registration that accepts the target.
        Raises `UnknownNameError` when no plugin claims it, `UsageError` when several do or the file is of
        no known kind, `SourceError` for a path that leads nowhere.
        """
        if named := self.named(target):
            return named, target.partition(":")[2]
        claims, failures = self._ask(target)
        if len(claims) > 1:
            who = " and ".join(sorted(f"{r.name} (plugin {r.plugin})" for r in claims))
            raise UsageError(
                f"{target!r} is claimed by {who}; choose one with a prefix, as in "
                f"{min(r.name for r in claims)}:{target}"
            )
        if not claims:
            path = "" if "://" in target else target  # what looks like a suffix of an address may be a secret
            hint = ""
            if self.kind == "model":
                hint = "(the folder or .tar.gz of a SavedModel works too)"
            elif self.kind == "source":
                if os.path.isdir(target):
                    raise UsageError(f"{target} is a folder; expected a file")
                if os.path.dirname(path) and not os.path.splitext(path)[1] and not os.path.exists(path):
                    raise SourceError(f"there is no {target}")
                hint = "(there is no file or folder of that name either)"
            unknown: UsageError = UnknownNameError(self.kind, target, self.names(), hint)
            suffix = os.path.splitext(path)[1]
            if not failures and (suffix or os.path.isfile(target)):
                files = f"{suffix} files" if suffix else "files without a suffix"
                known = ", ".join(self.names())
                unknown = UsageError(f"no {self.kind} takes {files} such as {target}; known: {known}")
            for failure in failures:
                unknown.add_note(failure)
            absent = ", ".join(status.name for status in self.statuses if status.error)
            if absent:
                unknown.add_note(f"plugins that could not be used: {absent} (nstfilter plugins tells why)")
            raise unknown
        return claims[0], target

    def options(self, target: str) -> tuple[str, ...]:
        """The options of the plugin that opens `target`."""
        return self.resolve(target)[0].options

    def open(self, target: str, contract: type, options: dict[str, Any]) -> Any:
        """Open `target`, which must give an instance of `contract`. Raises `UsageError` for an option that
        its plugin does not take, `PluginError` when it gives something else."""
        registration, rest = self.resolve(target)
        for option in options:
            if option not in registration.options:
                names = ", ".join(registration.options) or "none"
                raise UsageError(
                    f"{self.kind} {registration.name!r} has no option {option!r}; it takes: {names}"
                )
        opened = registration.open(rest, **options)
        if not isinstance(opened, contract):
            raise PluginError(
                f"plugin {registration.plugin!r} gave a {type(opened).__name__} for {target!r}; "
                f"expected a {contract.__name__}"
            )
        return opened


class PluginManager:
    """The plugins of one process.

    `statuses`   one for each plugin found: whether it was loaded, or the error that kept it out
    `sources`, `sinks`, `microphones`, `models`, `packs`, `segmenters`, `executors`   what the plugins
                 registered, a `Registry` each
    `registries` the same seven by the name of their hook
    """

    def __init__(self) -> None:
        self.pluggy = pluggy.PluginManager(hookspecs.PROJECT)
        self.pluggy.add_hookspecs(hookspecs)
        self.statuses: list[PluginStatus] = []
        self.sources = Registry("source", self.statuses)
        self.sinks = Registry("sink", self.statuses)
        self.microphones = Registry("microphone", self.statuses)
        self.models = Registry("model", self.statuses)
        self.packs = Registry("style pack", self.statuses)
        self.segmenters = Registry("segmenter", self.statuses)
        self.executors = Registry("executor", self.statuses)
        self.registries = {
            "register_sources": self.sources,
            "register_sinks": self.sinks,
            "register_microphones": self.microphones,
            "register_models": self.models,
            "register_styles": self.packs,
            "register_segmenters": self.segmenters,
            "register_executors": self.executors,
        }

    def load(
        self, name: str, load: Callable[[], Any], distribution: str = "", version: str = ""
    ) -> PluginStatus:
        """Import a plugin with `load` and call its hooks. One that fails is kept out, and its error noted."""
        status = PluginStatus(name, distribution, version)
        taken = next((s for s in self.statuses if s.name == name and s.error is None), None)
        self.statuses.append(status)
        if taken:
            status.error = f"{taken.distribution or 'this program'} has a plugin called {name!r} already"
            return status
        try:
            plugin = load()
            self.pluggy.register(plugin, name)
            self.pluggy.check_pending()
            status.hooks = sorted(caller.name for caller in self.pluggy.get_hookcallers(plugin) or [])
            for hook, registry in self.registries.items():
                self._call_one(plugin, hook, register=_register(registry, name))
        except (Exception, SystemExit) as error:
            self._keep_out(status, error)
        return status

    def add_commands(self, app: typer.Typer) -> None:
        """Add the commands of every plugin to `app`. A plugin that fails leaves `app` as it was."""
        willing = [s for s in self.statuses if s.error is None and "register_commands" in s.hooks]
        if not willing:
            return
        from typer import Typer
        from typer.main import get_command_name, get_group

        # get_group(app).commands would read every command's signature, for a seventh of the time of --help
        commands = [
            c.name or get_command_name(getattr(c.callback, "__name__", "")) for c in app.registered_commands
        ]
        groups = [info.name for info in app.registered_groups]
        taken = dict.fromkeys([*commands, *groups], "of nstfilter itself")
        for status in willing:
            own = Typer()
            try:
                self._call_one(self.pluggy.get_plugin(status.name), "register_commands", app=own)
                # typer looks at a signature when it is asked for the command, and some it cannot read
                added = get_group(own).commands
                for command in added:
                    if command in taken:
                        raise PluginError(f"its command {command!r} is already one {taken[command]}")
            except (Exception, SystemExit) as error:
                self._keep_out(status, error)
                continue
            taken |= dict.fromkeys(added, f"of plugin {status.name!r}")
            app.registered_groups += own.registered_groups
            app.registered_commands += own.registered_commands

    def _call_one(self, plugin: Any, hook: str, **arguments: Any) -> None:
        others = [p for p in self.pluggy.get_plugins() if p is not plugin]
        self.pluggy.subset_hook_caller(hook, others)(**arguments)

    def _keep_out(self, status: PluginStatus, error: BaseException) -> None:
        status.error = _one_line(error)
        for registry in self.registries.values():
            registry.drop(status.name)
        if self.pluggy.has_plugin(status.name):
            self.pluggy.unregister(name=status.name)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _register(registry: Registry, plugin: str) -> hookspecs.Register:
    def register(
        name: str, open: Callable[..., Any], *, accepts: Callable[[str], bool] | None = None, help: str = ""
    ) -> None:
        parameters = list(inspect.signature(open).parameters.values())[1:]
        options = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        registry.add(Registration(name, open, accepts, help, plugin, options))

    return register


def discover() -> list[tuple[EntryPoint, str, str]]:
    """Installed plugins with their distribution and its version: nstfilter's own first, then by name."""
    origin = cache(_origin)
    found = [(point, *origin(point.dist)) for point in entry_points(group=hookspecs.PROJECT)]
    return sorted(found, key=lambda f: (f[1] != hookspecs.PROJECT, f[0].name, f[1]))


def _origin(distribution: Distribution | None) -> tuple[str, str]:
    # damaged metadata has neither
    return (distribution.name or "", distribution.version or "") if distribution else ("", "")


def build_manager() -> PluginManager:
    """A fresh manager with every installed plugin, less those named in NSTFILTER_DISABLE_PLUGINS (commas)."""
    blocked = {name.strip() for name in os.environ.get("NSTFILTER_DISABLE_PLUGINS", "").split(",")}
    manager = PluginManager()
    for point, distribution, version in discover():
        if point.name in blocked:
            off = "switched off by NSTFILTER_DISABLE_PLUGINS"
            manager.statuses.append(PluginStatus(point.name, distribution, version, error=off))
        else:
            manager.load(point.name, point.load, distribution, version)
    return manager


@cache
def manager() -> PluginManager:
    """The manager of this process."""
    return build_manager()


def open_source(target: str | os.PathLike[str], **options: Any) -> Source:
    """Open a source of frames: a path, `demo`, or what a plugin offers.

    Raises `UnknownNameError` when no plugin knows the target, `SourceError` when it cannot be opened.
    """
    from nstfilter.streams import Source

    source: Source = _open(manager().sources, target, Source, options)
    source.reopen = source.reopen or partial(open_source, target, **options)
    return source


def open_sink(target: str | os.PathLike[str], **options: Any) -> Sink:
    """A sink for frames: a path, `preview`, or what a plugin offers. The caller opens it.

    Raises `UnknownNameError` when no plugin knows the target, `SinkError` when it cannot be written.
    """
    from nstfilter.streams import Sink

    sink: Sink = _open(manager().sinks, target, Sink, options)
    sink.name = sink.name or os.fspath(target)
    sink.reopen = sink.reopen or partial(open_sink, target, **options)
    return sink


def open_microphone(target: str, **options: Any) -> Microphone:
    """A microphone: `mic`, `mic:1`, `mic:NAME`, or what a plugin offers. Close it.

    Raises `UnknownNameError`, `SourceError`, or `MissingLibraryError` when what it needs is not installed.
    """
    from nstfilter.streams import Microphone

    microphone: Microphone = _open(manager().microphones, target, Microphone, options)
    microphone.reopen = microphone.reopen or partial(open_microphone, target, **options)
    return microphone


def open_model(target: str | os.PathLike[str], **options: Any) -> StyleModel:
    """A style model by name (`pocket`, `magenta`), path or Hub handle.

    Raises `UnknownNameError` or `ModelError`.
    """
    from nstfilter.models import StyleModel

    model: StyleModel = _open(manager().models, target, StyleModel, options)
    return model


def open_segmenter(target: str, **options: Any) -> Segmenter:
    """What finds people: `people`, whatever a plugin offers.

    Raises `UnknownNameError`, or `ModelError` when its weights cannot be used.
    """
    from nstfilter.people import Segmenter

    segmenter: Segmenter = _open(manager().segmenters, target, Segmenter, options)
    return segmenter


def open_executor(target: str, **options: Any) -> Executor:
    """An executor of renders: `local`, `ray`, or what a plugin offers. Close it, or use it as a context.

    Raises `UnknownNameError`, or `MissingLibraryError` when what it needs is not installed.
    """
    from nstfilter.jobs.task import Executor

    executor: Executor = _open(manager().executors, target, Executor, options)
    return executor


def _open(registry: Registry, target: str | os.PathLike[str], contract: type, options: dict[str, Any]) -> Any:
    return registry.open(os.fspath(target), contract, options)
