"""Quantiles of Student's distribution, without scipy."""

from __future__ import annotations

import functools
import math

from calibench.lazy import np

LARGE = 10_000.0
"""From this number of degrees of freedom on, Student's t is the normal distribution to four digits."""


@functools.cache
def student_quantile(freedom: float, level: float = 0.95) -> float:
    """The t that |T| exceeds with a probability of `1 - level`; T has Student's distribution with `freedom` >= 1.

    With T = sqrt(freedom) tan(a), the density of the angle a is proportional to cos(a)^(freedom - 1): it is summed on a grid.
    """
    from statistics import NormalDist

    if freedom >= LARGE:
        return NormalDist().inv_cdf((1 + level) / 2)
    angle = np.linspace(0, math.pi / 2, 100_001)
    density = np.cos(angle) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(freedom) * math.tan(float(np.interp(level * below[-1], below, angle)))
