"""Find the column or array of labels: the user's name, else a usual one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.roles.class_names import listed, short_names
from calibench.outputs.roles.score_columns import matching
from calibench.outputs.roles.usual_names import LABELS, NO_SCORES, OTHER_LABELS

_DECIMAL = re.compile(r"-?\d*\.\d{2,}(e[-+]?\d+)?\Z", re.I)
"""A number that no class is called."""


def label_name(columns: Columns, names: Collection[str]) -> str:
    """The user's name of the labels, else the first usual name among `names`, whatever its case."""
    if columns.label:
        return columns.label
    by_case = {name.casefold(): name for name in names if len(name) > 1}
    usual = (name if name in names else by_case.get(name) for name in (*LABELS, *OTHER_LABELS))
    return next((name for name in usual if name is not None), LABELS[0])


def label_columns(path: object, names: Mapping[str, Any], columns: Columns, labelled: bool = True) -> list[str]:
    """The columns of labels: one, or several if a row has several labels; none without `labelled` where there are none.

    Raises InputError suggesting a similar name if a column is not there.
    """
    label = label_name(columns, names)
    if label in names:
        return [label]
    if columns.label is None and not labelled:
        return []
    if not set(",*?[").isdisjoint(label):
        return matching(label, names, (), path)
    if columns.label is None:
        raise InputError(f"{path}: no column or array is named {LABELS[0]} or {LABELS[1]}", _where_labels_are(names))
    raise InputError(f"{path}: there is no {label!r}", did_you_mean(label, names))


def _several(names: Collection[str]) -> str | None:
    """How the names of several columns of labels begin, if there are any."""
    beginnings = ("y_", "label_", "target_")
    return next((start for start in beginnings if sum(name.startswith(start) for name in names) > 1), None)


def _where_labels_are(names: Mapping[str, Any]) -> str:
    """The hint for a file without a usual name: a similar name, else columns of words that other columns are named after."""
    several = _several(names)
    if several is not None:
        return f"name their columns: --labels '{several}*'"
    if names and sum(bool(_DECIMAL.match(name)) for name in names) > len(names) / 2:
        return "its first line holds numbers: write a line of names above it"
    similar = did_you_mean(LABELS[0], names)
    if similar.startswith("did you mean"):
        return similar
    classes = {*names, *short_names(list(names))}
    found = [name for name, values in names.items() if name.lower() not in NO_SCORES and _is_of(values, classes, name)]
    if len(found) == 1:
        return f"are they in {found[0]!r}? --labels {shlex.quote(found[0])}"
    return f"name the true labels: --labels NAME; {similar if not found else f'perhaps one of {listed(found)}'}"


def _is_of(values: Any, classes: set[str], name: str) -> bool:
    """True for a column `name` of words that are all among `classes` but for empty ones, and none of them its own name."""
    words = np.asarray(values)
    if words.ndim != 1 or words.dtype.kind not in "UO":
        return False
    given = set(words.tolist()) - {"", None}
    return bool(given) and len(given) <= len(classes) and name not in given and given <= classes


def in_order_of(labels: list[str], scores: list[str]) -> tuple[list[str], bool]:
    """The columns of several labels in the order of those of their scores, and True if names tell which belong together."""
    if len(labels) != len(scores):
        return labels, False
    of_label, of_score = dict(zip(short_names(labels), labels, strict=True)), short_names(scores)
    if set(of_label) != set(of_score):
        return labels, False
    return [of_label[name] for name in of_score], True
