"""Found: the arrays or columns of a file that are its scores and labels, before labels are matched to classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns, array_named
from calibench.outputs.content import Content
from calibench.outputs.roles.cells import numbers
from calibench.outputs.roles.class_names import canonical
from calibench.outputs.roles.label_columns import in_order_of, label_columns
from calibench.outputs.roles.named_by_labels import named_by_labels
from calibench.outputs.roles.score_arrays import are_probs, scores_name
from calibench.outputs.roles.score_columns import score_columns
from calibench.outputs.roles.score_lists import kind_of_list, scores_list
from calibench.outputs.roles.shares import share_name
from calibench.outputs.roles.usual_names import CLASS_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Found(NamedTuple):
    """Scores and labels before they are matched: `scores [N]`, `[N, K]` or of more axes."""

    scores: NDArray[Any]
    from_probs: bool | None
    labels: NDArray[Any] | None
    score_names: tuple[str, ...]
    """The array, or the columns, of scores."""
    label_names: tuple[str, ...]
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]
    used: frozenset[str]
    by_name: bool = False
    """True if labels are several columns, each of which is named as one of the scores is."""


def find(content: Content, columns: Columns, path: object, labelled: bool) -> Found:
    """The scores and labels in `content`; without `labelled`, labels may be missing. InputError naming what is not there."""
    columns = as_format_tells(content, columns)
    if _has_array(content, columns, path):
        return _in_arrays(content, columns, path, labelled)
    return _in_table(content, columns, path, labelled)


def as_format_tells(content: Content, columns: Columns) -> Columns:
    """The names that the user gives, else those that the format tells."""
    named = columns.logits is not None or columns.probs is not None
    changes: dict[str, Any] = {} if named else {"logits": content.logits, "probs": content.probs}
    if content.label is not None and (columns.label is None or columns.truth is not None):
        changes["label"] = content.label
    return dataclasses.replace(columns, **changes) if changes else columns


def _has_array(content: Content, columns: Columns, path: object) -> bool:
    """True if the scores are one array. A file of columns alone is a table, also if it is an `.npz`."""
    arrays, named = content.arrays, columns.logits or columns.probs
    if named is not None and named in arrays:
        return not content.table or arrays[named].ndim > 1
    if content.table:
        return named is None and scores_list(arrays, columns, path) is not None
    equal = len({len(array) for array in arrays.values() if array.ndim}) == 1
    columns_alone = len(arrays) > 1 and equal and all(array.ndim == 1 for array in arrays.values())
    usual = any(name in arrays for name in ("logits", "probs"))
    return usual or not columns_alone


def _in_arrays(content: Content, columns: Columns, path: object, labelled: bool) -> Found:
    arrays = content.arrays
    named = columns.logits or columns.probs
    notes: tuple[str, ...] = ()
    found = None if named else scores_list(arrays, columns, path) if content.table else content.scores
    if found is not None:
        name, kind = found, kind_of_list(columns, found)
        if content.table and kind is None:
            notes = (f"the scores are the lists {name!r}",)
    else:
        name = scores_name(columns, arrays, path)
        kind = are_probs(columns, name)
    scores = _score_array(array_named(name, arrays, path), path, name)
    if not scores.ndim:
        message = f"{path}: {'logits' if kind is False else 'probabilities'} have shape [], not [N, K]"
        raise InputError(message, "give one column per class")
    label, labels = _labels_of(arrays, columns, path, labelled, len(scores))
    names, used = content.class_names, {name, *label}
    if names is None:
        key = next((key for key in CLASS_NAMES if key in arrays and arrays[key].shape == scores.shape[-1:]), None)
        if key is not None and not (arrays[key].shape == (len(scores),) and arrays[key].dtype.kind not in "USO"):
            names, used = tuple(canonical(value) for value in arrays[key].tolist()), used | {key}
    return Found(scores, kind, labels, (name,), tuple(label), names, notes, frozenset(used))


def _labels_of(
    arrays: Mapping[str, NDArray[Any]], columns: Columns, path: object, labelled: bool, rows: int
) -> tuple[list[str], NDArray[Any] | None]:
    """The array of labels with its name; shares of people stand in where there are none."""
    share = share_name(arrays, rows) if columns.label is None else None
    if labelled and share is None and columns.label is None and len(arrays) == 1:
        raise InputError(f"{path}: the labels are missing", "it holds one array: give the labels as --labels FILE.npy")
    names = label_columns(path, arrays, columns, labelled and share is None)
    if not names and share is not None:
        names = [share]
    if len(names) > 1:
        return names, np.stack([numbers(arrays[name], path, name) for name in names], axis=1).astype(np.int64)
    return names, arrays[names[0]] if names else None


def _score_array(scores: NDArray[Any], path: object, name: str) -> NDArray[Any]:
    if scores.dtype.kind == "O":
        raise InputError(f"{path}: {name!r} holds no numbers", "store floating-point numbers")
    if scores.dtype.kind != "f":
        raise InputError(f"{path}: {name!r} has type {scores.dtype}", "store floating-point numbers")
    if scores.dtype.itemsize > 8:
        raise InputError(f"{path}: {name!r} has type {scores.dtype}", "store float64 or narrower")
    return native(scores)


def native(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that torch accepts: contiguous, writable, and in this machine's byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _in_table(content: Content, columns: Columns, path: object, labelled: bool) -> Found:
    table = content.arrays
    label = label_columns(path, table, columns, labelled)
    chosen = score_columns(table, label, columns, path)
    if chosen.from_probs is None and len(label) == 1:
        chosen = named_by_labels(chosen, table, table[label[0]])
    scores = np.stack([numbers(table[name], path, name) for name in chosen.names], axis=1)
    notes, labels, by_name = chosen.notes, table[label[0]] if len(label) == 1 else None, False
    if len(label) > 1:
        label, by_name = in_order_of(label, chosen.names)
        labels = np.stack([numbers(table[name], path, name) for name in label], axis=1)
        _refuse_other_than_0_and_1(labels, label, path)
        if not by_name:
            pairs = ", ".join(f"{a} with {b}" for a, b in zip(label[:3], chosen.names[:3], strict=False))
            notes = (*notes, f"columns of labels and scores go together by their place: {pairs}")
    used = frozenset((*label, *chosen.names, *chosen.left_out))
    names = tuple(chosen.names)
    return Found(scores, chosen.from_probs, labels, names, tuple(label), names, notes, used, by_name)


def _refuse_other_than_0_and_1(labels: NDArray[Any], names: list[str], path: object) -> None:
    bad = ~np.isin(labels, (0, 1))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(f"{path}: row {row}: {names[column]} is {labels[row, column]:g}", "labels are 0 or 1")
