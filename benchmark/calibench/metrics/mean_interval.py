"""Intervals of a mean over samples: Wilson's for shares, and one that corrects for skewness for all other means."""

from __future__ import annotations

import math

from calibench.metrics.binning import Floats
from calibench.metrics.no_interval import NoInterval
from calibench.student import student_quantile

FEWEST = 20
"""With fewer samples, the interval of a mean that is no share may reach beyond what the figure can be."""


def share_interval(values: Floats, level: float) -> list[float]:
    """The Wilson score interval of the share of ones in `values [N]`."""
    return list(wilson_interval(float(values.sum()), len(values), level))


def mean_interval(values: Floats, level: float) -> list[float] | NoInterval:
    """The bounds of the population mean of `values [N]`, by Student's t with Hall's correction for skewness.

    Percentiles of resamples end too low for a mean of skewed numbers, such as NLL. There is no interval for fewer than
    `FEWEST` samples, and for values without spread. Source: Hall 1992, "On the removal of skewness by transformation".
    """
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
