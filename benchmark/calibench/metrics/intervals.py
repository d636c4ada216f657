"""The interval of each figure: of a mean, by inverting a test, or from resamples; or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping

from calibench.errors import blaming
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import Replicates, Sampling
from calibench.metrics.gap_interval import gap_interval
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import mean_interval, share_interval
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import BIASED, LABELS, NoInterval
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.sample_weight import effective_samples
from calibench.student import student_quantile

MEAN, INVERSION, RESAMPLES = "mean", "inversion", "resamples"
"""How an interval is found; docs/record.md explains the words."""


def intervals(
    judged: Judged,
    metrics: Mapping[str, Metric],
    estimates: Mapping[str, float],
    replicates: Mapping[str, Replicates],
    sampling: Sampling,
) -> dict[str, list[float] | NoInterval | None]:
    """The bounds `[low, high]` of the population value of each metric; None where the figure itself is undefined.

    `replicates` are needed for metrics of the method `RESAMPLES` alone.
    """
    found: dict[str, list[float] | NoInterval | None] = {}
    for name, metric in metrics.items():
        with blaming(f"metric {name!r}"):
            defined = math.isfinite(estimates[name])
            drawn = replicates.get(name)
            found[name] = _interval(judged, metric, estimates[name], drawn, sampling) if defined else None
    return found


def _interval(
    judged: Judged, metric: Metric, estimate: float, replicates: Replicates | None, sampling: Sampling
) -> list[float] | NoInterval | None:
    method = method_of(metric)
    weights = None if judged.sample_weight is None else judged.sample_weight[:: judged.labels_per_sample]
    if method == INVERSION:
        figure = LABELS if judged.labels_per_sample > 1 else metric.gap_figure(judged)
        return figure if isinstance(figure, NoInterval) else gap_interval(figure, sampling.level, sampling.seed)
    if method is None:
        return BIASED
    if isinstance(metric, SampleMean):
        answers = metric.numbers(judged).reshape(-1, judged.labels_per_sample)
        of_share = metric.share and judged.labels_per_sample == 1
        bounds = (share_interval if of_share else mean_interval)(answers.mean(axis=1), sampling.level, weights)
        return metric.in_range(bounds)
    n = judged.n // judged.labels_per_sample if weights is None else round(effective_samples(weights))
    assert replicates is not None
    return bias_corrected_interval(replicates.values, estimate, sampling.level, n)


def method_of(metric: Metric) -> str | None:
    """How the interval of a metric is found; None if there is none."""
    if type(metric).gap_figure is not Metric.gap_figure:
        return INVERSION
    if metric.bias_corrected:
        return None
    return MEAN if isinstance(metric, SampleMean) else RESAMPLES


def bias_corrected_interval(values: Floats, estimate: float, level: float, n: int) -> list[float] | NoInterval:
    """Percentiles of the resamples that are defined, moved as far as their median lies from the estimate.

    Efron's bias-corrected percentiles (1987), expanded for samples of n as Hesterberg (2015) does: by Student's t in place of
    the normal quantile, and by n / (n - 1). There is none if all resamples give one figure.
    """
    if n < 2:
        return NoInterval(f"{n} sample is too few: 2 are needed")
    values = values[np.isfinite(values)]
    if not len(values) or values.min() == values.max():
        return NoInterval("all resamples give the same figure")
    from statistics import NormalDist

    normal = NormalDist()
    below = ((values < estimate).mean() + (values <= estimate).mean()) / 2
    least = 1 / (2 * len(values))
    move = 2 * normal.inv_cdf(float(np.clip(below, least, 1 - least)))
    z = student_quantile(n - 1, level) * math.sqrt(n / (n - 1))
    low, high = np.quantile(values, [normal.cdf(move - z), normal.cdf(move + z)])
    return [float(low), float(high)]
