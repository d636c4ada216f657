"""Label columns of a table as class indices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from calibench import InputError
from calibench.lazy import np
from calibench_datasets.readers.cells import MOST_CATEGORIES, Column, is_missing, number

if TYPE_CHECKING:
    from numpy.typing import NDArray


def table_labels(
    columns: Mapping[str, Column], path: str
) -> tuple[NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    """Class indices `[N]` of one column, or yes (1) and no (0) `[N, Q]` of Q columns; notes on the values; names of the classes.

    InputError for a missing label, for fractions, for too many classes, and for one of several labels with more or fewer
    than two values.
    """
    labels = {name: _class_indices(cells, f"{path}: label {name!r}") for name, cells in columns.items()}
    if len(labels) == 1:
        ((name, (indices, classes)),) = labels.items()
        return indices, (f"classes of {name!r} in order: {', '.join(classes)}",), tuple(classes)
    for name, (_, classes) in labels.items():
        if len(classes) != 2:
            message = f"{path}: label {name!r} holds {len(classes)} different values"
            raise InputError(message, "each of several labels a row needs two values, such as 0 and 1")
    notes = tuple(f"label {name!r}: yes is {classes[1]}, no is {classes[0]}" for name, (_, classes) in labels.items())
    return np.stack([indices for indices, _ in labels.values()], axis=1), notes, ()


def _class_indices(cells: Column, where: str) -> tuple[NDArray[np.int64], list[str]]:
    """Class indices `[N]`, and the names of the classes in order."""
    for row, cell in enumerate(cells, 1):
        if is_missing(cell):
            raise InputError(f"{where}: row {row} is empty", "drop rows without a label")
    numbers = [number(cell) for cell in cells]
    if all(value is not None and math.isfinite(value) and value.is_integer() for value in numbers):
        values, indices = np.unique(np.array(numbers), return_inverse=True)
        return indices.astype(np.int64), [f"{value:g}" for value in values]
    if all(value is not None for value in numbers):
        message = f"{where}: it holds fractions such as {cells[0]}"
        raise InputError(message, "a label is a class: whole numbers or words")
    words, indices = np.unique(np.array(cells), return_inverse=True)
    if len(words) > max(MOST_CATEGORIES, len(cells) // 2):
        message = f"{where}: {len(words)} different values in {len(cells)} rows"
        raise InputError(message, "is this the label column?")
    return indices.astype(np.int64), [str(word) for word in words]
