"""Read a table of text, `.csv`, `.tsv` or either as `.gz`: a header line, then one line per sample."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.files.memory_limit import in_bytes, memory_limit, raise_hint
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.dialect import Dialect, dialect_of, is_percent, with_decimal_point
from calibench.outputs.readers.table import refuse_equal_names
from calibench.plugins.specs import ReaderSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = ReaderSpec(
    name="csv",
    suffixes=(".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    starts=(b"\x1f\x8b",),
    target="calibench.outputs.readers.formats.csv:read_csv",
    summary="Tables of text: a header line, then a line per sample; separator and decimal mark are found.",
)

FIRST_LINES = 20
"""The dialect is found in so many lines."""

GZIP = b"\x1f\x8b"

LONGEST_LINE = 1 << 24
"""Characters; a longer line is no table."""

GROWTH = 30
"""Cells take about so many times as much memory as the text of the file."""

_EXCEL = re.compile(r"\"?sep=([,;|\t])\"?\s*\Z", re.I)
"""A line above the header by which Excel tells itself the separator."""

HINT = "write a UTF-8 CSV with a header line"


def read_csv(path: Path, columns: Columns | None = None) -> Content:
    """The columns of a UTF-8 table as text, by the names in its header; numbers with percent signs as fractions.

    Separator and decimal mark are found. Blank lines are skipped. Raises InputError naming the file and the line.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP
        suffix = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
        with gzip.open(path) if zipped else path.open("rb") as file:
            return _content(_lines(file, path), path, suffix)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", HINT) from None


def _lines(file: Any, path: Path) -> Iterator[str]:
    """The lines of a file, while they fit into memory. A byte order mark at the start is left out."""
    size, most = 0, memory_limit() / GROWTH
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise InputError(f"{path}: a line has more than {LONGEST_LINE} characters", HINT)
        size += max(len(line), 1)
        if size > most:
            message = f"{path}: its first {in_bytes(size)} of text take {in_bytes(GROWTH * most)} of memory, which is the limit"
            raise InputError(
                message, f"store it as .npz or .parquet and judge it with --stream; {raise_hint(GROWTH * 2 * size)}"
            )
        yield line


def _content(lines: Iterator[str], path: Path, suffix: str) -> Content:
    first = list(itertools.islice(lines, FIRST_LINES))
    told = _EXCEL.match(first[0]) if first else None
    first = first[1:] if told else first
    dialect = dialect_of([line.rstrip("\r\n") for line in first], f"sep={told[1]}" if told else suffix)
    reader = csv.reader(itertools.chain(first, lines), delimiter=dialect.separator)
    header = [name.strip() for name in next(reader, [])]
    rows: list[list[str]] = []
    for values in reader:
        if not values:
            continue
        if not rows and header and len(values) == len(header) + 1:  # row names of R, or a separator at the end
            header = [*header, ""] if not values[-1].strip() else ["", *header]
        if len(values) != len(header):
            message = f"{path}: line {reader.line_num} has {len(values)} values, the header {len(header)}"
            raise InputError(message, _hint(header, values))
        rows.append(values)
    if not header or not rows:
        problem = "there are no rows" if header else "it is empty"
        raise InputError(f"{path}: {problem}", "write a header line, then one line per sample")
    header = _told_apart(header)
    refuse_equal_names(header, path)
    table: dict[str, NDArray[Any]] = {}
    notes = [dialect.note] if dialect.note else []
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        table[name], percent = _column(cells, dialect)
        if percent:
            notes.append(f"the column {name!r} is in percent")
    return Content(table, notes=tuple(notes))


def _told_apart(header: list[str]) -> list[str]:
    """The names of columns. Of several without a name, as of an index of two levels, each gets the name that pandas gives it."""
    if header.count("") < 2:
        return header
    return [name or f"Unnamed: {place}" for place, name in enumerate(header)]


def _hint(header: list[str], values: list[str]) -> str:
    if len(header) == 1 and len(values) > 1:
        return "the first line must hold the names of the columns: take out lines above it"
    return "write one value for each column"


def _column(cells: tuple[str, ...], dialect: Dialect) -> tuple[NDArray[Any], bool]:
    """The cells of a column, and True if they were percentages and are fractions now."""
    values = [with_decimal_point(cell) for cell in cells] if dialect.decimal_comma else list(cells)
    if is_percent(values[0]) and all(map(is_percent, values)):
        return np.array([float(value.strip().rstrip("%")) / 100 for value in values]), True
    return np.array(values, dtype=object), False
