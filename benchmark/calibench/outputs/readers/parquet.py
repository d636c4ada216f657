"""Read a `.parquet` of outputs, which needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.outputs.readers.table import Table, refuse_equal_names

HINT = "write it with pandas.to_parquet or pyarrow"


def pyarrow_parquet() -> Any:
    """pyarrow with its module `parquet`; InputError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("reading .parquet needs pyarrow", 'pip install "calibench[parquet]"') from None
    return pyarrow


def read_parquet(path: Path) -> Table:
    """The columns of a Parquet file, as numbers or objects. Raises InputError naming the file, and the row of a missing value."""
    pyarrow = pyarrow_parquet()
    try:
        refuse_equal_names(pyarrow.parquet.read_schema(path).names, path)
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", HINT) from None
    return column_arrays(table, path)


def column_arrays(table: Any, path: Path, first: int = 0) -> Table:
    """The columns of a pyarrow table. InputError naming the row of a missing value; `first` is the number of the first row."""
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for name, column in columns.items():
        if column.null_count:
            row = first + column.is_null().to_pylist().index(True)
            raise InputError(f"{path}: row {row}: {name} is missing", "fill or drop the row")
    return {name: column.to_numpy() for name, column in columns.items()}
