"""A table before it has a form: a title, columns of texts, and notes. Every form of a board is made of one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A header and the cell of each row. Of a table that is too wide, the column of the smallest `keep` is left out first."""

    name: str
    head: str
    cells: tuple[str, ...]
    left: bool = False
    keep: float = float("inf")

    @property
    def width(self) -> int:
        """The longest line of its header and cells."""
        return max(len(line) for cell in (self.head, *self.cells) for line in cell.split("\n"))


@dataclass(frozen=True)
class Grid:
    """A table; a page makes the cells of the column `names` the headers of their rows."""

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    names: str = "method"
