"""Progress in a notebook: one bar a cell, drawn by the browser and replaced in place. It needs no ipywidgets."""

from __future__ import annotations

import html
import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibench.progress import Report

UPDATE_SECONDS = 0.25
"""The least time between two updates: each is a message to the browser."""

EMPTY = {"text/html": "", "text/plain": ""}

_displays: dict[int, Any] = {}
"""The display of the cell that runs, by the number of its execution: several runs of one cell share it."""


@contextmanager
def notebook_bar(label: str) -> Iterator[Report]:
    """A report that moves a bar below the cell, and empties it at the end of the block."""
    display = _display_of_cell()
    last = 0.0

    def report(what: str, done: float, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= UPDATE_SECONDS:
            last = now
            display.update(bar(f"{label}: {what}", done, total, note), raw=True)

    try:
        yield report
    finally:
        display.update(EMPTY, raw=True)


def bar(text: str, done: float, total: int, note: str) -> dict[str, str]:
    """A bar with its words, which are escaped, as HTML; the words alone for a reader of texts."""
    count = f"{done:.1f}" if done % 1 else f"{done:.0f}"
    words = f"{text}  {count}/{total}  {note}".rstrip()
    drawn = f'<progress value="{float(done)}" max="{max(total, 1)}"></progress> <code>{html.escape(words)}</code>'
    return {"text/html": drawn, "text/plain": words}


def _display_of_cell() -> Any:
    ipython: Any = importlib.import_module("IPython")
    shell = ipython.get_ipython()
    cell = 0 if shell is None else int(shell.execution_count)
    if cell not in _displays:
        _displays.clear()
        _displays[cell] = ipython.display.display(EMPTY, raw=True, display_id=True)
    return _displays[cell]
