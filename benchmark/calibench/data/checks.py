"""Checks of rows, labels and a trained head; those of several splits together come last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.data.arrays import Arrays

MAX_LABEL = 2**31 - 1
"""A larger label is a hash or an id, not a class index."""


@dataclass(frozen=True)
class Split:
    """Rows `x [n, ...]` float32, class indices `y [n]` int64, and `ids [n]`, the row numbers in the source arrays.

    If a row has several labels, y is `[n, Q]` of 0 and 1.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.bool_]) -> Split:
        """The rows where `rows [n]` is True."""
        return Split(self.x[rows], self.y[rows], self.ids[rows])


def check_rows(x: NDArray[Any], y: NDArray[Any], where: str) -> Split:
    """Rows as float32 and labels as int64; InputError, naming `where` and the row, for arrays that no network can take."""
    if x.ndim < 2:
        raise InputError(f"{where}: x has shape {list(x.shape)}, not [N, ...]", "one row a sample")
    if y.ndim not in {1, 2} or len(x) != len(y):
        message = f"{where}: x has {len(x)} rows and y has shape {list(y.shape)}"
        raise InputError(message, "one class index a row, or [N, Q] of 0 and 1 for Q labels a row")
    if len(y) == 0 or x.size == 0:
        raise InputError(f"{where}: it is empty", "give at least one row with one value")
    rows, labels = check_values(x, where), _check_labels(y, where)
    return Split(rows, labels, np.arange(len(labels), dtype=np.int64))


def _check_labels(y: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Class indices `[N]`, or Q >= 2 columns `[N, Q]` of 0 and 1, as int64."""
    if y.ndim == 2:
        if y.shape[1] < 2:
            raise InputError(f"{where}: y has shape {list(y.shape)}", "for one label a row, store class indices [N]")
        if y.dtype.kind not in "iub" or not np.isin(y, (0, 1)).all():
            raise InputError(f"{where}: y has shape {list(y.shape)} and holds more than 0 and 1", "one column a label")
        return y.astype(np.int64)
    if not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"{where}: y has type {y.dtype}", "store class indices 0 .. K-1 as integers")
    outside = (y < 0) | (y > MAX_LABEL)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(f"{where}: the label of row {row} is {y[row]}", "class indices start at 0")
    return y.astype(np.int64)


def check_values(x: NDArray[Any], where: str) -> NDArray[np.float32]:
    """The values of rows as float32; InputError, naming `where` and the row, for what is no finite number."""
    if x.dtype.kind not in "fiub":
        raise InputError(f"{where}: x has type {x.dtype}", "store numbers")
    if x.dtype.kind == "f":
        finite = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise InputError(f"{where}: row {row} of x holds NaN or infinity", "drop or correct the row")
    with np.errstate(over="ignore"):  # the error below names the place
        rows = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(rows).all():
        raise InputError(f"{where}: x holds values beyond float32's range", "scale them")
    return rows


def check_head(
    arrays: Arrays, x: NDArray[np.float32], where: str
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """The arrays' `head_weight` and `head_bias` as float32, None if there are none; InputError if they do not fit the rows."""
    if arrays.head_weight is None and arrays.head_bias is None:
        return None, None
    if arrays.head_weight is None or arrays.head_bias is None:
        raise InputError(f"{where}: head_weight and head_bias come together", "give both")
    head = {"head_weight": np.asarray(arrays.head_weight), "head_bias": np.asarray(arrays.head_bias)}
    for name, array in head.items():
        if array.dtype.kind not in "fiu":
            raise InputError(f"{where}: {name} has type {array.dtype}", "store numbers")
    weight, bias = (array.astype(np.float32) for array in head.values())
    size = int(np.prod(x.shape[1:]))
    if weight.ndim != 2 or weight.shape[1] != size or len(weight) < 2 or bias.shape != weight.shape[:1]:
        message = f"{where}: head_weight {list(weight.shape)} and head_bias {list(bias.shape)} do not fit x"
        raise InputError(message, f"expected [K, {size}] and [K] with K >= 2")
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise InputError(f"{where}: the head holds NaN or infinity", "store a trained head")
    return weight, bias


def refuse_different_shapes(splits: Mapping[str, Split], where: str) -> None:
    """InputError unless the rows of all splits have one shape."""
    shapes = {split.x.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        message = f"{where}: the splits' rows differ in shape: {sorted(shapes)}"
        raise InputError(message, "every row must have one shape")


def count_labels_per_sample(splits: Mapping[str, Split], weight: NDArray[np.float32] | None, where: str) -> int:
    """Q if each row has Q labels, 1 if it has one.

    InputError if the splits or the head disagree, if every row has exactly one label of Q, or if a label is the same in
    every training row.
    """
    shapes = {split.y.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise InputError(f"{where}: the splits differ in labels a row: {sorted(shapes)}", "give all the same")
    shape = shapes.pop()
    if not shape:
        return 1
    if weight is not None and len(weight) != shape[0]:
        message = f"{where}: head_weight has {len(weight)} rows, and a row {shape[0]} labels"
        raise InputError(message, "the head gives one logit a label")
    if all((split.y.sum(axis=1) == 1).all() for split in splits.values()):
        message = f"{where}: every row has exactly one label of {shape[0]}"
        raise InputError(message, "that is one class a row: give class indices [N], as y.argmax(axis=1)")
    train = splits["train"].y
    constant = (train == train[0]).all(axis=0)
    if constant.any():
        column = int(np.argmax(constant))
        message = f"{where}: label {column} is {int(train[0, column])} in every training row"
        raise InputError(message, "drop the column: a network can learn nothing from it")
    return int(shape[0])


def count_classes(
    splits: Mapping[str, Split], weight: NDArray[np.float32] | None, labels_per_sample: int, where: str
) -> int:
    """K: one class a row of the head, else the largest label + 1; 2 if a row has several labels.

    InputError for a label outside the head's classes, for a class without rows, and for a single class in train.
    """
    largest = max(int(split.y.max()) for split in splits.values())
    num_classes = 2 if labels_per_sample > 1 else len(weight) if weight is not None else largest + 1
    if largest >= num_classes:
        message = f"{where}: a label is {largest}, outside [0, {num_classes})"
        raise InputError(message, f"head_weight has {num_classes} rows, one a class")
    if labels_per_sample == 1:
        if weight is None:
            _refuse_gaps(splits, num_classes, where)
        if len(np.unique(splits["train"].y)) < 2:
            raise InputError(f"{where}: the training labels hold one class", "a classifier needs at least two")
    return num_classes


def _refuse_gaps(splits: Mapping[str, Split], num_classes: int, where: str) -> None:
    """InputError for a class without rows: without a head, it would be an output that nothing trains."""
    classes = np.unique(np.concatenate([split.y for split in splits.values()]))
    if len(classes) == num_classes or len(classes) < 2:  # a single class has an error of its own
        return
    absent = int(np.argmax(classes != np.arange(len(classes))))
    message = f"{where}: no row has the label {absent}, and labels run to {num_classes - 1}"
    raise InputError(message, "number the classes 0 .. K-1 without gaps: numpy.unique(y, return_inverse=True)[1]")
