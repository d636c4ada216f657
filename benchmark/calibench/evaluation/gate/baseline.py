"""Compare with a baseline: the change of each figure on the same rows, with bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from calibench.errors import InputError
from calibench.evaluation.gate.bounds import Bounds, bounds_of
from calibench.evaluation.gate.check import Check, Outcome
from calibench.lazy import np
from calibench.metrics.bootstrap import Sampling, bootstrap
from calibench.metrics.intervals import INVERSION, bias_corrected_interval, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics
from calibench.metrics.mean_interval import mean_interval
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.sample_mean import SampleMean
from calibench.outputs.arrays import Labels, as_array


class Change(NamedTuple):
    """Both figures, and the bounds of the change `new - old`."""

    new: float
    old: float
    low: float
    high: float


def refuse_other_rows(labels: Labels, baseline: Labels) -> None:
    """InputError unless both have the same labels in the same order."""
    ours, theirs = as_array(labels), as_array(baseline)
    hint = "judge both models on the same rows in the same order"
    if len(ours) != len(theirs):
        raise InputError(f"the baseline has {len(theirs)} labels and the judged model {len(ours)}", hint)
    other = np.flatnonzero(ours != theirs)
    if len(other):
        row = int(other[0])
        share = f"{len(other)} of {len(ours)} labels differ"
        raise InputError(f"row {row}: label {ours[row]}, and {theirs[row]} in the baseline ({share})", hint)


def refuse_unordered(metrics: Metrics) -> None:
    """InputError for a metric of which neither end is better."""
    for name, (spec, _) in metrics.items():
        if not spec.rankable:
            raise InputError(
                f"{name} has no better end, so no model is worse by it", f"give --max {name}=V or --min {name}=V"
            )


def no_worse(name: str, metrics: Metrics, change: Change, margin: float | None) -> Check:
    """The check that the figure is no worse than that of the baseline.

    Without a margin it holds unless the samples show that the figure is worse. With one it holds if they show that it is worse
    by no more than the margin.
    """
    spec, _ = metrics[name]
    worse_low, worse_high = (change.low, change.high) if spec.better == "lower" else (-change.high, -change.low)
    outcome: Outcome
    if margin is None:
        outcome = "fails" if worse_low > 0 else "holds"
    else:
        outcome = "holds" if worse_high <= margin else "fails" if worse_low > margin else "not_shown"
    return Check(name, "no_worse", outcome, margin, change.new, change.low, change.high, spec.unit, change.old)


def changes(new: Judged, old: Judged, metrics: Mapping[str, Metric], sampling: Sampling) -> dict[str, Change]:
    """The change of each metric. Means are compared sample by sample, calibration errors by both intervals, others by resamples.

    A resample has the same samples of both models. Differences of calibration errors have a bias, since noise enlarges the less
    confident model's more: so their bounds are those of two intervals, `d - sqrt((d1 - low1)^2 + (high2 - d2)^2)` and its mirror
    image. Source: Zou & Donner 2008, Statistics in Medicine 27.
    """
    found = {}
    by_sums = {name: metric for name, metric in metrics.items() if method_of(metric) == INVERSION}
    of_new, of_old = (bounds_of(judged, by_sums, sampling) if by_sums else {} for judged in (new, old))
    for name, metric in metrics.items():
        if name in by_sums:
            found[name] = of_intervals(of_new[name], of_old[name])
        elif isinstance(metric, SampleMean):
            found[name] = _of_means(metric, new, old, sampling.level)
        else:
            found[name] = _of_resamples(name, metric, new, old, sampling)
    return found


def of_intervals(new: Bounds, old: Bounds) -> Change:
    """The change of two figures with intervals that need not be independent of each other's errors.

    A figure outside its interval, which noise has enlarged, counts as the nearer end.
    """
    d1, d2 = (min(max(bounds.value, bounds.low), bounds.high) for bounds in (new, old))
    low = d1 - d2 - math.hypot(d1 - new.low, old.high - d2)
    high = d1 - d2 + math.hypot(new.high - d1, d2 - old.low)
    return Change(new.value, old.value, low, high)


def _of_means(metric: SampleMean, new: Judged, old: Judged, level: float) -> Change:
    ours, theirs = (metric.numbers(judged).astype(np.float64) for judged in (new, old))
    differences = (ours - theirs).reshape(-1, new.labels_per_sample).mean(axis=1)
    ends = mean_interval(differences, level)
    mean = float(differences.mean())
    low, high = (mean, mean) if isinstance(ends, NoInterval) else ends  # one difference for all samples has no spread
    return Change(metric.value(new), metric.value(old), low, high)


def _of_resamples(name: str, metric: Metric, new: Judged, old: Judged, sampling: Sampling) -> Change:
    figures = [float(metric.value(judged)) for judged in (new, old)]
    replicates = [
        bootstrap(judged, {name: metric}, {name: figure}, sampling)[name].values
        for judged, figure in zip((new, old), figures, strict=True)
    ]
    change = figures[0] - figures[1]
    if not math.isfinite(change):
        raise InputError(f"{name} is undefined for one of the two models", "leave it out")
    n = new.n // new.labels_per_sample
    ends = bias_corrected_interval(replicates[0] - replicates[1], change, sampling.level, n)
    low, high = (change, change) if isinstance(ends, NoInterval) else ends
    return Change(figures[0], figures[1], low, high)
