"""Read a `.feather` (Arrow file) of outputs, which needs pyarrow."""

from __future__ import annotations

from pathlib import Path

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.arrow_columns import column_arrays
from calibench.outputs.readers.formats.parquet import pyarrow_parquet
from calibench.outputs.readers.table import refuse_equal_names
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="feather",
    suffixes=(".feather", ".arrow"),
    starts=(b"ARROW1",),
    target="calibench.outputs.readers.formats.feather:read_feather",
    summary="Tables of Arrow and Feather, also with a column of lists; needs pyarrow.",
)


def read_feather(path: Path, columns: Columns) -> Content:
    """The columns of a Feather file (version 2) or Arrow file. InputError naming the file, and the row of a missing value."""
    pyarrow = pyarrow_parquet("reading .feather")
    from pyarrow import feather

    try:
        table = feather.read_table(path, memory_map=False)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", "write it with pandas.to_feather or pyarrow") from None
    refuse_equal_names(table.column_names, path)
    return Content(column_arrays(table, path))
