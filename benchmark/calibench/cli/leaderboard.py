"""`calibench leaderboard`: boards of the records in a results folder."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.complete_names import metrics as metric_names
from calibench.cli.file_options import results_to_read
from calibench.cli.leaderboard_view import TERMINAL, View, view_options
from calibench.cli.output import stdout, to_stderr
from calibench.errors import InputError
from calibench.leaderboard.defaults import RANK_BY, TOLERANCE

if TYPE_CHECKING:
    from calibench.config.suite import Suite
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.folder_boards import FolderBoards, Rule
    from calibench.leaderboard.friedman import Friedman
    from calibench.leaderboard.replicates import Replicates
    from calibench.records.record import ResultRecord


@click.command(cls=Command, short_help="Rank the records in a results folder.")
@click.argument("where", metavar="[SUITE|FOLDER]", required=False)
@click.option(
    "--results",
    callback=results_to_read,
    default="results",
    metavar="FOLDER|URL",
    show_default=True,
    help="The folder that holds the records, or folders of boards such as leaderboards/.",
)
@click.option(
    "--metric", shell_complete=metric_names, help=f"The metric to rank by. Default: that of the suite, else {RANK_BY}."
)
@click.option(
    "--base",
    metavar="RECIPE",
    help="The row to compare with. Default: the recipe that most others on the board extend.",
)
@click.option(
    "--tolerance", type=float, default=TOLERANCE, show_default=True, help="Figures that differ by no more are equal."
)
@view_options
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all."
)
def leaderboard(
    where: str | None,
    results: Path,
    metric: str | None,
    base: str | None,
    tolerance: float,
    output: Path | None,
    view: View,
) -> None:
    """Rank the records in a results folder: one board for each dataset, model and noise, then all data sets together.

    A rank is an interval: all true ranks lie inside at a joint level of 95 %. Rows whose intervals overlap are not told apart.

    \b
    calibench leaderboard --metric nll
    calibench leaderboard quick-v1 --elo --diagram cd.svg
    calibench leaderboard leaderboards/digits --columns nll,change,reliability
    calibench leaderboard --format markdown --output board.md
    """
    from calibench.atomic import replacing, writable_folder
    from calibench.leaderboard.folder_boards import Rule
    from calibench.report.render import render

    view.check(output)
    folders, suite = _where(where, results)
    rule = Rule(metric, base, tolerance)
    with _without_collector():
        ranked = {folder: _of_folder(folder, rule, suite, view) for folder in folders}
    remaining = iter(view.of_boards([board for made in ranked.values() for board in made.boards]))
    ranked = {
        folder: replace(made, boards=list(islice(remaining, len(made.boards)))) for folder, made in ranked.items()
    }
    several = len(ranked) > 1
    if several and (view.format != "table" or output is not None):
        ranked = {folder: _with_folder(made, str(folder)) for folder, made in ranked.items()}
    across = [made.across for made in ranked.values() if made.across is not None]
    if (view.elo or view.diagram) and not across:
        option = "--elo" if view.elo else "--diagram"
        raise InputError(f"{option} compares over data sets, and here are not two", "show a folder with several")
    tests = _tests(across, view)
    if view.picture is not None:
        _draw(tests[0], across[0].win_rates.metric, view.picture)
    shown = [board for made in ranked.values() for board in made.boards]
    if output is not None:
        writable_folder(output.parent)
        with replacing(output) as temporary:
            temporary.write_text(render(shown, view.format, view.chosen, across), encoding="utf-8")
        to_stderr(f"wrote {output}")
    elif view.format == "table":
        for folder, made in ranked.items():
            _print(made, view, str(folder) if several else "")
        if view.diagram == TERMINAL:
            _print_diagram(tests[0], across[0].win_rates.metric)
    else:
        click.echo(render(shown, view.format, view.chosen, across), nl=False)


def _where(where: str | None, results: Path) -> tuple[list[Path], Suite | None]:
    """The folders that hold the records, and the suite that was named; a folder without records stands for those in it."""
    from calibench.records.store import folders_of

    suite = None
    if where is not None and "://" in where:
        from calibench.records.remote import fetch_results

        results = fetch_results(where)
    elif where is not None and Path(where).is_dir():
        source = click.get_current_context().get_parameter_source("results")
        if source == click.core.ParameterSource.COMMANDLINE:
            raise InputError(f"{where} and --results {results} both name a folder", "name one")
        results = Path(where)
    elif where is not None:
        from calibench.config.suite import load_suite

        suite = load_suite(where)
    return folders_of(results), suite


def _of_folder(folder: Path, rule: Rule, suite: Suite | None, view: View) -> FolderBoards:
    """The boards of a folder as the options want them. Failed runs on no board are named on standard error."""
    from calibench.leaderboard.folder_boards import folder_boards

    made = folder_boards(folder, rule, suite, _resample, reliability=view.reliability)
    there = {(record.dataset, record.model, record.noise) for record in made.records}
    for cell in made.failed:
        if (cell.dataset, cell.model, cell.noise) not in there:
            failed = f"{cell.recipe} on {cell.dataset}, {cell.model}, seed {cell.seed}"
            to_stderr(f"failed, and no other run has a record there: {failed}: {cell.message}")
    return made if made.across is None else replace(made, across=view.of_summary(made.across))


def _with_folder(made: FolderBoards, folder: str) -> FolderBoards:
    """The same with the name of the folder on each table."""
    return replace(
        made,
        boards=[replace(board, folder=folder) for board in made.boards],
        across=None if made.across is None else replace(made.across, folder=folder),
    )


def _resample(record: ResultRecord, arrays: Mapping[str, Any], metrics: Collection[str]) -> Replicates:
    """Replicates from predictions alone; metrics are imported where a folder holds such entries."""
    from calibench.evaluation.stored_run import replicates_again

    return replicates_again(record, arrays, metrics)


def _tests(across: Sequence[Across], view: View) -> list[Friedman]:
    """The test behind the diagram of each folder; none without `--diagram`. InputError for several folders, which have one each."""
    if view.diagram is None:
        return []
    from calibench.leaderboard.friedman import friedman

    if len(across) > 1:
        raise InputError(f"--diagram {view.diagram}: {len(across)} folders have a diagram each", "name one folder")
    return [friedman(summary.table) for summary in across]


def _draw(test: Friedman, metric: str, picture: Path) -> None:
    """Write the critical-difference diagram."""
    from calibench.atomic import replacing, writable_folder
    from calibench.report.cd_diagram import cd_svg

    text = cd_svg(test, metric)
    writable_folder(picture.parent)
    with replacing(picture) as temporary:
        temporary.write_text(text, encoding="utf-8")
    to_stderr(f"wrote {picture}")


def _print(made: FolderBoards, view: View, title: str) -> None:
    """The boards of one folder, and the table over all of its data sets."""
    from calibench.report.across_table import across_table
    from calibench.report.board_table import board_table

    console = stdout()
    if title:
        console.rule(title)
    for board in made.boards:
        console.print(board_table(board, view.chosen, console.width))
    if made.across is not None:
        console.print(across_table(made.across, console.width))


def _print_diagram(test: Friedman, metric: str) -> None:
    from calibench.report.cd_diagram import cd_table

    console = stdout()
    console.print(cd_table(test, metric, console.width))


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
