"""Tables on a narrow terminal: columns are left out and named, so that no figure is cut."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def widest(
    console: Console, choices: Sequence[Collection[str]], table_of: Callable[[Collection[str]], Table]
) -> tuple[Table, Collection[str]]:
    """The first table that the console holds, of those without the columns of each choice; else the last one."""
    from rich.measure import Measurement

    for left_out in choices:
        table = table_of(left_out)
        if Measurement.get(console, console.options.update(width=1000), table).maximum <= console.width:
            break
    return table, left_out


def no_room(left_out: Collection[str]) -> list[str]:
    """The line that names the columns left out; none where all are there."""
    return [f"no room for {', '.join(left_out)}; a wider terminal and --json show them"] if left_out else []
