"""`calibench list methods`: the names of one family of plugins, and the distribution that each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import print_line, stdout, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option
from calibench.errors import did_you_mean
from calibench.records import schemas

if TYPE_CHECKING:
    from calibench.plugins.registry import Registry

FAMILIES = {
    f"{family}s": family
    for family in (
        "method",
        "dataset",
        "model",
        "metric",
        "noise",
        "shift",
        "ood-score",
        "reader",
        "preset",
        "suite",
        "launcher",
        "tracker",
    )
}
"""The family of each word that a user types after `calibench list`."""


def _kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """The kinds that a shell may complete to."""
    return [kind for kind in FAMILIES if kind.startswith(incomplete)]


@click.command("list", cls=Command, short_help="List what there is: methods, metrics, readers and others.")
@click.argument("kind", required=False, shell_complete=_kinds)
@plugin_option
@json_option
def list_(kind: str | None, as_json: bool) -> None:
    """List the names of a KIND, such as methods, each with the distribution that brings it; without one, the kinds.

    \b
    calibench list
    calibench list methods
    calibench list metrics --json
    """
    if kind is None:
        _list_kinds(as_json)
        return
    if kind not in FAMILIES:
        raise click.UsageError(f"cannot list {kind!r}; {did_you_mean(kind, FAMILIES)}")
    from calibench.plugins.discovery import registry

    plugins = registry(FAMILIES[kind])
    items = _items(plugins, FAMILIES[kind])
    warn_about_broken_plugins(plugins)
    if as_json:
        emit_json({"schema": schemas.LIST, "items": items})
        return
    from rich.text import Text

    from calibench.report.tables import plain_table

    table = plain_table()
    for column in ("name", "kind", "summary", "from"):
        table.add_column(column, no_wrap=column != "summary")
    for item in items:
        origin = f"{item['distribution']} {item['version']}"
        table.add_row(Text(item["name"], style="bold"), item["kind"], Text(item["summary"]), Text(origin))
    stdout().print(table)


def _list_kinds(as_json: bool) -> None:
    """How many names of each kind there are, and one of them as an example."""
    from calibench.plugins.discovery import registry

    plugins = registry()
    warn_about_broken_plugins(plugins)
    kinds = []
    for kind, family in FAMILIES.items():
        names = [entry.spec.name for entry in plugins.all(family)]
        example = next(
            (entry.spec.name for entry in plugins.all(family) if entry.spec.default), names[0] if names else ""
        )
        kinds.append({"kind": kind, "count": len(names), "example": example})
    if as_json:
        emit_json({"schema": schemas.LIST, "kinds": kinds})
        return
    from rich.text import Text

    from calibench.report.tables import plain_table

    table = plain_table()
    for column in ("kind", "names", "for example"):
        table.add_column(column, justify="right" if column == "names" else "left")
    for row in kinds:
        example = f"calibench show {row['example']}" if row["example"] else ""
        table.add_row(Text(str(row["kind"]), style="bold"), str(row["count"]), Text(example))
    console = stdout()
    console.print(table)
    print_line(console, "calibench list KIND shows the names, calibench show NAME one of them")


def _items(plugins: Registry, family: str) -> list[dict[str, Any]]:
    """One entry a name, in the order of discovery; methods in the order of their stages."""
    from calibench.plugins.specs import STAGE_ORDER, kind_of

    items: list[dict[str, Any]] = [
        {
            "name": entry.spec.name,
            "kind": kind_of(entry.spec),
            "summary": entry.spec.summary,
            "distribution": entry.plugin.distribution,
            "version": entry.plugin.version,
        }
        for entry in plugins.all(family)
    ]
    order = {kind: place for place, kind in enumerate(STAGE_ORDER)}
    return sorted(items, key=lambda item: order.get(item["kind"], 0))
