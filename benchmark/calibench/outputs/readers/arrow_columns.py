"""Columns of a pyarrow table as arrays; a column of lists becomes one array `[N, K]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.readers.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


def column_arrays(table: Any, path: Path, first: int = 0) -> Table:
    """The columns, as numbers or objects. InputError naming the row of a missing value; `first` is the number of the first row.

    Values may be missing in columns of words.
    """
    return {
        name: _array(column, name, path, first) for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _array(column: Any, name: str, path: Path, first: int) -> NDArray[Any]:
    from pyarrow import types

    kind = column.type
    words = types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)
    if column.null_count and not words:
        row = first + column.is_null().to_pylist().index(True)
        raise InputError(f"{path}: row {row}: {name} is missing", "fill or drop the row")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _matrix(column, name, path)
    array: NDArray[Any] = column.to_numpy()
    return array


def _matrix(column: Any, name: str, path: Path) -> NDArray[Any]:
    """A column of lists as one array, its rows filled with NaN at their end."""
    flat = column.combine_chunks()
    values, lengths = flat.flatten(), np.array([len(row) for row in flat], dtype=np.int64)
    numbers = values.to_numpy(zero_copy_only=False)
    if numbers.dtype.kind not in "fiub":
        return np.array([tuple(row) for row in flat.to_pylist()] + [None], dtype=object)[:-1]
    width = int(lengths.max()) if len(lengths) else 0
    if len(lengths) and int(lengths.min()) == width:
        even: NDArray[Any] = numbers.reshape(len(lengths), width)
        return even
    matrix = np.full((len(lengths), width), np.nan)
    matrix[np.arange(width)[None, :] < lengths[:, None]] = numbers
    return matrix
