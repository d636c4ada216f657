"""Columns of numbers that no label names, beside columns that labels name: an age is no score of a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench.lazy import np
from calibench.outputs.outputs import SUM_TOLERANCE
from calibench.outputs.roles.cells import number_columns
from calibench.outputs.roles.class_names import ClassNames, canonical, listed
from calibench.outputs.roles.ignored import MISSING, UNLABELLED
from calibench.outputs.roles.score_columns import ScoreColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray


def named_by_labels(chosen: ScoreColumns, table: Mapping[str, NDArray[Any]], labels: NDArray[Any]) -> ScoreColumns:
    """Columns that were found by their values, without those that no label names, where these are no scores.

    They are left out if the rows of the others sum to 1, or if they hold whole numbers or lack values; else a note names them.
    Nothing changes where some label names no column.
    """
    if len(chosen.names) < 3 or labels.ndim != 1:
        return chosen
    classes = ClassNames(tuple(chosen.names))
    words = {canonical(value) for value in set(labels.tolist())} - {str(UNLABELLED)}
    places = {classes.place(word) for word in words if word.lower() not in MISSING}
    others = [name for place, name in enumerate(chosen.names) if place not in places]
    named = [name for name in chosen.names if name not in others]
    numeric = number_columns(table, chosen.names)
    if None in places or len(named) < 2 or not others or len(numeric) < len(chosen.names):
        return chosen
    if _sum_to_one(chosen.names, numeric):
        return chosen
    left = [name for name in others if _whole_or_missing(numeric[name])]
    why = "they hold whole numbers, or lack values"
    if _sum_to_one(named, numeric):
        why, left = "without them every row sums to 1", others
    notes = [f"no label names the columns {listed(left)}, which are left out: {why}"] if left else []
    rest = [name for name in others if name not in left]
    if rest:
        notes.append(
            f"no label names the columns {listed(rest)}, which are taken as classes; --logits NAMES chooses others"
        )
    names = [name for name in chosen.names if name not in left]
    return chosen._replace(names=names, notes=(*chosen.notes, *notes), left_out=(*chosen.left_out, *left))


def _whole_or_missing(values: NDArray[np.float64]) -> bool:
    return bool(np.isnan(values).any() or (values == np.floor(values)).all())


def _sum_to_one(names: list[str], numeric: Mapping[str, NDArray[np.float64]]) -> bool:
    total = np.sum([numeric[name] for name in names], axis=0)
    return bool((np.abs(total - 1) <= SUM_TOLERANCE).all())
