"""The groups of samples in columns of a file: one column's values, or the combinations of several columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from calibench.errors import InputError
from calibench.lazy import np

EMPTY = "(empty)"
"""The group of samples without a value."""

MOST = 1000
"""More groups are refused: a column of so many values is an identifier or a measurement."""


def groups_of(columns: Mapping[str, Any]) -> Any:
    """The group `[N]` of each sample, as texts: the value of one column, or `sex=f, age=old` of several.

    A sample without a value (NaN, None or an empty text) is in the group `(empty)`. InputError for numbers with decimals and
    for more than 1 000 groups.
    """
    texts = {name: _texts(name, values) for name, values in columns.items()}
    if len(texts) == 1:
        (groups,) = texts.values()
    else:
        parts = [np.char.add(f"{name}=", values) for name, values in texts.items()]
        groups = parts[0]
        for part in parts[1:]:
            groups = np.char.add(np.char.add(groups, ", "), part)
    count = len(np.unique(groups))
    if count > MOST:
        message = f"--by {','.join(columns)} makes {count} groups, and at most {MOST} can be judged"
        raise InputError(message, "name a column of few values; --by-time cuts numbers and dates into periods")
    return groups


def _texts(name: str, values: Any) -> Any:
    """The values as texts; whole numbers without a decimal point."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(f"{name!r} has shape {list(array.shape)}", "groups have one value a sample")
    if array.dtype.kind == "f":
        filled = ~np.isnan(array)
        broken = filled & (array != np.floor(array))
        if broken.any():
            value = array[np.argmax(broken)]
            hint = "store ranges, such as 30-39, in a column; --by-time cuts numbers into periods"
            raise InputError(f"--by {name}: {value:g} is no name of a group", hint)
        whole = np.where(filled, array, 0).astype(np.int64).astype(str)
        return np.where(filled, whole, EMPTY)
    if array.dtype.kind in "biu":
        return array.astype(str)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind not in "OU":
        raise InputError(f"--by {name}: values of type {array.dtype} are no names of groups", "store texts or numbers")
    return np.array([EMPTY if _empty(value) else str(value).strip() for value in array.tolist()])


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip()
