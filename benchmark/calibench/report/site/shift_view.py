"""Shifted test splits and OOD sets of runs as tables of a page; figures are means over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calibench.lazy import np
from calibench.records.record import ResultRecord
from calibench.report.format import NOTHING, figure_with_interval, header
from calibench.report.ood_table import CAPTION, METRICS, Label, ood_cell, ood_lines
from calibench.report.shift_table import METRICS as SHIFT_METRICS
from calibench.report.site.table import Cell, Head, Line, Table, figure_cell


def shift_page_table(records: Sequence[ResultRecord], identity: str) -> Table | None:
    """A row for each variant of each shift; None if the runs have none."""
    variants: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        for row in record.shift:
            variants.setdefault((str(row["shift"]), str(row["kind"]), f"{row['severity']:g}"), []).append(row)
    if not variants:
        return None
    heads = [
        Head("shift", left=True),
        Head("kind", left=True),
        Head("severity", better="lower"),
        Head("n", better="lower"),
    ]
    better = {name: str(records[0].units.get(name, {}).get("better", "lower")) for name in SHIFT_METRICS}
    heads += [Head(header(name, unit), better=better[name]) for name, unit in SHIFT_METRICS.items()]
    lines = []
    for (shift, kind, severity), rows in variants.items():
        cells = [Cell(shift), Cell(kind), Cell(severity, value=float(severity)), Cell(str(rows[0]["n"]))]
        lines.append(Line([*cells, *(_figure(rows, name, unit) for name, unit in SHIFT_METRICS.items())]))
    notes = ["mean over seeds [95 % interval of one run over test samples]; the record has every metric"]
    return Table(f"{identity}-shift", "Shifted test splits", heads, lines, notes)


def ood_page_table(records: Sequence[ResultRecord], identity: str) -> Table | None:
    """A row for each OOD set and score, and for near and far means; None if the runs have none."""
    found = ood_lines(records)
    if not found:
        return None
    heads = [Head(name, left=True) for name in Label._fields[1:]]
    heads += [Head("rows", better="lower"), *(Head(f"{name} %") for name in METRICS)]
    lines = []
    for label, rows in found.items():
        cells = [*(Cell(word) for word in label[1:]), Cell(str(rows[0]["n"] or NOTHING))]
        lines.append(Line([*cells, *(figure_cell(ood_cell(rows, name)) for name in METRICS)]))
    return Table(f"{identity}-ood", "OOD sets", heads, lines, [CAPTION])


def _figure(rows: Sequence[Mapping[str, Any]], name: str, unit: str) -> Cell:
    values = [row["metrics"].get(name) for row in rows]
    if None in values:
        return Cell(NOTHING)
    mean = float(np.mean(values))
    return figure_cell(
        figure_with_interval(mean, rows[0]["intervals"].get(name) if len(rows) == 1 else None, unit), mean
    )
