"""Tables of a page: heads, cells with what they are sorted by, and lines with what they are filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A bar from `left`, of `width`, in percent of its rail."""

    left: float
    width: float


class Forest(NamedTuple):
    """An interval with its middle, and where 0 lies, in percent of the width.

    `beyond` names the parts outside the scale: an arrow stands at such an end, and no dot for such a middle.
    """

    low: float
    middle: float
    high: float
    zero: float
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    """The head of a column. `better` is the direction of its figures, which the first click sorts by; empty for words."""

    text: str
    left: bool = False
    better: str = ""
    hint: str = ""

    @property
    def first(self) -> str:
        """The order after the first click."""
        return "descending" if self.better == "higher" else "ascending"


@dataclass(frozen=True)
class Cell:
    """The text of a cell, with `small` below it; `value` is what it is sorted by, where that is not the text."""

    text: str
    small: str = ""
    value: float | None = None
    href: str = ""
    wrap: bool = False
    mono: bool = False
    """True for signs that line up between rows."""
    span: Span | None = None
    forest: Forest | None = None


@dataclass(frozen=True)
class Line:
    """The cells of a row; `words` (small letters) and `kinds` are what the filter of the page looks at."""

    cells: Sequence[Cell]
    words: str = ""
    kinds: str = ""
    base: bool = False
    mark: bool = False
    """True for a row that a reader should see first."""


@dataclass(frozen=True)
class Table:
    """A table. `names` is the column that names its rows; `label` says what it holds to readers that do not see it."""

    id: str
    label: str
    heads: Sequence[Head]
    lines: Sequence[Line]
    notes: Sequence[str] = ()
    names: int = 0
    filtered: bool = False
    sortable: bool = True


class Recipes(NamedTuple):
    """What pages say about recipes: the address of a recipe's page, its kinds of stages, by recipe."""

    href: Mapping[str, str]
    kinds: Mapping[str, str]


def figure_cell(text: str, value: float | None = None) -> Cell:
    """A cell of `1.41 [1.10, 1.75]`: the figure, with the interval below it."""
    first, bracket, rest = text.partition(" [")
    return Cell(first, f"[{rest}" if bracket else "", value)


def rank_cell(rank: tuple[int, int] | None, rows: int) -> Cell:
    """`1-28` with a bar from rank 1 to the last; sorted by the best rank, then by the worst."""
    if rank is None:
        return Cell("-")
    best, worst = rank
    span = Span(100 * (best - 1) / rows, 100 * (worst - best + 1) / rows)
    return Cell(str(best) if best == worst else f"{best}-{worst}", value=best + worst / (rows + 1), span=span)
