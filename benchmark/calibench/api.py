"""The functions that a program calls: `run`, `evaluate` and `evaluate_stream`, from names, modules, arrays and files to records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

from torch import nn

from calibench.config.expand import configure
from calibench.config.preset import load_preset
from calibench.config.request import RunRequest
from calibench.config.run_config import RunConfig
from calibench.data.in_memory import as_dataset
from calibench.errors import InputError, RunError
from calibench.evaluation.evaluate import evaluate, evaluate_stream
from calibench.metrics.bootstrap import LEVEL, RESAMPLES, Sampling
from calibench.models.in_memory import as_model
from calibench.models.network import Task
from calibench.processes import pick_device
from calibench.progress import Report
from calibench.records.record import ResultRecord
from calibench.report.progress_bar import bar_may_show
from calibench.report.progress_bar import progress as show_progress
from calibench.runs.one_by_one import Finished, ProgressOf, labels_of, launch
from calibench.runs.options import RunOptions
from calibench.runs.trackers import start_trackers
from calibench.runs.tuning.search import METRIC, TRIALS, Tuning, tuned

__all__ = ["evaluate", "evaluate_stream", "run"]

Model = str | nn.Module | Callable[[Task], nn.Module] | None
"""The types of the argument `model` of `run`."""


class RunKeywords(TypedDict, total=False):
    """Keywords that `run` takes for one run and for several."""

    trained: bool | None
    head: str | None
    epochs: int | None
    select: str | None
    compile: bool
    settings: Sequence[str]
    results: str | Path | None
    force: bool
    device: str
    data_dir: str | Path | None
    download: bool
    report: Report | None
    progress: bool | None
    shift: str | Sequence[str]
    ood: str | Sequence[str]
    ood_score: str | Sequence[str]
    metrics: str | None
    level: float
    resamples: int
    tune: str | None
    trials: int
    tune_seed: int
    tune_metric: str
    track: str | Sequence[str]


@overload
def run(
    method: str | None = None,
    dataset: Any = None,
    model: Model = None,
    seed: int | None = None,
    noise: str | None = None,
    *,
    preset: None = None,
    **options: Unpack[RunKeywords],
) -> ResultRecord: ...


@overload
def run(
    method: list[str] | tuple[str, ...],
    dataset: Any = None,
    model: Model = None,
    seed: int | Sequence[int] | None = None,
    noise: str | None = None,
    *,
    preset: str | Path | None = None,
    **options: Unpack[RunKeywords],
) -> list[ResultRecord]: ...


@overload
def run(
    method: str | Sequence[str] | None = None,
    dataset: Any = None,
    model: Model = None,
    *,
    seed: Sequence[int],
    noise: str | None = None,
    preset: str | Path | None = None,
    **options: Unpack[RunKeywords],
) -> list[ResultRecord]: ...


@overload
def run(
    method: str | Sequence[str] | None = None,
    dataset: Any = None,
    model: Model = None,
    seed: int | Sequence[int] | None = None,
    noise: str | None = None,
    *,
    preset: str | Path,
    **options: Unpack[RunKeywords],
) -> list[ResultRecord]: ...


def run(  # noqa: PLR0913 - the public API: an argument for each option of the command line
    method: str | Sequence[str] | None = None,
    dataset: Any = None,
    model: Model = None,
    seed: int | Sequence[int] | None = None,
    noise: str | None = None,
    *,
    preset: str | Path | None = None,
    trained: bool | None = None,
    head: str | None = None,
    epochs: int | None = None,
    select: str | None = None,
    settings: Sequence[str] = (),
    results: str | Path | None = "results",
    force: bool = False,
    device: str = "auto",
    compile: bool = False,  # noqa: A002 - as torch and the command line call it
    data_dir: str | Path | None = None,
    download: bool = False,
    report: Report | None = None,
    progress: bool | None = None,
    shift: str | Sequence[str] = (),
    ood: str | Sequence[str] = (),
    ood_score: str | Sequence[str] = (),
    metrics: str | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    tune: str | None = None,
    trials: int = TRIALS,
    tune_seed: int = 0,
    tune_metric: str = METRIC,
    track: str | Sequence[str] = (),
) -> ResultRecord | list[ResultRecord]:
    """Train or refit `model` on `dataset` by the recipe `method`, judge it on test, and store the record under `results`.

    Names follow the command line (`vtst:latent_dim=64+temperature`); `settings` are `stage.key=value`. Defaults are the recipe
    `ce`, seed 0, and the default dataset and model.

    `model` may also be a torch module, which stays as it is: a trained one, or with `trained=False` the start of stage 1; a
    function `task -> module`, which stage 1 trains unless `trained=True`; or a `calibench.Network`. Its last linear layer is
    the head, or the part that `head` names. `dataset` may be `calibench.Arrays`, a pair (x, y) of arrays or tensors, a torch
    Dataset, four of these (train, val, cal, test), or a mapping by split name; missing splits are held out.

    A list of recipes as `method`, or of seeds as `seed`, gives a list of records: all recipes with the first seed, then with the
    next. They share what they have in common, as the network that several head refits stand on. A `preset`, a name or the path of
    a .toml, gives a list too; other arguments win over it.

    `progress` True shows a bar on a terminal or in a notebook, and a line a minute elsewhere; False shows nothing; by default
    there is a bar where there can be one. A `report` of your own takes the place of it.

    `compile` trains a body that torch.compile has compiled. `shift` and `ood` are shifts and OOD sets that the trained
    pipeline is judged on as well, as in `["corruptions", "rotation"]` and `["near", "svhn"]`, the latter by the `ood_score`s.

    `metrics` names metrics that the record holds besides the default set, as in `smece,ece:bins=20`. `level` and `resamples`
    are those of the bootstrap intervals.

    `tune` names parameters and ranges, as in `lr=log(1e-4,1e-1), vtst.latent_dim=32|64`: a search of `trials` on the val split,
    led by `tune_metric`, chooses their values for each run first, and the record says so. Test is not seen. Needs optuna.

    `track` names trackers that log each run, as in `["tensorboard:dir=runs", "mlflow"]`.

    A run that is there already, made by the same code from the same data, is returned as stored unless `force`.
    `results=None` writes nothing. Published datasets are read from `data_dir` (None: CALIBENCH_DATA, or
    ~/.cache/calibench/data), and fetched into it only with `download`. Raises InputError for the user's mistakes, before
    anything is written, and RunError for runs that fail; of several runs the others are made first.
    """
    listed = isinstance(method, list | tuple | range) or isinstance(seed, list | tuple | range)
    several = preset is not None or listed
    request = RunRequest(
        methods=_texts("method", method) or (() if preset is not None else ("ce",)),
        seeds=_numbers("seed", seed),
        dataset=as_dataset(dataset),
        model=as_model(model, trained, head),
        noise=noise,
        epochs=epochs,
        select=select,
        settings=_texts("settings", settings),
        device=pick_device(device),
        compile=compile,
        shift=_texts("shift", shift),
        ood=_texts("ood", ood),
        ood_score=_texts("ood_score", ood_score),
    )
    configs = configure(request, load_preset(preset) if preset is not None else None)
    sampling = Sampling(resamples, level).check()
    folder, trackers = None if results is None else Path(results), _texts("track", track)
    options = RunOptions(folder, force, data_dir, download, metrics, sampling, track=trackers)
    start_trackers(trackers)

    shown = bar_may_show() if progress is None else progress

    @contextlib.contextmanager
    def progress_of(number: int, config: RunConfig) -> Iterator[Report]:
        if report is not None:
            yield report
            return
        with show_progress(labels[number - 1], silent=not shown) as bar:
            yield bar

    labels = labels_of(configs)
    if tune is not None:
        tuning = Tuning(tune, trials, tune_seed, tune_metric)
        configs = [_tuned(number, config, tuning, options, progress_of) for number, config in enumerate(configs, 1)]
    finished = list(launch(configs, options, progress_of))
    _raise_failures(configs, finished)
    records = [run.record for run in finished if run.record is not None]
    return records if several else records[0]


def _tuned(number: int, config: RunConfig, tuning: Tuning, options: RunOptions, progress_of: ProgressOf) -> RunConfig:
    """The configuration with what the search chose."""
    with progress_of(number, config) as shown:
        return tuned(config, tuning, options, shown)


def _raise_failures(configs: Sequence[RunConfig], finished: Sequence[Finished]) -> None:
    """RunError that names every run of several that failed; the others have their records. InputError if none could begin."""
    failed = [(config, run.error) for config, run in zip(configs, finished, strict=True) if run.error is not None]
    if not failed:
        return
    if len(failed) == len(configs) and all(isinstance(error, InputError) for _, error in failed):
        raise failed[0][1]
    lines = [f"{config.recipe}, seed {config.seed}: {error.message}" for config, error in failed]
    raise RunError(f"{len(failed)} of {len(configs)} runs failed:\n" + "\n".join(lines), failed[0][1].hint)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """The texts in `value`, one or several; none for None. InputError for anything else."""
    return tuple(_items(name, value, str))


def _numbers(name: str, value: Any) -> tuple[int, ...]:
    """The whole numbers in `value`, one or several; none for None. InputError for anything else."""
    return tuple(int(number) for number in _items(name, value, Integral))  # numpy's integers too


def _items(name: str, value: Any, kind: type) -> Sequence[Any]:
    if value is None:
        return ()
    listed = isinstance(value, list | tuple | range)
    items = list(value) if listed else [value]
    if not items and name in {"method", "seed"}:
        raise InputError(f"{name} is an empty {type(value).__name__}", "name at least one, or leave it out")
    wrong = [item for item in items if not isinstance(item, kind) or isinstance(item, bool)]
    if wrong:
        expected = "a text" if kind is str else "a whole number"
        raise InputError(f"{name} {wrong[0]!r} is not {expected}", f"give {expected}, or a list of them")
    twice = next((item for item in items if items.count(item) > 1), None)
    if twice is not None and name in {"method", "seed"}:
        raise InputError(f"{name} {twice!r} is given twice", "a list of records comes back, one a recipe and seed")
    return items
