"""Progress on standard error: a bar on a terminal or in a notebook, a line a minute in a log."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console

    from calibench.progress import Report

LINE_SECONDS = 60.0
"""The least time between two lines of progress if there is no bar."""


def bar_may_show() -> bool:
    """True on a terminal and in a notebook."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal or console.is_jupyter


class Batch(NamedTuple):
    """The place of a piece of work among several: how many are `done` after `seconds`, of how many."""

    done: int
    total: int
    seconds: float

    def left(self) -> str:
        """The time left at the pace so far, empty before the first is done."""
        if not self.done:
            return ""
        seconds = round((self.total - self.done) * self.seconds / self.done)
        return f"{datetime.timedelta(seconds=seconds)} left"


@contextmanager
def progress(label: str, silent: bool, batch: Batch | None = None) -> Iterator[Report]:
    """A report that shows progress on standard error, each line after `label`; one that shows nothing if `silent`.

    With `batch`, a bar of all its pieces of work stands above, with the time left.
    """
    if silent:
        yield lambda what, done, total, note: None
        return
    from calibench.report.safe_console import safe_console

    console = safe_console(stderr=True)
    if console.is_jupyter:
        from calibench.report.notebook_bar import notebook_bar

        with notebook_bar(label) as report:
            yield report
    elif console.is_terminal:
        with _bar(label, console, batch) as report:
            yield report
    else:
        yield _Lines(label)


@contextmanager
def _bar(label: str, console: Console, batch: Batch | None) -> Iterator[Report]:
    """A report that moves a bar, and removes it at the end of the block."""
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        """The time left that the task states, else at its own pace."""

        def render(self, task: Task) -> Text:
            return Text(task.fields["left"]) if "left" in task.fields else super().render(task)

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}/{task.total}"),
        TimeLeft(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}
        if batch is not None:
            done = batch.done
            bar.add_task("all runs", total=batch.total, completed=done, count=done, left=batch.left(), note="")

        def report(what: str, done: float, total: int, note: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(f"{label}: {what}", total=total, note=note, count=0)
            bar.update(tasks[what], total=total, completed=done, note=note, count=_count(done))

        yield report


class _Lines:
    """A report for logs: at most one line every `LINE_SECONDS`, with the time left at the pace so far."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.last_line = time.monotonic()
        self.starts: dict[str, tuple[float, float]] = {}
        """For each piece of work when it was first reported, and how much of it was done then."""

    def __call__(self, what: str, done: float, total: int, note: str) -> None:
        now = time.monotonic()
        start, done_at_start = self.starts.setdefault(what, (now, done))
        if now - self.last_line < LINE_SECONDS or done >= total:
            return
        self.last_line = now
        left = ""
        if done > done_at_start:
            seconds = round((total - done) * (now - start) / (done - done_at_start))
            left = f", {datetime.timedelta(seconds=seconds)} left"
        line = f"{self.label}: {what}: {_count(done)}/{total}{f', {note}' if note else ''}{left}"
        print(line, file=sys.stderr, flush=True)


def _count(done: float) -> str:
    """`3` or `3.5`."""
    return f"{done:.1f}" if done % 1 else f"{done:.0f}"
