"""The table of groups of `calibench evaluate --by`, worst group first, and the sentence about all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibench.cli.evaluation_table import ANSWERS
from calibench.cli.output import printable

if TYPE_CHECKING:
    from rich.table import Table

Groups = Mapping[str, Mapping[str, Any]]

MOST_ROWS = 30
"""A longer table is cut: --json has all groups."""

LONGEST_LIST = 5

SHOWN = ("accuracy", "exact_match", "ece_debiased15")
"""The metrics of the table, where they were computed."""

WORDS = ANSWERS | {"no_sign": "no sign"}

CAPTION = (
    "gap at least: a lower bound of |predicted - observed|, 95 % sure for all groups together",
    "found from: the gap of the top label that the test of all groups finds 4 times in 5",
)


def groups_table(groups: Groups, units: Mapping[str, Mapping[str, Any]], title: str = "group") -> Table:
    """A row a group: its size, figures with intervals, ECCE, what is sure, what could be found, the verdict."""
    from rich.text import Text

    from calibench.report.format import NOTHING, figure_with_interval, header
    from calibench.report.tables import ruled_table

    first = next(iter(groups.values()))
    names = [name for name in SHOWN if name in first["metrics"]]
    tested = any(group["p"] is not None for group in groups.values())
    table = ruled_table()
    table.add_column(title, overflow="fold")
    heads = ["n", "mean confidence %", *(header(name, units[name]["unit"]) for name in names)]
    tests = ["ECCE / sigma", "gap at least %", "found from %"] if tested else []
    for head in heads + tests:
        table.add_column(head, justify="right")
    if tested:
        table.add_column("verdict")
    for name, group in list(groups.items())[:MOST_ROWS]:
        cells = [f"{group['n']}", _percent(group["mean_confidence"])]
        for metric in names:
            unit, bounds = units[metric]["unit"], group["intervals"].get(metric)
            cells.append(figure_with_interval(group["metrics"][metric], bounds, unit))
        if tested:
            ratio = group["ecce_sigma"]
            cells.append(NOTHING if ratio is None else f"{ratio:.2f}")
            cells += [_percent(group["at_least"]), _percent(group["detectable"]), WORDS[group["calibrated"]]]
        table.add_row(Text(printable(name)), *map(Text, cells))
    return table


def _percent(value: float | None) -> str:
    from calibench.report.format import NOTHING, figure

    return NOTHING if value is None else figure(value, "fraction")


def groups_lines(groups: Groups, what: str = "groups", noun: str = "group") -> Sequence[str]:
    """How many groups are miscalibrated and which; multicalibration; what the columns mean."""
    tested = {name: group for name, group in groups.items() if group["p"] is not None}
    lines = [] if len(groups) <= MOST_ROWS else [f"{len(groups) - MOST_ROWS} more {what} in --json"]
    if not tested:
        return lines
    bad = [name for name, group in tested.items() if group["calibrated"] == "miscalibrated"]
    few = sum(group["calibrated"] == "too_few" for group in tested.values())
    summary = f"{what}: {len(bad)} of {len(tested)} miscalibrated, at a joint level of 5 % over all {what}"
    if few:
        summary += f"; too few samples to tell in {few}"
    lines.append(summary)
    lines += [f"{noun} {name}: {_reason(tested[name]['findings'])}" for name in bad[:LONGEST_LIST]]
    if len(bad) > LONGEST_LIST:
        lines.append(f"and {len(bad) - LONGEST_LIST} others")
    ratios = {name: group["ecce_sigma"] for name, group in tested.items() if group["ecce_sigma"] is not None}
    if ratios and noun == "group":
        worst = max(ratios, key=lambda name: ratios[name])
        lines.append(f"multicalibration: the largest ECCE / sigma is {ratios[worst]:.3g}, of {worst}")
    return [*lines, *(text for text in CAPTION)]


def _reason(findings: Sequence[Mapping[str, Any]]) -> str:
    """The first finding in counts."""
    finding = findings[0]
    name = finding["name"] if finding["kind"] == "top_label" else f"{finding['kind']} {finding['name']}"
    counted = "right answers" if finding["kind"] == "top_label" else name
    counts = f"{finding['predicted']:.0f} {counted} predicted, {finding['observed']:.0f} observed"
    return f"{counts} (error of {name} {100 * finding['size']:.1f} % of the samples)"
