"""Class names that a program gives: any list, array or column of words, numbers or bytes, as texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from calibench.errors import InputError
from calibench.outputs.roles.class_names import canonical
from calibench.outputs.roles.label_values import MISSING

IN_ORDER = "give a list with one name a column, in the order of the columns"


def names_given(class_names: Any) -> tuple[str, ...] | None:
    """The names as texts; None stays None.

    InputError for a text, a set or a mapping, which have no order of columns, and for names that are missing or given twice.
    """
    if class_names is None:
        return None
    unordered = isinstance(class_names, str | bytes | Mapping | Set)
    if unordered or not isinstance(class_names, Iterable) or getattr(class_names, "ndim", 1) != 1:
        raise InputError(f"class_names is a {type(class_names).__name__}, no list of names", IN_ORDER)
    given = class_names.tolist() if hasattr(class_names, "tolist") else list(class_names)
    missing = [place for place, name in enumerate(given) if not isinstance(name, str) and str(name) in MISSING]
    if missing:
        raise InputError(f"class_names: the name of column {missing[0]} is missing", IN_ORDER)
    names = tuple(name if isinstance(name, str) else canonical(name) for name in given)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two classes are called {twice!r}", "give each class a name of its own")
    return names
