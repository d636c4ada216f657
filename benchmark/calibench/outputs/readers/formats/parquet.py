"""Read a `.parquet` of outputs, which needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.arrow_columns import column_arrays
from calibench.outputs.readers.table import refuse_equal_names
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="parquet",
    suffixes=(".parquet",),
    starts=(b"PAR1",),
    target="calibench.outputs.readers.formats.parquet:read_parquet",
    summary="Tables of Parquet, also with a column of lists; needs pyarrow.",
)

HINT = "write it with pandas.to_parquet or pyarrow"


DAMAGED = (OSError, UnicodeDecodeError, OverflowError, IndexError)
"""Errors of a damaged file beside those of pyarrow."""


def pyarrow_parquet(what: str = "reading .parquet") -> Any:
    """pyarrow with its module `parquet`; InputError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{what} needs pyarrow", 'pip install "calibench[parquet]"') from None
    return pyarrow


def read_parquet(path: Path, columns: Columns | None = None) -> Content:
    """The columns of a Parquet file. Raises InputError naming the file, and the row of a missing value."""
    pyarrow = pyarrow_parquet()
    from calibench.files.parquet_table import read_parquet_table

    try:
        refuse_equal_names(pyarrow.parquet.read_schema(path).names, path)
        return Content(column_arrays(read_parquet_table(path), path))
    except MemoryError:
        raise  # it is no damage: `within_memory` tells the limit
    except (*DAMAGED, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", HINT) from None
