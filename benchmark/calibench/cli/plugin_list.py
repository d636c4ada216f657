"""`calibench plugin list`: every plugin, where it comes from, what it adds, and why it failed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import print_line, stdout
from calibench.cli.plugin_option import plugin_option
from calibench.records import schemas
from calibench.version import API_VERSION

if TYPE_CHECKING:
    from calibench.plugins.registry import Registry


@click.command("list", cls=Command, short_help="List plugins: origin, API, load time, items, failures.")
@plugin_option
@json_option
def list_plugins(as_json: bool) -> None:
    """List every plugin: its distribution and version, the API that it states, its load time, and what it adds.

    A plugin that failed has its reason below the table.

    \b
    calibench plugin list
    calibench plugin list --json
    """
    from calibench.plugins.discovery import discover

    registry = discover(again=True)
    plugins = [_about(registry, number) for number in range(len(registry.plugins))]
    faults = [{"message": fault.message, "hint": fault.hint} for fault in registry.faults]
    if as_json:
        document = {"schema": schemas.PLUGIN_LIST, "api_version": API_VERSION, "plugins": plugins, "faults": faults}
        emit_json(document)
        return
    _print(plugins)
    for fault in faults:
        print_line(stdout(), f"error: {fault['message']}")
        print_line(stdout(), f"hint: {fault['hint']}")


def _about(registry: Registry, number: int) -> dict[str, Any]:
    """The facts about one plugin, for JSON."""
    plugin = registry.plugins[number]
    offered = [entry.spec for entry in registry.entries.values() if entry.plugin == plugin]
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "path": _path(plugin.module),
        "api": plugin.api,
        "seconds": round(plugin.seconds, 6),
        "status": plugin.status,
        "error": plugin.error,
        "adds": {
            family: sorted(s.name for s in offered if s.family == family) for family in {s.family for s in offered}
        },
        "hears": sorted(hook for told in registry.listeners if told.name == str(plugin) for hook in told.functions),
    }


def _path(module: str) -> str | None:
    """The file of a plugin's module, if it was imported."""
    import sys

    return getattr(sys.modules.get(module.partition(":")[0]), "__file__", None)


def _print(plugins: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from calibench.report.format import printable
    from calibench.report.tables import plain_table

    table = plain_table()
    for column in ("plugin", "from", "API", "load ms", "adds"):
        table.add_column(
            column, justify="right" if column == "load ms" else "left", no_wrap=column in {"API", "load ms"}
        )
    for plugin in plugins:
        adds = Counter({family: len(names) for family, names in plugin["adds"].items()})
        adds += Counter({"lifecycle hook": len(plugin["hears"])})
        text = ", ".join(f"{count} {family}{'s' if count > 1 else ''}" for family, count in sorted(adds.items()))
        loaded = plugin["status"] == "loaded"
        cells = (
            plugin["name"],
            f"{plugin['distribution']} {plugin['version']}",
            plugin["api"] or "-",
            f"{1000 * plugin['seconds']:.1f}" if loaded else "-",
            (text or "nothing") if loaded else plugin["status"],
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console = stdout()
    console.print(table)
    for plugin in plugins:
        if plugin["error"]:
            print_line(console, f"{plugin['name']} is {plugin['status']}: {plugin['error']}")
            print_line(console, f"  {plugin['path'] or plugin['module']}")
