"""From the named arrays of a file to its samples: scores, labels, names of classes, and everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import BY_POSITION, Columns, StoredSamples
from calibench.outputs.content import Content
from calibench.outputs.refuse_rows import refuse_rows
from calibench.outputs.roles.class_names import ClassNames, canonical, listed
from calibench.outputs.roles.confidence import confidence_alone
from calibench.outputs.roles.found import Found, as_format_tells, find
from calibench.outputs.roles.ignored import UNLABELLED, kept_rows
from calibench.outputs.roles.label_values import ClassIndices, class_indices, from_one_hot, in_sorted_order
from calibench.outputs.roles.one_column import about_two, fractions, kind_of_one, two_classes, two_columns
from calibench.outputs.roles.score_kind import with_kind
from calibench.outputs.roles.shapes import as_rows, without_padding
from calibench.outputs.roles.shares import shares_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def samples_of(content: Content, columns: Columns, path: object, labelled: bool = True) -> StoredSamples:
    """The samples in `content`; without `labelled`, labels may be missing.

    Raises InputError naming the file, and the row or column.
    """
    columns = as_format_tells(content, columns)
    alone = confidence_alone(content.arrays, columns, path)
    if alone is not None:
        return alone._replace(notes=(*content.notes, *alone.notes), unused=(*alone.unused, *content.unused))
    found = find(content, columns, path, labelled)
    samples, keep = _matched(found, columns, path)
    rest = {name: array for name, array in content.arrays.items() if name not in found.used}
    n = len(samples.scores) if keep is None else len(keep)
    left_out = found.used.difference(found.score_names, found.label_names)  # `apply` writes it all the same, as an id
    carried = {name: array for name, array in content.arrays.items() if name in rest or name in left_out}
    others = {name: array if keep is None else array[keep] for name, array in carried.items() if array.shape == (n,)}
    return samples._replace(others=others, notes=(*content.notes, *samples.notes), unused=(*rest, *content.unused))


Matched: TypeAlias = "tuple[StoredSamples, NDArray[np.bool_] | None]"
"""Samples, and True for each row of the file that is among them; None if all are."""


def _matched(found: Found, columns: Columns, path: object) -> Matched:
    """Scores of two axes, and labels as class indices."""
    scores, labels = found.scores, found.labels
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
        found = found._replace(labels=labels)
    if scores.ndim == 2 and scores.shape[1] == 1 and (labels is None or labels.ndim == 1):
        scores = scores[:, 0]
    if scores.ndim == 1 and (labels is None or labels.shape == scores.shape):
        return _of_one_column(found, scores, columns, path)
    rows = as_rows(scores, labels, found.from_probs is not False, columns, path)
    found = found._replace(scores=rows.scores, labels=rows.labels, notes=(*found.notes, *rows.notes))
    if scores.ndim > 2 and rows.scores.ndim == 2 and rows.scores.shape[1] == 1:
        return _of_one_column(found, rows.scores[:, 0], columns, path)
    soft, several = None, False
    if found.labels is not None and found.labels.ndim == 2:
        labels, soft, several, note = _two_axes(found.labels, found.scores)
        found = found._replace(labels=labels, notes=(*found.notes, *note))
    labels = found.labels
    if several or labels is None or found.scores.ndim != 2 or labels.shape != found.scores.shape[:1]:
        return _unmatched(found, several, columns, path), None
    return _of_classes(found, labels, soft, columns, path)


def _unmatched(found: Found, several: bool, columns: Columns, path: object) -> StoredSamples:
    """Samples without labels, with several a row, or with shapes that `check_samples` refuses."""
    scores, notes, from_probs = found.scores, found.notes, found.from_probs is not False
    if scores.ndim == 2:
        kind = with_kind(scores, found.from_probs, str(path), several)
        scores, from_probs, notes = kind.values, kind.from_probs, (*notes, *kind.notes)
    names = _names(found, columns, scores.shape[-1] if scores.ndim > 1 else 0, path)
    return StoredSamples(scores, found.labels, from_probs, names, {}, notes)


def _two_axes(
    labels: NDArray[Any], scores: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any] | None, bool, tuple[str, ...]]:
    """Labels `[N, K]` as class indices where they are one-hot or shares; else as several labels a row, with True."""
    if labels.shape == scores.shape:
        one_hot = from_one_hot(labels)
        if one_hot is not None and _one_answer(scores):
            return one_hot, None, False, ("labels are one-hot: one class a row",)
        shares = shares_of(labels)
        if shares is not None:
            return shares[0].argmax(axis=1).astype(np.int64), shares[0], False, (shares[1],)
    if labels.dtype.kind == "f" and np.isin(labels, (0, 1)).all():
        labels = labels.astype(np.int64)
    return labels, None, True, ()


def _one_answer(scores: NDArray[Any]) -> bool:
    """True unless scores are one sigmoid a label: within [0, 1], and rows do not sum to 1."""
    if not scores.size or not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
        return True
    return bool(np.abs(scores.sum(axis=1, dtype=np.float64) - 1).max() < 0.1)


def _names(found: Found, columns: Columns, classes: int, path: object) -> tuple[str, ...] | None:
    if columns.classes is None:
        return found.class_names
    if len(columns.classes) != classes:
        message = f"{path}: --classes names {len(columns.classes)} classes, and there are {classes} columns of scores"
        raise InputError(message, f"the scores are {listed(found.score_names)}")
    twice = next((name for name in columns.classes if columns.classes.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: --classes names {twice!r} twice", "give each class a name of its own")
    return columns.classes


def _of_classes(found: Found, labels: NDArray[Any], soft: Any, columns: Columns, path: object) -> Matched:
    """One class a row among K columns."""
    scores = found.scores
    own = _names(found, columns, scores.shape[1], path)
    names = None if own is None else ClassNames(own)
    keep, left_out = kept_rows(labels, columns.ignore, path, names is not None and names.place(UNLABELLED) is not None)
    if not keep.all():
        scores, labels, soft = scores[keep], labels[keep], None if soft is None else soft[keep]
    read = class_indices(labels, names, scores.shape[1], path, (*found.label_names, "label")[0])
    if read.by_position and scores.shape[1] > 1:
        _refuse_outside(read.labels, scores.shape[1], path)
    columns_of_a_table = len(found.score_names) > 1
    scores, padding = without_padding(scores, found.from_probs is True, read.labels, path, not columns_of_a_table)
    kind = with_kind(scores, found.from_probs, str(path), names=found.score_names)
    class_names = own if read.order is None else read.order
    if names is not None and not read.by_position:
        class_names = _as_labels_do(names, labels)
    notes = (*found.notes, *left_out, *padding, *kind.notes, *_about_names(own, columns, read, found.by_name))
    samples = StoredSamples(kind.values, read.labels, kind.from_probs, class_names, {}, notes, soft=soft)
    return samples, None if keep.all() else keep


def _refuse_outside(labels: NDArray[np.int64], classes: int, path: object) -> None:
    """InputError for positions outside [0, K), with what they may mean."""
    outside = (labels < 0) | (labels >= classes)
    if not outside.any():
        return
    low, high = int(labels.min()), int(labels.max())
    hint = f"class indices run from 0 to {classes - 1}"
    different = [str(label) for label in np.unique(labels).tolist()]
    named = in_sorted_order(different, classes)
    if (low, high) == (1, classes) or different == ["-1", "1"]:
        hint = f"labels run from {low} to {high}: {named} names the columns of scores so, in their order"
    elif len(np.unique(labels[outside])) == 1:
        hint = f"{hint}; rows without a label: --ignore {labels[outside][0]}"
    elif "A,B" not in named:
        hint = f"{named} names the columns of scores by the labels, in their order"
    refuse_rows(outside, str(path), f"the label is outside [0, {classes})", hint)


def _as_labels_do(names: ClassNames, labels: NDArray[Any]) -> tuple[str, ...]:
    """The names of the classes in the form that labels use: whole, or without some or all of what they share."""
    words = {canonical(label) for label in labels[:1000].tolist()}
    if words & set(names.full):
        return names.full
    return names.short if words <= set(names.short) else next((f for f in names.parts if words <= set(f)), names.short)


def _about_names(
    own: tuple[str, ...] | None, columns: Columns, read: ClassIndices, named: bool = False
) -> tuple[str, ...]:
    """How classes were found, where no name tells; `named` if columns of labels were put beside those of scores by name."""
    if read.order is not None:
        order = listed(read.order)
        return (
            f"the scores name no classes: columns are taken in sorted order of the labels, {order}; --classes names them",
        )
    if not read.by_position or columns.classes is not None or named:
        return (read.note,) if read.note else ()
    if own is None:
        return (BY_POSITION,)
    return (f"labels are numbers, so classes are matched by position: 0 is the column {own[0]!r}, 1 is {own[1]!r}",)


def _of_one_column(found: Found, column: NDArray[Any], columns: Columns, path: object) -> Matched:
    name, labels, notes = found.score_names[0], found.labels, found.notes
    keep: NDArray[np.bool_] | None = None
    if labels is not None:
        keep, left_out = kept_rows(labels, columns.ignore, path)
        column, labels, notes = column[keep], labels[keep], (*notes, *left_out)
    from_probs = kind_of_one(column, found.from_probs, path, name)
    if from_probs:
        column, percent = fractions(column, name)
        notes = (*notes, *percent)
    texts = [] if labels is None else sorted({canonical(value) for value in labels.tolist()})
    negative, positive = two_classes(texts, name, columns, path)
    indices = None
    if labels is not None:
        indices = class_indices(labels, ClassNames((negative, positive)), 2, path, found.label_names[0]).labels
    notes = (*notes, about_two(name, from_probs, negative, positive))
    samples = StoredSamples(two_columns(column, from_probs), indices, from_probs, (negative, positive), {}, notes)
    return samples, None if keep is None or keep.all() else keep
