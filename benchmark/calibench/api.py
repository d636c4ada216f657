"""The functions that a program calls: `calibench.run` and `calibench.evaluate`, from names, modules and arrays to records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import torch
from torch import nn

from calibench.config.expand import configure
from calibench.config.preset import load_preset
from calibench.config.request import RunRequest
from calibench.config.run_config import RunConfig
from calibench.data.in_memory import as_dataset
from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.evaluation_record import EvaluationRecord
from calibench.evaluation.stored_outputs import Fit, evaluate_samples
from calibench.metrics.bootstrap import LEVEL, RESAMPLES, SEED, Sampling
from calibench.models.in_memory import as_model
from calibench.models.network import Task
from calibench.outputs.several_labels import check_samples
from calibench.processes import pick_device
from calibench.progress import Report, quiet
from calibench.records.record import ResultRecord
from calibench.runs.launchers.local import launch
from calibench.runs.options import RunOptions

Model = str | nn.Module | Callable[[Task], nn.Module] | None
"""The types of the argument `model` of `run`."""


class RunKeywords(TypedDict, total=False):
    """Keywords that `run` takes with a preset and without one."""

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
    report: Report
    shift: str | Sequence[str]
    ood: str | Sequence[str]
    ood_score: str | Sequence[str]
    metrics: str | None
    level: float
    resamples: int


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
    report: Report = quiet,
    shift: str | Sequence[str] = (),
    ood: str | Sequence[str] = (),
    ood_score: str | Sequence[str] = (),
    metrics: str | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> ResultRecord | list[ResultRecord]:
    """Train or refit `model` on `dataset` by the recipe `method`, judge it on test, and store the record under `results`.

    Names follow the command line (`vtst:latent_dim=64+temperature`); `settings` are `stage.key=value`. Defaults are the recipe
    `ce`, seed 0, and the default dataset and model.

    `model` may also be a torch module, which stays as it is: a trained one, or with `trained=False` the start of stage 1; a
    function `task -> module`, which stage 1 trains unless `trained=True`; or a `calibench.Network`. Its last linear layer is
    the head, or the part that `head` names. `dataset` may be `calibench.Arrays`, a pair (x, y) of arrays or tensors, a torch
    Dataset, four of these (train, val, cal, test), or a mapping by split name; missing splits are held out.

    With a `preset`, a name or the path of a .toml, a list of records comes back, one for each recipe and seed. Other arguments
    win over it, and there may be several recipes and seeds.

    `compile` trains a body that torch.compile has compiled. `shift` and `ood` are shifts and OOD sets that the trained
    pipeline is judged on as well, as in `["corruptions", "rotation"]` and `["near", "svhn"]`, the latter by the `ood_score`s.

    `metrics` names metrics that the record holds besides the default set, as in `smece,ece:bins=20`. `level` and `resamples`
    are those of the bootstrap intervals.

    A run that is there already, made by the same code from the same data, is returned as stored unless `force`.
    `results=None` writes nothing. Published datasets are read from `data_dir` (None: CALIBENCH_DATA, or
    ~/.cache/calibench/data), and fetched into it only with `download`. Raises InputError for the user's mistakes, before
    anything is written, and RunError for runs that fail.
    """
    several = preset is not None
    request = RunRequest(
        methods=_texts("method", method, several) or (() if several else ("ce",)),
        seeds=_numbers("seed", seed, several),
        dataset=as_dataset(dataset),
        model=as_model(model, trained, head),
        noise=noise,
        epochs=epochs,
        select=select,
        settings=_texts("settings", settings, True),
        device=pick_device(device),
        compile=compile,
        shift=_texts("shift", shift, True),
        ood=_texts("ood", ood, True),
        ood_score=_texts("ood_score", ood_score, True),
    )
    configs = configure(request, load_preset(preset) if preset is not None else None)
    sampling = Sampling(resamples, level).check()
    options = RunOptions(None if results is None else Path(results), force, data_dir, download, metrics, sampling)

    @contextlib.contextmanager
    def progress_of(number: int, config: RunConfig) -> Iterator[Report]:
        yield report

    records = [finished.record for finished in launch(configs, options, progress_of)]
    return records if several else records[0]


def evaluate(  # noqa: PLR0913 - the public API
    logits: Any = None,
    labels: Any = None,
    *,
    probs: Any = None,
    fit: str | None = None,
    fit_logits: Any = None,
    fit_probs: Any = None,
    fit_labels: Any = None,
    cross_fit: int | None = None,
    soft: Any = None,
    metrics: str | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
    sample_weight: Any = None,
    groups: Any = None,
) -> EvaluationRecord:
    """Judge `logits` or `probs` `[N, K]` against class indices `labels [N]` (arrays, tensors or nested lists).

    Where samples have several labels, `labels` are `[N, Q]` of 0 and 1 beside scores `[N, Q]`, one sigmoid a label.

    `soft` are the shares `[N, K]` of people who gave each label; `soft_nll` and `soft_brier` then join the metrics.

    `metrics` lists the metrics, joined by commas, as in `brier,ece:bins=20,smece`; `default` and `all` stand for these sets.
    `level` and `resamples` are those of the bootstrap intervals; 0 resamples give figures alone.

    `fit` is a recipe of calibrators and a decision rule, as `temperature`. It is fitted on `fit_logits` or `fit_probs` with
    `fit_labels`, other samples than those judged; with `cross_fit` folds each sample is mapped by a fit on the other folds.
    `auto` is the map that the record's `advice` names.

    `sample_weight [N]`, numbers of at least 0, weigh the samples in figures, intervals, noise floors and verdict; a fit and an
    advice do not know them. `groups [N]`, whole numbers or texts, ask for the figures of each group as well, in the record's
    `groups`. Raises InputError naming the first bad row.
    """
    sampling = Sampling(resamples, level, seed).check(figures_alone=True)
    samples = _samples(logits, probs, labels, "")
    fit_samples = None
    if fit_logits is not None or fit_probs is not None or fit_labels is not None:
        fit_samples = _samples(fit_logits, fit_probs, fit_labels, "fit_")
    shares = None if soft is None else _tensor(soft, "soft").numpy()
    return evaluate_samples(
        samples,
        Fit(fit, fit_samples, cross_fit),
        soft=shares,
        metrics=metrics,
        sampling=sampling,
        sample_weight=None if sample_weight is None else _tensor(sample_weight, "sample_weight").numpy(),
        groups=groups,
    )


def _samples(logits: Any, probs: Any, labels: Any, prefix: str) -> Samples:
    if (logits is None) == (probs is None):
        raise InputError(f"give {prefix}logits or {prefix}probs, one of them", "as evaluate(logits=z, labels=y)")
    if labels is None:
        raise InputError(f"{prefix}labels are missing", "as evaluate(logits=z, labels=y)")
    name = f"{prefix}{'probs' if logits is None else 'logits'}"
    scores, truth = _tensor(probs if logits is None else logits, name), _tensor(labels, f"{prefix}labels")
    return check_samples(scores, truth, logits is None, name)


def _tensor(values: Any, name: str) -> torch.Tensor:
    try:
        if isinstance(values, torch.Tensor):
            return values.detach().cpu()
        array = np.array(values)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}", "give an array, a tensor or nested lists of numbers") from None


def _texts(name: str, value: Any, several: bool) -> tuple[str, ...]:
    """The texts in `value`: one, or with `several` any number; none for None. InputError for anything else."""
    return tuple(_items(name, value, str, several))


def _numbers(name: str, value: Any, several: bool) -> tuple[int, ...]:
    """The whole numbers in `value`: one, or with `several` any number; none for None. InputError for anything else."""
    return tuple(int(number) for number in _items(name, value, Integral, several))  # numpy's integers too


def _items(name: str, value: Any, kind: type, several: bool) -> Sequence[Any]:
    if value is None:
        return ()
    items = list(value) if isinstance(value, list | tuple | range) else [value]
    if isinstance(value, list | tuple | range) and not several:
        message = f"{name} is a {type(value).__name__}, and one run has one {name}"
        raise InputError(message, f"call run once for each; with a preset there may be several, as {name}=[...]")
    wrong = [item for item in items if not isinstance(item, kind) or isinstance(item, bool)]
    if wrong:
        expected = "a text" if kind is str else "a whole number"
        raise InputError(f"{name} {wrong[0]!r} is not {expected}", "as on the command line")
    return items
