"""`calibench.evaluate`: judge arrays, tensors or nested lists; and `evaluate_stream`, a file in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.evaluation_record import EvaluationRecord
from calibench.evaluation.fit import FittedMap, InOrder
from calibench.evaluation.group_names import groups_of
from calibench.evaluation.names_given import names_given
from calibench.evaluation.parts import Parts
from calibench.evaluation.periods import periods_of
from calibench.evaluation.samples_given import numbers_given, samples_given
from calibench.evaluation.stored_outputs import Fit, evaluate_samples
from calibench.evaluation.streaming.evaluate import evaluate_file
from calibench.metrics.bootstrap import LEVEL, RESAMPLES, SEED, Sampling
from calibench.outputs.readers import Columns, open_blocks
from calibench.progress import Report, quiet


def evaluate(  # noqa: PLR0913 - the public API
    logits: Any = None,
    labels: Any = None,
    *,
    probs: Any = None,
    fit: str | None = None,
    fit_logits: Any = None,
    fit_probs: Any = None,
    fit_labels: Any = None,
    fit_soft: Any = None,
    cross_fit: int | None = None,
    soft: Any = None,
    metrics: str | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
    sample_weight: Any = None,
    groups: Any = None,
    map: FittedMap | None = None,  # noqa: A002 - the word of the command line
    time: Any = None,
    periods: int | str | None = None,
    class_names: Sequence[str] | None = None,
) -> EvaluationRecord:
    """Judge `logits` or `probs` `[N, K]` against class indices `labels [N]` (arrays, tensors or nested lists).

    Where samples have several labels, `labels` are `[N, Q]` of 0 and 1 beside scores `[N, Q]`, one sigmoid a label.
    `class_names` are those of the columns, K words: labels may then be words too, and verdict and rules know the classes by name.
    `soft` are the shares `[N, K]` of people who gave each label; `soft_nll` and `soft_brier` then join the metrics.

    `metrics` lists the metrics, joined by commas, as in `brier,ece:bins=20,smece`; `default` and `all` stand for these sets.
    `level` and `resamples` are those of the bootstrap intervals; 0 resamples give figures alone.
    `fit` is a recipe of calibrators and a decision rule, as `temperature`. It is fitted on `fit_logits` or `fit_probs` with
    `fit_labels`, other samples than those judged; with `cross_fit` folds each sample is mapped by a fit on the other folds.
    `auto` is the map that the record's `advice` names. With `fit_soft`, the shares `[N, K]` of people who gave each label to the
    samples to fit on (with `cross_fit`: to those judged), the map is fitted to labels that are drawn from the shares.

    `map` is a `calibench.CalibrationMap` that was fitted earlier, in place of a fit. Its columns are matched by class name.
    `sample_weight [N]`, numbers of at least 0, weigh the samples in figures, intervals, noise floors and verdict; a fit and an
    advice do not know them. `groups [N]`, whole numbers or texts, ask for the figures and the verdict of each group as well, in
    the record's `groups`; a mapping of names to such columns asks for the groups of their combinations. `time [N]`, numbers or
    dates, asks for a test of drift and the figures of each period, in the record's `periods`; `periods` is `year`, `quarter`,
    `month`, `week` or `day`, or the number of periods. Raises InputError naming the first bad row.
    """
    sampling = Sampling(resamples, level, seed).check(figures_alone=True)
    names = names_given(class_names)
    samples = samples_given(logits, probs, labels, "", names)
    fit_on = _fit_samples(fit_logits, fit_probs, fit_labels, names)
    given = _in_order(map, samples, names, _given(soft, "soft"))
    record = evaluate_samples(
        given.samples,
        Fit(fit, fit_on, cross_fit, _given(fit_soft, "fit_soft"), map),
        soft=given.soft,
        metrics=metrics,
        sampling=sampling,
        sample_weight=_given(sample_weight, "sample_weight"),
        parts=_parts(groups, time, periods),
        class_names=given.class_names or (),
    )
    return dataclasses.replace(record, notes=[*record.notes, given.note]) if given.note else record


def _in_order(fitted: FittedMap | None, samples: Samples, names: tuple[str, ...] | None, soft: Any) -> InOrder:
    """The samples with their classes in the order of the map, if there is one."""
    return InOrder(samples, names, soft, "") if fitted is None else fitted.in_order(samples, names, soft)


def _given(values: Any, name: str) -> Any:
    return None if values is None else numbers_given(values, name)


def _fit_samples(logits: Any, probs: Any, labels: Any, class_names: Sequence[str] | None) -> Samples | None:
    given = any(argument is not None for argument in (logits, probs, labels))
    return samples_given(logits, probs, labels, "fit_", class_names) if given else None


def evaluate_stream(  # noqa: PLR0913 - the public API
    file: str | Path,
    *,
    logits: str | None = None,
    probs: str | None = None,
    labels: str | Path | None = None,
    metrics: str | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
    report: Report = quiet,
) -> EvaluationRecord:
    """Judge a `.npy`, `.npz`, `.safetensors` or `.parquet` file in one pass, so that it may be larger than memory.

    `logits`, `probs` and `labels` name arrays or columns as on the command line; of a `.npy`, `labels` is another `.npy`. The
    record is that of `evaluate` for as much as sums over rows give; `not_streamed` has the reason for every other metric of the
    set `metrics`. 0 `resamples` give figures alone. `report` hears how many rows are done. Raises InputError naming the file and
    the first bad row, or a metric that is named by itself and needs all rows at once.
    """
    sampling = Sampling(resamples, level, seed).check(figures_alone=True)
    blocks = open_blocks(file, Columns(logits, probs, None if labels is None else str(labels)))
    return evaluate_file(blocks, metrics=metrics, sampling=sampling, report=report)[0]


def _parts(groups: Any, time: Any, periods: int | str | None) -> Parts:
    """The groups and periods that are asked for."""
    if time is None and periods is not None:
        raise InputError("periods are of time, and no time is given", "give time=, one number or date a sample")
    groups = groups_of(groups) if isinstance(groups, Mapping) else groups
    count = None if periods is None else str(periods)
    return Parts(groups, None if time is None else periods_of("time", time, count))
