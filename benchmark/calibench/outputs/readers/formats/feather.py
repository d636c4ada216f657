"""Read a `.feather` (Arrow file) of outputs, which needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.arrow_columns import column_arrays
from calibench.outputs.readers.formats.parquet import DAMAGED, pyarrow_parquet
from calibench.outputs.readers.table import refuse_equal_names
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="feather",
    suffixes=(".feather", ".arrow"),
    starts=(b"ARROW1", b"\xff\xff\xff\xff"),
    target="calibench.outputs.readers.formats.feather:read_feather",
    summary="Tables of Arrow and Feather, also with a column of lists; needs pyarrow.",
)


MAGIC = b"ARROW1"
"""The first bytes of a file; a stream of Arrow, as `datasets` of Hugging Face stores it, begins otherwise."""


def read_feather(path: Path, columns: Columns) -> Content:
    """The columns of a Feather file (version 2), or of a file or stream of Arrow.

    InputError naming the file, and the row of a missing list.
    """
    pyarrow = pyarrow_parquet("reading .feather")
    from pyarrow import feather

    try:
        with path.open("rb") as file:
            in_one_piece = file.read(len(MAGIC)) in (MAGIC, b"FEA1")
        table = feather.read_table(path, memory_map=False) if in_one_piece else _stream(path)
        refuse_beyond_memory(path, 2 * table.nbytes, "its table")
        table.validate(full=True)  # pyarrow ends the process at offsets that point beyond a column
        refuse_equal_names(table.column_names, path)
        return Content(column_arrays(table, path))
    except MemoryError:
        raise  # it is no damage: `within_memory` tells the limit
    except (*DAMAGED, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", "write it with pandas.to_feather or pyarrow") from None


def _stream(path: Path) -> Any:
    from pyarrow import ipc

    with path.open("rb") as file, ipc.open_stream(file) as stream:
        return stream.read_all()
