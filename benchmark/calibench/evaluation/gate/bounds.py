"""Bounds of a population value, each at the gate's confidence: the ends of an interval whose two tails have that size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from calibench.errors import InputError, blaming
from calibench.lazy import np
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.metrics.bootstrap import MIN_RESAMPLES, Replicates, Sampling, bootstrap
from calibench.metrics.gap_interval import gap_interval
from calibench.metrics.intervals import INVERSION, RESAMPLES, intervals, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import FEWEST
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.noise_floor import drawn_figures
from calibench.metrics.sample_mean import SampleMean
from calibench.progress import Report, quiet

MOST_CONFIDENCE = 0.999
"""Above it, quantiles take more draws than a gate should."""


@dataclass(frozen=True)
class Bounds:
    """A figure of N samples with a lower and an upper bound of its population value, each at the gate's confidence."""

    value: float
    low: float
    high: float
    best: float | None = None
    """Of a calibration error the upper bound of a typical calibrated model with these probabilities."""


def sampling_of(confidence: float, seed: int, checks: int = 1) -> Sampling:
    """The interval whose bounds each hold at `confidence`: that of level `2 confidence - 1`, and enough resamples for it.

    With several `checks` the bounds of all hold together at `confidence` (Bonferroni). InputError for a confidence outside
    (0.5, 0.999].
    """
    if not 0.5 < confidence <= MOST_CONFIDENCE:
        raise InputError(f"confidence {confidence:g} is not above 0.5 and at most {MOST_CONFIDENCE}", "0.95 is 95 %")
    level = round(1 - 2 * (1 - confidence) / checks, 12)
    return Sampling(max(MIN_RESAMPLES, math.ceil(round(10 / (1 - level), 6))), level, seed).check()


def bounds_of(
    judged: Judged, metrics: Mapping[str, Metric], sampling: Sampling, report: Report = quiet
) -> dict[str, Bounds]:
    """The figure of each metric with its bounds. InputError that names every figure that has none, with the reason.

    Most are those of the interval that `evaluate` shows at the level of `sampling`. Shares have the exact bounds of Clopper and
    Pearson: Wilson's may err in 7 % instead of 5 % of the samples, near 0 and 1. The upper bound of a calibration error is at
    least `Bounds.best`.
    """
    estimates = {}
    for name, metric in metrics.items():
        with blaming(f"metric {name!r}"):
            estimates[name] = float(metric.value(judged))
    refuse_few(judged.n // judged.labels_per_sample, metrics)
    replicates = {name: Replicates(np.empty(0), 0) for name in metrics}
    resampled = {name: metric for name, metric in metrics.items() if method_of(metric) == RESAMPLES}
    if resampled:
        replicates |= bootstrap(judged, resampled, estimates, sampling, report=report)
    found = intervals(judged, metrics, estimates, replicates, sampling)
    refuse_missing({name: "the figure is undefined for these samples" for name in found if found[name] is None})
    refuse_missing({name: bounds.reason for name, bounds in found.items() if isinstance(bounds, NoInterval)})
    best = _best_bounds(judged, metrics, sampling, report)
    bounds = {}
    for name, ends in found.items():
        assert isinstance(ends, list)
        metric = metrics[name]
        if is_share(metric, judged):
            low, high = share_bounds(float(metric.numbers(judged).sum()), judged.n, (1 - sampling.level) / 2)
        else:
            low, high = ends
        bounds[name] = Bounds(estimates[name], low, max(high, best.get(name, high)), best.get(name))
    return bounds


def is_share(metric: Metric, judged: Judged) -> TypeGuard[SampleMean]:
    """True if the figure is the share of some samples."""
    return isinstance(metric, SampleMean) and metric.share and judged.labels_per_sample == 1


def _best_bounds(judged: Judged, metrics: Mapping[str, Metric], sampling: Sampling, report: Report) -> dict[str, float]:
    """For each calibration error the upper bound that half of all calibrated models with these probabilities stay below.

    One calibrated model in 30 shows so little error that no error at all would be the upper bound, however few its samples are.
    A gate that trusted it would pass on luck.
    """
    errors = {name: metric for name, metric in metrics.items() if method_of(metric) == INVERSION}
    drawn = drawn_figures(judged, errors, seed=sampling.seed, report=report) if errors else {}
    best = {}
    for name, figures in drawn.items():
        with blaming(f"metric {name!r}"):
            figure = errors[name].gap_figure(judged)
        assert not isinstance(figure, NoInterval)
        best[name] = gap_interval(figure, sampling.level, sampling.seed, float(np.median(figures)))[1]
    return best


def share_bounds(hits: float, n: int, alpha: float) -> list[float]:
    """The exact lower and upper bound of a share, each wrong in at most `alpha` of the samples. Source: Clopper & Pearson 1934."""
    counts = np.array([hits]), np.array([n])
    return [float(lower_bound(*counts, alpha)[0]), float(upper_bound(*counts, alpha)[0])]


def refuse_few(n: int, names: Mapping[str, object]) -> None:
    """InputError for fewer samples than any interval is sound with."""
    if n < FEWEST:
        raise InputError(f"{n} samples are too few to gate {', '.join(names)}", f"{FEWEST} are needed at least")


def refuse_missing(reasons: Mapping[str, str]) -> None:
    """InputError that names each metric with its reason, if there is any."""
    if reasons:
        named = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise InputError(
            f"no interval of {named}", "a gate decides by an interval: leave the metric out, or judge more samples"
        )
