"""Intervals of a mean over samples: Wilson's for shares, and one that corrects for skewness for all other means.

A mean of weighted samples is a ratio of two means, `sum w x / sum w`. docs/evidence/weights.md shows the coverage of its interval.
"""

from __future__ import annotations

import math

from calibench.metrics.binning import Floats
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.sample_weight import effective_samples
from calibench.student import student_quantile

FEWEST = 20
"""With fewer samples, the interval of a mean that is no share may reach beyond what the figure can be."""

FEWEST_OF_A_KIND = 5
"""With fewer ones, or fewer zeros, a weighted share has the interval of Wilson."""


def share_interval(values: Floats, level: float, weights: Floats | None = None) -> list[float] | NoInterval:
    """The Wilson score interval of the share of ones in `values [N]`; of weighted samples that of `mean_interval`, within [0, 1].

    Wilson's with the effective number of samples covers too often if weights go with the values. It remains where there are few
    ones or few zeros.
    """
    if weights is None:
        return list(wilson_interval(float(values.sum()), len(values), level))
    values, weights = values[weights > 0], weights[weights > 0]
    ones = int(values.sum())
    if min(ones, len(values) - ones) < FEWEST_OF_A_KIND or len(values) < FEWEST:
        n = effective_samples(weights)
        share = 1.0 if ones == len(values) else float((weights * values).sum() / weights.sum())
        return list(wilson_interval(share * n, n, level))
    bounds = mean_interval(values, level, weights)
    return bounds if isinstance(bounds, NoInterval) else [max(bounds[0], 0.0), min(bounds[1], 1.0)]


def mean_interval(values: Floats, level: float, weights: Floats | None = None) -> list[float] | NoInterval:
    """The bounds of the population mean of `values [N]`, by Student's t with Hall's correction for skewness.

    Percentiles of resamples end too low for a mean of skewed numbers, such as NLL. There is no interval for fewer than
    `FEWEST` samples, and for values without spread. Source: Hall 1992, "On the removal of skewness by transformation".
    """
    if weights is not None:
        values, weights = values[weights > 0], weights[weights > 0]
        if len(values) < FEWEST:
            return NoInterval(f"{len(values)} samples are too few: {FEWEST} are needed")
        return _weighted_mean_interval(values, level, weights / weights.mean())
    mean = float(values.mean())
    deviation = values - mean
    return moments_interval(len(values), mean, float((deviation**2).mean()), float((deviation**3).mean()), level)


def moments_interval(n: int, mean: float, variance: float, third: float, level: float) -> list[float] | NoInterval:
    """`mean_interval` of N values with this mean, variance (over N) and third central moment."""
    if n < FEWEST:
        return NoInterval(f"{n} samples are too few: {FEWEST} are needed")
    spread = math.sqrt(variance)
    if not spread > 1e-12 * abs(mean):
        return NoInterval("all samples have the same value")
    skewness = third / spread**3 / math.sqrt(n)
    error = spread / math.sqrt(n - 1)
    z = student_quantile(n - 1, level)
    return [mean - error * _back(z, skewness), mean - error * _back(-z, skewness)]


def _weighted_mean_interval(values: Floats, level: float, weights: Floats) -> list[float] | NoInterval:
    """The same of a ratio: with `u = w (x - mean)`, weights of mean 1, in place of deviations, and as many degrees of freedom as
    the effective number of samples has.

    The spread of u is taken about the estimated mean. So it falls where the estimate moves towards samples of large weight:
    t gains `d t^2`, `d = mean(u w) / spread / sqrt(N)`, to first order.
    """
    n, effective = len(values), effective_samples(weights)
    mean = float((weights * values).mean())
    u = weights * (values - mean)
    spread = math.sqrt(float((u**2).mean()))
    if not spread > 1e-12 * abs(mean):
        return NoInterval("all samples have the same value")
    if effective < 2:
        return NoInterval("one sample has nearly all of the weight")
    skewness = float((u**3).mean()) / spread**3 / math.sqrt(n)
    bend = float((u * weights).mean()) / spread / math.sqrt(n)
    error = spread / math.sqrt(n - 1)
    z = student_quantile(round(effective) - 1, level)
    low, high = (t + bend * t * t for t in (_back(z, skewness), _back(-z, skewness)))
    return [mean - error * low, mean - error * high]


def wilson_interval(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a share `successes / n`, n >= 1, within [0, 1].

    `(p + z^2/2n +- z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)`. Source: Wilson 1927.
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def _back(z: float, skewness: float) -> float:
    """The t of which Hall's transformation `t + a t^2 / 3 + a^2 t^3 / 27 + a / 6` is z; a is the skewness of the mean."""
    if abs(skewness) < 1e-6:
        return z
    cube = 1 + skewness * (z - skewness / 6)
    return 3 / skewness * (math.copysign(abs(cube) ** (1 / 3), cube) - 1)
