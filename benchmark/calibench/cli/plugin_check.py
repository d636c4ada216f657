"""`calibench plugin check`: every check of a plugin, a line each; exit code 1 if one fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import stdout
from calibench.cli.plugin_option import plugin_option
from calibench.records import schemas

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from calibench.testing.verdict import Verdict

STYLES = {"ok": "green", "fails": "red bold", "does not apply": "dim"}
WIDTH = max(map(len, STYLES))


@click.command(cls=Command, short_help="Check a plugin: an installed one, a package's folder, or a file.")
@click.argument("targets", metavar="[PATH|NAME]...", nargs=-1)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="A value for a parameter of an item, as in coins.rows=100. Repeatable.",
)
@click.option(
    "--limit", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds a check may take."
)
@plugin_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print only the checks that fail.")
def check(targets: tuple[str, ...], settings: tuple[str, ...], limit: float, as_json: bool, quiet: bool) -> None:
    """Check a plugin: its import, its names, and every item that it offers. Exit code 1 if a check fails.

    PATH is the folder of a package (default: this one) or a Python file; NAME is an installed plugin, as `calibench plugin list`
    prints it. Each check runs in a process of its own, so a plugin that hangs or crashes cannot end the command.

    \b
    calibench plugin check
    calibench plugin check my_method.py
    calibench plugin check my-plugin --json
    """
    from calibench.testing.conformance import plugin_verdicts
    from calibench.testing.source import sources_of

    sources = [source for target in targets or (None,) for source in sources_of(target)]
    verdicts = plugin_verdicts(sources, settings=settings, limit=limit)
    shown = list(verdicts) if as_json else _print(verdicts, quiet)
    counts = {status: sum(verdict.status == status for verdict in shown) for status in STYLES}
    if as_json:
        plugins = [source.name for source in sources]
        rows = [verdict.to_dict() for verdict in shown]
        emit_json({"schema": schemas.PLUGIN_CHECK, "plugins": plugins, "counts": counts, "verdicts": rows})
    elif not quiet or counts["fails"]:
        click.echo(", ".join(f"{count} {status}" for status, count in counts.items()))
    if counts["fails"]:
        raise click.exceptions.Exit(1)


def _print(verdicts: Iterable[Verdict], quiet: bool) -> Sequence[Verdict]:
    """Print each verdict as it comes, under a heading for each item; returns all."""
    from rich.text import Text

    from calibench.report.format import printable

    console, shown, heading = stdout(), [], None
    for verdict in verdicts:
        shown.append(verdict)
        if quiet and not verdict.failed:
            continue
        title = verdict.item or f"plugin {verdict.plugin}"
        if title != heading:
            heading = title
            console.print(Text(printable(title), style="bold"))
        console.print(_row(verdict) if console.is_terminal else _lines(verdict), soft_wrap=not console.is_terminal)
    return shown


def _row(verdict: Verdict) -> Table:
    """A verdict for a terminal: status and text side by side, wrapped between words."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=WIDTH + 2)
    status, text, remedy = _parts(verdict)
    grid.add_row(status, text)
    if remedy:
        grid.add_row("", remedy)
    return grid


def _lines(verdict: Verdict) -> Text:
    """A verdict for a pipe: whole lines."""
    from rich.text import Text

    status, text, remedy = _parts(verdict)
    status.pad_right(WIDTH + 2 - len(status.plain))
    line = Text.assemble(status, "  ", text)
    return Text.assemble(line, "\n", " " * (WIDTH + 4), remedy) if remedy else line


def _parts(verdict: Verdict) -> tuple[Text, Text, Text]:
    """The status, the check with its reason, and the remedy, with the plugin's escapes made visible."""
    from rich.text import Text

    from calibench.report.format import printable

    text = f"{verdict.check}: {verdict.why}" if verdict.why else verdict.check
    status = Text(f"  {verdict.status}", style=STYLES[verdict.status])
    return status, Text(printable(text)), Text(printable(verdict.remedy), style="yellow")
