"""Tables: columns of cells, numeric and categorical, to features and labels."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from calibench import REQUIRED, Arrays, InputError, Param
from calibench.errors import did_you_mean
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLE = (
    Param(
        "label",
        "str",
        REQUIRED,
        "the column to predict: whole numbers or words; several labels a row: a;b;c",
    ),
    Param("drop", "str", None, "columns to leave out, joined by ';'"),
    Param(
        "missing",
        "str",
        "refuse",
        "empty cells: an error that names them, or 0 beside a feature that says so",
        choices=("refuse", "indicate"),
    ),
)
CATEGORICAL = Param("categorical", "str", None, "columns whose numbers are words, joined by ';': one-hot", late=True)

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""Cells that hold nothing, whatever their case."""

MOST_CATEGORIES = 100
"""A text column with more distinct values is an identifier or prose, not a category."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d+(?:,\d+)+\Z")

Column = list[str]


def arrays_of(
    columns: dict[str, Column],
    path: str,
    label: str,
    drop: str | None,
    missing: str,
    nominal: Collection[str] = (),
) -> Arrays:
    """Features `[N, D]` float32 and class indices `[N]` of the rows of a table; it takes columns out of `columns`.

    A column of numbers is one feature; any other, and those of `nominal`, are one-hot, a feature for each value in sorted order.
    `label` may hold numbers or words: classes are its values in sorted order, and the record lists them. Several columns, joined by
    `;`, are several labels a row, `[N, Q]`, of two values each, the second in sorted order (1 of 0 and 1) being yes. With
    `missing=indicate` an empty cell is 0 beside a feature that says so, in a text column a value of its own.
    Raises InputError naming the column and the row for a missing cell, or too many categories.
    """
    targets = [label] if label in columns else [part.strip() for part in label.split(";")]
    for name in targets:
        if name not in columns:
            raise InputError(f"{path}: there is no column {name!r}", did_you_mean(name, columns))
        if targets.count(name) > 1:
            raise InputError(f"{path}: label={label}: the column {name!r} is named twice", "name it once")
    for name in [] if drop is None else [part.strip() for part in drop.split(";")]:
        if name in targets or name not in columns:
            why = "is the label" if name in targets else "is not there"
            raise InputError(
                f"{path}: drop={name}: the column {why}", did_you_mean(name, [c for c in columns if c not in targets])
            )
        del columns[name]
    labels, notes = _targets({name: columns.pop(name) for name in targets}, path)
    if not columns:
        raise InputError(f"{path}: there is no column besides the label", "drop fewer")
    parts = [
        _features(cells, f"{path}: column {name!r}", name, missing, name in nominal) for name, cells in columns.items()
    ]
    return Arrays(x=np.concatenate(parts, axis=1).astype(np.float32), y=labels, notes=notes)


def named_categorical(
    columns: Collection[str], path: str, label: str, drop: str | None, categorical: str | None
) -> tuple[str, ...]:
    """The columns that `categorical` names, joined by `;`; InputError for one that is not there, dropped, or the label."""
    words = () if categorical is None else tuple(part.strip() for part in categorical.split(";"))
    targets = {label} if label in columns else {part.strip() for part in label.split(";")}
    dropped = {part.strip() for part in (drop or "").split(";")}
    for name in words:
        if name not in columns or name in targets or name in dropped:
            why = "is the label" if name in targets else "is dropped" if name in dropped else "is not there"
            hint = did_you_mean(name, [column for column in columns if column not in targets | dropped])
            raise InputError(f"{path}: categorical={name}: the column {why}", hint)
    return words


def _targets(columns: dict[str, Column], path: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class indices `[N]` of one column, answers `[N, Q]` of several, and what the values mean."""
    found = {name: _labels(cells, f"{path}: label {name!r}") for name, cells in columns.items()}
    if len(found) == 1:
        ((name, (labels, classes)),) = found.items()
        return labels, (f"classes of {name!r} in order: {', '.join(classes)}",)
    for name, (_, classes) in found.items():
        if len(classes) != 2:
            message = f"{path}: label {name!r} holds {len(classes)} different values"
            raise InputError(message, "of several labels a row each is a question of two answers, such as 0 and 1")
    notes = tuple(f"label {name!r}: yes is {classes[1]}, no is {classes[0]}" for name, (_, classes) in found.items())
    return np.stack([labels for labels, _ in found.values()], axis=1), notes


def _empty(cell: str) -> bool:
    return cell.lower() in MISSING


def _number(cell: str) -> float | None:
    """The number a cell holds; None for words, and for 12_3, which Python alone takes for 123."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _labels(cells: Column, where: str) -> tuple[NDArray[np.int64], list[str]]:
    for row, cell in enumerate(cells, 1):
        if _empty(cell):
            raise InputError(f"{where}: row {row} is empty", "drop rows without a label")
    numbers = [_number(cell) for cell in cells]
    if all(n is not None and math.isfinite(n) and n.is_integer() for n in numbers):
        values, indices = np.unique(np.array(numbers), return_inverse=True)
        return indices.astype(np.int64), [f"{value:g}" for value in values]
    if all(n is not None for n in numbers):
        raise InputError(
            f"{where}: it holds fractions such as {cells[0]}", "a label is a class: whole numbers or words"
        )
    words, indices = np.unique(np.array(cells), return_inverse=True)
    if len(words) > max(MOST_CATEGORIES, len(cells) // 2):
        message = f"{where}: {len(words)} different values in {len(cells)} rows"
        raise InputError(message, "is this the label column?")
    return indices.astype(np.int64), [str(word) for word in words]


def _features(cells: Column, where: str, name: str, missing: str, nominal: bool) -> NDArray[np.float64]:
    """One column's features `[N, d]`; with `nominal` its cells are words even if they look like numbers."""
    empty = np.array([_empty(cell) for cell in cells])
    if empty.all():
        raise InputError(f"{where} is empty", f"leave it out: drop={name}")
    if empty.any() and missing == "refuse":
        row = int(np.argmax(empty)) + 1
        message = f"{where}: {int(empty.sum())} of {len(cells)} cells are missing, the first in row {row}"
        raise InputError(message, f"missing=indicate makes a feature of it; drop={name} leaves the column out")
    numbers = [0.0 if gone else _number(cell) for cell, gone in zip(cells, empty, strict=True)]
    if not nominal and all(n is not None for n in numbers):
        values = np.array(numbers, dtype=np.float64)
        if not np.isfinite(values).all():
            raise InputError(f"{where}: row {int(np.argmin(np.isfinite(values))) + 1} is infinite", "mend the cell")
        return np.stack([values, empty], axis=1) if empty.any() else values[:, None]
    if all(n is not None or _DECIMAL_COMMA.match(cell) for cell, n in zip(cells, numbers, strict=True)) and not nominal:
        odd = next(cell for cell, n in zip(cells, numbers, strict=True) if n is None)
        raise InputError(f"{where} has numbers with a comma, such as {odd!r}", "write decimal points: 1.5, and 1234")
    words = np.array(["" if gone else cell for cell, gone in zip(cells, empty, strict=True)])
    kinds, indices = np.unique(words, return_inverse=True)
    if len(kinds) > MOST_CATEGORIES:
        odd = next((cell for cell, n in zip(cells, numbers, strict=True) if n is None), cells[0])
        message = f"{where}: {len(kinds)} different values in {len(cells)} rows, such as {odd!r}"
        raise InputError(message, f"leave it out: drop={name}")
    return np.eye(len(kinds))[indices]
