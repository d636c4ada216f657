"""`calibench.results`: the records of a folder as one table, a row a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calibench.leaderboard.conditions import where as kept
from calibench.leaderboard.record_rows import Row, columns_of, row_of
from calibench.records.figures_table import frame, html_table
from calibench.records.store import folders_of, read_records

FAULTS = "faults"
SHOWN = ("recipe", "dataset", "model", "noise", "seed", "accuracy", "brier", "nll", "ece15", "calibrated", FAULTS)
"""The columns of a terminal and of a notebook; `faults` only where there are some."""

MOST_SHOWN = 100
"""Rows that a notebook shows."""


class Results(Sequence[Row]):
    """Rows with the columns of `calibench results --format csv`: what each run was, its verdict, metrics and interval ends."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)

    def __getitem__(self, place: Any) -> Any:
        """A row, or the rows of a slice."""
        return Results(self.rows[place]) if isinstance(place, slice) else self.rows[place]

    def __len__(self) -> int:
        """The number of runs."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """Row by row."""
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"Results of {len(self)} runs; .to_pandas() makes a DataFrame"

    def to_pandas(self) -> Any:
        """A pandas DataFrame with every column. InputError without pandas."""
        return frame(self.rows, columns_of(self.rows))

    def _repr_html_(self) -> str:
        names = [name for name in SHOWN if name != FAULTS or any(row.get(FAULTS) for row in self.rows)]
        shown = [{name: row.get(name) for name in names} for row in self.rows[:MOST_SHOWN]]
        more = f"{len(self) - MOST_SHOWN} more" if len(self) > MOST_SHOWN else ""
        note = "figures as fractions and nats; .to_pandas() has every column"
        return html_table(f"{len(self)} runs", [note, more], shown)


def results(folder: str | Path = "results", where: str | None = None) -> Results:
    """The records of a results folder, or of the folders in it, as a table, a row a run.

    `where` keeps the rows that match a condition, as `dataset=digits and (ece15<0.02 or not seed=0)`. Figures are fractions and
    nats. Raises InputError for a folder without records, a file that is no record, and a condition that cannot be read.
    """
    rows = [row_of(record) for place in folders_of(Path(folder)) for record in read_records(place)]
    return Results(rows if where is None else kept(rows, where))
