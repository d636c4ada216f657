"""Files that hold only the confidence of each answer and whether it was right, and the k largest probabilities alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns, StoredSamples
from calibench.outputs.outputs import SUM_TOLERANCE
from calibench.outputs.refuse_rows import refuse_rows
from calibench.outputs.roles.cells import numbers
from calibench.outputs.roles.class_names import ClassNames, canonical, is_whole
from calibench.outputs.roles.label_columns import label_name
from calibench.outputs.roles.one_column import fractions
from calibench.outputs.roles.score_lists import columns_are_scores, scores_list
from calibench.outputs.roles.usual_names import CONFIDENCE, CORRECT, NO_SCORES, PREDICTED, TOP_CLASSES, TOP_PROBS

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP_ONLY = "only the confidence of each answer is here: figures that need the probabilities of all classes are left out"


def confidence_alone(arrays: Mapping[str, NDArray[Any]], columns: Columns, path: object) -> StoredSamples | None:
    """The samples of a file that holds a confidence and a correctness, or the k largest probabilities; None of other files."""
    if columns.logits is not None:
        return None
    top = _top_columns(arrays, columns)
    if top is not None and columns.probs in (None, top[0]):
        return _of_top_k(arrays, *top, columns, path)
    correct, predicted, label = _first(CORRECT, arrays), _first(PREDICTED, arrays), label_name(columns, arrays)
    confidence = columns.probs if columns.probs in arrays else _first(CONFIDENCE, arrays)
    usual = confidence is not None and confidence.lower() in CONFIDENCE
    if (
        confidence is None
        or (label in arrays and not usual)
        or (usual and _scores_beside(arrays, columns, label, path))
    ):
        return None
    if correct is not None and columns.label is None:
        given = numbers(_as_numbers(arrays[correct]), path, correct)
        refuse_rows(
            ~np.isin(given, (0, 1)), str(path), f"{correct} is neither 0 nor 1", "it is 1 where the answer is right"
        )
        return _samples(arrays, confidence, given == 1, {confidence, correct}, path)
    if predicted is None or label not in arrays or arrays[predicted].shape != arrays[label].shape or not usual:
        return None
    note = f"an answer is right where {predicted!r} is {label!r}"
    right = _equal(arrays[predicted], arrays[label])
    alone = _samples(arrays, confidence, right, {confidence, predicted, label}, path)
    return alone._replace(notes=(note, *alone.notes))


def _equal(answers: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([canonical(a) == canonical(b) for a, b in zip(answers.tolist(), labels.tolist(), strict=True)])


def _scores_beside(arrays: Mapping[str, NDArray[Any]], columns: Columns, label: str, path: object) -> bool:
    """True if the file holds scores of classes beside the confidence: lists, or columns named as scores or as labels are."""
    used = (label, _first(CONFIDENCE, arrays), _first(CORRECT, arrays), _first(PREDICTED, arrays))
    rest = {name: array for name, array in arrays.items() if name not in used}
    if columns.probs is not None:
        return False
    if scores_list(rest, columns, path) is not None or columns_are_scores(rest):
        return True
    names = [name for name, array in rest.items() if array.ndim == 1 and name.lower() not in NO_SCORES]
    labels = arrays[label][:1000].tolist() if label in arrays and arrays[label].ndim == 1 else []
    classes = ClassNames(tuple(names))
    return len(names) > 1 and any(classes.place(value) is not None for value in labels)


def _top_columns(arrays: Mapping[str, NDArray[Any]], columns: Columns) -> tuple[str, str] | None:
    """The names of the largest probabilities and of their classes; of timm's `inference.py` beside its joined labels.

    That writes `prob` and `index` or `label`, or `prob_0`, `prob_1`, ... beside `index_0`, ... with the most probable class first.
    """
    top = _first(TOP_PROBS, arrays), _first(TOP_CLASSES, arrays)
    if top[0] and top[1]:
        return top[0], top[1]
    if columns.label is not None and not {*",*?["}.isdisjoint(columns.label) and columns.label not in arrays:
        return None  # several columns of labels, which label_0 may be one of
    for end in ("_0", ""):
        classes = next((f"{name}{end}" for name in ("index", "label") if f"{name}{end}" in arrays), None)
        labelled = columns.truth is not None or (end == "_0" and label_name(columns, arrays) in arrays)
        if f"prob{end}" in arrays and classes is not None and labelled:
            return f"prob{end}", _alike(classes, end, arrays, columns)
    return None


def _alike(classes: str, end: str, arrays: Mapping[str, NDArray[Any]], columns: Columns) -> str:
    """The column of classes in the form of the labels: numbers beside numbers, words beside words."""
    truth, words = arrays.get(columns.label or ""), f"label{end}"
    if truth is None or words not in arrays or words == columns.label:
        return classes
    numbers_alone = all(is_whole(canonical(value)) for value in truth[:100].tolist())
    return classes if numbers_alone else words


def _first(names: tuple[str, ...], arrays: Mapping[str, Any]) -> str | None:
    by_case = {name.lower(): name for name in arrays}
    return next((by_case[name] for name in names if name in by_case), None)


def _as_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """True and False as 1 and 0, also as words."""
    if values.dtype.kind not in "OSU":
        return values
    words = {"true": 1, "false": 0, "yes": 1, "no": 0}
    return np.array([words.get(str(value).strip().lower(), value) for value in values], dtype=object)


def _samples(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    right: NDArray[np.bool_],
    used: set[str],
    path: object,
    column: Any = None,
) -> StoredSamples:
    values = numbers(arrays[name], path, name) if column is None else column
    values, percent = fractions(values.astype(np.float64), name)
    notes = (*percent, TOP_ONLY)
    refuse_rows(np.isnan(values), str(path), f"{name} is missing", "drop the row: it is no answer with a confidence")
    outside = ~((values >= 0) & (values <= 1 + SUM_TOLERANCE))
    refuse_rows(outside, str(path), f"{name} lies outside [0, 1]", "a confidence is a probability")
    if len(values) and right.all() == right.any():
        message = f"{path}: all {len(right)} answers are {'right' if right[0] else 'wrong'}"
        raise InputError(message, "calibration cannot be judged from one outcome")
    others = {key: array for key, array in arrays.items() if key not in used and array.shape == (len(values),)}
    unused = tuple(key for key in arrays if key not in used)
    labels = np.where(right, 0, 1).astype(np.int64)
    values = np.minimum(values, 1)  # as the sum of a softmax in half precision may be
    scores = np.stack([values, 1 - values], axis=1).astype(np.float64)
    return StoredSamples(scores, labels, True, None, others, notes, unused, top_label_only=True)


def _of_top_k(
    arrays: Mapping[str, NDArray[Any]], probs: str, classes: str, columns: Columns, path: object
) -> StoredSamples:
    """The largest of the k probabilities as the confidence; its class beside the label tells if it is right."""
    label = label_name(columns, arrays)
    if label not in arrays:
        raise InputError(f"{path}: the labels are missing", "name their column or array: --labels NAME")
    top, chosen, truth = arrays[probs], arrays[classes], arrays[label]
    if top.dtype.kind in "OSU":
        top = numbers(top, path, probs)
    top, chosen = (array[:, None] if array.ndim == 1 else array for array in (top, chosen))
    if top.ndim != 2 or top.shape != chosen.shape or truth.shape != (len(top),):
        message = (
            f"{path}: {probs} {list(top.shape)}, {classes} {list(chosen.shape)} and {label} {list(truth.shape)} differ"
        )
        raise InputError(message, "give [N, k] probabilities and their classes, and [N] labels")
    confidence = top.astype(np.float64)
    first = np.nan_to_num(confidence, nan=-1).argmax(axis=1)
    rows = np.arange(len(top))
    answer = chosen[rows, first]
    right = _equal(answer, truth)
    ranked = {name for name in arrays if re.match(r"(prob|index|label)_\d+\Z", name)}
    return _samples(arrays, probs, right, {probs, classes, label} | ranked, path, confidence[rows, first])
