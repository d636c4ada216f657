"""The dialect of a table of text: its separator, its decimal mark, and its percent signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SEPARATORS = (",", ";", "\t", "|")

_COMMA_NUMBER = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*%?\s*\Z")
_PERCENT = re.compile(r"\s*[+-]?\d*\.?\d*([eE][+-]?\d+)?\s*%\s*\Z")


@dataclass(frozen=True)
class Dialect:
    """The `separator` between cells. With `decimal_comma`, `0,5` is a number."""

    separator: str = ","
    decimal_comma: bool = False

    @property
    def note(self) -> str:
        """A sentence on a dialect other than a plain CSV; nothing for that one."""
        if self == Dialect():
            return ""
        name = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[self.separator]
        return f"cells are separated by {name}{', and a comma is the decimal mark' if self.decimal_comma else ''}"


def dialect_of(lines: Sequence[str], suffix: str) -> Dialect:
    """The dialect of the first lines of a table, header first; of a `.tsv` the separator is the tab, and of `sep=;` the semicolon.

    The separator is the character that all lines hold equally often, outside quotes; among several the comma, unless a semicolon
    or a tab is there as well, when commas are decimal marks.
    """
    if suffix == ".tsv" or suffix.startswith("sep="):
        separator = "\t" if suffix == ".tsv" else suffix[-1]
    else:
        header = _counts(lines[0]) if lines else {}
        rows = [_counts(line) for line in lines[1:] if line.strip()]
        even = [mark for mark in SEPARATORS if header.get(mark) and all(row[mark] == header[mark] for row in rows)]
        others = [mark for mark in even if mark != ","]
        separator = ","
        if others and ("," not in even or not header[","]):
            separator = others[0]
    cells = [cell for line in lines[1:] for cell in line.split(separator)]
    return Dialect(separator, separator != "," and any(_COMMA_NUMBER.match(cell) for cell in cells))


def _counts(line: str) -> dict[str, int]:
    """How often each separator stands in a line, outside quotes."""
    plain = "".join(line.split('"')[::2])
    return {mark: plain.count(mark) for mark in SEPARATORS}


def with_decimal_point(cell: str) -> str:
    """A number with a decimal comma as one with a point; any other cell unchanged."""
    return cell.replace(",", ".") if _COMMA_NUMBER.match(cell) else cell


def is_percent(cell: str) -> bool:
    """True for a number before a percent sign."""
    return bool(_PERCENT.match(cell)) and any(mark.isdigit() for mark in cell)
