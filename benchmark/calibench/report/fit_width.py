"""Columns that fit a terminal: long recipes are broken between words, and what has no room is left out, never cut."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from calibench.report.grid import Column

SHARE_OF_NAMES = 3
"""A recipe takes at most one third of the width, or as much as its longest word: longer ones are broken between words."""


def fitted(
    columns: Sequence[Column], names: str | Sequence[str], width: int, *, stack: bool = False
) -> tuple[list[Column], list[str]]:
    """The columns that fit into `width` characters, of which `names` hold recipes and kin, and the names of those left out.

    The least important goes first. With `stack`, intervals first move below their figures; they also do where the columns that are
    always kept have no room.
    """
    names = [names] if isinstance(names, str) else names
    most = width // (SHARE_OF_NAMES + len(names) - 1)
    kept = [_broken(column, most) if column.name in names else column for column in columns]
    if stack and _width(kept) > width:
        kept = [_stacked(column) for column in kept]
    while _width(kept) > width:
        droppable = [column for column in kept if column.keep < float("inf")]
        if not droppable:
            kept = [_stacked(column) for column in kept]
            break
        kept.remove(min(reversed(droppable), key=lambda column: column.keep))
    there = {column.name for column in kept}
    return kept, [column.name for column in columns if column.name not in there]


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + 3 for column in columns) + 1


def _stacked(column: Column) -> Column:
    return dataclasses.replace(column, cells=tuple(cell.replace(" [", "\n[") for cell in column.cells))


def _broken(column: Column, most: int) -> Column:
    """Recipes in lines of at most `most` characters, broken before `+` and after `,` or `;`."""
    words = [re.findall(r"\+?[^+,;]+[,;]?|.", cell) for cell in column.cells]
    most = max(most, *(len(word) for of_cell in words for word in of_cell), len(column.head))
    return dataclasses.replace(column, cells=tuple(_lines(of_cell, most) for of_cell in words))


def _lines(words: Sequence[str], most: int) -> str:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > most:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)
