"""Win rates as a rich table, and as a JSON document."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from calibench.report.format import NOTHING, figure, figure_with_interval
from calibench.report.tables import WIDTH, ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.win_rates import WinRate, WinRates

SCHEMA = "calibench.winrates/1"


def win_rates_table(board: WinRates, width: int = WIDTH) -> Table:
    """A row for each method. Columns of parts that do not fit into `width` characters are left out, and a note says so."""
    from rich.text import Text

    parts = list(board.tasks) if len(board.tasks) > 1 else []
    head, body = _head_and_body(board, parts)
    shown = parts if _width(head, body) <= width else []
    if shown != parts:
        head, body = _head_and_body(board, shown)
    lines = _notes(board)
    if shown != parts:
        lines.append("no room for the win rate of each part; --json has it")
    table = ruled_table(_title(board), "\n".join(lines))
    for name in head:
        left = name in {"rank", "method"}
        table.add_column(name, justify="left" if left else "right", no_wrap=name in {"method", "rank"}, overflow="fold")
    for cells in body:
        table.add_row(*(Text(cell) for cell in cells))
    return table


def win_rates_document(board: WinRates) -> dict[str, Any]:
    """All fields, with the schema first."""
    return {"schema": SCHEMA, **dataclasses.asdict(board), "blank": board.blank}


def _title(board: WinRates) -> str:
    tasks, groups = sum(board.tasks.values()), sum(board.groups.values())
    over = f", mean over {', '.join(board.tasks)}" if len(board.tasks) > 1 else ""
    return f"win rate by {board.metric} ({board.better} is better), {tasks} tasks in {groups} groups{over}"


def _notes(board: WinRates) -> list[str]:
    percent = f"{100 * board.level:g} %"
    lines = [
        f"rank: all true ranks lie in these intervals at a joint level of {percent}, over groups of tasks",
        f"win rate: share of the other methods that it beats [{percent} bootstrap interval over groups]",
    ]
    if board.blank:
        cells = "cell" if board.blank == 1 else "cells"
        lines.append(
            f"{board.blank} blank {cells}: the method scores 0 on that task, and no other wins against it there"
        )
    small = {part: count for part, count in board.groups.items() if count < 10}
    for part, count in small.items():
        groups = "group" if count == 1 else "groups"
        lines.append(f"{part or 'the table'} has only {count} {groups}: its intervals are rough")
    if 1 in board.groups.values():
        lines.append("one group shows no spread: no interval, and nothing is separated")
    return lines


def _head_and_body(board: WinRates, parts: list[str]) -> tuple[list[str], list[list[str]]]:
    blank = ["blank"] if board.blank else []
    head = ["rank", "method", "win rate %", *(f"{part} %" for part in parts), *blank]
    return head, [_cells(row, parts, bool(blank)) for row in board.rows]


def _cells(row: WinRate, parts: list[str], blank: bool) -> list[str]:
    best, worst = row.rank
    cells = [
        str(best) if best == worst else f"{best}-{worst}",
        row.method,
        figure_with_interval(row.win_rate, row.interval, "fraction"),
        *(figure(row.parts[part], "fraction") for part in parts),
    ]
    return [*cells, str(row.blank) if row.blank else NOTHING] if blank else cells


def _width(head: list[str], body: list[list[str]]) -> int:
    return sum(max(len(row[k]) for row in (head, *body)) + 3 for k in range(len(head))) + 1
