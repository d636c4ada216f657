"""Refuse bad rows of scores or labels, and name the first one."""

from __future__ import annotations

from typing import Any

from calibench.errors import InputError
from calibench.outputs.arrays import as_array


def refuse_rows(bad: Any, where: str, problem: str, hint: str, first: int | None = None) -> None:
    """Raise InputError if a row of `bad [N]` is True: it names `where`, the first such row, and how many follow.

    `bad` is a bool tensor or array. `first` is the number of the first row, if these rows are a block of a larger file.
    """
    if bad.any():
        rows = as_array(bad).nonzero()[0]
        until = "" if first is None else f" up to row {first + len(bad) - 1}"
        more = f" (and {len(rows) - 1} more rows{until})" if len(rows) > 1 else ""
        raise InputError(f"{where}: row {(first or 0) + int(rows[0])}: {problem}{more}", hint)
