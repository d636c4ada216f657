"""The progress of a sweep on standard error: a bar for all runs and a line a worker, or a line a minute in a log."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from calibench.cli.output import stderr, to_stderr

if TYPE_CHECKING:
    from rich.console import Console

    from calibench.runs.launchers.messages import Event
    from calibench.runs.sweeps.cells import Cell
    from calibench.runs.sweeps.sweep import Hear

LINE_SECONDS = 60.0

MOST_WORKERS = 16
"""So many workers have a line of their own."""


@contextmanager
def sweep_progress(name: str, cells: Sequence[Cell], *, silent: bool) -> Iterator[Hear]:
    """A function that hears the messages of workers, and shows them unless `silent`."""
    console = stderr()
    if silent:
        yield lambda cell, event: None
    elif console.is_terminal:
        with _bars(name, len(cells), console) as hear:
            yield hear
    else:
        yield _Lines(name, len(cells))


@contextmanager
def _bars(name: str, total: int, console: Console) -> Iterator[Hear]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from calibench.runs.launchers.messages import Busy, Done, Failed
    from calibench.runs.launchers.messages import Progress as Going

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        whole = bars.add_task(name, total=total, count=f"0/{total}")
        lines: dict[int, Any] = {}
        ended = 0

        def hear(cell: Cell, event: Event) -> None:
            nonlocal ended
            message = event.message
            if event.worker not in lines and len(lines) < MOST_WORKERS:
                lines[event.worker] = bars.add_task("", total=1, count="")
            shown = event.worker in lines
            if isinstance(message, Going) and shown:
                text = f"  {event.worker + 1}: {cell.label}: {message.what}"
                count = f"{message.done:.0f}/{message.total}"
                bars.update(
                    lines[event.worker], description=text, total=message.total, completed=message.done, count=count
                )
            elif isinstance(message, Done | Failed):
                ended += 1
                bars.update(whole, completed=ended, count=f"{ended}/{total}")
                if isinstance(message, Failed):
                    bars.console.print(f"failed: {cell.label}: {message.message}", markup=False, highlight=False)
            elif isinstance(message, Busy) and shown:
                bars.update(lines[event.worker], description=f"  {event.worker + 1}: another sweep makes {cell.label}")

        yield hear


class _Lines:
    """A line a minute with the number of runs that have ended and the time left at the pace so far."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.ended = name, total, 0
        self.start = self.last = time.monotonic()

    def __call__(self, cell: Cell, event: Event) -> None:
        from calibench.runs.launchers.messages import Done, Failed

        if not isinstance(event.message, Done | Failed):
            return
        self.ended += 1
        now = time.monotonic()
        if now - self.last < LINE_SECONDS or self.ended == self.total:
            return
        self.last = now
        left = datetime.timedelta(seconds=round((self.total - self.ended) * (now - self.start) / self.ended))
        to_stderr(f"{self.name}: {self.ended}/{self.total} runs, {left} left")
