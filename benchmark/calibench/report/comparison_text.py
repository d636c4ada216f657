"""A comparison as text: tables for a terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from calibench.leaderboard.comparison import ComparedRow, Comparison, Interval
from calibench.records import schemas
from calibench.report.comparison_sections import GAPS, Section, heading, notes, sections
from calibench.report.format import guarded, json_text, markdown
from calibench.report.tables import WIDTH, ruled_table

if TYPE_CHECKING:
    from rich.table import Table

HEAD = (
    *("section", "dataset", "model", "noise", "recipe", "seeds", "n", "part", "metric", "unit"),
    *("a", "b", "change", "low", "high", "word"),
)
"""`section` is `figures`, `over data sets`, `class`, `confidence` or `answers`. `part` is the class, the bin or the answers."""


def comparison_tables(found: Comparison, width: int = WIDTH) -> Iterator[Table]:
    """A rich table for each section, of `width` characters; one that does not fit drops the gaps, which its caption says."""
    for section in sections(found):
        table = section_table(section)
        if set(GAPS) <= set(section.head) and _width(section) > width:
            table = section_table(_without_gaps(section))
        yield table


def section_table(section: Section) -> Table:
    """The section as a rich table; rows that are better or worse are bold."""
    from rich.text import Text

    table = ruled_table(section.title, "\n".join(section.notes))
    for number, name in enumerate(section.head):
        table.add_column(name, justify="left" if number == 0 or not name else "right", overflow="fold")
    for cells in section.body:
        style = "bold" if {"better", "worse"} & set(cells) else ""
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _width(section: Section) -> int:
    return sum(max(map(len, column)) + 3 for column in zip(section.head, *section.body, strict=True)) + 1


def _without_gaps(section: Section) -> Section:
    places = [place for place, name in enumerate(section.head) if name not in GAPS]
    head, *body = (tuple(cells[place] for place in places) for cells in (section.head, *section.body))
    note = "no room for the gaps; a wider terminal and --format md show them"
    return dataclasses.replace(section, head=head, body=tuple(body), notes=(*section.notes, note))


def comparison_markdown(found: Comparison) -> str:
    """A table for each section, and the notes at the end."""
    lines = [f"**{markdown(heading(found))}**", ""]
    for section in sections(found):
        rule = ["---" if k == 0 or not name else "---:" for k, name in enumerate(section.head)]
        lines += [f"**{markdown(section.title)}**", "", *map(_line, (section.head, rule, *section.body)), ""]
        lines += [f"{markdown(note)}  " for note in section.notes] + [""] * bool(section.notes)
    return "\n".join([*lines, *(f"{markdown(note)}  " for note in notes(found)), ""])


def _line(cells: Any) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"


def comparison_document(found: Comparison) -> dict[str, Any]:
    """All fields; `null` where nothing is known."""
    return {"schema": schemas.COMPARISON, **dataclasses.asdict(found)}


def comparison_json(found: Comparison) -> str:
    """The document as text, ending in a newline."""
    return json_text(json.dumps(comparison_document(found), indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def comparison_csv(found: Comparison) -> str:
    """One long table of stored figures: fractions, not percent. An unknown figure is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for cells in _lines(found):
        writer.writerow(["" if cell is None else guarded(cell) for cell in cells])
    return text.getvalue()


def _lines(found: Comparison) -> Iterator[tuple[Any, ...]]:
    def measured(name: str) -> tuple[str, str]:
        return name, str(found.units[name]["unit"])

    for row in found.rows:
        for name, cell in row.figures.items():
            change = cell.a, cell.b, cell.change, *_ends(cell.interval), cell.word
            yield "figures", *_row(row), row.n_test, None, *measured(name), *change
    for mean in found.over_datasets:
        nothing = (None,) * 5
        over = mean.change, *_ends(mean.here), mean.word
        yield "over data sets", *nothing, mean.rows, None, *measured(mean.metric), None, None, *over
    for where in found.parts:
        for part in where.parts:
            change = part.a, part.b, part.change, *_ends(part.interval), part.word
            yield part.kind, *_row(where.row), part.n, part.name, *measured(where.metric), *change


def _row(row: ComparedRow) -> tuple[Any, ...]:
    return row.dataset, row.model, row.noise, row.recipe, ";".join(map(str, row.seeds))


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return interval or (None, None)
