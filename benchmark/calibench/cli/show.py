"""`calibench show method vtst`: everything a plugin says of itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from calibench.cli.list import FAMILIES, warn_of_broken
from calibench.cli.output import emit_json, stdout
from calibench.errors import did_you_mean
from calibench.plugins.params import REQUIRED, Param
from calibench.plugins.specs import Spec, kind_of


@click.command()
@click.argument("family")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def show(family: str, name: str, as_json: bool) -> None:
    """Explain a METHOD, DATASET, MODEL, METRIC, NOISE, SHIFT or PRESET: parameters, equation, paper, deviations.

    \b
    calibench show method vtst
    calibench show dataset npz
    calibench show preset quick
    """
    from calibench.config.grammar import parse_piece
    from calibench.plugins.discovery import registry

    family = FAMILIES.get(family, family)
    if family not in FAMILIES.values():
        raise click.UsageError(f"there is no family {family!r}; {did_you_mean(family, FAMILIES.values())}")
    if family == "preset":
        from calibench.cli.show_preset import show_preset

        show_preset(name, registry(), as_json)
        return
    found = registry(family)
    entry = found.get(family, parse_piece(name).name)
    warn_of_broken(found)
    if as_json:
        emit_json(_document(entry.spec) | {"distribution": entry.plugin.distribution, "version": entry.plugin.version})
        return
    _print(entry.spec, f"{entry.plugin.distribution} {entry.plugin.version}")


def _print(spec: Spec, origin: str) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    console.print(Text.assemble((spec.name, "bold"), f"  {kind_of(spec)}, from {origin}"))
    console.print(Text(spec.summary), "")
    rows = [
        ("equation", getattr(spec, "equation", "")),
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
    facts = Table.grid(padding=(0, 2))
    for label, text in rows:
        if text:
            facts.add_row(Text(label, style="dim"), Text(str(text)))
    console.print(facts)
    params = spec.all_params()
    if not params:
        console.print("\nIt takes no parameters.")
        return
    table = Table(title=None, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("parameter", "type", "default", "unit", "allowed", "meaning"):
        table.add_column(
            column, no_wrap=column in {"parameter", "type", "default"}, min_width=40 if column == "meaning" else None
        )
    for param in params:
        cells = (param.key, param.type, _default(param), param.unit or "-", _allowed(param), param.meaning)
        table.add_row(*(Text(cell) for cell in cells))
    console.print("", table, sep="\n")


def _mean_over(spec: Spec) -> str:
    """`all of fog, snow at severity 1, 2` of a shift whose mean is over certain variants."""
    pairs = getattr(spec, "mean_over", ())
    if not pairs:
        return ""
    kinds = list(dict.fromkeys(kind for kind, _ in pairs))
    severities = list(dict.fromkeys(f"{severity:g}" for _, severity in pairs))
    return f"all of {', '.join(kinds)} at severity {', '.join(severities)}"


def _default(param: Param) -> str:
    from calibench.config.values import format_value

    if param.default is REQUIRED:
        return "required"
    return "not set" if param.default is None else format_value(param.default)


def _allowed(param: Param) -> str:
    if param.choices:
        return " | ".join(param.choices)
    low, high = param.minimum, param.maximum
    if low is None and high is None:
        return "-"
    return f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} .. {high:g}"


def _document(spec: Spec) -> dict[str, Any]:
    params = [dataclasses.asdict(p) | {"required": p.default is REQUIRED} for p in spec.all_params()]
    for param in params:
        param["default"] = None if param["required"] else param["default"]
    document = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if f.name not in {"params", "options"}}
    options = {"options": dict(spec.options)} if hasattr(spec, "options") else {}
    return {"schema": "calibench.show/1", "family": spec.family, **document, **options, "params": params}
