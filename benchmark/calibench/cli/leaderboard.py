"""`calibench leaderboard`: boards of the records in a results folder."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.output import stdout, to_stderr
from calibench.leaderboard.defaults import RANK_BY, TOLERANCE


@click.command(cls=Command, short_help="Rank the records in a results folder.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="The folder that holds the records.",
)
@click.option("--metric", default=RANK_BY, show_default=True, help="The metric to rank by.")
@click.option(
    "--base",
    metavar="RECIPE",
    help="The row to compare with. Default: the recipe that most others on the board extend.",
)
@click.option(
    "--tolerance", type=float, default=TOLERANCE, show_default=True, help="Figures that differ by no more are equal."
)
@click.option("--columns", metavar="A,B", help="The metrics to show.")
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "csv", "json"]), default="table", show_default=True
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
def leaderboard(
    results: Path,
    metric: str,
    base: str | None,
    tolerance: float,
    columns: str | None,
    form: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Rank the records in a results folder: one board for each dataset, model and noise.

    A rank is an interval: all true ranks lie inside at a joint level of 95 %. Rows whose intervals overlap are not told apart.

    \b
    calibench leaderboard --metric nll
    calibench leaderboard --format markdown --output board.md
    """
    from calibench.atomic import replacing, writable_folder
    from calibench.evaluation.stored_run import replicates_again
    from calibench.leaderboard.across import across, base_of
    from calibench.leaderboard.boards import boards
    from calibench.records.store import read_records
    from calibench.report.across_table import across_table
    from calibench.report.board_columns import metrics_of
    from calibench.report.board_table import board_table
    from calibench.report.render import render

    chosen = [name.strip() for name in columns.split(",") if name.strip()] if columns else []
    with _without_collector():
        ranked = boards(read_records(results), results, metric, tolerance, base, replicates_again)
    form = "json" if as_json else form
    for board in ranked:
        metrics_of(board, chosen)  # refuses unknown names before anything is written
    if output is not None:
        writable_folder(output.parent)
        with replacing(output) as temporary:
            temporary.write_text(render(ranked, form, chosen), encoding="utf-8")
        to_stderr(f"wrote {output}")
    elif form == "table":
        console = stdout()
        for board in ranked:
            console.print(board_table(board, chosen, console.width))
        common = base or base_of(ranked)
        summary = None if common is None else across(ranked, common)
        if summary is not None:
            console.print(across_table(summary, console.width))
    else:
        click.echo(render(ranked, form, chosen), nl=False)


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection inside the block. Records have no cycles, and 10 000 of them hold a million values to go through."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
