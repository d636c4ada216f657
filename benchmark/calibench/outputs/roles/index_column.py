"""The column of row numbers that pandas writes beside a table, and other columns that only count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from calibench.lazy import np
from calibench.outputs.roles.usual_names import INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = ("", "Unnamed:", "__index_level_")
"""Beginnings of names that pandas and pyarrow give to an index."""

FEWEST = 3
"""A column without such a name is row numbers only if there are so many rows."""


def is_index_name(name: str) -> bool:
    """True for the name that pandas or pyarrow gives to an index."""
    return name == "" or name.startswith(SURE[1:])


def index_columns(names: list[str], numbers: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Those of `names` that hold row numbers. `numbers` are the values of the columns that hold numbers alone.

    Either the name is pandas' own; or it is a usual one and all values are whole and different; or values count the rows from 0
    or 1, in order.
    """
    return [
        name
        for name in names
        if is_index_name(name) or (name in numbers and _counts(numbers[name], bool(INDEX.match(name))))
    ]


def counts_rows(values: NDArray[np.float64] | None) -> bool:
    """True for numbers that may be those of rows: whole and all different; False for none."""
    if values is None or not np.isfinite(values).all():
        return False
    return bool((values == np.floor(values)).all()) and len(np.unique(values)) == len(values)


def _counts(values: NDArray[np.float64], usual_name: bool) -> bool:
    if len(values) < FEWEST or not np.isfinite(values).all():
        return False
    if usual_name and counts_rows(values):
        return True
    rows = np.arange(len(values))
    return bool((values == rows).all() or (values == rows + 1).all())
