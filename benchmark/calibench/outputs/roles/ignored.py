"""Rows to leave out: those whose label says that they have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.roles.class_names import canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNLABELLED = -100
"""The label that torch's cross-entropy and the Hugging Face Trainer leave out."""

MISSING = frozenset({"", "nan", "none", "null", "na", "<na>"})


def kept_rows(
    labels: NDArray[Any], ignore: str | None, path: object, is_class: bool = False
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """True for each row of `labels [N]` to keep, and a sentence on those that are left out.

    `ignore` is the label of rows to leave out; `nan` stands for missing ones. Without it that is -100, unless it `is_class`: one is
    called so.
    """
    if ignore is None:
        drop = np.zeros(len(labels), dtype=bool) if is_class else _equal_to(labels, str(UNLABELLED))
    else:
        drop = _equal_to(labels, canonical(ignore))
        if not drop.any():
            raise InputError(f"{path}: no label is {ignore!r}", "leave out --ignore, or name a label that is there")
    count, name = int(drop.sum()), UNLABELLED if ignore is None else ignore.strip() or "missing"
    if not count:
        return ~drop, ()
    if drop.all():
        raise InputError(f"{path}: all {count} labels are {name}", "is this the column of labels?")
    verb = "is" if count == 1 else "are"
    return ~drop, (f"{count} of {len(labels)} rows {verb} left out: the label is {name}",)


def _equal_to(labels: NDArray[Any], text: str) -> NDArray[np.bool_]:
    missing = text.lower() in MISSING
    if labels.dtype.kind == "f":
        values = labels.astype(np.float64)
        number = _number(text)
        return np.isnan(values) if missing or number is None else values == number
    if labels.dtype.kind in "iub":
        number = _number(text)
        return labels == number if number is not None else np.zeros(len(labels), dtype=bool)
    words = [canonical(value) for value in labels.tolist()]
    return np.array([word.lower() in MISSING if missing else word == text for word in words], dtype=bool)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
