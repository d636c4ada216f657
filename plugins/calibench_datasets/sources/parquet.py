"""`parquet`: a table from a Parquet file, numeric and categorical columns, one of them the label."""

from __future__ import annotations

import math
from typing import Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench_datasets.readers.cells import Column
from calibench_datasets.readers.names import first_repeated
from calibench_datasets.readers.parquet_file import read_parquet
from calibench_datasets.readers.table import CATEGORICAL, TABLE_PARAMS, roles_of, table_arrays

SPEC = DatasetSpec(
    name="parquet",
    target=f"{__name__}:parquet",
    summary="Your own table from a Parquet file, numeric and categorical columns, one of them the label.",
    params=(
        Param("path", "path", REQUIRED, "a Parquet file (extra parquet)"),
        *TABLE_PARAMS,
        CATEGORICAL,
    ),
    licence="yours",
    source="the file; words become one-hot features, values in sorted order",
)


def parquet(path: str, label: str, drop: str | None, missing: str, categorical: str | None = None) -> Arrays:
    """The rows of a Parquet file as `table_arrays` reads them: numbers are numbers, all else is words, null is missing.

    `categorical` names columns, joined by `;`, whose numbers are words. InputError for a file that cannot be read, and
    naming the column for lists, structures and bytes.
    """
    columns = _read(path)
    return table_arrays(columns, roles_of(columns, path, label, drop, categorical), path, missing)


def _read(path: str) -> dict[str, Column]:
    """The columns by name. Every cell is text that reads back to the same value; null is empty."""
    table = read_parquet(path)
    from pyarrow import types  # after read_parquet, whose error names the extra if pyarrow is missing

    if table.num_rows == 0:
        raise InputError(f"{path}: there are no rows", "give at least one row a class")
    if (name := first_repeated(table.column_names)) is not None:
        raise InputError(f"{path}: two columns are called {name!r}", "rename one of them")
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            message = f"{path}: column {name!r} holds {kind}"
            raise InputError(message, f"leave it out of the file, or store numbers: {name}")
    return {
        name: [_cell(value) for value in column.to_pylist()]
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # pandas writes missing numbers as NaN
        return ""
    return repr(value) if isinstance(value, float) else str(value).strip()
