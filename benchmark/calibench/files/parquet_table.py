"""A Parquet file as a pyarrow table, refused before it is read if its rows take more memory than may be taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.files.memory_limit import in_bytes, memory_limit, raise_hint, refuse_beyond_memory, within_memory

WIDTHS = {"BOOLEAN": 1, "INT32": 8, "INT64": 8, "INT96": 16, "FLOAT": 8, "DOUBLE": 8}
"""Bytes of a value once it is an array of numpy; of any other type it is an object of Python."""

OBJECT = 64

STEP = 4096
"""Rows of a table with texts that are read at once: a page may repeat one long text, and no header says how often."""


def read_parquet_table(path: Path) -> Any:
    """The table. InputError if it takes more memory than may be taken; pyarrow's own errors for a damaged file."""
    with within_memory(path):
        return _read(path)


def _read(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        refuse_beyond_memory(path, _bytes_at_least(file.metadata), f"its table of {file.metadata.num_rows} rows")
        schema = file.metadata.schema
        columns = [schema.column(place) for place in range(len(schema))]
        if all(column.physical_type in WIDTHS and not column.max_repetition_level for column in columns):
            return file.read()
        batches, size, limit = [], 0, memory_limit()
        for batch in file.iter_batches(STEP):
            batches.append(batch)
            size += batch.nbytes
            if size > limit:
                message = (
                    f"{path}: its columns take over {in_bytes(size)} of memory, and {in_bytes(limit)} may be taken"
                )
                raise InputError(message, raise_hint(2 * size))
        return pyarrow.Table.from_batches(batches, schema=file.schema_arrow)


def _bytes_at_least(metadata: Any) -> int:
    """The memory that a value a row of each column takes, by the footer alone. Equal values take a bit in the file, 8 bytes here.

    The footer's entries of single column chunks are not read: pyarrow ends the process if one of them is damaged.
    """
    rows = max(metadata.num_rows, sum(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)))
    kinds = [metadata.schema.column(place).physical_type for place in range(len(metadata.schema))]
    return int(rows * sum(WIDTHS.get(kind, OBJECT) for kind in kinds))
