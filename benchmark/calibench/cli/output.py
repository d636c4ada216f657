"""Where words go: results on standard output, progress and notes on standard error, JSON alone when it is asked for."""

from __future__ import annotations

import datetime
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from calibench.progress import Report


LINE_SECONDS = 60.0
"""Least time between two lines of progress where standard error is no terminal."""


def is_first_rank() -> bool:
    """Whether this process speaks for a run: of those that torchrun started, rank 0 alone."""
    return os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ


def stdout() -> Console:
    """A rich console on standard output, wide where it is no terminal, so that boards in logs are whole."""
    return _console(stderr=False)


def stderr() -> Console:
    """A rich console on standard error."""
    return _console(stderr=True)


def emit_json(document: Any) -> None:
    """Exactly one JSON object on standard output."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def to_stderr(text: str) -> None:
    """One plain line on standard error."""
    click.echo(text, err=True)


@contextmanager
def progress(label: str, silent: bool) -> Iterator[Report]:
    """A report on standard error: a bar on a terminal, elsewhere a line a minute for logs; nothing where silence is asked for."""
    if silent:
        yield lambda what, done, total, note: None
        return
    console = stderr()
    if not console.is_terminal:
        yield _Lines(label)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}/{task.total}"),
    )
    with Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=console, transient=True
    ) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: float, total: int, note: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(f"{label}: {what}", total=total, note=note, count=0)
            bar.update(tasks[what], total=total, completed=done, note=note, count=_count(done))

        yield report


def _count(done: float) -> str:
    return f"{done:.1f}" if done % 1 else f"{done:.0f}"


class _Lines:
    """A report for logs: at most one line every `LINE_SECONDS`, with what is left at the pace so far."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.told = time.monotonic()
        self.began: dict[str, tuple[float, float]] = {}

    def __call__(self, what: str, done: float, total: int, note: str) -> None:
        now = time.monotonic()
        began, first = self.began.setdefault(what, (now, done))
        if now - self.told < LINE_SECONDS or done >= total:
            return
        self.told = now
        left = ""
        if done > first:
            seconds = round((total - done) * (now - began) / (done - first))
            left = f", {datetime.timedelta(seconds=seconds)} left"
        to_stderr(f"{self.label}: {what}: {_count(done)}/{total}{f', {note}' if note else ''}{left}")


@contextmanager
def words_to_stderr() -> Iterator[None]:
    """What plugins print goes to standard error, so that standard output holds what was asked for."""
    with redirect_stdout(sys.stderr):
        yield


def _console(stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        from calibench.report.tables import WIDTH

        return Console(stderr=stderr, highlight=False, width=max(console.width, WIDTH))
    return console
