"""Readers of stored outputs, one format a file: `npz.py`, `csv.py`, `parquet.py`.

`read.py` chooses by the file's suffix and checks the result, `columns.py` holds the names that a user gives, and `table.py`
turns the columns of a CSV or Parquet file into scores and labels.
"""

from calibench.outputs.readers.columns import Columns
from calibench.outputs.readers.npz import unread_arrays
from calibench.outputs.readers.read import read_outputs, read_soft

__all__ = ["Columns", "read_outputs", "read_soft", "unread_arrays"]
