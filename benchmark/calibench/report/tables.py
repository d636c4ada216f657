"""The two kinds of table on a terminal: ruled, for figures, and plain, for lists of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 190
"""Characters a line where the output is not a terminal: room for every usual column of a board."""


def ruled_table(title: str = "", caption: str = "") -> Table:
    """An empty table with a rule under its header, a title above it and dim notes below it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title, justify="left") if title else None,
        caption=Text(caption, style="dim", justify="left") if caption else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )


def plain_table() -> Table:
    """An empty table without rules, with a dim header."""
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
