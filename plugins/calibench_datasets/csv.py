"""`csv`: a table from a text file, numeric and categorical columns, one of them the label."""

from __future__ import annotations

import csv as standard
from pathlib import Path

from calibench import Arrays, InputError
from calibench.data.npzfile import existing
from calibench_datasets.table import Column, arrays_of


def csv(path: str, label: str, drop: str | None, missing: str) -> Arrays:
    """The rows of a text file with a header, as `table.arrays_of` takes them; InputError for a file that is no table."""
    return arrays_of(read(path), path, label, drop, missing)


def read(path: str) -> dict[str, Column]:
    """The columns by name; the delimiter (comma, semicolon, tab) is the one that splits the header into most parts."""
    try:
        with Path(existing(path)).open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=lambda sign: len(next(standard.reader([header], delimiter=sign), [])))
            rows = [row for row in standard.reader(file, delimiter=delimiter, strict=True) if row]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8") from None
    except (standard.Error, OSError) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}", "check its quotes") from None
    if len(rows) < 2:
        raise InputError(
            f"{path}: it has {len(rows)} lines, no header with rows beneath", "the first line names the columns"
        )
    names = [name.strip() for name in rows[0]]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"{path}: two columns are called {twice!r}", "name them apart; the first line names the columns"
        )
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            message = f"{path}: row {number} has {len(row)} cells, the header {len(names)}"
            raise InputError(message, "quote cells that hold the delimiter")
    return {name: [row[i].strip() for row in rows[1:]] for i, name in enumerate(names)}
