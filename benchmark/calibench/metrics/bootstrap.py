"""Percentile bootstrap over the test set. One seeded stream of resamples serves all metrics, so that methods are paired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from calibench.errors import InputError, RunError, blaming
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, read_only
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric

LEVEL = 0.95
QUANTILES = (0.025, 0.975)
MIN_RESAMPLES = 1000

BLOCK_ROWS = 64
BLOCK_NUMBERS = 4_000_000
"""A block of weights has at most this many entries (32 MB), and at most 64 rows."""


class Replicates(NamedTuple):
    """The figure in each resample `[B]` (NaN if undefined), the count of NaN, and the interval of the others."""

    values: Floats
    undefined: int
    interval: list[float] | None


def check_sampling(resamples: int, seed: int) -> None:
    """Raise InputError for fewer than 1 000 resamples, or a negative seed."""
    if resamples < MIN_RESAMPLES:
        hint = f"use at least {MIN_RESAMPLES}: a 2.5 % quantile of fewer is noise"
        raise InputError(f"{resamples} bootstrap resamples are too few", hint)
    if seed < 0:
        raise InputError(f"seed {seed} is negative", "use 0 or more")


def block_rows(n: int) -> int:
    """The number of rows of N numbers in a block."""
    return max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // n))


def multiplicities(n: int, resamples: int, seed: int, labels_per_sample: int = 1) -> Iterator[Floats]:
    """The count of each of N samples in each resample of N drawn with replacement: blocks `[b, N Q]`, B rows in all.

    The Q answers of one sample are drawn together. The stream is PCG64 of `seed`, drawn one resample at a time. It depends
    on (seed, N) alone, not on the judged values.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = block_rows(n * labels_per_sample)
    for start in range(0, resamples, rows):
        block = np.empty((min(rows, resamples - start), n))
        for row in block:
            row[:] = np.bincount(generator.integers(n, size=n), minlength=n)
        yield block if labels_per_sample == 1 else np.repeat(block, labels_per_sample, axis=1)


def percentile_interval(values: Floats) -> list[float] | None:
    """2.5 % and 97.5 % quantiles (linear between order statistics) of the finite values; None if there are none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, QUANTILES)
    return [float(low), float(high)]


def recentred(values: Floats, estimate: float) -> Floats:
    """Replicates shifted by `-(mean - estimate)` and clipped to [0, 1].

    A binned calibration error is noisier in a resample than in the sample, and so larger on average. Without the shift the
    interval can lie entirely above the estimate.
    """
    if not np.isfinite(values).any() or not np.isfinite(estimate):
        return values
    clipped: Floats = np.clip(values - (np.nanmean(values) - estimate), 0, 1)
    return clipped


def bootstrap(
    judged: Judged,
    metrics: Mapping[str, Metric],
    estimates: Mapping[str, float],
    *,
    resamples: int,
    seed: int,
    rows: Ints | None = None,
    num_samples: int = 0,
) -> dict[str, Replicates]:
    """Replicates and 95 % interval of each metric. Those with `bias_corrected` are first recentred on their estimate.

    With the same seed and N, replicate b of two methods on one test set comes from the same resample, so their differences
    are paired. `rows` are the places of the judged samples in a larger set of `num_samples`: the larger set is resampled,
    so several subsets of it share their resamples. A resample without any judged sample is undefined. Raises InputError
    for fewer than 1 000 resamples, RunError if a metric does not return one number per resample.
    """
    check_sampling(resamples, seed)
    values = {name: np.empty(resamples) for name in metrics}
    start = 0
    for weights in _weights(judged, rows, num_samples, resamples, seed):
        block = slice(start, start + len(weights))
        empty = weights.sum(axis=1) == 0
        weights[empty] = 1  # a metric needs at least one sample
        for name, metric in metrics.items():
            values[name][block] = _figures(name, metric, judged, weights)
            values[name][block][empty] = np.nan
        start += len(weights)
    return {name: _replicates(values[name], metric, estimates[name]) for name, metric in metrics.items()}


def _weights(judged: Judged, rows: Ints | None, num_samples: int, resamples: int, seed: int) -> Iterator[Floats]:
    """The count of each judged sample in each resample: blocks `[b, N]`. With `rows` the larger set is resampled."""
    labels_per_sample = judged.labels_per_sample
    if rows is None:
        yield from multiplicities(judged.n // labels_per_sample, resamples, seed, labels_per_sample)
        return
    answers = (rows[:, None] * labels_per_sample + np.arange(labels_per_sample)).ravel()
    for weights in multiplicities(num_samples, resamples, seed, labels_per_sample):
        yield weights[:, answers]


def _figures(name: str, metric: Metric, judged: Judged, weights: Floats) -> Floats:
    with blaming(f"metric {name!r}"):
        figures: Any = np.asarray(metric.resampled(judged, weights))
    if figures.shape != (len(weights),):
        message = f"metric {name!r}: resampled() returned shape {list(figures.shape)}, not [{len(weights)}]"
        raise RunError(message, "return one number for each row of weights")
    return np.asarray(figures, dtype=np.float64)


def _replicates(values: Floats, metric: Metric, estimate: float) -> Replicates:
    values[~np.isfinite(values)] = np.nan
    if metric.bias_corrected:
        values = recentred(values, estimate)
    return Replicates(read_only(values), int(np.isnan(values).sum()), percentile_interval(values))
