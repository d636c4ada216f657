"""Boards and records for people: rich tables, Markdown, CSV, JSON. Fractions are stored; percent is shown, and says so."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.boards import Board, Cell
    from calibench.records.record import ResultRecord

WIDTH = 190
"""Characters a line where the output is no terminal: room for every usual column."""

COLUMNS = ("accuracy", "nll", "ece15", "coverage", "selective_risk", "brier", "classwise_ece15", "aurc")
"""What a board shows unless asked otherwise, the last left out first; those that nothing on it has are not shown."""


def shown(record: ResultRecord, name: str) -> str:
    """`ECE15 1.41 % [1.10, 1.75]`, for one line about a run."""
    value, unit = record.metrics[name], record.units[name]["unit"]
    if value is None:
        return f"{name} undefined"
    percent = " %" if unit == "fraction" else ""
    return f"{name} {figure(value, unit)}{percent}{_bracket(record.intervals.get(name), unit)}"


def figure(value: float, unit: str) -> str:
    """A stored figure as it is shown: fractions as percent with two digits, else four digits."""
    return f"{100 * value:.2f}" if unit == "fraction" else f"{value:.4f}"


def header(name: str, units: dict[str, dict[str, Any]]) -> str:
    """A column's name and unit, as in `ece15 %` or `nll nats`; a Brier score has none."""
    unit = units[name]["unit"]
    return f"{name} %" if unit == "fraction" else f"{name} {unit}" if unit == "nats" else name


def columns_of(board: Board, wanted: Sequence[str] = ()) -> list[str]:
    """The metrics to show: those asked for, else the usual ones, with the one ranked by; InputError for an unknown one."""
    for name in wanted:
        if name not in board.units:
            raise InputError(f"no record on this board has the metric {name!r}", did_you_mean(name, board.units))
    names = list(wanted) or [n for n in COLUMNS if any(n in row.cells for row in board.rows)]
    return names if board.metric in names else [*names, board.metric]


def title(board: Board) -> str:
    """What all rows share, on one line."""
    noise = f", noise {board.noise}" if board.noise else ""
    return f"{board.dataset}, model {board.model}{noise}, {board.n_test} test samples, ranked by {board.metric}"


def notes(board: Board) -> list[str]:
    """What stands under a board: how to read it, versions, and what is missing."""
    backends = sorted({backend for row in board.rows for backend in row.backends})
    reading = (
        "mean over seeds [95 % bootstrap interval over test samples; bias of calibration errors corrected]; "
        "sd: over seeds, ddof 1; floor: mean of a perfectly calibrated model with the same confidences; "
        "rows of one rank differ by less than their paired interval"
    )
    return [reading, f"{'; '.join(board.versions)}; kernels: {', '.join(backends)}", *board.notes]


def board_rows(board: Board, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the board as text."""
    unit = board.units[board.metric]["unit"]
    head = ["rank", "method", "seeds", *(header(name, board.units) for name in names), "sd", "floor"]
    body = []
    for row in board.rows:
        cells = [_cell(row.cells.get(name), board.units[name]["unit"]) for name in names]
        lead = row.cells.get(board.metric)
        sd = "-" if lead is None or lead.sd is None else figure(lead.sd, unit)
        floor = figure(row.floors[board.metric], unit) if board.metric in row.floors else "-"
        seeds = ",".join(map(str, row.seeds)) if len(row.seeds) <= 4 else f"{len(row.seeds)} seeds"
        body.append([str(row.rank or "-"), row.recipe, seeds, *cells, sd, floor])
    return head, body


def board_table(board: Board, wanted: Sequence[str] = (), width: int = WIDTH) -> Table:
    """The board as a rich table; columns that `width` has no room for are left out, and named, unless they were asked for."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = columns_of(board, wanted)
    left_out: list[str] = []
    while not wanted and len(names) > 1 and _width(*board_rows(board, names)) > width:
        left_out.append(next(name for name in reversed(names) if name != board.metric))
        names.remove(left_out[-1])
    head, body = board_rows(board, names)
    more = [f"left out for want of width: {', '.join(reversed(left_out))} (--columns shows them)"] if left_out else []
    caption = Text("\n".join([*notes(board), *more]), style="dim", justify="left")
    table = Table(title=Text(title(board), justify="left"), caption=caption, box=box.SIMPLE_HEAD, title_justify="left")
    for name in head:
        left = name in {"rank", "method", "seeds"}
        table.add_column(name, justify="left" if left else "right", no_wrap=name == "method", overflow="fold")
    for cells in body:
        table.add_row(*(Text(cell) for cell in cells), style="bold" if cells[0] == "1" else "")
    return table


def board_markdown(board: Board, wanted: Sequence[str] = ()) -> str:
    """The board as a Markdown table with its title and notes."""
    head, body = board_rows(board, columns_of(board, wanted))
    rule = ["---" if name in {"rank", "method", "seeds"} else "---:" for name in head]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in (head, rule, *body)]
    return "\n".join([f"**{title(board)}**", "", *lines, "", *(f"{note}  " for note in notes(board)), ""])


def boards_csv(boards: Sequence[Board]) -> str:
    """Every cell of every board as one long table of stored (not percent) figures."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ("dataset", "model", "noise", "n_test", "ranked_by", "rank", "method", "seeds", "metric", "unit")
    writer.writerow((*head, "mean", "sd", "low", "high", "floor"))
    for board in boards:
        for row in board.rows:
            for name, cell in row.cells.items():
                low, high = cell.interval or ("", "")
                place = (board.dataset, board.model, board.noise or "", board.n_test, board.metric, row.rank or "")
                which = (row.recipe, ";".join(map(str, row.seeds)), name, board.units[name]["unit"])
                figures = (cell.mean, "" if cell.sd is None else cell.sd, low, high, row.floors.get(name, ""))
                writer.writerow((*place, *which, *figures))
    return out.getvalue()


def boards_document(boards: Sequence[Board]) -> dict[str, Any]:
    """The boards as one JSON document."""
    return {"schema": "calibench.leaderboard/1", "boards": [dataclasses.asdict(board) for board in boards]}


def render(boards: Sequence[Board], kind: str, wanted: Sequence[str] = ()) -> str:
    """The boards as text: `table`, `markdown`, `csv` or `json`."""
    if kind == "markdown":
        return "\n".join(board_markdown(board, wanted) for board in boards)
    if kind == "csv":
        return boards_csv(boards)
    if kind == "json":
        return json.dumps(boards_document(boards), indent=1, allow_nan=False) + "\n"
    from rich.console import Console

    console = Console(file=io.StringIO(), width=WIDTH, record=True)
    for board in boards:
        console.print(board_table(board, wanted))
    return console.export_text()


def _width(head: list[str], body: list[list[str]]) -> int:
    """Characters that the table takes when no cell is folded."""
    return sum(max(len(row[k]) for row in (head, *body)) + 3 for k in range(len(head))) + 1


def _cell(cell: Cell | None, unit: str) -> str:
    return "-" if cell is None else f"{figure(cell.mean, unit)}{_bracket(cell.interval, unit)}"


def _bracket(interval: Sequence[float] | None, unit: str) -> str:
    return f" [{figure(interval[0], unit)}, {figure(interval[1], unit)}]" if interval else ""
