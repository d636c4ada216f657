"""A board as a LaTeX table in the style of booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.board_text import notes, title

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\dag{}",
    "↓": r"$\downarrow$",
    "✗": r"$\times$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""The characters that LaTeX reads otherwise, and three marks of boards."""

_ANY = re.compile("|".join(map(re.escape, SPECIAL)))


def board_latex(board: Board, chosen: Sequence[str] = ()) -> str:
    """The board as a `table` with its title as the caption and its notes below; needs `\\usepackage{booktabs}`."""
    columns = board_columns(board, metrics_of(board, chosen))
    rows = zip(*(column.cells for column in columns), strict=True)
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{escaped(title(board))}}}",
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}",
        r"\toprule",
        _line([column.head for column in columns]),
        r"\midrule",
        *(_line(cells) for cells in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip\raggedright",
        *(rf"{escaped(note)}\par" for note in notes(board, columns)),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text as LaTeX prints it; a line break within a cell is a space."""
    return _ANY.sub(lambda match: SPECIAL[match[0]], text.replace("\n", " "))


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(text: str) -> str:
    """A cell; one that begins with `[` is guarded, since a bracket after a line's end is an argument of it."""
    made = escaped(text)
    return f"{{}}{made}" if made.startswith("[") else made
