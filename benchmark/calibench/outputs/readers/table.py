"""Scores and labels from the columns of a table, as a CSV or a Parquet file holds them."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.errors import InputError, did_you_mean
from calibench.lazy import np
from calibench.outputs.readers.columns import Columns, StoredSamples, array_named, label_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

Table: TypeAlias = "dict[str, NDArray[Any]]"
"""Columns `[N]` by name: numbers, or text."""


def samples_from_table(path: str | Path, table: Table, columns: Columns, first: int = 0) -> StoredSamples:
    """Scores and labels of a table. Scores are probabilities unless `columns.logits` names them.

    Without names of scores, every column but the labels is one. Raises InputError naming the file, the row and the column;
    `first` is the number of the first row, if the table is a block of a larger one.
    """
    score_columns, label_columns = score_and_label_columns(path, table, columns)
    scores = np.stack([_numbers(table[name], path, name, first) for name in score_columns], axis=1)
    if len(label_columns) == 1:
        labels = _classes(table[label_columns[0]], score_columns, path, label_columns[0], first)
    else:
        labels = _several_labels(table, label_columns, path)
    return StoredSamples(scores, labels, columns.logits is None)


def score_and_label_columns(
    path: str | Path, table: Mapping[str, Any], columns: Columns
) -> tuple[list[str], list[str]]:
    """The names of the columns of scores, and of those of labels. InputError if the table has no column of a name."""
    label_columns = _label_columns(path, table, columns)
    return _matching(columns.logits or columns.probs or "*", table, label_columns, path), label_columns


def refuse_equal_names(names: Sequence[str], path: Path) -> None:
    """Raise InputError if two columns have one name."""
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"{path}: two columns are called {repeated!r}", "rename one")


def _label_columns(path: str | Path, table: Mapping[str, Any], columns: Columns) -> list[str]:
    """The columns of labels: one name, or names and patterns joined by commas if a row has several labels."""
    label = label_name(columns, table)
    several = label not in table and not set(",*?[").isdisjoint(label)
    names = _matching(label, table, (), path) if several else [label]
    for name in names:
        array_named(name, table, path)
    return names


def _matching(patterns: str, table: Mapping[str, Any], excluded: Sequence[str], path: str | Path) -> list[str]:
    """The columns that match names or patterns joined by commas, in the order of the patterns, without those `excluded`."""
    names: list[str] = []
    for pattern in (part.strip() for part in patterns.split(",")):
        matched = [name for name in table if name not in excluded and fnmatch.fnmatchcase(name, pattern)]
        if not matched:
            raise InputError(f"{path}: no column is called {pattern!r}", did_you_mean(pattern, table))
        names += [name for name in matched if name not in names]
    return names


def _numbers(values: NDArray[Any], path: str | Path, name: str, first: int = 0) -> NDArray[np.float64]:
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value)
        except (TypeError, ValueError):
            hint = "score columns hold numbers; leave other columns out with --probs a,b,c"
            raise InputError(f"{path}: row {first + row}: {name} is {value!r}, not a number", hint) from None
    return numbers


def _several_labels(table: Table, names: Sequence[str], path: str | Path) -> NDArray[np.int64]:
    """Labels `[N, Q]` of 0 and 1."""
    labels = np.stack([_numbers(table[name], path, name) for name in names], axis=1)
    bad = ~np.isin(labels, (0, 1))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(f"{path}: row {row}: {names[column]} is {labels[row, column]:g}", "labels are 0 or 1")
    return labels.astype(np.int64)


def _classes(
    labels: NDArray[Any], score_columns: Sequence[str], path: str | Path, name: str, first: int
) -> NDArray[np.int64]:
    """Class indices `[N]`. A word is the name of a score column, and stands for its index."""
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    index_of = {column: index for index, column in enumerate(score_columns)}
    classes = np.empty(len(labels), dtype=np.int64)
    for row, value in enumerate(labels):
        text = str(value).strip()
        try:
            number = float(text)
            if not number.is_integer():
                raise ValueError(text)
            classes[row] = int(number)
        except (ValueError, OverflowError):
            if text not in index_of:
                message = f"{path}: row {first + row}: {name} is {text!r}, no class index and no score column's name"
                raise InputError(message, f"use 0 .. {len(score_columns) - 1}, or a column's name") from None
            classes[row] = index_of[text]
    return classes
