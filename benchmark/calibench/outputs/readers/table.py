"""Tables: checks that all of them share, and the samples in a block of rows of a large one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns, StoredSamples
from calibench.outputs.roles.cells import numbers
from calibench.outputs.roles.class_names import ClassNames
from calibench.outputs.roles.label_columns import label_columns
from calibench.outputs.roles.label_values import class_indices
from calibench.outputs.roles.score_columns import ScoreColumns, score_columns_by_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

Table: TypeAlias = "dict[str, NDArray[Any]]"
"""Columns `[N]` by name: numbers, or text."""


def refuse_equal_names(names: Sequence[str], path: Path) -> None:
    """Raise InputError if two columns have one name."""
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"{path}: two columns are called {repeated!r}", "rename one")


def columns_by_name(path: str | Path, table: Mapping[str, Any], columns: Columns) -> tuple[ScoreColumns, list[str]]:
    """The columns of scores and of labels, by names alone. InputError if the table has no column of a name."""
    label = label_columns(path, table, columns)
    return score_columns_by_name(list(table), label, columns, path), label


def samples_from_block(
    path: str | Path, block: Mapping[str, NDArray[Any]], scores: Sequence[str], label: str, columns: Columns, first: int
) -> StoredSamples:
    """Scores and labels of rows of a table whose columns are known; `first` is the number of the first row.

    Raises InputError naming the file, the row and the column.
    """
    values = np.stack([numbers(block[name], path, name, first) for name in scores], axis=1)
    names = ClassNames(columns.classes or tuple(scores))
    read = class_indices(block[label], names, len(scores), path, label, first)
    return StoredSamples(values, read.labels, columns.logits is None, tuple(scores))
