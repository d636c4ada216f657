"""The table of groups of `calibench evaluate --by`, worst group first, and the sentence about all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibench.cli.evaluation_table import ANSWERS

if TYPE_CHECKING:
    from rich.table import Table

Groups = Mapping[str, Mapping[str, Any]]

MOST_ROWS = 30
"""A longer table is cut: --json has all groups."""

LONGEST_LIST = 5

SHOWN = ("accuracy", "exact_match", "ece_debiased15")
"""The metrics of the table, where they were computed."""

WORDS = ANSWERS | {"no_sign": "no sign", "too_few": "too few"}

LONGEST_NAME = 24
"""Letters a line of a group's name."""

LEFT_OUT = (
    (),
    ("intervals",),
    ("intervals", "found from"),
    ("intervals", "found from", "ece_debiased15"),
    ("intervals", "found from", "ece_debiased15", "accuracy"),
    ("intervals", "found from", "ece_debiased15", "accuracy", "mean confidence"),
)
"""What a narrow terminal leaves out, the least first."""

CAPTION = (
    "ECCE / sigma: the largest cumulative gap in units of chance; below 2 is usual where there is no miscalibration",
    "gap at least: a lower bound of |predicted - observed|, 95 % sure for all {what} together",
    "found from: the gap of the top label that the test of all {what} finds 4 times in 5",
)


def groups_table(
    groups: Groups, units: Mapping[str, Mapping[str, Any]], title: str = "group", left_out: Collection[str] = ()
) -> Table:
    """A row a group: its size, figures with intervals, ECCE, what is sure, what could be found, the verdict.

    `left_out` are the columns that a narrow terminal has no room for.
    """
    from rich.text import Text

    from calibench.report.format import NOTHING, figure_with_interval, header, one_line
    from calibench.report.tables import ruled_table

    first = next(iter(groups.values()))
    names = [name for name in SHOWN if name in first["metrics"] and name not in left_out]
    tested = any(group["p"] is not None for group in groups.values())
    table = ruled_table()
    table.add_column(Text(textwrap.fill(title, LONGEST_NAME)), overflow="fold")
    means = [] if "mean confidence" in left_out else ["mean\nconfidence %"]
    heads = ["n", *means, *(header(name, units[name]["unit"]) for name in names)]
    tests = ["ECCE /\nsigma", "gap at\nleast %"] if tested else []
    tests += ["found\nfrom %"] if tested and "found from" not in left_out else []
    for head in heads + tests:
        table.add_column(head, justify="right", no_wrap=True)
    if tested:
        table.add_column("verdict", no_wrap=True)
    for name, group in list(groups.items())[:MOST_ROWS]:
        cells = [f"{group['n']}", *(_percent(group["mean_confidence"]) for _ in means)]
        for metric in names:
            unit, bounds = units[metric]["unit"], None if "intervals" in left_out else group["intervals"].get(metric)
            cells.append(figure_with_interval(group["metrics"][metric], bounds, unit))
        if tested:
            ratio = group["ecce_sigma"]
            cells.append(NOTHING if ratio is None else f"{ratio:.2f}")
            cells += [_percent(group["at_least"])]
            cells += [] if "found from" in left_out else [_percent(group["detectable"])]
            cells.append(WORDS[group["calibrated"]])
        table.add_row(Text(textwrap.fill(one_line(name), LONGEST_NAME)), *map(Text, cells))
    return table


def _percent(value: float | None) -> str:
    from calibench.report.format import NOTHING, figure

    return NOTHING if value is None else figure(value, "fraction")


def groups_lines(groups: Groups, what: str = "groups", noun: str = "group") -> Sequence[str]:
    """How many groups are miscalibrated and which; multicalibration; what the columns mean."""
    from calibench.report.format import one_line

    tested = {name: group for name, group in groups.items() if group["p"] is not None}
    lines = [] if len(groups) <= MOST_ROWS else [f"{len(groups) - MOST_ROWS} more {what} in --json"]
    if not tested:
        return lines
    bad = [name for name, group in tested.items() if group["calibrated"] == "miscalibrated"]
    few = sum(group["calibrated"] == "too_few" for group in tested.values())
    summary = f"{what}: {len(bad)} of {len(tested)} miscalibrated, with a joint error rate of 5 % over all {what}"
    if few:
        summary += f"; too few samples to tell in {few}"
    lines.append(summary)
    lines += [f"{noun} {one_line(name)}: {_reason(tested[name]['findings'])}" for name in bad[:LONGEST_LIST]]
    if len(bad) > LONGEST_LIST:
        lines.append(f"and {len(bad) - LONGEST_LIST} others")
    ratios = {name: group["ecce_sigma"] for name, group in tested.items() if group["ecce_sigma"] is not None}
    if ratios and noun == "group":
        worst = max(ratios, key=lambda name: ratios[name])
        lines.append(f"multicalibration: the largest ECCE / sigma is {ratios[worst]:.3g}, of {one_line(worst)}")
    return [*lines, *(text.format(what=what) for text in CAPTION)]


def _reason(findings: Sequence[Mapping[str, Any]]) -> str:
    """The first finding in counts."""
    finding = findings[0]
    top = finding["kind"] == "top_label"
    counted = "right answers" if top else f"{finding['kind']} {finding['name']}"
    error = "error of the top label" if top else "error"
    counts = f"{finding['predicted']:.0f} predicted, {finding['observed']:.0f} observed"
    return f"{counted}: {counts}; {error} {100 * finding['size']:.1f} % of the samples"
