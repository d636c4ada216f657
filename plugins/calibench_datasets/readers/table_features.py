"""One column of a table as features."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from calibench import InputError
from calibench.lazy import np
from calibench_datasets.readers.cells import MOST_CATEGORIES, Column, is_missing, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DECIMAL_COMMA = re.compile(r"[+-]?\d+(?:,\d+)+\Z")


def column_features(cells: Column, path: str, name: str, missing: str, categorical: bool) -> NDArray[np.float64]:
    """One column's features `[N, d]`: d is 1 for numbers, and for words the number of values (one-hot, in sorted order).

    `categorical` treats numbers as words. `missing` is `refuse` or `indicate`, which adds a feature to numbers that is 1
    in missing cells. InputError naming the column, called `name` in the file `path`.
    """
    where = f"{path}: column {name!r}"
    empty = np.array([is_missing(cell) for cell in cells])
    _check_missing(empty, missing, where, name)
    numbers = [0.0 if is_empty else number(cell) for cell, is_empty in zip(cells, empty, strict=True)]
    if categorical:
        return _one_hot(cells, empty, where, name)
    if all(value is not None for value in numbers):
        return _numeric(np.array(numbers, dtype=np.float64), empty, where)
    words = [cell for cell, value in zip(cells, numbers, strict=True) if value is None]
    if all(_DECIMAL_COMMA.match(word) for word in words):
        raise InputError(
            f"{where} has numbers with a comma, such as {words[0]!r}", "write decimal points: 1.5, and 1234"
        )
    return _one_hot(cells, empty, where, name, words[0])


def _check_missing(empty: NDArray[np.bool_], missing: str, where: str, name: str) -> None:
    if empty.all():
        raise InputError(f"{where} is empty", f"leave it out: drop={name}")
    if empty.any() and missing == "refuse":
        row = int(np.argmax(empty)) + 1
        message = f"{where}: {int(empty.sum())} of {len(empty)} cells are missing, the first in row {row}"
        raise InputError(message, f"missing=indicate makes a feature of it; drop={name} leaves the column out")


def _numeric(values: NDArray[np.float64], empty: NDArray[np.bool_], where: str) -> NDArray[np.float64]:
    """`[N, 1]`, or `[N, 2]` with the mark of missing cells; InputError for infinity."""
    finite = np.isfinite(values)
    if not finite.all():
        raise InputError(f"{where}: row {int(np.argmin(finite)) + 1} is infinite", "correct the cell")
    return np.stack([values, empty], axis=1) if empty.any() else values[:, None]


def _one_hot(
    cells: Column, empty: NDArray[np.bool_], where: str, name: str, example: str | None = None
) -> NDArray[np.float64]:
    """`[N, K]`, one feature for each of K values; InputError, which shows `example` (or the first cell), for too many."""
    words = np.array(["" if is_empty else cell for cell, is_empty in zip(cells, empty, strict=True)])
    values, indices = np.unique(words, return_inverse=True)
    if len(values) > MOST_CATEGORIES:
        shown = cells[0] if example is None else example
        message = f"{where}: {len(values)} different values in {len(cells)} rows, such as {shown!r}"
        raise InputError(message, f"leave it out: drop={name}")
    return np.eye(len(values))[indices]
