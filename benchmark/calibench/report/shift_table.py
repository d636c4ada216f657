"""Shifts as tables: figures over rising severity for each kind of change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibench.config.shift_and_ood import shift_metric
from calibench.lazy import np
from calibench.report.format import NOTHING, figure, figure_with_interval, header
from calibench.report.tables import ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.records.record import ResultRecord

METRICS = {"accuracy": "fraction", "ece15": "fraction", "nll": "nats"}
"""The metrics of the table, with their units; a record holds every metric."""

BARS = "▁▂▃▄▅▆▇█"

Rows = Sequence[Sequence[Mapping[str, Any]]]
"""For each seed of a recipe its rows of one shift, as in `ResultRecord.shift`."""


def shift_tables(records: Sequence[ResultRecord]) -> list[Table]:
    """A table for each shift: under each recipe a line a kind with its figures over rising severity, means over seeds."""
    runs: dict[str, dict[str, list[ResultRecord]]] = {}
    for record in records:
        for shift in dict.fromkeys(str(row["shift"]) for row in record.shift):
            runs.setdefault(shift, {}).setdefault(record.recipe, []).append(record)
    return [_shift_table(shift, by_recipe) for shift, by_recipe in runs.items()]


def _shift_table(shift: str, runs: Mapping[str, Sequence[ResultRecord]]) -> Table:
    first = next(iter(runs.values()))[0]
    title = f"shift {shift}, {first.dataset}; from the first severity to the last, mean over seeds"
    table = ruled_table(title, f"{_notes(shift, first)}\n[95 % interval of one run over test samples]")
    for name in ("method", "kind", *(header(name, unit) for name, unit in METRICS.items())):
        table.add_column(name, no_wrap=True)
    for recipe, records in runs.items():
        _add_recipe(table, shift, recipe, records)
    return table


def _notes(shift: str, record: ResultRecord) -> str:
    """The number of variants, the number that the mean is over, and the shift's own notes."""
    entries = record.data.get("shift")
    facts = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    about = next((entry for entry in facts if entry.get("shift") == shift), {})
    over, notes = about.get("mean_over"), about.get("notes")
    mean = f"mean: over {over} variants" if over else "no mean: not every variant is there"
    count = len([row for row in record.shift if row["shift"] == shift])
    return "; ".join([f"{count} variants", mean, *map(str, notes if isinstance(notes, list) else [])])


def _add_recipe(table: Table, shift: str, recipe: str, records: Sequence[ResultRecord]) -> None:
    """The lines of one recipe: one a kind, the mean over variants if the shift has one, and the test split without shift."""
    from rich.text import Text

    rows = [[row for row in record.shift if row["shift"] == shift] for record in records]
    for place, kind in enumerate(dict.fromkeys(row["kind"] for row in rows[0])):
        curves = (_curve(rows, kind, name, unit) for name, unit in METRICS.items())
        table.add_row(Text("" if place else recipe), kind, *curves)
    means = _over_seeds(records, [shift_metric(name, shift) for name in METRICS])
    if any(cell != NOTHING for cell in means):
        table.add_row("", *(Text(cell, style="bold") for cell in ("mean", *means)))
    test = _over_seeds(records, list(METRICS))
    table.add_row("", *(Text(cell, style="dim") for cell in ("unshifted", *test)), end_section=True)


def _curve(rows: Rows, kind: str, metric: str, unit: str) -> str:
    """`█▇▆▅▃ 97.10 95.00 91.20 80.40 66.00`: the mean over seeds at each severity, as a bar and as a figure.

    Bars of all kinds reach from 0 to the recipe's highest figure.
    """
    by_seed = [[row["metrics"].get(metric) for row in run if row["kind"] == kind] for run in rows]
    if any(value is None for run in by_seed for value in run) or len({len(run) for run in by_seed}) > 1:
        return NOTHING
    means = np.mean(by_seed, axis=0)
    highest = max(row["metrics"].get(metric) or 0 for run in rows for row in run)
    bars = "".join(BARS[min(int(value / max(highest, 1e-12) * len(BARS)), len(BARS) - 1)] for value in means)
    return f"{bars} {' '.join(figure(value, unit) for value in means)}"


def _over_seeds(records: Sequence[ResultRecord], names: Sequence[str]) -> list[str]:
    """For each of `METRICS`, which the records hold under `names`, the mean over seeds, with the interval if there is one seed."""
    return [_cell(records, name, unit) for name, unit in zip(names, METRICS.values(), strict=True)]


def _cell(records: Sequence[ResultRecord], name: str, unit: str) -> str:
    values = [value for record in records if (value := record.metrics.get(name)) is not None]
    if len(values) < len(records):
        return NOTHING
    bounds = records[0].intervals.get(name) if len(records) == 1 else None
    return figure_with_interval(float(np.mean(values)), bounds, unit)
