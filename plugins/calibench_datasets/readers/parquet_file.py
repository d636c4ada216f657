"""Open a Parquet file by pyarrow, which is an extra."""

from __future__ import annotations

from typing import Any

from calibench import InputError
from calibench.data.numpy_files import existing_file
from calibench.files.parquet_table import read_parquet_table


def read_parquet(path: str) -> Any:
    """The pyarrow.Table of a file; InputError if pyarrow is not installed or the file cannot be read."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("reading .parquet needs pyarrow", 'pip install "calibench[parquet]"') from None
    file = existing_file(path)
    try:
        return read_parquet_table(file)
    except (OSError, UnicodeDecodeError, OverflowError, IndexError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", "write it with pandas.to_parquet or pyarrow") from None
