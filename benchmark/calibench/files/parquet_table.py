"""A Parquet file as a pyarrow table, refused before it is read if its rows take more memory than may be taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench.files.memory_limit import in_bytes, memory_limit, raise_hint, refuse_beyond_memory

WIDTHS = {"BOOLEAN": 1, "INT32": 8, "INT64": 8, "INT96": 16, "FLOAT": 8, "DOUBLE": 8}
"""Bytes of a value once it is an array of numpy; of any other type it is an object of Python."""

OBJECT = 64

STEP = 4096
"""Rows of a table with texts that are read at once: a page may repeat one long text, and no header says how often."""


def parquet_bytes(metadata: Any) -> int:
    """The memory that the values of a file take, by its footer alone. Equal values take a bit in the file, and 8 bytes here."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(place) for group in groups for place in range(group.num_columns)]
    values = sum(column.num_values * WIDTHS.get(column.physical_type, OBJECT) for column in columns)
    return int(max(values, 8 * metadata.num_rows))


def read_parquet_table(path: Path) -> Any:
    """The table. InputError if it takes more memory than may be taken; pyarrow's own errors for a damaged file."""
    import pyarrow
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        refuse_beyond_memory(path, parquet_bytes(file.metadata), f"its table of {file.metadata.num_rows} rows")
        columns = (file.metadata.schema.column(place) for place in range(len(file.metadata.schema)))
        if all(column.physical_type in WIDTHS for column in columns):
            return file.read()
        batches, size, limit = [], 0, memory_limit()
        for batch in file.iter_batches(STEP):
            batches.append(batch)
            size += batch.nbytes
            if size > limit:
                from calibench.errors import InputError

                message = f"{path}: its texts take over {in_bytes(size)} of memory, and {in_bytes(limit)} may be taken"
                raise InputError(message, raise_hint(2 * size))
        return pyarrow.Table.from_batches(batches, schema=file.schema_arrow)
