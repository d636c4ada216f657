"""Shift and OOD rows for people: a curve over severities for each kind of change, and a row for each OOD set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calibench.config.shift_and_ood import shift_metric
from calibench.report.tables import figure

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.records.record import ResultRecord

SHOWN = (("accuracy", "fraction"), ("ece15", "fraction"), ("nll", "nats"))
"""What a table of shifts shows; a record holds every figure."""

BARS = "▁▂▃▄▅▆▇█"


def shift_tables(records: Sequence[ResultRecord]) -> list[Table]:
    """A table for each shift: under each recipe a line a kind with its figures over rising severity, means over seeds."""
    held: dict[str, dict[str, list[ResultRecord]]] = {}
    for record in records:
        for text in dict.fromkeys(str(row["shift"]) for row in record.shift):
            held.setdefault(text, {}).setdefault(record.recipe, []).append(record)
    return [_shift_table(text, by_recipe) for text, by_recipe in held.items()]


def _shift_table(text: str, by_recipe: dict[str, list[ResultRecord]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    first = next(iter(by_recipe.values()))[0]
    about = next(entry for entry in first.data["shift"] if entry["shift"] == text)
    mean = f"mean: over {about['mean_over']} variants" if about["mean_over"] else "no mean: not every variant is there"
    notes = "; ".join([f"{about['variants']} variants", mean, *about["notes"]])
    title = Text(f"shift {text}, {first.dataset}; from the first severity to the last, mean over seeds")
    caption = Text(f"{notes}\n[95 % interval of one run over test samples]", style="dim", justify="left")
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("method", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for name, unit in SHOWN:
        table.add_column(f"{name} {'%' if unit == 'fraction' else unit}", no_wrap=True)
    for recipe, runs in by_recipe.items():
        rows = [[row for row in record.shift if row["shift"] == text] for record in runs]
        lead = recipe
        highest = {
            name: max((row["metrics"].get(name) or 0 for run in rows for row in run), default=0) for name, _ in SHOWN
        }
        for kind in dict.fromkeys(row["kind"] for row in rows[0]):
            table.add_row(Text(lead), kind, *(_curve(rows, kind, name, unit, highest[name]) for name, unit in SHOWN))
            lead = ""
        cells = [_mean(runs, shift_metric(name, text), unit) for name, unit in SHOWN]
        if any(cells):
            table.add_row("", Text("mean", style="bold"), *(Text(cell, style="bold") for cell in cells))
        test = [_test(runs, name, unit) for name, unit in SHOWN]
        table.add_row("", Text("unshifted", style="dim"), *(Text(cell, style="dim") for cell in test), end_section=True)
    return table


def _curve(rows: Sequence[Sequence[dict[str, Any]]], kind: str, name: str, unit: str, highest: float) -> str:
    """`█▇▆▅▃ 97.10 95.00 91.20 80.40 66.00`, bars from 0 to the highest figure of the recipe."""
    by_run = [[row["metrics"].get(name) for row in run if row["kind"] == kind] for run in rows]
    if any(value is None for run in by_run for value in run):
        return "-"
    means = np.mean(by_run, axis=0)
    bars = "".join(BARS[min(int(value / max(highest, 1e-12) * len(BARS)), len(BARS) - 1)] for value in means)
    return f"{bars} {' '.join(figure(value, unit) for value in means)}"


def _mean(runs: Sequence[ResultRecord], name: str, unit: str) -> str:
    values = [record.metrics[name] for record in runs if record.metrics.get(name) is not None]
    if len(values) < len(runs):
        return ""
    interval = runs[0].intervals.get(name) if len(runs) == 1 else None
    bracket = f" [{figure(interval[0], unit)}, {figure(interval[1], unit)}]" if interval else ""
    return f"{figure(float(np.mean([v for v in values if v is not None])), unit)}{bracket}"


def _test(runs: Sequence[ResultRecord], name: str, unit: str) -> str:
    return _mean(runs, name, unit) or "-"


def ood_table(records: Sequence[ResultRecord]) -> Table | None:
    """A row for each recipe, OOD set and score, and for near and far means, of means over seeds; None where there is nothing."""
    held: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for record in records:
        for row in record.ood:
            held.setdefault((record.recipe, row["set"], row["group"] or "-", row["score"]), []).append(row)
        for row in _group_rows(record):
            held.setdefault((record.recipe, f"{row['group']} mean", row["group"], row["score"]), []).append(row)
    if not held:
        return None
    from rich import box
    from rich.table import Table
    from rich.text import Text

    undefined = dict.fromkeys(
        f"{record.recipe}: {row['note']}" for record in records for row in record.ood if "note" in row
    )
    caption = Text(
        "the test split is positive; aupr_out: OOD is; fpr95: OOD taken for test rows where 95 % of these are kept; "
        "mean over seeds [95 % interval of one run over rows of both]" + "".join(f"\n{note}" for note in undefined),
        style="dim",
        justify="left",
    )
    title = Text(f"OOD sets against the test rows of {next(r.dataset for r in records if r.ood)}")
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, title_justify="left")
    names = ("auroc", "aupr", "aupr_out", "fpr95")
    for name in ("method", "set", "group", "score", "rows"):
        table.add_column(name, no_wrap=name != "set", overflow="fold")
    for name in names:
        table.add_column(f"{name} %", justify="right", no_wrap=True)
    for key, rows in sorted(held.items(), key=lambda item: [r.recipe for r in records].index(item[0][0])):
        n = str(rows[0]["n"]) if rows[0]["n"] else ""
        table.add_row(*(Text(word) for word in key), n, *(_ood_cell(rows, name) for name in names))
    return table


def _group_rows(record: ResultRecord) -> list[dict[str, Any]]:
    """The near and far means of a record as rows."""
    from calibench.config.shift_and_ood import GROUPS, ood_metric

    scores = dict.fromkeys(row["score"] for row in record.ood)
    found = []
    for group in GROUPS:
        for score in scores:
            names = {name: ood_metric(name, group, score) for name in ("auroc", "aupr", "aupr_out", "fpr95")}
            if all(whole in record.metrics for whole in names.values()):
                metrics = {name: record.metrics[whole] for name, whole in names.items()}
                intervals = {name: record.intervals.get(whole) for name, whole in names.items()}
                found.append({"group": group, "score": score, "n": 0, "metrics": metrics, "intervals": intervals})
    return found


def _ood_cell(rows: Sequence[dict[str, Any]], name: str) -> str:
    values = [row["metrics"][name] for row in rows]
    if None in values:
        return "-"
    interval = rows[0]["intervals"][name] if len(rows) == 1 else None
    bracket = f" [{figure(interval[0], 'fraction')}, {figure(interval[1], 'fraction')}]" if interval else ""
    return f"{figure(float(np.mean(values)), 'fraction')}{bracket}"
