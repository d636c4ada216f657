"""`calibench list methods`: what can be named, and which distribution brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from calibench.cli.output import emit_json, stdout, to_stderr
from calibench.errors import did_you_mean
from calibench.plugins.specs import STAGE_ORDER, kind_of

if TYPE_CHECKING:
    from calibench.plugins.registry import Registry

FAMILIES = {f"{family}s": family for family in ("method", "dataset", "model", "metric", "noise", "shift", "preset")}


@click.command("list")
@click.argument("what")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def list_(what: str, as_json: bool) -> None:
    """List METHODS, DATASETS, MODELS, METRICS, NOISES, SHIFTS or PRESETS, with the distribution that each comes from."""
    if what not in FAMILIES:
        raise click.UsageError(f"cannot list {what!r}; {did_you_mean(what, FAMILIES)}")
    from calibench.plugins.discovery import registry

    found = registry(FAMILIES[what])
    items: list[dict[str, Any]] = [
        {
            "name": entry.spec.name,
            "kind": kind_of(entry.spec),
            "summary": entry.spec.summary,
            "distribution": entry.plugin.distribution,
            "version": entry.plugin.version,
        }
        for entry in found.all(FAMILIES[what])
    ]
    order = {kind: place for place, kind in enumerate(STAGE_ORDER)}
    items.sort(key=lambda item: order.get(item["kind"], 0))
    warn_of_broken(found)
    if as_json:
        emit_json({"schema": "calibench.list/1", "items": items})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("name", "kind", "summary", "from"):
        table.add_column(column, no_wrap=column != "summary")
    for item in items:
        origin = f"{item['distribution']} {item['version']}"
        table.add_row(Text(item["name"], style="bold"), item["kind"], Text(item["summary"]), Text(origin))
    stdout().print(table)


def warn_of_broken(found: Registry) -> None:
    """Name each plugin that failed to load on standard error; the rest works without it."""
    for plugin in found.broken():
        to_stderr(f"warning: {plugin} failed to load: {plugin.error}")
