"""Readers of stored outputs, one format a file: `npz.py`, `csv.py`, `parquet.py`, `npy.py`, `safetensors.py`.

`read.py` chooses by the file's suffix and checks the result, `columns.py` holds the names that a user gives, and `table.py`
turns the columns of a CSV or Parquet file into scores and labels. `open_blocks.py` opens a file that is larger than memory, a
`BlockFile`, whose rows are read a block at a time.
"""

from calibench.outputs.readers.block_file import BlockFile
from calibench.outputs.readers.columns import Columns
from calibench.outputs.readers.npz import unread_arrays, warn_of_unread
from calibench.outputs.readers.open_blocks import open_blocks
from calibench.outputs.readers.read import read_outputs, read_soft

__all__ = ["BlockFile", "Columns", "open_blocks", "read_outputs", "read_soft", "unread_arrays", "warn_of_unread"]
