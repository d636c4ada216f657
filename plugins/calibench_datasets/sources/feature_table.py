"""Features from a Parquet file: a column of lists, a column of labels, and perhaps one that names the split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.data.numpy_files import existing_file
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLIT = "split"


def read_table(path: str) -> dict[str, NDArray[Any]]:
    """The columns as arrays by name: lists of one length become `[N, D]`, words become classes in sorted order.

    A column `split` of words parts the rows: `train_features`, `test_features`, and so on. InputError for nulls, for lists
    of several lengths, and for columns that are neither numbers nor words.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("reading .parquet needs pyarrow", 'pip install "calibench[parquet]"') from None
    try:
        table = pyarrow.parquet.read_table(existing_file(path))
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", "write it with pandas.to_parquet or pyarrow") from None
    arrays = {name: _column(table[name], f"{path}: column {name!r}") for name in table.column_names}
    if SPLIT not in arrays:
        return {name: _classes(array) for name, array in arrays.items()}
    split = arrays.pop(SPLIT)
    if split.dtype.kind != "U":
        raise InputError(f"{path}: column {SPLIT!r} holds {split.dtype}", "it names the split: train, val, cal or test")
    arrays = {name: _classes(array) for name, array in arrays.items()}
    return {f"{part}_{name}": array[split == part] for part in np.unique(split) for name, array in arrays.items()}


def _classes(array: NDArray[Any]) -> NDArray[Any]:
    """Words as their place in sorted order; all else as it is."""
    return np.unique(array, return_inverse=True)[1] if array.dtype.kind == "U" else array


def _column(column: Any, where: str) -> NDArray[Any]:
    import pyarrow

    kind = column.type
    if column.null_count:
        raise InputError(f"{where}: {column.null_count} cells are missing", "drop the rows, or the column: drop=NAME")
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        rows = column.combine_chunks()
        lengths = np.unique(np.asarray(rows.value_lengths()))
        if len(lengths) != 1:
            raise InputError(f"{where}: its lists have {lengths[0]} to {lengths[-1]} numbers", "all need one length")
        values = rows.flatten()
        if values.null_count or not (pyarrow.types.is_floating(values.type) or pyarrow.types.is_integer(values.type)):
            raise InputError(f"{where}: its lists hold {values.type}, or nulls", "store numbers")
        return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(column), -1)
    if pyarrow.types.is_dictionary(kind) or pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        return np.array([str(value) for value in column.to_pylist()])
    if pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind):
        return np.asarray(column.to_numpy())
    raise InputError(f"{where} holds {kind}", "drop it: drop=NAME")
