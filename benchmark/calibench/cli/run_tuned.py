"""`calibench run --tune SPACE`: the options of the search, and the search before the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.cli.output import plugin_output_to_stderr, to_stderr
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.config.run_config import RunConfig
    from calibench.runs.options import RunOptions
    from calibench.runs.tuning.trial_log import Trial

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
    from calibench.runs.launchers.local import labels_of
    from calibench.runs.tuning.search import METRIC, TRIALS, Tuning, as_given_is_better, import_optuna, tuned

    import_optuna()
    for config in configs:
        read_space(tune, config)  # a mistake ends the command before anything is trained
    tuning = Tuning(tune, trials or TRIALS, tune_seed or 0, tune_metric or METRIC)
    found = []
    for label, config in zip(labels_of(configs), configs, strict=True):

        def told(number: int, trial: Trial, label: str = label) -> None:
            if not quiet:
                to_stderr(f"{label}: trial {number} of {tuning.trials}: {_trial_words(trial, tuning.metric)}")

        with progress(f"{label}, search", silent=quiet) as report, plugin_output_to_stderr():
            chosen = tuned(config, tuning, options, report, told)
        found.append(chosen)
        if not quiet and chosen.tuned is not None:
            to_stderr(f"{label}: chosen {_chosen_words(chosen.tuned)}")
            if as_given_is_better(chosen.tuned):
                to_stderr(f"note: {label}: without the search it scores better on val than the best of the space")
    return found


def _values(values: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _trial_words(trial: Trial, metric: str) -> str:
    score = f"failed: {trial.failed}" if trial.score is None else f"val {metric} {trial.score:.5f}"
    return f"{_values(trial.values)}: {score}"


def _chosen_words(mark: Any) -> str:
    given = "failed" if mark["val_score_as_given"] is None else f"{mark['val_score_as_given']:.5f}"
    scores = f"val {mark['metric']} {mark['val_score']:.5f}, as given {given}"
    log = f"; {mark['log']}" if mark["log"] else ""
    return f"{_values(mark['chosen'])}: {scores}{log}"
