"""Records as flat rows, one value a column, and conditions on them such as `dataset=digits and ece15<0.02`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.records.record import ResultRecord

Row = dict[str, Any]

_CONDITION = re.compile(r"\s*([\w.:+-]+?)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*\Z")

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def row_of(record: ResultRecord) -> Row:
    """What a run was, its verdict, its seconds, then each metric with the ends of its interval as `NAME_low`, `NAME_high`."""
    row: Row = {
        "run_id": record.run_id,
        "recipe": record.recipe,
        "dataset": record.dataset,
        "model": record.model,
        "noise": record.noise,
        "seed": record.seed,
        "n_test": record.n["test"],
        "suite": (record.preset or {}).get("name") if (record.preset or {}).get("suite") else None,
        "calibrated": record.calibrated,
        "seconds": record.timings_s.get("total"),
        "created": record.created,
    }
    for name, value in record.metrics.items():
        bounds = record.intervals.get(name) or (None, None)
        row |= {name: value, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
    return row


def columns_of(rows: Iterable[Row]) -> list[str]:
    """The columns of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def where(rows: Sequence[Row], text: str) -> list[Row]:
    """The rows that meet every condition of `text`, joined by `and`: a column, `=` `!=` `<` `<=` `>` or `>=`, and a value.

    A row without a figure in a column meets no condition on it but `!=`; `none` is the value of an empty cell. A word is compared
    as text, and only by `=` and `!=`. InputError for a condition that cannot be read, and for an unknown column.
    """
    columns = columns_of(rows)
    kept = list(rows)
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE):
        match = _CONDITION.match(part)
        if match is None:
            raise InputError(f"cannot read the condition {part!r}", "as in --where 'dataset=digits and ece15<0.02'")
        name, sign, value = match[1], match[2], match[3].strip("\"'")
        if rows and name not in columns:
            raise InputError(f"there is no column {name!r}", did_you_mean(name, columns))
        kept = [row for row in kept if _meets(row.get(name), sign, value, part)]
    return kept


def _meets(cell: Any, sign: str, value: str, part: str) -> bool:
    if cell is None or value.casefold() == "none":
        same = cell is None and value.casefold() == "none"
        return same if sign == "=" else not same if sign == "!=" else False
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        try:
            return _COMPARE[sign](float(cell), float(value))
        except ValueError:
            raise InputError(f"{part!r}: {value!r} is not a number", "as in ece15<0.02") from None
    if sign not in ("=", "!="):
        raise InputError(f"{part!r} compares words by {sign}", "use = or !=")
    return _COMPARE[sign](str(cell), value)
