"""Find plugins through the entry-point group `calibench`. A broken plugin does not stop the others."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import inspect
import io
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import pluggy

from calibench.errors import CalibenchError, CalibenchWarning, PluginError, did_you_mean
from calibench.plugins import hookspecs, lifecycle_hookspecs
from calibench.plugins.api_version import wanted_api
from calibench.plugins.cut_off import CutOff
from calibench.plugins.events import EVENTS
from calibench.plugins.listeners import Listener, functions_of
from calibench.plugins.registry import BLOCK_VARIABLE, FILES_VARIABLE, Entry, Plugin, Registry
from calibench.plugins.specs import (
    DatasetSpec,
    LauncherSpec,
    MethodSpec,
    MetricSpec,
    ModelSpec,
    NoiseSpec,
    OodScoreSpec,
    PresetSpec,
    ReaderSpec,
    ShiftSpec,
    Spec,
    SuiteSpec,
    TrackerSpec,
)

HOOKS: dict[str, type[Spec]] = {
    "calibench_methods": MethodSpec,
    "calibench_datasets": DatasetSpec,
    "calibench_models": ModelSpec,
    "calibench_noises": NoiseSpec,
    "calibench_shifts": ShiftSpec,
    "calibench_ood_scores": OodScoreSpec,
    "calibench_metrics": MetricSpec,
    "calibench_presets": PresetSpec,
    "calibench_suites": SuiteSpec,
    "calibench_readers": ReaderSpec,
    "calibench_launchers": LauncherSpec,
    "calibench_trackers": TrackerSpec,
}
"""The hooks that describe, each with its kind of spec. The hooks of `EVENTS` tell of runs."""

TRACE_VARIABLE = "CALIBENCH_TRACE_PLUGINS"
"""If set, the import and each hook of every plugin are printed on standard error with their times."""

_LOCK = threading.RLock()
"""One thread loads plugins: loading sends their prints to standard error, and two threads that do so leave it there."""


def registry(*families: str) -> Registry:
    """The plugins of this environment, loaded once; PluginError for a misspelt hook or a name clash.

    Only the hooks of `families` are called; without any, all hooks. So `list methods` imports no dataset.
    """
    with _LOCK:
        return _loaded(*families)


@functools.cache
def _loaded(*families: str) -> Registry:
    reg = discover(families=families)
    if reg.faults:
        raise reg.faults[0]
    return reg


def forget() -> None:
    """Load all plugins anew at the next call of `registry`: there is one more."""
    with _LOCK:
        _loaded.cache_clear()


def discover(
    entry_points: Iterable[Any] | None = None, families: Collection[str] = (), *, again: bool = False
) -> Registry:
    """Load every entry point on its own and call its hooks. Errors are collected in the registry, never raised.

    Without `entry_points`, those of this environment, and the one-off plugins that the user named; a stranger's plugin then has
    a trial in another process first. `again` repeats a trial that failed.
    """
    blocked = {name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(",") if name.strip()}
    reg = Registry()
    points = [*_entry_points(reg), *_file_points()] if entry_points is None else entry_points
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.add_hookspecs(lifecycle_hookspecs)
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        plugin = _describe(point)
        if any(_origin(plugin) == _origin(p) for p in reg.plugins):  # an editable install can be listed twice
            continue
        if point.name in blocked:
            reg.plugins.append(_with(plugin, "blocked", f"by {BLOCK_VARIABLE}"))
            continue
        harm = "" if entry_points is not None else _trouble(plugin, again)
        if harm:
            reg.plugins.append(_with(plugin, "broken", harm))
            continue
        hooks = [hook for hook, kind in HOOKS.items() if not families or kind.family in families]
        reg.plugins.append(_load(plugin, point, manager, reg, hooks))
    for name in sorted(blocked - {p.name for p in reg.plugins}):
        hint = did_you_mean(name, (p.name for p in reg.plugins))
        warnings.warn(
            f"{BLOCK_VARIABLE} names {name!r}, which is no plugin here; {hint}", CalibenchWarning, stacklevel=2
        )
    return reg


def _load(plugin: Plugin, point: Any, manager: pluggy.PluginManager, reg: Registry, hooks: Iterable[str]) -> Plugin:
    """Import and register one plugin, and call its hooks. Its errors become its status, also a KeyboardInterrupt of its own.

    Ctrl-C passes.
    """
    start, cut = time.perf_counter(), CutOff()
    try:
        with cut, _named_prints(plugin):
            module = point.load()
            _trace(plugin, "import", start)
            plugin = dataclasses.replace(plugin, api=wanted_api(module))
            fault = _register(plugin, module, manager, reg)
            if fault is not None:
                reg.faults.append(fault)
                return _with(plugin, "broken", fault.message)
            specs = [spec for hook in hooks for spec in _call(hook, plugin, manager)]
            functions = functions_of(manager, plugin.name)
            plugin = dataclasses.replace(plugin, seconds=time.perf_counter() - start)
    except CalibenchError as error:
        return _with(plugin, "broken", error.message)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and cut.came:
            raise
        return _with(plugin, "broken", f"{type(error).__name__}: {error}")
    for spec in specs:
        _enter(Entry(spec, plugin), reg)
    if functions:
        reg.listeners.append(Listener(str(plugin), functions))
    return plugin


def _trouble(plugin: Plugin, again: bool) -> str:
    """Why a stranger's plugin cannot be imported here; ours cost no time."""
    if plugin.distribution == "calibench":
        return ""
    from calibench.plugins.trial import trouble

    return trouble(plugin, again)


@contextlib.contextmanager
def _named_prints(plugin: Plugin) -> Iterator[None]:
    """Send prints of the plugin to standard error, with its name: standard output may have to be one JSON object."""
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            yield
    finally:
        for line in text.getvalue().splitlines():
            print(f"{plugin} prints: {line}", file=sys.stderr)


def _register(plugin: Plugin, module: Any, manager: pluggy.PluginManager, reg: Registry) -> PluginError | None:
    """Register the plugin's hooks with pluggy; returns the error if it cannot be registered."""
    namesake = next((p for p in reg.plugins if p.name == plugin.name and manager.has_plugin(p.name)), None)
    if namesake is not None:
        hint = f"uninstall one, or give its entry point another name; {BLOCK_VARIABLE} would block both"
        return PluginError(f"{plugin} has the name of {namesake}", hint)
    twin = next((p for p in reg.plugins if p.name == manager.get_name(module)), None)
    if twin is not None:
        return PluginError(f"{plugin} and {twin} are one module under two names", _block_one(plugin, twin))
    fault = _hook_fault(plugin, module, manager)
    if fault is not None:
        return fault
    try:
        manager.register(module, name=plugin.name)
    except (pluggy.PluginValidationError, ValueError) as error:
        return PluginError(f"{plugin}: {' '.join(str(error).split())}", _block_hint(plugin))
    return None


def _call(hook: str, plugin: Plugin, manager: pluggy.PluginManager) -> list[Spec]:
    """The specs that one plugin returns from one hook; PluginError for anything else than the hook's kind of spec."""
    specs: list[Spec] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name != plugin.name:
            continue
        start = time.perf_counter()
        for spec in implementation.function():
            if not isinstance(spec, HOOKS[hook]):
                raise PluginError(f"{hook} returned {spec!r}, not a {HOOKS[hook].__name__}")
            specs.append(spec)
        _trace(plugin, hook, start, f", {len(specs)} specs")
    return specs


def _enter(entry: Entry, reg: Registry) -> None:
    spec, key = entry.spec, (entry.spec.family, entry.spec.name)
    earlier = reg.entries.get(key)
    if earlier is not None:
        if earlier.plugin == entry.plugin:
            message, hint = f"{entry.plugin} offers the {key[0]} {key[1]!r} twice", _block_hint(entry.plugin)
        else:
            message = f"{entry.plugin} and {earlier.plugin} both offer the {key[0]} {key[1]!r}"
            hint = _block_one(entry.plugin, earlier.plugin)
        reg.faults.append(PluginError(message, hint))
        return
    if spec.default:
        rival = next((e for e in reg.all(key[0]) if e.spec.default), None)
        if rival is not None:
            message = f"{entry.plugin} and {rival.plugin} both claim the default {key[0]}"
            reg.faults.append(PluginError(message, _block_one(entry.plugin, rival.plugin)))
            return
    reg.entries[key] = entry


def _hook_fault(plugin: Plugin, module: Any, manager: pluggy.PluginManager) -> PluginError | None:
    """The error for a hook that does not exist, or a function with a hook's name and no marker: pluggy would ignore both."""
    hooks = 0
    for attribute in dir(module):
        options = manager.parse_hookimpl_opts(module, attribute)
        if options is None:
            if (attribute in HOOKS or attribute in EVENTS) and inspect.isroutine(getattr(module, attribute)):
                message = f"{plugin} has a function {attribute!r} without the marker, so it would never run"
                return PluginError(message, f"put @calibench.hookimpl above it; {_block_hint(plugin)}")
            continue
        hooks += 1
        hook = options.get("specname") or attribute
        if hook not in HOOKS and hook not in EVENTS and not options.get("optionalhook"):
            message = f"{plugin} implements the hook {hook!r}, which does not exist"
            return PluginError(message, f"{did_you_mean(hook, [*HOOKS, *EVENTS])} {_block_hint(plugin)}")
    if hooks == 0:
        raise PluginError("it implements no hook; is its entry point the module with @calibench.hookimpl?")
    return None


def _entry_points(reg: Registry) -> Iterable[importlib.metadata.EntryPoint]:
    """The entry points of our group. A distribution with an unreadable entry_points.txt becomes a broken plugin."""
    try:
        return importlib.metadata.entry_points(group=hookspecs.GROUP)
    except Exception:  # one bad line in any distribution makes the call above raise
        points: list[importlib.metadata.EntryPoint] = []
    for dist in importlib.metadata.distributions():
        try:
            points.extend(dist.entry_points.select(group=hookspecs.GROUP))
        except Exception as error:
            if f"[{hookspecs.GROUP}]" in (dist.read_text("entry_points.txt") or ""):
                problem = f"its entry_points.txt cannot be read: {error}"
                reg.plugins.append(Plugin(dist.name, dist.name, dist.version, "entry_points.txt", "broken", problem))
    return points


def _file_points() -> Iterable[Any]:
    """The one-off plugins of this process."""
    if not os.environ.get(FILES_VARIABLE):
        return ()
    from calibench.plugins.one_off import file_points

    return file_points()


def _trace(plugin: Plugin, what: str, start: float, result: str = "") -> None:
    """With CALIBENCH_TRACE_PLUGINS, a line on standard error: the step of a plugin, and its milliseconds."""
    if os.environ.get(TRACE_VARIABLE, "0") not in {"", "0"}:
        print(f"trace: {plugin}: {what}: {1000 * (time.perf_counter() - start):.1f} ms{result}", file=sys.stderr)


def _describe(point: Any) -> Plugin:
    if hasattr(point, "describe"):  # a one-off plugin
        described: Plugin = point.describe()
        return described
    name = version = None
    if point.dist is not None:
        with contextlib.suppress(Exception):  # half-removed distributions have no METADATA
            name, version = point.dist.metadata["Name"], point.dist.version
    return Plugin(point.name, name or "unknown", version or "unknown", point.value)


def _origin(plugin: Plugin) -> tuple[str, str, str]:
    return plugin.name, plugin.module, re.sub(r"[-_.]+", "-", plugin.distribution).lower()


def _with(plugin: Plugin, status: str, error: str) -> Plugin:
    return dataclasses.replace(plugin, status=status, error=error)


def _block_hint(plugin: Plugin) -> str:
    return f"correct or uninstall it, or set {BLOCK_VARIABLE}={plugin.name}"


def _block_one(plugin: Plugin, rival: Plugin) -> str:
    return f"change or uninstall one of them, or set {BLOCK_VARIABLE}={plugin.name} or {BLOCK_VARIABLE}={rival.name}"
