"""Refuse bad rows of scores or labels, and name the first one."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.lazy import torch


def refuse_rows(bad: torch.Tensor, where: str, problem: str, hint: str) -> None:
    """Raise InputError if a row of `bad [N]` (bool) is True: it names `where`, the first such row, and how many follow."""
    rows = bad.nonzero()
    if len(rows):
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        raise InputError(f"{where}: row {int(rows[0])}: {problem}{more}", hint)
