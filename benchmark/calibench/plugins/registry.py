"""Registry: everything that plugins offer, by family and name."""

from __future__ import annotations

from dataclasses import dataclass, field

from calibench.errors import InputError, PluginError, did_you_mean
from calibench.plugins.listeners import Listener
from calibench.plugins.specs import Spec

BLOCK_VARIABLE = "CALIBENCH_DISABLE_PLUGINS"
"""Comma-separated plugin names (as `calibench doctor` prints them) that are not loaded."""

FILES_VARIABLE = "CALIBENCH_PLUGIN_FILES"
"""The files of one-off plugins, joined by `os.pathsep`: `--plugin` and `load_plugin` set it, and worker processes inherit it."""


@dataclass(frozen=True)
class Plugin:
    """One entry point: its name, its distribution and version, and whether it loaded."""

    name: str
    distribution: str
    version: str
    module: str
    status: str = "loaded"
    error: str = ""
    api: str = ""
    """The version of calibench's API that it states; empty if it states none."""
    seconds: float = field(default=0.0, compare=False)
    """The time of its import and hooks."""
    one_off: bool = False
    """True for a file that the user named (`--plugin`): its file stands for the distribution, a digest for the version."""

    def __str__(self) -> str:
        return f"plugin {self.name!r} ({self.distribution} {self.version}, {self.module})"


@dataclass(frozen=True)
class Entry:
    """A spec and the plugin that offers it."""

    spec: Spec
    plugin: Plugin


@dataclass
class Registry:
    """Everything that plugins offer, by family and name, with the plugins that are blocked or broken."""

    plugins: list[Plugin] = field(default_factory=list)
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    """Plugins that hear of every run, by the lifecycle hooks that they implement."""
    faults: list[PluginError] = field(default_factory=list)
    """Misspelt hooks and name clashes: they make names ambiguous, so every command but `doctor` refuses them."""

    def broken(self) -> list[Plugin]:
        """Plugins that could not be imported or whose hook raised. Everything else works without them."""
        return [p for p in self.plugins if p.status == "broken"]

    def all(self, family: str) -> list[Entry]:
        """Every entry of a family, in the order in which plugins offer them."""
        return [entry for (kind, _), entry in self.entries.items() if kind == family]

    def get(self, family: str, name: str) -> Entry:
        """The entry called `name`; InputError names the nearest one, and the plugins that failed to load."""
        entry = self.entries.get((family, name))
        if entry is None:
            failed = [str(p) for p in self.broken()]
            note = f"; {', '.join(failed)} failed to load" if failed else ""
            names = [key[1] for key in self.entries if key[0] == family]
            raise InputError(f"there is no {family} called {name!r}{note}", did_you_mean(name, names))
        return entry

    def default(self, family: str) -> Entry:
        """The default entry of a family; for methods, the default objective."""
        for entry in self.all(family):
            if entry.spec.default:
                return entry
        raise InputError(f"no plugin offers a default {family}", f"name a {family}, or unset {BLOCK_VARIABLE}")
