"""`calibench run --tune SPACE`: the options of the search, and the search before the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.cli.output import plugin_output_to_stderr, to_stderr
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.config.run_config import RunConfig
    from calibench.runs.options import RunOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def tune_options(command: Decorated) -> Decorated:
    """The options `--tune`, `--trials`, `--tune-seed` and `--tune-metric`."""
    options = (
        click.option(
            "--tune",
            metavar="SPACE|auto",
            help="First search these parameters on the val split, as in 'lr=log(1e-4,1e-1), vtst.latent_dim=32|64|128'. "
            "Needs the extra tune.",
        ),
        click.option("--trials", type=click.IntRange(min=1), metavar="N", help="Trials of a search. Default: 20."),
        click.option(
            "--tune-seed", type=click.IntRange(min=0), metavar="N", help="Seeds a search's draws. Default: 0."
        ),
        click.option("--tune-metric", metavar="NAME", help="The metric of val that leads a search. Default: brier."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def tuned_configs(
    configs: Sequence[RunConfig],
    options: RunOptions,
    quiet: bool,
    tune: str | None,
    trials: int | None,
    tune_seed: int | None,
    tune_metric: str | None,
) -> list[RunConfig]:
    """The configurations with what a search chose for each; themselves without `--tune`, which the other options need."""
    given = {"--trials": trials, "--tune-seed": tune_seed, "--tune-metric": tune_metric}
    if tune is None:
        idle = [name for name, value in given.items() if value is not None]
        if idle:
            raise click.UsageError(f"{idle[0]} would do nothing without --tune")
        return list(configs)
    from calibench.config.tune_space import read_space
    from calibench.runs.one_by_one import labels_of
    from calibench.runs.tuning.search import METRIC, TRIALS, Tuning, as_given_is_better, import_optuna, tuned

    import_optuna()
    for config in configs:
        read_space(tune, config)  # a mistake ends the command before anything is trained
    tuning = Tuning(tune, trials or TRIALS, tune_seed or 0, tune_metric or METRIC)
    found = []
    for label, config in zip(labels_of(configs), configs, strict=True):
        with progress(f"{label}, search", silent=quiet) as report, plugin_output_to_stderr():
            chosen = tuned(config, tuning, options, report)
        found.append(chosen)
        if not quiet and chosen.tuned is not None:
            to_stderr(f"{label}: chosen {_chosen_words(chosen.tuned)}")
            if as_given_is_better(chosen.tuned):
                to_stderr(f"note: {label}: without the search it scores better on val than the best of the space")
    return found


def _chosen_words(mark: Mapping[str, Any]) -> str:
    """What was chosen, its score beside that of the recipe as given, trials that failed, the file of all trials."""
    values = ", ".join(f"{name}={value}" for name, value in mark["chosen"].items())
    given = "failed" if mark["val_score_as_given"] is None else f"{mark['val_score_as_given']:.5f}"
    failed = f", {mark['failed']} failed" if mark["failed"] else ""
    log = f"; {mark['log']}" if mark["log"] else ""
    return f"{values} of {mark['trials']} trials{failed}: val {mark['metric']} {mark['val_score']:.5f}, as given {given}{log}"
