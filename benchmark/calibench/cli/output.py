"""The streams of output: results to standard output; notes, warnings and progress to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from calibench.plugins.registry import Registry


def is_first_process() -> bool:
    """True if this process prints: without torchrun always, else only the first process (RANK 0)."""
    return os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ


def stdout() -> Console:
    """A rich console on standard output. It is wide if that is not a terminal, so that boards in logs are whole."""
    return _console(stderr=False)


def stderr() -> Console:
    """The same on standard error."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        from calibench.report.tables import WIDTH

        return Console(stderr=stderr, highlight=False, width=max(console.width, WIDTH))
    return console


def print_line(console: Console, text: str) -> None:
    """Print one sentence. A terminal gets words that are not broken; a pipe gets whole lines."""
    from rich.text import Text

    from calibench.report.format import printable

    console.print(Text(printable(text)), soft_wrap=not console.is_terminal)


def one_line(text: str) -> str:
    """Text of a file as it may stand in a line: tabs, line breaks and control characters as their escapes."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def to_stderr(text: str) -> None:
    """Print one plain line on standard error."""
    from calibench.report.format import printable

    click.echo(printable(text), err=True)


def warn_about_broken_plugins(plugins: Registry) -> None:
    """Name each plugin that failed to load on standard error; the others work without it."""
    for plugin in plugins.broken():
        to_stderr(f"warning: {plugin} failed to load: {plugin.error}")


@contextmanager
def plugin_output_to_stderr() -> Iterator[None]:
    """Send the prints of plugins inside the block to standard error, so that standard output holds the result alone."""
    with redirect_stdout(sys.stderr):
        yield
