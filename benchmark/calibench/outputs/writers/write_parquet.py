"""Write predicted rows to a `.parquet`, a row group a block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.outputs.writers.predicted_rows import PredictedRows


def write_parquet(path: Path, blocks: Iterator[PredictedRows], rows: int) -> None:
    """Write the rows a block at a time. InputError if pyarrow is not installed."""
    pyarrow = import_pyarrow()
    from pyarrow import parquet

    writer: Any = None
    try:
        for block in blocks:
            table = pyarrow.table({name: pyarrow.array(_cells(values)) for name, values in block.columns().items()})
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _cells(values: Any) -> Any:
    return values.tolist() if values.dtype.kind in "OUS" else values


def import_pyarrow() -> Any:
    """The module pyarrow; InputError if it is not installed."""
    try:
        import pyarrow
    except ImportError:
        raise InputError("writing .parquet needs pyarrow", 'pip install "calibench[parquet]"') from None
    return pyarrow
