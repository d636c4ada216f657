"""`calibench sweep SUITE`: make the runs of a suite that are missing, and show its boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.file_options import results_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import print_line, stdout, to_stderr, warn_about_broken_plugins
from calibench.cli.seeds import read_seeds
from calibench.cli.sweep_progress import sweep_progress

if TYPE_CHECKING:
    from calibench.config.suite import Suite
    from calibench.runs.sweeps.cells import Cell
    from calibench.runs.sweeps.sweep import Swept


@click.command(cls=Command, short_help="Make the missing runs of a suite, several at once.")
@click.argument("suite", metavar="SUITE|FILE.toml")
@click.option("--only", multiple=True, metavar="TEXT", help="The runs whose recipe or dataset is TEXT. Repeatable.")
@click.option(
    "-s",
    "--seed",
    "seeds",
    multiple=True,
    callback=read_seeds,
    metavar="N|N-M",
    help="The runs of these seeds. Repeatable.",
)
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Runs at once. Default: the number of cores.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads of a run.")
@click.option("--dry-run", is_flag=True, help="Say what is missing, and make nothing.")
@click.option("--retry-failed", is_flag=True, help="Try the runs again that failed earlier.")
@results_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no board.")
def sweep(  # noqa: PLR0913 - an argument for each option
    suite: str,
    only: tuple[str, ...],
    seeds: tuple[int, ...],
    jobs: int | None,
    threads: int,
    dry_run: bool,
    retry_failed: bool,
    results: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make every run of SUITE that has no record yet, several at once, and show the boards.

    Runs share what they have in common, as the network that several calibrators are fitted to. The same command goes on after a
    kill. A run that fails is named with its reason, and the others go on; the exit code is then 1.

    \b
    calibench sweep quick-v1 --jobs 2
    calibench sweep quick-v1 --only vtst --only ce --dry-run
    calibench sweep my-suite.toml --results results
    """
    from calibench.config.suite import load_suite
    from calibench.plugins.discovery import registry
    from calibench.runs.options import RunOptions
    from calibench.runs.sweeps.cells import cells_of
    from calibench.runs.sweeps.sweep import sweep as make

    warn_about_broken_plugins(registry())
    chosen = load_suite(suite)
    options = RunOptions(results=results, wait=False)
    cells = _chosen(cells_of(chosen.configs(), options, threads), only, seeds)
    if dry_run:
        _say_missing(chosen, cells, results, as_json)
        return
    count = jobs or _cores()
    with sweep_progress(chosen.name, cells, count, silent=quiet) as hear:
        swept = make(chosen.name, cells, options, jobs=count, threads=threads, retry_failed=retry_failed, hear=hear)
    if as_json:
        emit_json(_document(chosen, swept))
    elif not quiet:
        _print_boards(chosen, swept, results)
    for cell, failed in swept.failed:
        to_stderr(f"failed: {cell.label}: {failed.message}")
    if swept.failed:
        raise click.exceptions.Exit(1)


def _chosen(cells: list[Cell], only: tuple[str, ...], seeds: tuple[int, ...]) -> list[Cell]:
    """The cells that `--only` and `--seed` name. InputError for a text or seed that no cell has."""
    from calibench.errors import InputError, did_you_mean

    names = [{cell.config.recipe, cell.config.dataset.text(), cell.config.dataset.name} for cell in cells]
    known = set().union(*names)
    for text in only:
        if text not in known:
            raise InputError(
                f"--only {text}: no run of the suite has this recipe or dataset", did_you_mean(text, known)
            )
    there = {cell.config.seed for cell in cells}
    for seed in seeds:
        if seed not in there:
            raise InputError(f"--seed {seed}: the suite has the seeds {', '.join(map(str, sorted(there)))}", "name one")
    recipes = {cell.config.recipe for cell in cells} & set(only)
    datasets = set(only) - recipes
    return [
        cell
        for cell, own in zip(cells, names, strict=True)
        if (not recipes or own & recipes)
        and (not datasets or own & datasets)
        and (not seeds or cell.config.seed in seeds)
    ]


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say_missing(suite: Suite, cells: list[Cell], results: Path, as_json: bool) -> None:
    from calibench.runs.sweeps.state import SweepState
    from calibench.runs.sweeps.sweep import missing_cells

    state = SweepState.read(results, suite.name)
    missing = missing_cells(cells, state)
    failed = [cell for cell in cells if cell.key in state.failed]
    if as_json:
        labels = [cell.label for cell in missing]
        emit_json({"suite": suite.name, "cells": len(cells), "missing": labels, "failed": [c.label for c in failed]})
        return
    print_line(stdout(), f"{suite.name}: {len(cells)} runs, {len(missing)} missing, {len(failed)} failed earlier")
    for cell in missing:
        print_line(stdout(), f"  {cell.label}")


def _document(suite: Suite, swept: Swept) -> dict[str, Any]:
    return {
        "suite": suite.name,
        "sha256": suite.sha256,
        "cells": len(swept.cells),
        "before": swept.before,
        "made": swept.made,
        "failed": [
            {"cell": cell.label, "message": failed.message, "hint": failed.hint} for cell, failed in swept.failed
        ],
    }


def _print_boards(suite: Suite, swept: Swept, results: Path) -> None:
    """The boards of the suite's runs, and a line that sums up the sweep."""
    from calibench.evaluation.stored_run import replicates_again
    from calibench.leaderboard.across import across
    from calibench.leaderboard.boards import boards
    from calibench.records.failed_cells import cell_of
    from calibench.records.store import read_record
    from calibench.report.across_table import across_table
    from calibench.report.board_table import board_table
    from calibench.runs.sweeps.state import SweepState

    state, console = SweepState.read(results, suite.name), stdout()
    ids = [state.done[cell.key]["run_id"] for cell in swept.cells if cell.key in state.done]
    records = [read_record(results / "records" / f"{run_id}.json") for run_id in ids]
    if records:
        failed = [cell_of(state.failed[cell.key]) for cell in swept.cells if cell.key in state.failed]
        lost = [cell for cell in failed if cell is not None]
        made = boards(records, results, suite.primary, base=suite.base, resample=replicates_again, failed=lost)
        for board in made:
            console.print(board_table(board, width=console.width))
        summary = across(made, suite.base)
        if summary is not None:
            console.print(across_table(summary, console.width))
    print_line(
        console,
        f"{suite.name}: {len(swept.cells)} runs, {swept.before} there already, {swept.made} made now, "
        f"{len(swept.failed)} failed",
    )
