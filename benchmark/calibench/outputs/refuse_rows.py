"""Refuse bad rows of scores or labels, and name the first one."""

from __future__ import annotations

from typing import Any

from calibench.errors import InputError
from calibench.outputs.arrays import as_array


def refuse_rows(bad: Any, where: str, problem: str, hint: str) -> None:
    """Raise InputError if a row of `bad [N]` is True: it names `where`, the first such row, and how many follow.

    `bad` is a bool tensor or array.
    """
    if bad.any():
        rows = as_array(bad).nonzero()[0]
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        raise InputError(f"{where}: row {int(rows[0])}: {problem}{more}", hint)
