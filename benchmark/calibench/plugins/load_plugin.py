"""`calibench.load_plugin`: load a one-off plugin, a Python file with hooks, into this program and its workers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from calibench.errors import PluginError
from calibench.plugins import discovery
from calibench.plugins.one_off import FilePoint, checked_file, plugin_files
from calibench.plugins.registry import FILES_VARIABLE, Plugin


def load_plugin(path: str | Path) -> Plugin:
    """Load a one-off plugin: a Python file with hooks. Its names then work as those of an installed plugin, also in workers.

    Returns the plugin. InputError for a path that is no such file; PluginError for a plugin that does not load or that clashes.
    """
    file = checked_file(path)
    if file not in plugin_files():
        before = os.environ.get(FILES_VARIABLE, "")
        os.environ[FILES_VARIABLE] = f"{before}{os.pathsep if before else ''}{file}"
        discovery.forget()
    try:
        registry = discovery.registry()
        plugin = next(found for found in registry.plugins if _is_of(found, FilePoint(file)))
        if plugin.status == "broken":
            hint = f"correct it; calibench plugin check {path} says more"
            raise PluginError(f"{path} does not load: {plugin.error}", hint)
    except PluginError:
        _unload(file)
        raise
    return plugin


def _is_of(plugin: Plugin, point: FilePoint) -> bool:
    """True for the plugin of the file."""
    return (plugin.name, plugin.module, plugin.distribution) == (point.name, point.value, point.path.name)


def _unload(file: Path) -> None:
    """Take back a file that does not load, so that a program that goes on works without it."""
    left = [str(path) for path in plugin_files() if path != file]
    os.environ[FILES_VARIABLE] = os.pathsep.join(left)
    sys.modules.pop(file.stem, None)
    discovery.forget()
