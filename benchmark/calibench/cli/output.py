"""The streams of output: results to standard output; notes, warnings and progress to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

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
    from calibench.report.safe_console import safe_console

    console = safe_console(stderr=stderr, soft_wrap=False)
    if not console.is_terminal:
        from calibench.report.tables import WIDTH

        return safe_console(stderr=stderr, width=max(console.width, WIDTH))
    return console


def print_line(console: Console, text: str) -> None:
    """Print one sentence. A terminal gets words that are not broken; a pipe gets whole lines."""
    from rich.text import Text

    from calibench.report.format import printable

    console.print(Text(printable(text)), soft_wrap=not console.is_terminal)


def to_stderr(text: str) -> None:
    """Print one plain line on standard error."""
    from calibench.report.format import printable

    click.echo(printable(text), err=True)


def emit_text(text: str, output: Path | None) -> None:
    """Print a text that ends in a line break, or write it to the file of `--output`, whole or not at all, and say so."""
    if output is None:
        click.echo(text, nl=False)
        return
    from calibench.atomic import refuse_missing_folder, replacing

    refuse_missing_folder(output)
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
    to_stderr(f"wrote {output}")


def warn_about_broken_plugins(plugins: Registry) -> None:
    """Name each plugin that failed to load on standard error; the others work without it."""
    for plugin in plugins.broken():
        to_stderr(f"warning: {plugin} failed to load: {plugin.error}")


@contextmanager
def plugin_output_to_stderr() -> Iterator[None]:
    """Send the prints of plugins inside the block to standard error, so that standard output holds the result alone."""
    with redirect_stdout(sys.stderr):
        yield
