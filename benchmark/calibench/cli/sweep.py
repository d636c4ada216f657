"""`calibench sweep SUITE`: make the runs of a suite that are missing, and show its boards."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from calibench.cli.command import Command
from calibench.cli.complete_names import names_of
from calibench.cli.file_options import max_memory_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, to_stderr, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option
from calibench.cli.seeds import read_seeds
from calibench.cli.sweep_dry_run import say_missing
from calibench.cli.sweep_progress import sweep_progress
from calibench.cli.track_option import track_option

if TYPE_CHECKING:
    from calibench.config.grammar import Bound
    from calibench.config.suite import Suite
    from calibench.records.remote import RemoteResults
    from calibench.runs.options import RunOptions
    from calibench.runs.sweeps.cells import Cell
    from calibench.runs.sweeps.sweep import Swept


@click.command(cls=Command, short_help="Make the missing runs of a suite, several at once.")
@click.argument("suite", metavar="SUITE|FILE.toml", shell_complete=names_of("suite"))
@click.option(
    "--only",
    multiple=True,
    metavar="TEXT",
    help="The runs whose recipe or dataset is TEXT. Repeatable: any of the recipes, on any of the datasets.",
)
@click.option(
    "-s",
    "--seed",
    "seeds",
    multiple=True,
    callback=read_seeds,
    metavar="N|N-M",
    help="The runs of these seeds. Repeatable.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE.h5",
    help="Stored outputs in CalArena's layout, in place of the data of a suite of stored outputs.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The folder that holds published datasets. Default: CALIBENCH_DATA, or ~/.cache/calibench/data.",
)
@click.option("--download", is_flag=True, help="Download published datasets that are not in the data folder.")
@click.option("--device", default="cpu", show_default=True, metavar="auto|cpu|cuda", help="The device that trains.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Runs at once. Default: as many as the launcher can.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads of a run.")
@click.option(
    "--launcher",
    shell_complete=names_of("launcher"),
    metavar="NAME",
    help="What makes the runs: local, or ray for several machines. Default: local. See 'list launchers'.",
)
@click.option("--address", metavar="auto|HOST:PORT", help="The cluster of the launcher. Default: it starts one here.")
@click.option("--dry-run", is_flag=True, help="Say what is missing, and make nothing.")
@click.option("--retry-failed", is_flag=True, help="Try the runs again that failed earlier.")
@click.option(
    "--results",
    metavar="FOLDER|URL",
    default="results",
    show_default=True,
    help="Where records and predictions go: a folder, or a URL such as s3://bucket/results.",
)
@track_option
@plugin_option
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no board.")
def sweep(  # noqa: PLR0913 - an argument for each option
    suite: str,
    only: tuple[str, ...],
    seeds: tuple[int, ...],
    data: Path | None,
    data_dir: Path | None,
    download: bool,
    device: str,
    jobs: int | None,
    threads: int,
    launcher: str | None,
    address: str | None,
    dry_run: bool,
    retry_failed: bool,
    results: str,
    track: tuple[str, ...],
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
    calibench sweep quick-v1 --launcher ray --address auto
    calibench sweep posthoc-v1 --data calarena.h5
    """
    from calibench.plugins.discovery import registry
    from calibench.runs.launchers.choose import choose_launcher, launch_of
    from calibench.runs.sweeps.sweep import sweep as make

    warn_about_broken_plugins(registry())
    chosen = choose_launcher(launcher, address)
    plan = _planned(
        suite, data, _device(device, chosen), threads, results, _options(data_dir, download, track, threads)
    )
    cells = _chosen(plan.cells, only, seeds)
    if dry_run:
        say_missing(plan.suite, cells, plan.folder, as_json)
        return
    with _counted(plan, cells), sweep_progress(plan.suite.name, cells, silent=quiet) as hear, plugin_output_to_stderr():
        swept = make(
            plan.suite.name,
            cells,
            plan.options,
            jobs=jobs,
            threads=threads,
            launch=launch_of(chosen),
            retry_failed=retry_failed,
            hear=hear,
        )
    _show(plan, swept, as_json, quiet)
    for cell, failed in swept.failed:
        to_stderr(f"failed: {cell.label}: {failed.message}")
    if swept.failed:
        raise click.exceptions.Exit(1)


def _options(data_dir: Path | None, download: bool, track: tuple[str, ...], threads: int) -> RunOptions:
    """The options of every run. InputError for a tracker that is not there, and for too many threads."""
    from calibench.kernels.numpy_operators import check_threads
    from calibench.runs.options import RunOptions
    from calibench.runs.trackers import start_trackers

    check_threads(threads)
    start_trackers(track)
    return RunOptions(data_dir=data_dir, download=download, wait=False, track=track)


class _Plan(NamedTuple):
    """What a sweep is asked to make, and where."""

    suite: Suite
    cells: list[Cell]
    options: RunOptions
    folder: Path
    remote: RemoteResults | None


def _planned(name: str, data: Path | None, device: str, threads: int, results: str, asked: RunOptions) -> _Plan:
    """All cells of a suite; of results at a URL the mirror is brought up to date."""
    from calibench.config.suite import load_suite
    from calibench.records.remote import RemoteResults
    from calibench.runs.sweeps.cells import cells_of
    from calibench.runs.sweeps.state import fetch_for_sweep

    suite = load_suite(name)
    if data is not None:
        from calibench.runs.sweeps.own_data import with_own_data

        suite = with_own_data(suite, data)
    remote = RemoteResults(results) if "://" in results else None
    folder = fetch_for_sweep(remote, suite.name) if remote else Path(results)
    metrics = ",".join(suite.metrics) or None
    options = dataclasses.replace(asked, results=folder, metrics=metrics, remote=remote.url if remote else None)
    return _Plan(suite, cells_of(suite.configs(device), options, threads), options, folder, remote)


def _chosen(cells: list[Cell], only: tuple[str, ...], seeds: tuple[int, ...]) -> list[Cell]:
    """The cells that `--only` and `--seed` name. InputError for a text or seed that no cell has."""
    from calibench.errors import InputError, did_you_mean

    names = [_names_of(cell) if only else set() for cell in cells]
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
    recipes = {name for cell in cells for name in _recipe_names(cell)} & set(only)
    datasets = set(only) - recipes
    return [
        cell
        for cell, own in zip(cells, names, strict=True)
        if (not recipes or own & recipes)
        and (not datasets or own & datasets)
        and (not seeds or cell.config.seed in seeds)
    ]


def _device(name: str, launcher: Bound) -> str:
    """The device that trains; the default, and one of another machine, are named without importing torch."""
    if name == "cpu" or (name == "cuda" and launcher.params.get("gpus")):
        return name
    from calibench.processes import pick_device

    return pick_device(name)


def _names_of(cell: Cell) -> set[str]:
    """The recipe and the dataset, with and without its parameters."""
    return _recipe_names(cell) | {cell.config.dataset.text(), cell.config.dataset.name}


def _recipe_names(cell: Cell) -> set[str]:
    """The whole recipe, and its words in the suite."""
    return {cell.config.recipe, str((cell.config.preset or {}).get("method"))}


@contextmanager
def _counted(plan: _Plan, cells: Sequence[Cell]) -> Iterator[None]:
    """Say after Ctrl-C how many cells have a record."""
    from calibench.errors import CutOffError
    from calibench.runs.sweeps.state import SweepState

    try:
        yield
    except KeyboardInterrupt:
        state = SweepState.read(plan.folder, plan.suite.name)
        done = sum(state.is_done(cell.key) for cell in cells)
        message = f"interrupted: {done} of {len(cells)} runs of {plan.suite.name} have a record"
        raise CutOffError(message, "the same command makes the others") from None


def _show(plan: _Plan, swept: Swept, as_json: bool, quiet: bool) -> None:
    """The JSON document or the boards; of results at a URL the predictions are downloaded for the boards."""
    from calibench.records.store import PREDICTIONS

    if as_json:
        emit_json(_document(plan.suite, swept))
    elif not quiet:
        if plan.remote is not None:
            plan.remote.fetch(PREDICTIONS)
        _print_boards(plan.suite, swept, plan.folder)


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
    from calibench.leaderboard.suite_names import failed_named_by_suite, named_by_suite
    from calibench.records.failed_cells import cell_of
    from calibench.records.store import read_record
    from calibench.report.across_table import across_table
    from calibench.report.board_table import board_table
    from calibench.runs.sweeps.state import SweepState

    state, console = SweepState.read(results, suite.name), stdout()
    ids = [state.done[cell.key]["run_id"] for cell in swept.cells if cell.key in state.done]
    records = named_by_suite([read_record(results / "records" / f"{run_id}.json") for run_id in ids])
    if records:
        failed = [cell_of(state.failed[cell.key]) for cell in swept.cells if cell.key in state.failed]
        lost = failed_named_by_suite(cell for cell in failed if cell is not None)
        base = suite.base if suite.base in {record.method for record in records} else None  # --only may leave it out
        made = boards(records, results, suite.primary, base=base, resample=replicates_again, failed=lost)
        for board in made:
            console.print(board_table(board, width=console.width))
        summary = None if base is None else across(made, base)
        if summary is not None:
            console.print(across_table(summary, console.width))
    print_line(
        console,
        f"{suite.name}: {len(swept.cells)} runs, {swept.before} there already, {swept.made} made now, "
        f"{len(swept.failed)} failed",
    )
