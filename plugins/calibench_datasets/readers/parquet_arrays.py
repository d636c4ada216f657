"""Arrays from a Parquet file of stored features: a column of lists, a column of labels, and perhaps one that names the split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.lazy import np
from calibench_datasets.readers.parquet_file import read_parquet

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLIT = "split"


def parquet_arrays(path: str) -> dict[str, NDArray[Any]]:
    """The columns as arrays by name. Lists of one length become `[N, D]`; words become class indices in sorted order.

    A column `split` of words divides the rows: `train_features`, `test_features`, and so on. InputError for nulls, for lists
    of several lengths or none at all, for a text that is no UTF-8, and for columns that hold neither numbers nor words.
    """
    table = read_parquet(path)
    arrays = {name: _column(table[name], f"{path}: column {name!r}") for name in table.column_names}
    split = arrays.pop(SPLIT, None)
    arrays = {name: _class_indices(array) for name, array in arrays.items()}
    if split is None:
        return arrays
    if split.dtype.kind != "U":
        raise InputError(f"{path}: column {SPLIT!r} holds {split.dtype}", "it names the split: train, val, cal or test")
    return {f"{part}_{name}": array[split == part] for part in np.unique(split) for name, array in arrays.items()}


def _class_indices(array: NDArray[Any]) -> NDArray[Any]:
    """Words as their positions in sorted order; any other array unchanged."""
    return np.unique(array, return_inverse=True)[1] if array.dtype.kind == "U" else array


def _column(column: Any, where: str) -> NDArray[Any]:
    from pyarrow import types

    kind = column.type
    if column.null_count:
        raise InputError(f"{where}: {column.null_count} cells are missing", "drop the rows, or the column: drop=NAME")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _lists(column, where)
    if types.is_dictionary(kind) or types.is_string(kind) or types.is_large_string(kind):
        return np.array(_texts(column, where))
    if _is_numeric(kind):
        return np.asarray(column.to_numpy())
    raise InputError(f"{where} holds {kind}", "drop it: drop=NAME")


def _texts(column: Any, where: str) -> list[str]:
    """The cells as text; InputError if one is no UTF-8."""
    try:
        return [str(value) for value in column.to_pylist()]
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: a text is not UTF-8 ({error})", "write the file again as UTF-8") from None


def _lists(column: Any, where: str) -> NDArray[Any]:
    """`[N, D]` of a column of lists; InputError unless there are rows, and all have one length and hold numbers."""
    if not len(column):
        raise InputError(f"{where}: it has no rows", "store a row of features for each sample")
    rows = column.combine_chunks()
    lengths = np.unique(np.asarray(rows.value_lengths()))
    if len(lengths) != 1:
        raise InputError(f"{where}: its lists have {lengths[0]} to {lengths[-1]} numbers", "all need one length")
    values = rows.flatten()
    if values.null_count or not _is_numeric(values.type):
        raise InputError(f"{where}: its lists hold {values.type}, or nulls", "store numbers")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(column), -1)


def _is_numeric(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_floating(kind) or types.is_integer(kind))
