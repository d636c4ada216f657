"""A table as a LaTeX table in the style of booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_text import board_grid

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.report.grid import Grid

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
    "◆": r"$\bullet$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""The characters that LaTeX reads otherwise, and four marks of boards."""

_ANY = re.compile("|".join(map(re.escape, SPECIAL)))
_MINUS = re.compile(r"(?<![\w.)$])-(?=\.?\d)")
"""The hyphen before a number, which no letter or digit precedes."""
_NO_LETTER = re.compile(
    r"[^\x20-\x7e\u00c0-\u00cf\u00d1-\u00d6\u00d8-\u00dd\u00df-\u00ef\u00f1-\u00f6\u00f8-\u00fd\u00ff]"
)


def board_latex(board: Board, chosen: Sequence[str] = ()) -> str:
    """The board as a LaTeX table."""
    return latex_of(board_grid(board, chosen))


def latex_of(grid: Grid) -> str:
    """A `table` with its title as the caption and its notes below, no wider than the page; needs booktabs and graphicx."""
    rows = zip(*(column.cells for column in grid.columns), strict=True)
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{escaped(grid.title)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in grid.columns)}}}",
        r"\toprule",
        _line([column.head for column in grid.columns]),
        r"\midrule",
        *(_line(cells) for cells in rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip\raggedright",
        *(rf"{escaped(note)}\par" for note in grid.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text as LaTeX prints it; a line break within a cell is a space.

    A letter that pdflatex has not is its number, `[U+4E2D]`: a name in it would stop the whole document.
    """
    printed = _ANY.sub(lambda match: SPECIAL[match[0]], text.replace("\n", " "))
    return _NO_LETTER.sub(lambda match: f"[U+{ord(match[0]):04X}]", printed)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(text: str) -> str:
    """A cell; one that begins with `[` is guarded, since a bracket after a line's end is an argument of it.

    The sign of a number is a minus, not a hyphen.
    """
    made = _MINUS.sub("$-$", escaped(text))
    return f"{{}}{made}" if made.startswith("[") else made
