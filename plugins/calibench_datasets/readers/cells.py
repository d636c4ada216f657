"""Cells of a table: a number, words, or nothing."""

from __future__ import annotations

Column = list[str]

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""Cells that count as empty, in upper or lower case."""

MOST_CATEGORIES = 100
"""A text column with more distinct values is an identifier or prose, not a category."""


def is_missing(cell: str) -> bool:
    """True if the cell counts as empty."""
    return cell.lower() in MISSING


def number(cell: str) -> float | None:
    """The number in a cell; None for words, and for `12_3`, which Python alone reads as 123."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def is_number(cell: str) -> bool:
    """True if the cell is a number, as `number` reads it."""
    return number(cell) is not None
