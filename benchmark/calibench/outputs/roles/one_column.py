"""One column of probabilities or logits for two classes: which class it is of, and both columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.roles.class_names import canonical, listed
from calibench.outputs.roles.polarity import PAIRS, pair_of
from calibench.outputs.roles.usual_names import LOGIT_COLUMN, PROB_COLUMN

if TYPE_CHECKING:
    from numpy.typing import NDArray


MOST_FRACTION = 2
"""Of probabilities that run beyond this, all are percentages."""


def two_columns(column: NDArray[Any], from_probs: bool) -> NDArray[Any]:
    """Scores `[N, 2]` of the other class and of the one that `column [N]` is of: `(1 - p, p)`, or `(0, z)`."""
    return np.stack([1 - column if from_probs else np.zeros_like(column), column], axis=1)


def kind_of_one(column: NDArray[Any], from_probs: bool | None, path: object, name: str) -> bool:
    """True if one column without a telling name holds probabilities. InputError where its values do not tell."""
    if from_probs is not None or not column.size or not np.isfinite(column).all():
        return from_probs is not False
    low, high = float(column.min()), float(column.max())
    if low >= 0 and high > 1:
        message = f"{path}: {name!r} runs from {low:.3g} to {high:.3g}: neither probabilities nor clearly logits"
        raise InputError(message, f"of percent divide by 100; or say --logits '{name}'")
    return low >= 0


def fractions(column: NDArray[Any], name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Probabilities of one column; percentages, which no rounding explains, as fractions, with a sentence about them."""
    if not column.size or not np.isfinite(column).all() or column.min() < 0 or not MOST_FRACTION < column.max() <= 100:
        return column, ()
    return column.astype(np.float64) / 100, (f"{name!r} is taken as percent",)


def two_classes(labels: Sequence[str], name: str, columns: Columns, path: object) -> tuple[str, str]:
    """The names of the negative and the positive class among the different `labels` of a file.

    `--positive` names the positive one. Else `--classes` does, or the name of the column, or a pair such as no and yes.
    InputError if nothing tells, or for other than two classes.
    """
    found = list(labels)
    if columns.classes is not None:
        return _of_classes(columns, path)
    if len(found) > 2:
        hint = "for more than two classes give one column of scores for each"
        raise InputError(f"{path}: one column of scores ({name}) and {len(found)} classes: {listed(found)}", hint)
    if columns.positive is not None:
        positive = canonical(columns.positive)
        others = [label for label in found if label != positive]
        if len(others) == len(found) == 2 or len(others) > 1:
            raise InputError(f"{path}: no label is {positive!r}", f"--positive is one of {listed(found)}")
        return (others[0] if others else f"not {positive}"), positive
    pair = pair_of(found) if found else PAIRS[0]
    if pair is not None:
        by_case = {label.casefold(): label for label in found}
        return by_case.get(pair[0], pair[0]), by_case.get(pair[1], pair[1])
    named = [label for label in found if label.casefold() in _named_by(name)]
    if len(named) == 1 and len(found) == 2:
        return next(label for label in found if label != named[0]), named[0]
    message = f"{path}: one column of scores ({name}), and nothing tells which of {listed(found)} it is of"
    raise InputError(
        message, f"name the class: {' or '.join(f'--positive {label}' for label in found) or '--positive CLASS'}"
    )


def _named_by(column: str) -> set[str]:
    """The words that a column's name may name its class by."""
    short = column
    for pattern in (PROB_COLUMN, LOGIT_COLUMN):
        match = pattern.match(column)
        short = column[match.end() :] if match and not column[-1:].isdigit() else short
    return {column.casefold(), short.strip("_ .()[]").casefold()}


def _of_classes(columns: Columns, path: object) -> tuple[str, str]:
    classes = columns.classes or ()
    if len(classes) != 2:
        message = f"{path}: one column of scores, and --classes names {len(classes)}"
        raise InputError(message, "name two: the other class, then the one that the column is of")
    if columns.positive is None:
        return classes[0], classes[1]
    if columns.positive not in classes:
        raise InputError(f"--positive {columns.positive} is none of --classes", f"use one of {listed(classes)}")
    return next(name for name in classes if name != columns.positive), columns.positive


def about_two(name: str, from_probs: bool, negative: str, positive: str) -> str:
    """That one column is judged as two classes, with the positive one named."""
    kind = "probability" if from_probs else "logit"
    return f"one column, {name!r}: it is taken as the {kind} of class {positive!r} (positive) against {negative!r}"
