"""The bootstrap over the test set. One seeded stream of resamples serves all metrics, so that methods are paired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, NamedTuple

from calibench.errors import InputError, RunError, blaming
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, read_only
from calibench.metrics.equal_width import BinnedMetric
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.resamples import Resamples, Source, resample_blocks
from calibench.metrics.sample_mean import SampleMean
from calibench.progress import Report, quiet

LEVEL = 0.95
RESAMPLES = 1000
SEED = 0
"""One bootstrap stream for every run, so that the replicates of two methods on one test split are paired."""

MIN_RESAMPLES = 1000
MOST_RESAMPLES = 1_000_000
"""More give no other interval, and a record that claims more than memory holds must not fill it."""
BEYOND = 5
"""At least this many replicates must lie beyond each bound of an interval."""


class Sampling(NamedTuple):
    """How intervals are taken: the number of resamples, the level as a fraction, and the seed of the stream.

    No resamples at all ask for figures alone, without intervals, noise floors and a verdict.
    """

    resamples: int = RESAMPLES
    level: float = LEVEL
    seed: int = SEED

    def check(self, figures_alone: bool = False) -> Sampling:
        """Itself; InputError for too few resamples, a level that is no fraction, or a seed outside [0, 2^63).

        With `figures_alone`, 0 resamples are allowed.
        """
        if not 0 < self.level < 1:
            raise InputError(f"level {self.level:g} is not between 0 and 1", "0.95 is 95 %")
        needed = max(MIN_RESAMPLES, int(np.ceil(round(2 * BEYOND / (1 - self.level), 6))))
        if self.resamples < needed and not (figures_alone and self.resamples == 0):
            hint = f"use at least {needed}: a {50 * (1 - self.level):.3g} % quantile of fewer is noise"
            raise InputError(f"{self.resamples} bootstrap resamples are too few", hint)
        if self.resamples > MOST_RESAMPLES:
            raise InputError(f"{self.resamples} bootstrap resamples are too many", f"use at most {MOST_RESAMPLES}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, Integral):
            raise InputError(f"seed {self.seed!r} is not a whole number", "use 0 or more")
        if self.seed < 0:
            raise InputError(f"seed {self.seed} is negative", "use 0 or more")
        if self.seed >= 1 << 63:
            raise InputError(f"seed {self.seed} has more than 63 bits", "use a smaller one")
        return self


DEFAULT_SAMPLING = Sampling()


RESAMPLE_STREAM = "philox4x32-10"
"""The name of the random numbers behind the resamples: replicates of another stream are not paired with these."""


class Replicates(NamedTuple):
    """The figure in each resample `[B]` (NaN if undefined), and the count of NaN."""

    values: Floats
    undefined: int


def multiplicities(n: int, resamples: int, seed: int, labels_per_sample: int = 1) -> Iterator[Floats]:
    """The count of each of N samples in each resample of N drawn with replacement: blocks `[b, N Q]`, B rows in all.

    The Q answers of one sample are drawn together. Draw i of resample b is a number of Philox4x32-10 under the key `seed`
    (`kernels.bootstrap_bins`). So resamples depend on (seed, N) alone, not on the judged values, nor on how many there are.
    """
    for block in resample_blocks(Source(n, seed), n, resamples):
        for weights in block.weights():
            yield weights if labels_per_sample == 1 else np.repeat(weights, labels_per_sample, axis=1)


def percentile_interval(values: Floats, level: float = LEVEL) -> list[float] | None:
    """The quantiles of the finite values that leave out half of `1 - level` on each side; None if there are none.

    They are linear between order statistics: 2.5 % and 97.5 % for a level of 0.95.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    tail = round((1 - level) / 2, 12)  # 0.025, which (1 - 0.95) / 2 is not in float64
    low, high = np.quantile(finite, (tail, 1 - tail))
    return [float(low), float(high)]


def recentred(values: Floats, estimate: float) -> Floats:
    """Replicates shifted by `-(mean - estimate)`, so that some may lie below 0.

    A calibration error is noisier in a resample than in the sample, and so larger on average. Clipped at 0, replicates would lose
    the spread by which a board tells methods apart.
    """
    if not np.isfinite(values).any() or not np.isfinite(estimate):
        return values
    shifted: Floats = values - (np.nanmean(values) - estimate)
    return shifted


def bootstrap(
    judged: Judged,
    metrics: Mapping[str, Metric],
    estimates: Mapping[str, float],
    sampling: Sampling,
    *,
    rows: Ints | None = None,
    num_samples: int = 0,
    report: Report = quiet,
) -> dict[str, Replicates]:
    """Replicates of each metric. Those with `bias_corrected` are first recentred on their estimate.

    With the same seed and N, replicate b of two methods on one test set comes from the same resample, so their differences
    are paired. `rows` are the places of the judged samples in a larger set of `num_samples`: the larger set is resampled,
    so several subsets of it share their resamples. A resample without any judged sample is undefined. Raises InputError
    for too few resamples, RunError if a metric does not return one number per resample.
    """
    resamples, _, seed = sampling.check()
    values = {name: np.empty(resamples) for name in metrics}
    bins = {metric.bins for metric in metrics.values() if isinstance(metric, BinnedMetric)}
    source = replace(source_of(judged, rows, num_samples, seed), bins=tuple(sorted(bins)))
    together = _together(judged, metrics)
    for block in resample_blocks(source, judged.n, resamples):
        place = slice(block.first, block.first + block.count)
        means = block.means(together) if together else {}
        for name, metric in metrics.items():
            values[name][place] = means[name] if name in means else figures_of(name, metric, judged, block)
            values[name][place][block.total == 0] = np.nan
        report("resamples", place.stop, resamples, "")
        del block  # its counts, before the next ones are drawn
    return {name: replicates_of(values[name], metric, estimates[name]) for name, metric in metrics.items()}


def _together(judged: Judged, metrics: Mapping[str, Metric]) -> dict[str, Floats | Bools]:
    """The numbers `[N]` whose means are taken in one pass, by metric."""
    numbers = {}
    for name, metric in metrics.items():
        if isinstance(metric, SampleMean) and sums_serve(type(metric)) is SampleMean:
            with blaming(f"metric {name!r}"):
                numbers[name] = metric.numbers(judged)
    return numbers


def source_of(judged: Judged, rows: Ints | None, num_samples: int, seed: int) -> Source:
    """The samples to resample, and the one that each judged answer belongs to. With `rows` the larger set is resampled."""
    labels_per_sample = judged.labels_per_sample
    if rows is None and labels_per_sample == 1:
        return Source(judged.n, seed, weight=judged.sample_weight)
    samples = num_samples if rows is not None else judged.n // labels_per_sample
    places = np.repeat(np.arange(samples) if rows is None else rows, labels_per_sample)
    return Source(samples, seed, places.astype(np.int32), judged.sample_weight)


def figures_of(name: str, metric: Metric, judged: Judged, resamples: Resamples) -> Floats:
    """The figure `[B]` in each of a block of resamples, by `of_resamples` or by `resampled`; RunError for another shape."""
    if sums_serve(type(metric)) is not None:
        with blaming(f"metric {name!r}"):
            return _checked(name, "of_resamples", metric.of_resamples(judged, resamples), resamples.count)
    figures = []
    for weights in resamples.weights():
        with blaming(f"metric {name!r}"):
            block = metric.resampled(judged, weights)
        figures.append(_checked(name, "resampled", block, len(weights)))
    return np.concatenate(figures)


def sums_serve(metric: type[Metric]) -> type[Metric] | None:
    """The class whose `of_resamples` serves; None if a subclass of it overrides `resampled`, or there is none."""
    for base in metric.__mro__:
        if "of_resamples" in vars(base):
            return base if base is not Metric else None
        if "resampled" in vars(base):
            return None
    return None


def _checked(name: str, method: str, figures: Any, count: int) -> Floats:
    array = np.asarray(figures)
    if array.shape != (count,):
        message = f"metric {name!r}: {method}() returned shape {list(array.shape)}, not [{count}]"
        raise RunError(message, "return one number for each resample")
    return array.astype(np.float64)


def replicates_of(values: Floats, metric: Metric, estimate: float) -> Replicates:
    """The replicates of all resamples `[B]`, recentred if the figure is biased."""
    values[~np.isfinite(values)] = np.nan
    if metric.bias_corrected:
        values = recentred(values, estimate)
    return Replicates(read_only(values), int(np.isnan(values).sum()))
