"""`csv`: a table from a text file, numeric and categorical columns, one of them the label."""

from __future__ import annotations

import csv as standard
import re
from pathlib import Path

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.numpy_files import existing_file
from calibench_datasets.sources.columns import check_columns, is_number
from calibench_datasets.sources.table import CATEGORICAL, MISSING, TABLE, Column, arrays_of, named_categorical

DELIMITERS = ",;\t|"

_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?\Z")


SPEC = DatasetSpec(
    name="csv",
    target=f"{__name__}:csv",
    summary="Your own table: a text file with a header, numeric and categorical columns, one of them the label.",
    params=(
        Param("path", "path", REQUIRED, "a CSV file; comma, semicolon, tab or bar between cells"),
        *TABLE,
        CATEGORICAL,
        Param("decimal", "str", "point", "how 1.5 is written in the file", choices=("point", "comma"), late=True),
    ),
    licence="yours",
    source="the file; words become one-hot features, values in sorted order",
)


def csv(
    path: str, label: str, drop: str | None, missing: str, categorical: str | None = None, decimal: str = "point"
) -> Arrays:
    """The rows of a text file with a header, as `table.arrays_of` takes them; InputError for a file that is no table.

    `categorical` names columns, joined by `;`, whose numbers are words. With `decimal=comma` 1,5 is the number 1.5.
    """
    columns = read(path)
    words = named_categorical(columns, path, label, drop, categorical)
    left = {label, *label.split(";"), *(drop or "").split(";"), *words}
    for name in [name for name in columns if name not in left]:
        columns[name] = _decimals(columns[name], decimal, f"{path}: column {name!r}", name)
    check_columns(columns, path, label, drop, words)
    return arrays_of(columns, path, label, drop, missing, words)


def read(path: str) -> dict[str, Column]:
    """The columns by name; the delimiter (comma, semicolon, tab, bar) is the one that splits the header into most parts."""
    try:
        with Path(existing_file(path)).open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=lambda sign: len(next(standard.reader([header], delimiter=sign), [])))
            cells = [[cell.strip() for cell in row] for row in standard.reader(file, delimiter=delimiter, strict=True)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8") from None
    except (standard.Error, OSError) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}", "check its quotes") from None
    rows = [row for row in cells if any(row)]  # spreadsheets end with rows of nothing
    if len(rows) < 2:
        raise InputError(
            f"{path}: it has {len(rows)} lines, no header with rows beneath", "the first line names the columns"
        )
    names = rows[0]
    _check_names(names, rows[1], path)
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            message = f"{path}: row {number} has {len(row)} cells, the header {len(names)}"
            raise InputError(message, _what_splits(len(names), len(row), delimiter))
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}


def _check_names(names: list[str], first: list[str], path: str) -> None:
    """InputError unless the first line names every column, each otherwise."""
    numbers = [name for name in names if "." in name and is_number(name)]
    if len(numbers) > len(names) / 2:
        message = f"{path}: the first line holds numbers, such as {numbers[0]}, where names of columns belong"
        raise InputError(message, "add a header; its names say which column is the label")
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"{path}: two columns are called {twice!r}", "name them apart; the first line names the columns"
        )
    if "" in names and len(names) == len(first):
        place = names.index("") + 1
        message = f"{path}: column {place} has no name, and holds {first[place - 1]!r} in row 1"
        raise InputError(message, "name it; if it is the index of pandas, write the file with index=False")


def _what_splits(names: int, cells: int, delimiter: str) -> str:
    if names < cells and names <= 2:
        return "the first line must name the columns: take out what stands above the header"
    shown = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}[delimiter]
    return f"quote cells that hold the delimiter, a {shown}"


def _decimals(cells: Column, decimal: str, where: str, name: str) -> Column:
    """The cells with decimal points, if the file has commas for them; InputError where it has other ones than it says."""
    with_comma = [cell for cell in cells if _WITH_COMMA.match(cell)]
    if decimal == "point":
        if with_comma and all(_WITH_COMMA.match(cell) or is_number(cell) or cell.lower() in MISSING for cell in cells):
            message = f"{where} has numbers with a comma, such as {with_comma[0]!r}"
            raise InputError(message, f"decimal=comma reads 1,5 as 1.5; of thousands, write 1234; or drop={name}")
        return cells
    pointed = next((cell for cell in cells if "." in cell and is_number(cell)), None)
    if pointed is not None:
        message = f"{where}: row {cells.index(pointed) + 1} is {pointed!r}, and decimal=comma"
        raise InputError(message, "write all decimals in one way, and thousands without a sign")
    return [cell.replace(",", ".") if _WITH_COMMA.match(cell) else cell for cell in cells]
