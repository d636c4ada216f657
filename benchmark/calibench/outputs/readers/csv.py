"""Read a `.csv` of outputs: a header line, then one line per sample."""

from __future__ import annotations

import csv
from pathlib import Path

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.readers.table import Table, refuse_equal_names


def read_csv(path: Path) -> Table:
    """The columns of a UTF-8 CSV as text, by the names in its header. Blank lines are skipped.

    Raises InputError naming the file and the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for values in reader:
                if not values:
                    continue
                if len(values) != len(header):
                    message = f"{path}: line {reader.line_num} has {len(values)} values, the header {len(header)}"
                    raise InputError(message, "write one value for each column")
                rows.append(values)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", "write a UTF-8 CSV with a header line") from None
    if not header or not rows:
        problem = "there are no rows" if header else "it is empty"
        raise InputError(f"{path}: {problem}", "write a header line, then one line per sample")
    refuse_equal_names(header, path)
    return {name: np.array(column, dtype=object) for name, column in zip(header, zip(*rows, strict=True), strict=True)}
