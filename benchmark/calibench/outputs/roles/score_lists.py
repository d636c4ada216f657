"""Find the column of lists that holds the scores of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.outputs import SUM_TOLERANCE
from calibench.outputs.roles.cells import number_columns
from calibench.outputs.roles.label_columns import label_name
from calibench.outputs.roles.score_arrays import are_probs, scores_name
from calibench.outputs.roles.usual_names import LOGIT_COLUMN, LOGITS, NO_SCORES, ONE_PROB, PROB_COLUMN, PROBS, SHARES

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scores_list(arrays: Mapping[str, NDArray[Any]], columns: Columns, path: object) -> str | None:
    """The column of lists of scores: one of a usual name, else the only one of numbers. None where other columns are scores.

    Those are columns that are named as columns of probabilities or of logits are, or that sum to 1: lists beside them, such as
    embeddings, are something else. InputError if several lists may be the scores.
    """
    other = (label_name(columns, arrays), *columns.others, *SHARES)
    lists = [
        name for name, array in arrays.items() if array.ndim > 1 and array.dtype.kind in "fiub" and name not in other
    ]
    if any(name.lower() in (*PROBS, *LOGITS) for name in lists):
        return scores_name(columns, {name: arrays[name] for name in lists}, path)
    if not lists or columns_are_scores({name: arrays[name] for name in arrays if name not in other}):
        return None
    return lists[0] if len(lists) == 1 else scores_name(columns, arrays, path)


def columns_are_scores(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """True if columns of one value a row are named as scores are, or sum to 1."""
    names = [name for name, array in arrays.items() if array.ndim == 1]
    for pattern in (PROB_COLUMN, LOGIT_COLUMN):
        if sum(bool(pattern.match(name)) for name in names) > 1:
            return True
    numeric = number_columns(arrays, [name for name in names if name.lower() not in NO_SCORES])
    if any(name.lower() in ONE_PROB for name in numeric):
        return True
    total = np.sum([*numeric.values()], axis=0)
    return len(numeric) > 1 and bool((np.abs(total - 1) <= SUM_TOLERANCE).all())


def kind_of_list(columns: Columns, name: str) -> bool | None:
    """True for a list that is called as probabilities are, False for one called as logits; None for another name."""
    return True if are_probs(columns, name) else False if name.lower() in LOGITS else None
