"""Write predicted rows to a `.csv`, with every digit that a float64 has."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibench.outputs.writers.predicted_rows import PredictedRows


def write_csv(path: Path, blocks: Iterator[PredictedRows], rows: int) -> None:
    """Write the rows a block at a time; truth values are 1 and 0."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        started = False
        for block in blocks:
            columns = block.columns()
            if not started:
                writer.writerow(columns)
                started = True
            writer.writerows(zip(*(_cells(values) for values in columns.values()), strict=True))


def _cells(values: Any) -> list[Any]:
    return (values.astype(int) if values.dtype.kind == "b" else values).tolist()  # type: ignore[no-any-return]
