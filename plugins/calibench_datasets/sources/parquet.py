"""`parquet`: a table from a Parquet file, numeric and categorical columns, one of them the label."""

from __future__ import annotations

import math
from typing import Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.numpy_files import existing_file
from calibench_datasets.sources.table import CATEGORICAL, TABLE, Column, arrays_of, named_categorical

SPEC = DatasetSpec(
    name="parquet",
    target=f"{__name__}:parquet",
    summary="Your own table from a Parquet file, numeric and categorical columns, one of them the label.",
    params=(
        Param("path", "path", REQUIRED, "a Parquet file (extra parquet)"),
        *TABLE,
        CATEGORICAL,
    ),
    licence="yours",
    source="the file; words become one-hot features, values in sorted order",
)


def parquet(path: str, label: str, drop: str | None, missing: str, categorical: str | None = None) -> Arrays:
    """The rows of a Parquet file, as `table.arrays_of` takes them: numbers are numbers, all else is words, null is missing.

    The numbers of columns that `categorical` names, joined by `;`, are words.
    Raises InputError for a file that cannot be read, and naming the column for lists, structures and bytes.
    """
    columns = read(path)
    words = named_categorical(columns, path, label, drop, categorical)
    return arrays_of(columns, path, label, drop, missing, words)


def read(path: str) -> dict[str, Column]:
    """The columns by name, every cell as text that reads back to the same value; null is empty."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("reading .parquet needs pyarrow", 'pip install "calibench[parquet]"') from None
    file = existing_file(path)
    try:
        table = pyarrow.parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", "write it with pandas.to_parquet or pyarrow") from None
    if table.num_rows == 0:
        raise InputError(f"{path}: there are no rows", "give at least one row a class")
    twice = next((name for name in table.column_names if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are called {twice!r}", "name them apart")
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if pyarrow.types.is_nested(kind) or pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
            raise InputError(
                f"{path}: column {name!r} holds {kind}", f"leave it out of the file, or store numbers: {name}"
            )
    return {
        name: [_cell(value) for value in column.to_pylist()]
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # NaN, as pandas writes missing numbers
        return ""
    return repr(value) if isinstance(value, float) else str(value).strip()
