"""`calibench show method vtst`: everything that a plugin declares about one name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.list import FAMILIES
from calibench.cli.output import stdout, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option
from calibench.errors import did_you_mean
from calibench.records import schemas

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.plugins.params import Param
    from calibench.plugins.specs import Spec


@click.command(cls=Command, short_help="Explain a method, a metric or another thing by its name.")
@click.argument("family")
@click.argument("name")
@plugin_option
@json_option
def show(family: str, name: str, as_json: bool) -> None:
    """Explain a METHOD, DATASET, MODEL, METRIC, NOISE, SHIFT, OOD-SCORE or PRESET: parameters, equation, paper, deviations.

    \b
    calibench show method vtst
    calibench show dataset npz
    calibench show preset quick
    calibench show suite quick-v1
    """
    from calibench.config.grammar import parse_piece
    from calibench.plugins.discovery import registry

    family = FAMILIES.get(family, family)
    if family not in FAMILIES.values():
        raise click.UsageError(f"there is no family {family!r}; {did_you_mean(family, FAMILIES.values())}")
    if family in ("preset", "suite"):
        from calibench.cli.show_preset import show_preset, show_suite

        (show_preset if family == "preset" else show_suite)(name, registry(), as_json)
        return
    plugins = registry(family)
    entry = plugins.get(family, parse_piece(name).name)
    warn_about_broken_plugins(plugins)
    if as_json:
        emit_json(_document(entry.spec) | {"distribution": entry.plugin.distribution, "version": entry.plugin.version})
        return
    _print(entry.spec, f"{entry.plugin.distribution} {entry.plugin.version}")


def _document(spec: Spec) -> dict[str, Any]:
    from calibench.plugins.params import REQUIRED

    params = [dataclasses.asdict(p) | {"required": p.default is REQUIRED} for p in spec.all_params()]
    for param in params:
        param["default"] = None if param["required"] else param["default"]
    document = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if f.name not in {"params", "options"}}
    if "starts" in document:  # the first bytes of a format, as hexadecimal digits
        document["starts"] = [start.hex() for start in document["starts"]]
    options = {"options": dict(spec.options)} if hasattr(spec, "options") else {}
    return {"schema": schemas.SHOW, "family": spec.family, **document, **options, "params": params}


def _print(spec: Spec, origin: str) -> None:
    from rich.text import Text

    from calibench.plugins.specs import kind_of

    console = stdout()
    console.print(Text.assemble((spec.name, "bold"), f"  {kind_of(spec)}, from {origin}"))
    console.print(Text(spec.summary), "")
    console.print(_facts(spec))
    params = spec.all_params()
    if params:
        console.print("", _params_table(params), sep="\n")
    else:
        console.print("\nIt takes no parameters.")


def _facts(spec: Spec) -> Table:
    """A grid of the spec's fields besides its parameters, without the empty ones."""
    from rich.table import Table
    from rich.text import Text

    rows = [
        ("use when", getattr(spec, "use_when", "")),
        ("avoid when", getattr(spec, "avoid_when", "")),
        ("equation", getattr(spec, "equation", "")),
        ("cost", getattr(spec, "cost", "")),
        ("files", ", ".join(getattr(spec, "suffixes", ()))),
        ("unit", getattr(spec, "unit", "")),
        ("better", getattr(spec, "better", "")),
        ("paper", spec.paper),
        ("source", getattr(spec, "source", "")),
        ("licence", getattr(spec, "licence", "")),
        ("near OOD", ", ".join(getattr(spec, "near_ood", ()))),
        ("far OOD", ", ".join(getattr(spec, "far_ood", ()))),
        ("mean over", _mean_over(spec)),
        *(("deviation", text) for text in spec.deviations),
    ]
    grid = Table.grid(padding=(0, 2))
    for label, text in rows:
        if text:
            grid.add_row(Text(label, style="dim"), Text(str(text)))
    return grid


def _mean_over(spec: Spec) -> str:
    """`all of fog, snow at severity 1, 2`, for a shift whose mean is over certain variants; else empty."""
    pairs = getattr(spec, "mean_over", ())
    if not pairs:
        return ""
    kinds = list(dict.fromkeys(kind for kind, _ in pairs))
    severities = list(dict.fromkeys(f"{severity:g}" for _, severity in pairs))
    return f"all of {', '.join(kinds)} at severity {', '.join(severities)}"


def _params_table(params: Sequence[Param]) -> Table:
    from rich.text import Text

    from calibench.report.tables import plain_table

    table = plain_table()
    for column in ("parameter", "type", "default", "unit", "allowed", "meaning"):
        no_wrap = column in {"parameter", "type", "default"}
        table.add_column(column, no_wrap=no_wrap, min_width=40 if column == "meaning" else None)
    for param in params:
        cells = (param.key, param.type, default_text(param), param.unit or "-", allowed_text(param), param.meaning)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def default_text(param: Param) -> str:
    """The default as a user would type it, `required`, or `not set`."""
    from calibench.config.values import format_value
    from calibench.plugins.params import REQUIRED

    if param.default is REQUIRED:
        return "required"
    return "not set" if param.default is None else format_value(param.default)


def allowed_text(param: Param) -> str:
    """`adam | sgd`, `>= 1`, `0 .. 1`, or `-` if every value is allowed."""
    if param.choices:
        return " | ".join(param.choices)
    low, high = param.minimum, param.maximum
    if low is None and high is None:
        return "-"
    return f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} .. {high:g}"
