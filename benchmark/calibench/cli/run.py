"""`calibench run`: train or refit, judge, record. Several methods and seeds in one command end with their board."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calibench.cli.command import Command
from calibench.cli.complete_names import metrics as metric_names
from calibench.cli.complete_names import names_of, recipes
from calibench.cli.file_options import max_memory_option, written_results_option
from calibench.cli.interval_options import level_option, resamples_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import is_first_process, plugin_output_to_stderr, stdout, to_stderr, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option
from calibench.cli.run_jobs import launch_jobs
from calibench.cli.run_tuned import tune_options, tuned_configs
from calibench.cli.seeds import read_seeds
from calibench.cli.track_option import track_option
from calibench.errors import InputError
from calibench.report.progress_bar import Batch, progress

if TYPE_CHECKING:
    from calibench.config.preset import Preset
    from calibench.config.run_config import RunConfig
    from calibench.errors import CalibenchError
    from calibench.progress import Report
    from calibench.records.record import ResultRecord
    from calibench.runs.options import RunOptions


@click.command(cls=Command, short_help="Train or refit a classifier, judge it, record it.")
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    metavar="RECIPE",
    shell_complete=recipes,
    help="A recipe, as in vtst, ce+temperature. Repeatable.",
)
@click.option(
    "--preset",
    metavar="NAME|FILE.toml",
    shell_complete=names_of("preset"),
    help="A whole run by name; other options win over it.",
)
@click.option(
    "-d",
    "--dataset",
    "datasets",
    multiple=True,
    shell_complete=names_of("dataset"),
    metavar="NAME",
    help="The data, as in cifar10, npz:path=FILE. Repeatable. Default: digits.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    shell_complete=names_of("model"),
    metavar="NAME",
    help="The network, as in mlp:hidden=256;128, cnn, frozen. Repeatable. Default: mlp.",
)
@click.option(
    "-s",
    "--seed",
    "seeds",
    multiple=True,
    callback=read_seeds,
    metavar="N|N-M",
    help="The seed of a run, or several as 0-4. Repeatable. Default: 0.",
)
@click.option(
    "--noise",
    "noises",
    multiple=True,
    shell_complete=names_of("noise"),
    metavar="NAME",
    help="Make training labels wrong, as in symmetric:rate=0.3; none beside another leaves them clean. Repeatable.",
)
@click.option(
    "--shift",
    "shifts",
    multiple=True,
    shell_complete=names_of("shift"),
    metavar="NAME",
    help="Also judge on a shifted test split, as in corruptions, cifar10-c, rotation. Repeatable.",
)
@click.option(
    "--ood",
    multiple=True,
    shell_complete=names_of("dataset"),
    metavar="NAME",
    help="An OOD set: a dataset of other classes, as in svhn, npz:path=FILE. near, far and all name the sets that the "
    "dataset declares. Repeatable.",
)
@click.option(
    "--ood-score",
    "ood_scores",
    multiple=True,
    shell_complete=names_of("ood-score"),
    metavar="NAME",
    help="The score that tells OOD rows from test rows, as in energy, knn:k=50. Repeatable. Default: max-softmax.",
)
@click.option(
    "--metrics",
    shell_complete=metric_names,
    metavar="NAME,...",
    help="Metrics for the record besides the default set, as in smece,ece:bins=20; all is every metric.",
)
@level_option
@resamples_option
@click.option("--epochs", type=int, help="The passes over the training data in stage 1.")
@click.option(
    "--select",
    metavar="best|last",
    help="The checkpoint that every trained stage keeps: that of the lowest validation NLL, or the last.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="STAGE.KEY=VALUE",
    help="A parameter that some part of the run declares. Repeatable.",
)
@tune_options
@written_results_option
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The folder that holds published datasets. Default: CALIBENCH_DATA, or ~/.cache/calibench/data.",
)
@click.option("--download", is_flag=True, help="Download a published dataset that is not in the data folder.")
@click.option("--force", is_flag=True, help="Run again from the start, even if the result is stored.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="The device that trains.")
@click.option(
    "--compile", "compiled", is_flag=True, help="Train a body that torch.compile has compiled; rounding differs."
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="CPU threads for training. Default: torch's own choice, shared by -j runs.",
)
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Runs at once, each in a process of its own.")
@track_option
@plugin_option
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress, no notes and no board.")
def run(  # noqa: PLR0913 - an argument for each option
    methods: tuple[str, ...],
    preset: str | None,
    datasets: tuple[str, ...],
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    noises: tuple[str, ...],
    shifts: tuple[str, ...],
    ood: tuple[str, ...],
    ood_scores: tuple[str, ...],
    metrics: str | None,
    level: float,
    resamples: int,
    epochs: int | None,
    select: str | None,
    settings: tuple[str, ...],
    tune: str | None,
    trials: int | None,
    tune_seed: int | None,
    tune_metric: str | None,
    results: Path,
    data_dir: Path | None,
    download: bool,
    force: bool,
    device: str,
    compiled: bool,
    threads: int | None,
    jobs: int | None,
    track: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Train or refit a classifier, apply a method, judge it on held-out data, and record the result.

    \b
    calibench run --method vtst
    calibench run -m ce -m ce+temperature -m tst -m vtst -s 0-2 -j 2
    calibench run -m ce -m vtst -d digits -d wine -d iris -s 0-4
    calibench run -m vtst:latent_dim=64 -d npz:path=features.npz --model frozen
    calibench run --preset quick
    calibench run -m ce -s 0-2 --tune 'lr=log(1e-4,1e-1)' --trials 20
    calibench run -m ce -d cifar10 --model wrn --shift cifar10-c --ood near
    calibench run -m ce -m vtst --track tensorboard:dir=runs
    """
    from calibench.config.expand import configure_grid
    from calibench.config.preset import load_preset
    from calibench.config.request import RunRequest
    from calibench.metrics.bootstrap import Sampling
    from calibench.metrics.load import load_metrics
    from calibench.plugins.discovery import registry
    from calibench.runs.options import RunOptions
    from calibench.runs.trackers import start_trackers

    warn_about_broken_plugins(registry())
    chosen = None if preset is None else load_preset(preset)
    if chosen is None and not methods:
        raise click.UsageError("give a --method, as vtst, or a --preset; calibench list methods shows them")
    request = RunRequest(
        methods=methods,
        seeds=seeds,
        epochs=epochs,
        select=select,
        settings=settings,
        device=_device(device, threads),
        compile=compiled,
        shift=shifts,
        ood=ood,
        ood_score=ood_scores,
    )
    configs = configure_grid(request, datasets, models, noises, chosen)
    first = is_first_process()
    quiet, as_json = quiet or not first, as_json and first
    if chosen is not None and not quiet:
        _note_preset(chosen, configs)
    load_metrics(metrics)  # a mistake in a name ends the command before anything is trained
    start_trackers(track)
    options = RunOptions(results, force, data_dir, download, metrics, Sampling(resamples, level).check(), track=track)
    configs = tuned_configs(configs, options, quiet, tune, trials, tune_seed, tune_metric)
    records, failed = (
        _launch_all(configs, options, quiet) if jobs is None else launch_jobs(configs, options, jobs, threads, quiet)
    )
    if not records and all(isinstance(error, InputError) for _, error in failed):
        raise failed[0][1]
    if as_json:
        _emit_records(records, several=len(configs) > 1)
    elif not quiet:
        _print_board(records, results)
        _print_shift_and_ood(records)
    for label, error in failed:
        to_stderr(f"failed: {label}: {error.message}")
    if failed:
        raise click.exceptions.Exit(1)


def _device(name: str, threads: int | None) -> str:
    """The device that trains; torch and the kernels use `threads` CPU threads from now on, if that is set."""
    from calibench.kernels import set_threads
    from calibench.processes import pick_device

    if threads is not None:
        set_threads(threads)
    return pick_device(name)


def _launch_all(
    configs: Sequence[RunConfig], options: RunOptions, quiet: bool
) -> tuple[list[ResultRecord], list[tuple[str, CalibenchError]]]:
    """The records of all runs, each with a progress bar and a line about its figures; and of those that failed why."""
    from calibench.runs.one_by_one import labels_of, launch

    labels, start = labels_of(configs), time.monotonic()

    @contextmanager
    def progress_of(number: int, config: RunConfig) -> Iterator[Report]:
        batch = Batch(number - 1, len(configs), time.monotonic() - start) if len(configs) > 1 else None
        with progress(labels[number - 1], silent=quiet, batch=batch) as report, plugin_output_to_stderr():
            yield report

    records: list[ResultRecord] = []
    failed: list[tuple[str, CalibenchError]] = []
    for label, finished in zip(labels, launch(configs, options, progress_of), strict=True):
        if finished.error is not None:
            failed.append((label, finished.error))
            if not quiet and not isinstance(finished.error, InputError):  # a mistake may be one of all runs
                to_stderr(f"{label}: failed: {finished.error.message}")
        if finished.record is None:
            continue
        records.append(finished.record)
        if not quiet:
            _note_run(finished.record, finished.there_already, options.results or Path(), label)
    return records, failed


def _emit_records(records: Sequence[ResultRecord], *, several: bool) -> None:
    """One record by itself; several in a list."""
    from calibench.records import schemas

    documents = [record.to_dict() for record in records]
    emit_json(documents[0] if not several else {"schema": schemas.RECORDS, "records": documents})


def _note_preset(preset: Preset, configs: Sequence[RunConfig]) -> None:
    """Print the number of runs of the preset, and the changes that other options made to it."""
    runs = f"{len(configs)} runs" if len(configs) > 1 else "1 run"
    to_stderr(f"preset {preset.name}: {runs}; calibench show preset {preset.name} explains it")
    for change in (configs[0].preset or {}).get("changed", ()):
        to_stderr(f"  changed: {change}")


def _note_run(record: ResultRecord, stored: bool, results: Path, label: str) -> None:
    """The main figures of a run, its seconds and its file; or that it was already stored."""
    path = results / "records" / f"{record.run_id}.json"
    if stored:
        to_stderr(f"{label}: there already ({path}); --force runs it again")
        return
    from calibench.report.format import metric_of_run

    names = [name for name in ("accuracy", "nll", "ece15") if name in record.metrics]
    figures = ", ".join(metric_of_run(record, name) for name in names)
    to_stderr(f"{label}: {figures}; {record.timings_s['total']:.1f} s; {path}")


def _print_board(records: Sequence[ResultRecord], results: Path) -> None:
    from calibench.leaderboard.boards import boards
    from calibench.report.board_table import board_table

    console = stdout()
    for board in boards(records, results):
        console.print(board_table(board, width=console.width))


def _print_shift_and_ood(records: Sequence[ResultRecord]) -> None:
    """The tables of shifts and OOD sets, if there are any."""
    if not any(record.shift or record.ood for record in records):
        return
    from calibench.report.ood_table import ood_table
    from calibench.report.shift_table import shift_tables

    console = stdout()
    for table in (*shift_tables(records), ood_table(records)):
        if table is not None:
            console.print(table)
