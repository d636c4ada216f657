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


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """The kinds and names that a shell may complete to."""
    from calibench.cli.complete_names import names_of

    words: tuple[str, ...] = ctx.params.get("words") or ()
    family = FAMILIES.get(words[0], words[0]) if words else ""
    if len(words) == 1 and family in FAMILIES.values():
        return list(names_of(family)(ctx, param, incomplete))
    if words:
        return []
    kinds = [family for family in FAMILIES.values() if family.startswith(incomplete)]
    return [*kinds, *(name for family in FAMILIES.values() for name in names_of(family)(ctx, param, incomplete))]


@click.command(cls=Command, short_help="Explain a method, a metric or another thing by its name.")
@click.argument("words", nargs=-1, required=True, metavar="[KIND] NAME", shell_complete=_complete)
@plugin_option
@json_option
def show(words: tuple[str, ...], as_json: bool) -> None:
    """Explain a method, a metric or another thing by its NAME: parameters, equation, paper, deviations.

    A name of several kinds is explained for each; KIND picks one.

    \b
    calibench show vtst
    calibench show metric brier
    calibench show dataset npz
    calibench show preset quick
    """
    if len(words) > 2:
        raise click.UsageError(f"show takes a NAME, or a KIND and a NAME, not {len(words)} words")
    families = _families_of(words[0]) if len(words) == 1 else [_family(words[0])]
    if as_json and len(families) > 1:
        raise click.UsageError(f"{words[0]!r} is a {' and a '.join(families)}; --json needs the kind before it")
    for number, family in enumerate(families):
        if number:
            click.echo()
        _show(family, words[-1], as_json)


def _family(kind: str) -> str:
    """The family that a word names, in the singular or the plural."""
    family = FAMILIES.get(kind, kind)
    if family not in FAMILIES.values():
        raise click.UsageError(f"there is no kind {kind!r}; {did_you_mean(kind, FAMILIES.values())}")
    return family


def _families_of(name: str) -> list[str]:
    """The families that have this name. InputError if none has, with the nearest name of all."""
    from calibench.config.grammar import parse_piece
    from calibench.errors import InputError
    from calibench.plugins.discovery import registry

    word, plugins = parse_piece(name).name, registry()
    found = [family for family in FAMILIES.values() if (family, word) in plugins.entries]
    if not found:
        if word in FAMILIES or word in FAMILIES.values():
            kind = next(kind for kind, family in FAMILIES.items() if word in (kind, family))
            raise InputError(f"{word!r} is a kind, not a name", f"calibench list {kind} shows its names")
        names = {known for _, known in plugins.entries}
        hint = did_you_mean(word, names)
        raise InputError(
            f"nothing is called {word!r}", hint if "did you mean" in hint else "calibench list shows the kinds"
        )
    return found


def _show(family: str, name: str, as_json: bool) -> None:
    """Explain the thing of this family and name."""
    from calibench.config.grammar import parse_piece
    from calibench.plugins.discovery import registry

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
    console.print(_facts_table(spec))
    params = spec.all_params()
    if params:
        console.print("", _params_table(params), sep="\n")
    else:
        console.print("\nIt takes no parameters.")


def _facts_table(spec: Spec) -> Table:
    """A grid of the spec's facts."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for label, text in facts(spec):
        grid.add_row(Text(label, style="dim"), Text(text))
    return grid


def facts(spec: Spec) -> list[tuple[str, str]]:
    """The fields of a spec besides its summary and parameters, by their labels, without the empty ones."""
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
    return [(label, str(text)) for label, text in rows if text]


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
