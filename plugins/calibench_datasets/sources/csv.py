"""`csv`: a table from a text file, numeric and categorical columns, one of them the label."""

from __future__ import annotations

import csv as csv_module
import re
from pathlib import Path

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.numpy_files import existing_file
from calibench_datasets.readers.cells import Column, is_missing, is_number
from calibench_datasets.readers.column_checks import check_columns
from calibench_datasets.readers.names import first_repeated
from calibench_datasets.readers.table import CATEGORICAL, TABLE_PARAMS, roles_of, table_arrays

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?\Z")


SPEC = DatasetSpec(
    name="csv",
    target=f"{__name__}:csv",
    summary="Your own table: a text file with a header, numeric and categorical columns, one of them the label.",
    params=(
        Param("path", "path", REQUIRED, "a CSV file; comma, semicolon, tab or bar between cells"),
        *TABLE_PARAMS,
        CATEGORICAL,
        Param("decimal", "str", "point", "the decimal separator of the file", choices=("point", "comma"), late=True),
    ),
    licence="yours",
    source="the file; words become one-hot features, values in sorted order",
)


def csv(
    path: str, label: str, drop: str | None, missing: str, categorical: str | None = None, decimal: str = "point"
) -> Arrays:
    """The rows of a text file with a header, as `table_arrays` reads them; InputError for a file that is not a table.

    `categorical` names columns, joined by `;`, whose numbers are words. With `decimal=comma` 1,5 is the number 1.5.
    """
    columns = _read(path)
    roles = roles_of(columns, path, label, drop, categorical)
    for name in roles.features(columns):
        if name not in roles.categorical:
            where = f"{path}: column {name!r}"
            columns[name] = (
                _comma_decimals(columns[name], where)
                if decimal == "comma"
                else _point_decimals(columns[name], where, name)
            )
    check_columns(columns, roles, path)
    return table_arrays(columns, roles, path, missing)


def _read(path: str) -> dict[str, Column]:
    """The columns by name. Lines whose cells are all empty, which spreadsheets write at the end, are passed over."""
    lines, delimiter = _lines(path)
    if len(lines) < 2:
        message = f"{path}: it has {len(lines)} lines, no header with rows beneath"
        raise InputError(message, "the first line names the columns")
    names = lines[0]
    _check_header(names, lines[1], path)
    for row, cells in enumerate(lines[1:], 1):
        if len(cells) != len(names):
            message = f"{path}: row {row} has {len(cells)} cells, the header {len(names)}"
            raise InputError(message, _cell_count_hint(len(names), len(cells), delimiter))
    return {name: [cells[i] for cells in lines[1:]] for i, name in enumerate(names)}


def _lines(path: str) -> tuple[list[Column], str]:
    """The cells of each line that is not empty, and the delimiter, which splits the header into most cells."""
    try:
        with Path(existing_file(path)).open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=lambda sign: len(next(csv_module.reader([header], delimiter=sign), [])))
            reader = csv_module.reader(file, delimiter=delimiter, strict=True)
            lines = [[cell.strip() for cell in cells] for cells in reader]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8") from None
    except (csv_module.Error, OSError) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}", "check its quotes") from None
    return [cells for cells in lines if any(cells)], delimiter


def _check_header(names: list[str], first_row: list[str], path: str) -> None:
    """InputError unless the first line gives each column its own name."""
    numbers = [name for name in names if "." in name and is_number(name)]
    if len(numbers) > len(names) / 2:
        message = f"{path}: the first line holds numbers, such as {numbers[0]}, where names of columns belong"
        raise InputError(message, "add a header; its names say which column is the label")
    name = first_repeated([name for name in names if name])
    if name is not None:
        message = f"{path}: two columns are called {name!r}"
        raise InputError(message, "rename one of them; the first line names the columns")
    if "" in names and len(names) == len(first_row):
        column = names.index("") + 1
        message = f"{path}: column {column} has no name, and holds {first_row[column - 1]!r} in row 1"
        raise InputError(message, "name it; if it is the index of pandas, write the file with index=False")


def _cell_count_hint(names: int, cells: int, delimiter: str) -> str:
    if names < cells and names <= 2:
        return "the first line must name the columns: remove the lines above the header"
    return f"quote cells that hold the delimiter, a {DELIMITERS[delimiter]}"


def _point_decimals(cells: Column, where: str, name: str) -> Column:
    """The cells unchanged; InputError if their decimals have commas."""
    with_comma = [cell for cell in cells if _WITH_COMMA.match(cell)]
    if with_comma and all(_WITH_COMMA.match(cell) or is_number(cell) or is_missing(cell) for cell in cells):
        message = f"{where} has numbers with a comma, such as {with_comma[0]!r}"
        raise InputError(message, f"decimal=comma reads 1,5 as 1.5; write thousands as 1234; or drop={name}")
    return cells


def _comma_decimals(cells: Column, where: str) -> Column:
    """The cells with decimal points in place of commas; InputError if some have points already."""
    with_point = next((cell for cell in cells if "." in cell and is_number(cell)), None)
    if with_point is not None:
        message = f"{where}: row {cells.index(with_point) + 1} is {with_point!r}, and decimal=comma"
        raise InputError(message, "write all decimals in one way, and thousands without a separator")
    return [cell.replace(",", ".") if _WITH_COMMA.match(cell) else cell for cell in cells]
