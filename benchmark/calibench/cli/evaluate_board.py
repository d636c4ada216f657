"""`calibench evaluate FILE FILE`: several files of outputs side by side, one row a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.cli.output import print_line, stdout, to_stderr
from calibench.lazy import np
from calibench.outputs.arrays import Labels, as_array
from calibench.records import schemas
from calibench.report.board_columns import COLUMNS
from calibench.report.format import figure_with_interval, header
from calibench.report.tables import ruled_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from calibench.evaluation.evaluation_record import EvaluationRecord

ORDER = "brier"
"""The files stand in the order of this metric, whose column comes first."""

Judgement = Mapping[str, Any]
"""`metrics`, `intervals` and `verdict` of one file; after the fit if there was one."""


def document(records: Mapping[Path, EvaluationRecord], comparable: bool) -> dict[str, Any]:
    """The JSON document: `evaluations` in the order of the files, each with its `file`; `same_samples` if they are comparable."""
    evaluations = [{"file": str(file), **record.to_dict()} for file, record in records.items()]
    return {"schema": schemas.EVALUATIONS, "same_samples": comparable, "evaluations": evaluations}


def same_labels(labels: Sequence[Labels]) -> bool:
    """True if all files hold the same labels in the same order, so that their figures are of the same samples."""
    first, *rest = labels
    return all(np.array_equal(as_array(others), as_array(first)) for others in rest)


def print_board(records: Mapping[Path, EvaluationRecord], comparable: bool) -> None:
    """Print the board, lowest Brier score first. Files of other samples keep the order of the user, and a note says so."""
    judgements = {file: record.after or record.to_dict() for file, record in records.items()}
    files = list(records)
    if comparable:
        files.sort(key=lambda file: _brier(judgements[file]))
    console = stdout()
    fit = records[files[0]].fit
    if fit is not None:
        print_line(console, f"after {fit['recipe']}")
    table, left_out = _fitting_table(records, judgements, files, console)
    console.print(table)
    if left_out:
        print_line(console, f"no room for {', '.join(left_out)}; a wider terminal and --json show them")
    for file in files:
        print_line(console, f"{file}: {judgements[file]['verdict']}")
    if not comparable:
        to_stderr("note: the labels of the files differ: their figures are not of the same samples, and not ranked")


def _brier(judgement: Judgement) -> float:
    brier = judgement["metrics"].get(ORDER)
    return math.inf if brier is None else float(brier)


def _fitting_table(
    records: Mapping[Path, EvaluationRecord],
    judgements: Mapping[Path, Judgement],
    files: Sequence[Path],
    console: Console,
) -> tuple[Table, list[str]]:
    """The table with as many columns as the console holds, one at least, and the names of the others."""
    from rich.measure import Measurement

    known = list(dict.fromkeys(name for judgement in judgements.values() for name in judgement["metrics"]))
    columns = [name for name in dict.fromkeys((ORDER, *COLUMNS)) if name in known] or known
    for count in range(len(columns), 0, -1):
        table = _table(records, judgements, files, columns[:count])
        if Measurement.get(console, console.options.update(width=1000), table).maximum <= console.width:
            break
    return table, columns[count:]


def _table(
    records: Mapping[Path, EvaluationRecord],
    judgements: Mapping[Path, Judgement],
    files: Sequence[Path],
    columns: Sequence[str],
) -> Table:
    from rich.text import Text

    units = {name: about["unit"] for record in records.values() for name, about in record.units.items()}
    table = ruled_table()
    table.add_column("file", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for name in columns:
        table.add_column(header(name, units[name]), justify="right")
    for file in files:
        metrics, intervals = judgements[file]["metrics"], judgements[file]["intervals"]
        cells = [figure_with_interval(metrics.get(name), intervals.get(name), units[name]) for name in columns]
        table.add_row(Text(str(file)), f"{records[file].n}", *(Text(cell) for cell in cells))
    return table
