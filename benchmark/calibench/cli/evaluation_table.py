"""The tables of `calibench evaluate`: a row for each metric, and a row for each of several labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from calibench.evaluation.evaluation_record import EvaluationRecord

ANSWERS = {
    "no_sign": "no sign of miscalibration",
    "miscalibrated": "miscalibrated",
    "too_few": "too few to tell",
    "not_tested": "not tested",
}

LEFT_OUT = ((), ("floor",), ("floor", "interval before"), ("floor", "interval before", "interval"))
"""The columns that a narrow terminal leaves out, the fewest first."""


def figures_table(record: EvaluationRecord, console: Console) -> tuple[Table, Collection[str]]:
    """The widest table that the console holds, and the columns that it leaves out."""
    from rich.measure import Measurement

    if not record.bootstrap["resamples"]:
        return _table(record, ("floor", "interval")), ()
    for left_out in LEFT_OUT:
        table = _table(record, left_out)
        if Measurement.get(console, console.options.update(width=1000), table).maximum <= console.width:
            break
    return table, left_out


def _table(record: EvaluationRecord, left_out: Collection[str]) -> Table:
    """A row for each metric: figure, interval and floor; with a fit before and after it."""
    from rich.text import Text

    from calibench.report.format import header
    from calibench.report.tables import ruled_table

    table = ruled_table()
    table.add_column("metric", no_wrap=True)
    judgements: dict[str, Mapping[str, Any]] = {"value" if record.after is None else "before": record.to_dict()}
    if record.after is not None:
        judgements["after"] = record.after
    columns = [
        (name, column)
        for name in judgements
        for column in ("figure", "interval", "floor")
        if column not in left_out and f"{column} {name}" not in left_out
    ]
    interval = f"{100 * record.bootstrap['level']:g} % interval"
    for name, column in columns:
        head = {"figure": name, "interval": interval, "floor": "floor"}[column]
        table.add_column(head, justify="right", no_wrap=True)
    for metric, about in record.units.items():
        cells = [_cell(judgements[name], metric, column, about["unit"]) for name, column in columns]
        table.add_row(Text(header(metric, about["unit"])), *map(Text, cells))
    return table


def _cell(judgement: Mapping[str, Any], metric: str, column: str, unit: str) -> str:
    """Figure, interval or floor of one metric as text."""
    from calibench.report.format import NOTHING, figure, interval

    if column == "figure":
        value = judgement["metrics"].get(metric)
        return NOTHING if value is None else figure(value, unit)
    if column == "interval":
        return interval(judgement["intervals"].get(metric), unit) or NOTHING
    floor = judgement["noise_floor"].get(metric)
    return figure(floor["mean"], unit) if floor else ""


def labels_table(record: EvaluationRecord) -> Table | None:
    """A row for each of several labels, after the fit if there is one; None for one label a sample."""
    from rich.text import Text

    from calibench.report.format import printable
    from calibench.report.tables import ruled_table

    labels = record.labels if record.after is None else record.after["labels"]
    if not labels:
        return None
    table = ruled_table()
    table.add_column("label", no_wrap=True)
    for name in ("predicted", "observed"):
        table.add_column(name, justify="right")
    table.add_column("verdict" if record.after is None else "verdict after the fit")
    for label in labels:
        counts = (f"{label['predicted']:.1f}", f"{label['observed']:.0f}")
        table.add_row(Text(printable(label["name"])), *counts, ANSWERS[label["calibrated"]])
    return table
