"""Find plugins through the entry-point group `calibench`, keep a broken one from stopping the rest, and look names up."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pluggy

from calibench import hookspecs
from calibench.errors import CalibenchError, CalibenchWarning, InputError, PluginError, did_you_mean
from calibench.specs import DatasetSpec, MethodSpec, MetricSpec, ModelSpec, NoiseSpec, Spec

BLOCK_VARIABLE = "CALIBENCH_DISABLE_PLUGINS"
"""Comma-separated plugin names (as `calibench doctor` prints them) that are not loaded."""

HOOKS: dict[str, type[Spec]] = {
    "calibench_methods": MethodSpec,
    "calibench_datasets": DatasetSpec,
    "calibench_models": ModelSpec,
    "calibench_noises": NoiseSpec,
    "calibench_metrics": MetricSpec,
}


@dataclass(frozen=True)
class Plugin:
    """One entry point: its name, the distribution and version it came from, and how it fared."""

    name: str
    distribution: str
    version: str
    module: str
    status: str = "loaded"
    error: str = ""

    def __str__(self) -> str:
        return f"plugin {self.name!r} ({self.distribution} {self.version}, {self.module})"


@dataclass(frozen=True)
class Entry:
    """A spec and the plugin that brought it."""

    spec: Spec
    plugin: Plugin


@dataclass
class Registry:
    """All that plugins brought, by family and name, with those that were blocked or broken."""

    plugins: list[Plugin] = field(default_factory=list)
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    faults: list[PluginError] = field(default_factory=list)
    """Misspelt hooks and name clashes: they make names ambiguous, so every command but `doctor` refuses them."""

    def broken(self) -> list[Plugin]:
        """Plugins that could not be imported or whose hook raised; the rest works without them."""
        return [p for p in self.plugins if p.status == "broken"]

    def all(self, family: str) -> list[Entry]:
        """Every entry of a family, in the order in which plugins offer them."""
        return [entry for (kind, _), entry in self.entries.items() if kind == family]

    def get(self, family: str, name: str) -> Entry:
        """The entry called `name`; InputError with the nearest name, and with plugins that failed to load."""
        entry = self.entries.get((family, name))
        if entry is None:
            failed = [str(p) for p in self.broken()]
            note = f"; {', '.join(failed)} failed to load" if failed else ""
            names = [key[1] for key in self.entries if key[0] == family]
            raise InputError(f"there is no {family} called {name!r}{note}", did_you_mean(name, names))
        return entry

    def default(self, family: str) -> Entry:
        """The entry of a family that says it is the default; for methods, the default objective."""
        for entry in self.all(family):
            if entry.spec.default:
                return entry
        raise InputError(f"no plugin offers a default {family}", f"name a {family}, or unset {BLOCK_VARIABLE}")


@functools.cache
def registry() -> Registry:
    """The plugins of this environment, found once; PluginError for a misspelt hook or a name clash."""
    found = discover()
    if found.faults:
        raise found.faults[0]
    return found


def discover(entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> Registry:
    """Load every entry point on its own; what is wrong is collected in the registry, never raised."""
    points = importlib.metadata.entry_points(group=hookspecs.GROUP) if entry_points is None else entry_points
    blocked = {name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(",") if name.strip()}
    found = Registry()
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    seen: set[tuple[str, str]] = set()
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        if (point.name, point.value) in seen:  # an editable install can list one distribution twice
            continue
        seen.add((point.name, point.value))
        plugin = _describe(point)
        if point.name in blocked:
            found.plugins.append(_with(plugin, "blocked", f"by {BLOCK_VARIABLE}"))
            continue
        found.plugins.append(_load(plugin, point, manager, found))
    for name in sorted(blocked - {p.name for p in found.plugins}):
        hint = did_you_mean(name, (p.name for p in found.plugins))
        warnings.warn(
            f"{BLOCK_VARIABLE} names {name!r}, which is no plugin here; {hint}", CalibenchWarning, stacklevel=2
        )
    return found


def _load(plugin: Plugin, point: Any, manager: pluggy.PluginManager, found: Registry) -> Plugin:
    try:
        module = point.load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return _with(plugin, "broken", f"{type(error).__name__}: {error}")
    fault = _hook_fault(plugin, module, manager)
    if fault is None and manager.has_plugin(plugin.name):
        fault = PluginError(f"{plugin} has the name of another plugin", _block_hint(plugin))
    if fault is None:
        try:
            manager.register(module, name=plugin.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            fault = PluginError(f"{plugin}: {error}", _block_hint(plugin))
    if fault is not None:
        found.faults.append(fault)
        return _with(plugin, "broken", fault.message)
    try:
        specs = [spec for hook in HOOKS for spec in _call(hook, plugin, manager)]
    except CalibenchError as error:
        return _with(plugin, "broken", error.message)
    except Exception as error:
        return _with(plugin, "broken", f"{type(error).__name__}: {error}")
    for spec in specs:
        _enter(Entry(spec, plugin), found)
    return plugin


def _call(hook: str, plugin: Plugin, manager: pluggy.PluginManager) -> list[Spec]:
    """What one plugin's implementation of one hook returns, each item checked to be the spec that the hook asks for."""
    specs: list[Spec] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name != plugin.name:
            continue
        for spec in implementation.function():
            if not isinstance(spec, HOOKS[hook]):
                raise PluginError(f"{hook} returned {spec!r}, not a {HOOKS[hook].__name__}")
            specs.append(spec)
    return specs


def _enter(entry: Entry, found: Registry) -> None:
    spec, key = entry.spec, (entry.spec.family, entry.spec.name)
    other = found.entries.get(key)
    if other is not None:
        message = f"{entry.plugin} and {other.plugin} both offer the {key[0]} {key[1]!r}"
        found.faults.append(PluginError(message, _block_hint(entry.plugin)))
        return
    if spec.default:
        rival = next((e for e in found.all(key[0]) if e.spec.default), None)
        if rival is not None:
            message = f"{entry.plugin} and {rival.plugin} both claim the default {key[0]}"
            found.faults.append(PluginError(message, _block_hint(entry.plugin)))
            return
    found.entries[key] = entry


def _hook_fault(plugin: Plugin, module: Any, manager: pluggy.PluginManager) -> PluginError | None:
    """A hook that does not exist, or a function named like one that lacks the marker: pluggy would ignore both."""
    for attribute in dir(module):
        member = getattr(module, attribute, None)
        marked = manager.parse_hookimpl_opts(module, attribute) is not None
        if marked and attribute not in HOOKS:
            message = f"{plugin} implements the hook {attribute!r}, which does not exist"
            return PluginError(message, f"{did_you_mean(attribute, HOOKS)} {_block_hint(plugin)}")
        if attribute in HOOKS and inspect.isfunction(member) and not marked:
            message = f"{plugin} has a function {attribute!r} without the marker, so it would never run"
            return PluginError(message, f"put @calibench.hookimpl above it; {_block_hint(plugin)}")
    return None


def _describe(point: importlib.metadata.EntryPoint) -> Plugin:
    dist = point.dist
    name, version = (dist.metadata["Name"], dist.version) if dist is not None else ("unknown", "unknown")
    return Plugin(point.name, name, version, point.value)


def _with(plugin: Plugin, status: str, error: str) -> Plugin:
    return Plugin(plugin.name, plugin.distribution, plugin.version, plugin.module, status, error)


def _block_hint(plugin: Plugin) -> str:
    return f"mend or uninstall it, or set {BLOCK_VARIABLE}={plugin.name}"
