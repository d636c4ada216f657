"""Percentile bootstrap over the test set: one seeded stream of resamples for all metrics, so that methods pair up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from calibench.errors import InputError, RunError, blaming
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, frozen
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric

LEVEL = 0.95
QUANTILES = (0.025, 0.975)
MIN_RESAMPLES = 1000
BLOCK_ROWS = 64
BLOCK_NUMBERS = 4_000_000
"""A block of weights has at most this many entries (32 MB) and at most 64 rows, whichever is less."""


class Replicates(NamedTuple):
    """Value in each resample `[B]` (NaN where undefined), how many are NaN, and the interval of the others."""

    values: Floats
    undefined: int
    interval: list[float] | None


def check_sampling(resamples: int, seed: int) -> None:
    """InputError unless there are at least 1 000 resamples and the seed is not negative."""
    if resamples < MIN_RESAMPLES:
        hint = f"use at least {MIN_RESAMPLES}: a 2.5 % quantile of fewer is noise"
        raise InputError(f"{resamples} bootstrap resamples are too few", hint)
    if seed < 0:
        raise InputError(f"seed {seed} is negative", "use 0 or more")


def block_rows(n: int) -> int:
    """How many rows of N numbers make a block."""
    return max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // n))


def multiplicities(n: int, resamples: int, seed: int, labels_per_sample: int = 1) -> Iterator[Floats]:
    """Blocks `[b, N Q]` of how often each sample stands in a resample of N drawn with replacement; B rows in all.

    The Q answers of one sample are drawn together. The stream is PCG64 of `seed`, drawn one resample at a time: it depends
    on (seed, N) alone, whatever is judged.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = block_rows(n * labels_per_sample)
    for start in range(0, resamples, rows):
        block = np.empty((min(rows, resamples - start), n))
        for row in block:
            row[:] = np.bincount(generator.integers(n, size=n), minlength=n)
        yield block if labels_per_sample == 1 else np.repeat(block, labels_per_sample, axis=1)


def percentile_interval(values: Floats) -> list[float] | None:
    """2.5 % and 97.5 % quantiles (linear between order statistics) of the finite values; None if there is none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, QUANTILES)
    return [float(low), float(high)]


def recentred(values: Floats, estimate: float) -> Floats:
    """Replicates shifted by `-(mean - estimate)` and clipped to [0, 1].

    A resample of a binned calibration error is noisier than the sample and so larger on average; uncorrected, the
    interval can lie wholly above the estimate.
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
    of: int = 0,
) -> dict[str, Replicates]:
    """Replicates and 95 % interval of each metric; those with `bias_corrected` are recentred on their estimate first.

    Replicate b of two methods on one test set comes from the same resample (same seed and N), so their differences are
    paired. Samples that are the rows `rows` of `of` others are drawn as these are: several sets made of one then share
    their resamples, and one in which no row of theirs was drawn is undefined. Raises InputError for fewer than 1 000
    resamples, RunError when a metric does not give one number a row.
    """
    check_sampling(resamples, seed)
    values = {name: np.empty(resamples) for name in metrics}
    done = 0
    labels_per_sample = judged.labels_per_sample
    answers = None if rows is None else (rows[:, None] * labels_per_sample + np.arange(labels_per_sample)).ravel()
    for drawn in multiplicities(
        judged.n // labels_per_sample if rows is None else of, resamples, seed, labels_per_sample
    ):
        block = drawn if answers is None else drawn[:, answers]
        empty = block.sum(axis=1) == 0
        block[empty] = 1  # a metric needs at least one sample
        for name, metric in metrics.items():
            values[name][done : done + len(block)] = _one_block(name, metric, judged, block)
            values[name][done : done + len(block)][empty] = np.nan
        done += len(block)
    return {name: _summary(values[name], metric, estimates[name]) for name, metric in metrics.items()}


def _one_block(name: str, metric: Metric, judged: Judged, block: Floats) -> Floats:
    with blaming(f"metric {name!r}"):
        found: Any = np.asarray(metric.resampled(judged, block))
    if found.shape != (len(block),):
        message = f"metric {name!r}: resampled() gave shape {list(found.shape)}, not [{len(block)}]"
        raise RunError(message, "return one number for each row of weights")
    return np.asarray(found, dtype=np.float64)


def _summary(values: Floats, metric: Metric, estimate: float) -> Replicates:
    values[~np.isfinite(values)] = np.nan
    if metric.bias_corrected:
        values = recentred(values, estimate)
    return Replicates(frozen(values), int(np.isnan(values).sum()), percentile_interval(values))
