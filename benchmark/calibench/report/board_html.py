"""Boards as one self-contained HTML page: semantic tables, no script, nothing from the network."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calibench.report.board_text import board_grid
from calibench.version import __version__

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.report.grid import Grid

STYLE = """
:root { color-scheme: light dark; --ink: #1b2a41; --quiet: #5b6576; --line: #d5dae2; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --quiet: #a9b2c3; --line: #3a4456; --paper: #141a24; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 90rem; margin: 0 auto;
  padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { padding: .28rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: pre; }
thead th { color: var(--quiet); border-bottom-width: 2px; vertical-align: bottom; }
.left { text-align: left; } ul { color: var(--quiet); font-size: .85rem; padding-left: 1.1rem; max-width: 60rem; }
"""


def boards_html(boards: Sequence[Board], chosen: Sequence[str] = (), summaries: Sequence[Grid] = ()) -> str:
    """The page, with a table and its notes for each board, then for each of the `summaries`."""
    grids = [*(board_grid(board, chosen) for board in boards), *summaries]
    body = "\n".join(line for grid in grids for line in _section(grid))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>calibench leaderboard</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Leaderboard</h1>\n{body}\n"
        f"<p>calibench {html.escape(__version__)}</p>\n</main>\n</body>\n</html>\n"
    )


def _section(grid: Grid) -> Iterator[str]:
    columns = grid.columns
    yield f'<section>\n<h2>{html.escape(grid.title)}</h2>\n<div class="scroll" tabindex="0">\n<table>\n<thead><tr>'
    yield "".join(f'<th scope="col"{_side(column.left)}>{html.escape(column.head)}</th>' for column in columns)
    yield "</tr></thead>\n<tbody>"
    for cells in zip(*(column.cells for column in columns), strict=True):
        row = []
        for column, cell in zip(columns, cells, strict=True):
            tag = 'th scope="row"' if column.name == grid.names else "td"
            text = html.escape(cell.replace(" [", "\n["))
            row.append(f"<{tag}{_side(column.left)}>{text}</{tag.split(maxsplit=1)[0]}>")
        yield f"<tr>{''.join(row)}</tr>"
    yield "</tbody>\n</table>\n</div>\n<ul>"
    yield from (f"<li>{html.escape(note)}</li>" for note in grid.notes)
    yield "</ul>\n</section>"


def _side(left: bool) -> str:
    return ' class="left"' if left else ""
