"""What rows, labels and a given head must be, before they are split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.data.arrays import Arrays
from calibench.errors import InputError

MAX_LABEL = 2**31 - 1
"""ShiftAndOod it a label is a hash or an id, not a class index."""


@dataclass(frozen=True)
class Split:
    """Rows `x [n, ...]` float32, class indices `y [n]` int64, and `ids [n]`, the row numbers in the source arrays.

    Of several labels a row, y is `[n, Q]` of 0 and 1.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


def check_rows(x: NDArray[Any], y: NDArray[Any], where: str) -> Split:
    """Rows as float32 and labels as int64; InputError, naming `where` and the row, for what no network could be given."""
    if x.ndim < 2:
        raise InputError(f"{where}: x has shape {list(x.shape)}, not [N, ...]", "one row a sample")
    if y.ndim not in {1, 2} or len(x) != len(y):
        message = f"{where}: x has {len(x)} rows and y has shape {list(y.shape)}"
        raise InputError(message, "one class index a row, or [N, Q] of 0 and 1 for Q labels a row")
    if len(y) == 0 or x.size == 0:
        raise InputError(f"{where}: it is empty", "give at least one row with one value")
    if y.ndim == 2:
        y = _answers(y, where)
    if not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"{where}: y has type {y.dtype}", "store class indices 0 .. K-1 as integers")
    if x.dtype.kind not in "fiub":
        raise InputError(f"{where}: x has type {x.dtype}", "store numbers")
    if x.dtype.kind == "f":
        finite = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
        if not finite.all():
            raise InputError(
                f"{where}: row {int(np.argmin(finite))} of x holds NaN or infinity", "drop or mend the row"
            )
    outside = (y < 0) | (y > MAX_LABEL)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(f"{where}: the label of row {row} is {y[row]}", "class indices start at 0")
    with np.errstate(over="ignore"):  # said below, with the place
        rows = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(rows).all():
        raise InputError(f"{where}: x holds values beyond float32's range", "scale them")
    return Split(rows, y.astype(np.int64), np.arange(len(y), dtype=np.int64))


def _answers(y: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Labels `[N, Q]` as int64 if they are Q >= 2 columns of 0 and 1."""
    if y.shape[1] < 2:
        raise InputError(f"{where}: y has shape {list(y.shape)}", "of one label a row, store class indices [N]")
    if y.dtype.kind not in "iub" or not np.isin(y, (0, 1)).all():
        raise InputError(f"{where}: y has shape {list(y.shape)} and holds more than 0 and 1", "one column a label")
    return y.astype(np.int64)


def count_labels_per_sample(splits: Mapping[str, Split], weight: NDArray[np.float32] | None, where: str) -> int:
    """Q of several labels a row, 1 of one; InputError where splits or head differ, or training knows one answer only."""
    found = {split.y.shape[1:] for split in splits.values()}
    if len(found) > 1:
        raise InputError(f"{where}: the splits differ in labels a row: {sorted(found)}", "give all the same")
    shape = found.pop()
    if not shape:
        return 1
    if weight is not None and len(weight) != shape[0]:
        message = f"{where}: head_weight has {len(weight)} rows, and a row {shape[0]} labels"
        raise InputError(message, "the head gives one logit a label")
    if all((split.y.sum(axis=1) == 1).all() for split in splits.values()):
        message = f"{where}: every row has exactly one label of {shape[0]}"
        raise InputError(message, "that is one class a row: give class indices [N], as y.argmax(axis=1)")
    train = splits["train"].y
    alike = (train == train[0]).all(axis=0)
    if alike.any():
        column = int(np.argmax(alike))
        message = f"{where}: label {column} is {int(train[0, column])} in every training row"
        raise InputError(message, "drop the column: nothing can be learned of it")
    return int(shape[0])


def refuse_gaps(splits: Mapping[str, Split], num_classes: int, where: str) -> None:
    """Without a head the labels alone say how many classes there are: one that no row has would be a dead output."""
    seen = np.unique(np.concatenate([split.y for split in splits.values()]))
    if len(seen) == num_classes or len(seen) < 2:  # one class has an error of its own
        return
    absent = int(np.argmax(seen != np.arange(len(seen))))
    message = f"{where}: no row has the label {absent}, and labels run to {num_classes - 1}"
    raise InputError(message, "number the classes 0 .. K-1 without gaps: numpy.unique(y, return_inverse=True)[1]")


def check_head(
    arrays: Arrays, x: NDArray[np.float32], where: str
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """The given head as float32, if there is one and it fits the rows; InputError if it does not."""
    if arrays.head_weight is None and arrays.head_bias is None:
        return None, None
    if arrays.head_weight is None or arrays.head_bias is None:
        raise InputError(f"{where}: head_weight and head_bias come together", "give both")
    given = {"head_weight": np.asarray(arrays.head_weight), "head_bias": np.asarray(arrays.head_bias)}
    for name, array in given.items():
        if array.dtype.kind not in "fiu":
            raise InputError(f"{where}: {name} has type {array.dtype}", "store numbers")
    weight, bias = (array.astype(np.float32) for array in given.values())
    size = int(np.prod(x.shape[1:]))
    if weight.ndim != 2 or weight.shape[1] != size or len(weight) < 2 or bias.shape != weight.shape[:1]:
        message = f"{where}: head_weight {list(weight.shape)} and head_bias {list(bias.shape)} do not fit x"
        raise InputError(message, f"expected [K, {size}] and [K] with K >= 2")
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise InputError(f"{where}: the head holds NaN or infinity", "store a trained head")
    return weight, bias
