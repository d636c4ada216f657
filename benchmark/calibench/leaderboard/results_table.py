"""A table of published results, one line for each method on each task: read from a CSV, also a gzipped one."""

from __future__ import annotations

import csv
import fnmatch
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibench.errors import InputError, did_you_mean
from calibench.files.regular_file import open_regular

BLANK = {"", "-", "na", "nan", "null", "none"}
"""Cells without a figure, in lower case."""


@dataclass(frozen=True)
class ResultsTable:
    """The lines of a CSV: the texts of each column, and the number of each line in the file."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """The texts of one column; InputError suggests the nearest name."""
        if name not in self.columns:
            raise InputError(f"{self.path}: no column is called {name!r}", did_you_mean(name, self.columns))
        return self.columns[name]

    def keys(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """The texts of several columns, line by line."""
        return list(zip(*(self.column(name) for name in names), strict=True)) if names else [()] * len(self.lines)

    def figures(self, name: str) -> list[float]:
        """The numbers of one column, NaN where a cell is blank; InputError names a line that holds neither."""
        numbers = []
        for line, text in zip(self.lines, self.column(name), strict=True):
            try:
                numbers.append(math.nan if text.lower() in BLANK else float(text))
            except ValueError:
                hint = "name a column of numbers; leave a cell empty where there is none"
                raise InputError(f"{self.path}: line {line}: {name} is {text!r}, not a number", hint) from None
        return numbers

    def where(self, conditions: Sequence[str], *, keep: bool = True) -> ResultsTable:
        """Only the lines that match every condition, as `benchmark=*-binary,cv-*`; those that match none if not `keep`.

        InputError for a condition that is no `COLUMN=PATTERN`, or that matches no line.
        """
        rows = list(range(len(self.lines)))
        for condition in conditions:
            name, equals, patterns = condition.partition("=")
            if not equals or not patterns.strip():
                raise InputError(f"{condition!r} is not COLUMN=PATTERN,...", "write benchmark=*-binary, for instance")
            cells = self.column(name.strip())
            match = {
                text: any(fnmatch.fnmatchcase(text, p.strip()) for p in patterns.split(",")) for text in set(cells)
            }
            if not any(match.values()):
                hint = did_you_mean(patterns.split(",")[0].strip(), set(cells))
                raise InputError(f"{self.path}: no line has {condition}", hint)
            rows = [row for row in rows if match[cells[row]] == keep]
        if not rows:
            raise InputError(f"{self.path}: no line is left of {len(self.lines)}", "ask for less, or leave out less")
        columns = {name: [cells[row] for row in rows] for name, cells in self.columns.items()}
        return ResultsTable(self.path, columns, [self.lines[row] for row in rows])


def read_results(path: Path) -> ResultsTable:
    """Read a UTF-8 CSV with a header line, gzipped if its name ends in `.gz`. InputError names the file and the line."""
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}", "name a CSV of results, or a .csv.gz")
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for line, values in _lines(path):
            if not header:
                header = values
            elif len(values) != len(header):
                message = f"{path}: line {line} has {len(values)} values, the header {len(header)}"
                raise InputError(message, "write one value for each column")
            else:
                rows.append(values)
                lines.append(line)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", "write a UTF-8 CSV with a header line, or gzip one") from None
    if not rows:
        raise InputError(f"{path}: there are no rows", "write a header line, then one line for each method and task")
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{path}: two columns are called {repeated!r}", "rename one")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    return ResultsTable(path, columns, lines)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the values of each line that is not blank, without the spaces around values."""
    with open_regular(path) as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        for values in reader:
            if values:
                yield reader.line_num, [value.strip() for value in values]
