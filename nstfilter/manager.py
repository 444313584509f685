"""Finds plugins, keeps their failures to themselves, and turns what the user wrote into what they meant."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from nstfilter import hookspecs
from nstfilter.errors import PluginError, UnknownNameError, UsageError

if TYPE_CHECKING:
    import typer

    from nstfilter.models import StyleModel
    from nstfilter.streams import Sink, Source

HOOKS = [name for name in vars(hookspecs) if name.startswith("register_")]


@dataclass(frozen=True, slots=True)
class Registration:
    """One thing a plugin can open; `plugin` names who registered it."""

    name: str
    open: Callable[..., Any]
    accepts: Callable[[str], bool] | None
    help: str
    plugin: str


@dataclass(slots=True)
class PluginStatus:
    """How one plugin fared: the hooks it implements, or the error that kept it out."""

    name: str
    distribution: str
    version: str
    hooks: list[str] = field(default_factory=list)
    error: str | None = None


class Registry:
    """What was registered under one hook."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.registrations: list[Registration] = []

    def add(self, registration: Registration) -> None:
        if not registration.name or ":" in registration.name:
            raise PluginError(f"{registration.name!r} cannot name a {self.kind}: it is empty or has a colon")
        for other in self.registrations:
            if other.name == registration.name:
                raise PluginError(
                    f"{self.kind} {other.name!r} is already registered by plugin {other.plugin!r}"
                )
        self.registrations.append(registration)

    def drop(self, plugin: str) -> None:
        self.registrations = [r for r in self.registrations if r.plugin != plugin]

    def names(self) -> list[str]:
        return sorted(r.name for r in self.registrations)

    def resolve(self, target: str) -> tuple[Registration, str]:
        """The registration that opens `target`, and what to call its `open` with.

        An explicit prefix (`webcam:0`) wins; otherwise the one registration that accepts the target.
        Raises `UnknownNameError` when nobody claims it, `UsageError` when several do.
        """
        prefix, _, rest = target.partition(":")
        for registration in self.registrations:
            if registration.name == prefix:
                return registration, rest
        claims = [r for r in self.registrations if r.accepts and r.accepts(target)]
        if len(claims) > 1:
            who = " and ".join(f"{r.name} (plugin {r.plugin})" for r in claims)
            raise UsageError(
                f"{target!r} is claimed by {who}; choose one with a prefix, as in {claims[0].name}:{target}"
            )
        if not claims:
            raise UnknownNameError(self.kind, target, self.names())
        return claims[0], target

    def options(self, target: str) -> list[str]:
        """The options that whoever opens `target` takes."""
        return list(inspect.signature(self.resolve(target)[0].open).parameters)[1:]

    def open(self, target: str, contract: type, options: dict[str, Any]) -> Any:
        """Open `target`, which must give an instance of `contract`. Raises `UsageError` for an option that
        its plugin does not take."""
        registration, rest = self.resolve(target)
        known = self.options(target)
        for option in options:
            if option not in known:
                names = ", ".join(known) or "none"
                raise UsageError(
                    f"{self.kind} {registration.name!r} has no option {option!r}; it takes: {names}"
                )
        opened = registration.open(rest, **options)
        if not isinstance(opened, contract):
            raise PluginError(
                f"plugin {registration.plugin!r} gave a {type(opened).__name__}; expected a {self.kind}"
            )
        return opened


class PluginManager:
    """The plugins of one run. `statuses` tells how each fared, `registries` what they registered."""

    def __init__(self) -> None:
        self.pluggy = pluggy.PluginManager(hookspecs.PROJECT)
        self.pluggy.add_hookspecs(hookspecs)
        self.statuses: list[PluginStatus] = []
        self.registries = {
            "register_sources": Registry("source"),
            "register_sinks": Registry("sink"),
            "register_models": Registry("model"),
            "register_styles": Registry("style pack"),
        }

    def load(
        self, name: str, load: Callable[[], Any], distribution: str = "", version: str = ""
    ) -> PluginStatus:
        """Let in the plugin that `load` imports, or note why not: a bad plugin costs only itself."""
        status = PluginStatus(name, distribution, version)
        taken = next((s for s in self.statuses if s.name == name and s.error is None), None)
        self.statuses.append(status)
        if taken:
            status.error = (
                f"another plugin is called {name!r} too; it came with {taken.distribution or 'this program'}"
            )
            return status
        try:
            plugin = load()
            self.pluggy.register(plugin, name)
            self.pluggy.check_pending()
            status.hooks = sorted(caller.name for caller in self.pluggy.get_hookcallers(plugin) or [])
            for hook, registry in self.registries.items():
                self._call_one(plugin, hook, register=_register(registry, name))
        except (Exception, SystemExit) as error:
            status.error = _one_line(error)
            for registry in self.registries.values():
                registry.drop(name)
            if self.pluggy.has_plugin(name):
                self.pluggy.unregister(name=name)
        return status

    def add_commands(self, app: typer.Typer) -> None:
        """Let every plugin add its commands to `app`."""
        for status in self.statuses:
            plugin = self.pluggy.get_plugin(status.name) if status.error is None else None
            if plugin is None:
                continue
            groups, commands = list(app.registered_groups), list(app.registered_commands)
            try:
                self._call_one(plugin, "register_commands", app=app)
            except Exception as error:
                status.error = _one_line(error)
                app.registered_groups[:], app.registered_commands[:] = groups, commands

    def _call_one(self, plugin: Any, hook: str, **arguments: Any) -> None:
        others = [p for p in self.pluggy.get_plugins() if p is not plugin]
        self.pluggy.subset_hook_caller(hook, others)(**arguments)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _register(registry: Registry, plugin: str) -> hookspecs.Register:
    def register(
        name: str, open: Callable[..., Any], *, accepts: Callable[[str], bool] | None = None, help: str = ""
    ) -> None:
        registry.add(Registration(name, open, accepts, help, plugin))

    return register


def discover() -> list[tuple[EntryPoint, Distribution | None]]:
    """Installed plugins: our own distribution first, then by name."""
    found = [(point, point.dist) for point in entry_points(group=hookspecs.PROJECT)]
    return sorted(
        found,
        key=lambda f: (f[1] is None or f[1].name != hookspecs.PROJECT, f[0].name, f[1].name if f[1] else ""),
    )


def build_manager(plugins: Iterable[tuple[EntryPoint, Distribution | None]] | None = None) -> PluginManager:
    """A fresh manager with every installed plugin, less those named in NSTFILTER_DISABLE_PLUGINS (commas)."""
    blocked = {name.strip() for name in os.environ.get("NSTFILTER_DISABLE_PLUGINS", "").split(",")}
    manager = PluginManager()
    for point, distribution in discover() if plugins is None else plugins:
        if point.name not in blocked:
            name, version = (distribution.name, distribution.version) if distribution else ("", "")
            manager.load(point.name, point.load, name, version)
    return manager


@cache
def manager() -> PluginManager:
    """The manager of this process."""
    return build_manager()


def open_source(target: str | os.PathLike[str], **options: Any) -> Source:
    """Open where frames come from: a path, `demo`, whatever a plugin offers.

    Raises `UnknownNameError` when no plugin knows the target, `SourceError` when it cannot be opened.
    """
    from nstfilter.streams import Source

    source: Source = manager().registries["register_sources"].open(os.fspath(target), Source, options)
    return source


def open_sink(target: str | os.PathLike[str], **options: Any) -> Sink:
    """Where frames go: a path, whatever a plugin offers. The sink still wants its `open`.

    Raises `UnknownNameError` when no plugin knows the target, `SinkError` when it cannot be written.
    """
    from nstfilter.streams import Sink

    sink: Sink = manager().registries["register_sinks"].open(os.fspath(target), Sink, options)
    return sink


def open_model(target: str | os.PathLike[str], **options: Any) -> StyleModel:
    """A style model by name (`pocket`, `magenta`), path or Hub handle.

    Raises `UnknownNameError` or `ModelError`.
    """
    from nstfilter.models import StyleModel

    model: StyleModel = manager().registries["register_models"].open(os.fspath(target), StyleModel, options)
    return model
