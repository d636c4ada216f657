"""Cells of a table as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


BLANK = ("", "NA", "N/A", "NULL", "null", "None", None)
"""Cells without a value; "nan" is a number."""


def numbers(values: NDArray[Any], path: object, name: str, first: int = 0) -> NDArray[np.float64]:
    """A column of numbers in float64. InputError naming the first row that is none; `first` is the number of the first row."""
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    column = np.empty(len(values))
    for row, value in enumerate(values):
        if value is None:
            raise InputError(f"{path}: row {first + row}: {name} is missing", "fill or drop the row")
        try:
            column[row] = float(value)
        except (TypeError, ValueError):
            hint = "score columns hold numbers; leave other columns out with --probs a,b,c"
            raise InputError(f"{path}: row {first + row}: {name} is {value!r}, not a number", hint) from None
    return column


def number_columns(table: Mapping[str, NDArray[Any]], names: list[str]) -> dict[str, NDArray[np.float64]]:
    """Those of the columns `names` whose cells are all numbers or missing, which is NaN, in float64."""
    found = {}
    for name in names:
        values = table[name]
        if values.ndim != 1 or values.dtype.kind not in "fiubOSU":
            continue
        try:
            found[name] = values.astype(np.float64)
        except (TypeError, ValueError):
            if any(value in BLANK for value in values.tolist()) and not holds_no_number(values):
                try:
                    found[name] = np.array(
                        [np.nan if value in BLANK else value for value in values.tolist()], np.float64
                    )
                except (TypeError, ValueError):
                    continue
    return found


def holds_no_number(values: NDArray[Any]) -> bool:
    """True if not one cell of a column is a number, as of a column of words."""
    if values.ndim != 1 or values.dtype.kind in "fiub":
        return values.ndim != 1
    return not any(_is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
