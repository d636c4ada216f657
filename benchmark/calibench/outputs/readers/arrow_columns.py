"""Columns of a pyarrow table as arrays; a column of lists becomes one array `[N, K]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.readers.table import Table
from calibench.outputs.roles.usual_names import LOGITS, PROBS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def column_arrays(table: Any, path: Path, first: int = 0) -> Table:
    """The columns, as numbers or objects. InputError naming the row of a missing list; `first` is the number of the first row.

    A missing value of another column is None: whether a sample may lack it depends on what the column is. Scores by class, as
    `{"cat": .9, "dog": .1}`, are a column a class.
    """
    arrays: Table = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if types_of().is_struct(column.type) and name.lower() in (*PROBS, *LOGITS):
            for field, part in zip(column.type, column.flatten(), strict=True):
                arrays[f"{name}.{field.name}"] = _array(part, f"{name}.{field.name}", path, first)
        else:
            arrays[name] = _array(column, name, path, first)
    return arrays


def types_of() -> Any:
    """pyarrow's tests of types."""
    from pyarrow import types

    return types


def _array(column: Any, name: str, path: Path, first: int) -> NDArray[Any]:
    types, kind = types_of(), column.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        if column.null_count and column.null_count < len(column):
            row = first + column.is_null().to_pylist().index(True)
            raise InputError(f"{path}: row {row}: {name} is missing", "fill or drop the row")
        return _matrix(column)
    if column.null_count:
        return np.array([*column.to_pylist(), ""], dtype=object)[:-1]
    array: NDArray[Any] = column.to_numpy()
    return array


def _matrix(column: Any) -> NDArray[Any]:
    """A column of lists as one array, its rows filled with NaN at their end."""
    flat = column.combine_chunks()
    values, lengths = flat.flatten(), np.array([len(row) for row in flat], dtype=np.int64)
    numbers = values.to_numpy(zero_copy_only=False)
    if numbers.dtype.kind not in "fiub":
        return _objects(flat.to_pylist())
    width = int(lengths.max()) if len(lengths) else 0
    if len(lengths) and int(lengths.min()) == width:
        even: NDArray[Any] = numbers.reshape(len(lengths), width)
        return even
    matrix = np.full((len(lengths), width), np.nan)
    matrix[np.arange(width)[None, :] < lengths[:, None]] = numbers
    return matrix


def _objects(rows: list[Any]) -> NDArray[Any]:
    """Lists of words as an array `[N, K]`; of other lists an object a row."""
    if len({len(row) for row in rows}) == 1 and all(isinstance(value, str) for row in rows for value in row):
        return np.array(rows, dtype=object)
    return np.array([tuple(row) for row in rows] + [None], dtype=object)[:-1]
