"""Several files of outputs judged side by side: one row a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.cli.output import emit_json, stdout, to_stderr

if TYPE_CHECKING:
    import torch

    from calibench.evaluation.stored_outputs import EvaluationRecord

SCHEMA = "calibench.evaluations/1"


def document(records: Mapping[Path, EvaluationRecord], comparable: bool) -> dict[str, Any]:
    """`evaluations`, each with its `file`, in the order given; `same_samples` says whether their labels are equal."""
    found = [{"file": str(file), **record.to_dict()} for file, record in records.items()]
    return {"schema": SCHEMA, "same_samples": comparable, "evaluations": found}


def same_labels(labels: list[torch.Tensor]) -> bool:
    """Whether all files hold the same labels in the same order, so that their figures are of the same samples."""
    return all(other.shape == labels[0].shape and bool((other == labels[0]).all()) for other in labels[1:])


def show(records: Mapping[Path, EvaluationRecord], comparable: bool, as_json: bool) -> None:
    """The board on standard output, lowest NLL first; files that hold other samples stand in the order given, and it says so."""
    if as_json:
        emit_json(document(records, comparable))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from calibench.report.tables import COLUMNS, figure, header

    units = {name: unit for record in records.values() for name, unit in record.units.items()}
    sides = {
        file: record.metrics if record.after is None else record.after["metrics"] for file, record in records.items()
    }
    columns = [name for name in COLUMNS if any(name in side for side in sides.values())]
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("file", "n"):
        table.add_column(name, justify="right" if name == "n" else "left", no_wrap=True)
    for name in columns:
        table.add_column(header(name, units), justify="right")
    order = list(records)
    if comparable:
        order.sort(key=lambda file: math.inf if (nll := sides[file]["nll"]) is None else float(nll))
    for file in order:
        record = records[file]
        intervals = record.intervals if record.after is None else record.after["intervals"]
        cells = []
        for name in columns:
            value, unit = sides[file].get(name), units[name]["unit"]
            interval = intervals.get(name)
            bracket = f" [{figure(interval[0], unit)}, {figure(interval[1], unit)}]" if interval else ""
            cells.append("-" if value is None else figure(value, unit) + bracket)
        table.add_row(Text(str(file)), f"{record.n}", *(Text(cell) for cell in cells))
    console = stdout()
    fit = next(iter(records.values())).fit
    if fit is not None:
        console.print(Text(f"after {fit['recipe']}"), soft_wrap=True)
    console.print(table)
    for file in order:
        record = records[file]
        verdict = record.verdict if record.after is None else record.after["verdict"]
        console.print(Text(f"{file}: {verdict}"), soft_wrap=True)
    if not comparable:
        to_stderr(
            "note: the files hold other labels than one another: their figures are not of the same samples, and not ranked"
        )
