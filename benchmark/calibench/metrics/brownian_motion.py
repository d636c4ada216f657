"""Tails of two statistics of standard Brownian motion W on [0, 1]: p-values of cumulative differences.

Each tail has two series, one of normal tails and one of exponentials, which are equal. The normal tails converge fast for
large x, the exponentials for small x. Source: Feller 1951, "The asymptotic distribution of the range of sums of
independent random variables".
"""

from __future__ import annotations

import math

_SWITCH = 2.0
"""The series of exponentials serves x below this. There both series need fewer than 10 terms for float64."""

_TERMS = 20


def max_tail(x: float) -> float:
    """`P(max |W| > x)` for x >= 0; NaN for NaN.

    `4 sum over k >= 0 of (-1)^k Q((2k + 1) x)`, Q the normal tail, and
    `1 - 4/pi sum over k >= 0 of (-1)^k / (2k + 1) exp(-(2k + 1)^2 pi^2 / (8 x^2))`.
    """
    odd = range(1, 2 * _TERMS, 2)
    if x <= 0:
        return 1.0
    if x < _SWITCH:
        inside = sum(_sign(k) / k * math.exp(-((k * math.pi / x) ** 2) / 8) for k in odd)
        return min(1.0, 1 - 4 / math.pi * inside)
    return 4 * sum(_sign(k) * _normal_tail(k * x) for k in odd)


def range_tail(x: float) -> float:
    """`P(max W - min W > x)` for x >= 0; NaN for NaN.

    `8 sum over k >= 1 of (-1)^(k - 1) k Q(k x)`, Q the normal tail, and with m = (k - 1/2) pi
    `1 - sum over k >= 1 of (8 / x^2 + 2 / m^2) exp(-2 m^2 / x^2)`.
    """
    if x <= 0:
        return 1.0
    if x < _SWITCH:
        halves = [(k - 0.5) * math.pi for k in range(1, _TERMS)]
        return min(1.0, 1 - sum((8 / x**2 + 2 / m**2) * math.exp(-2 * (m / x) ** 2) for m in halves))
    return 8 * sum(_sign(2 * k - 1) * k * _normal_tail(k * x) for k in range(1, _TERMS))


def _sign(odd: int) -> int:
    """1, -1, 1, -1 for 1, 3, 5, 7."""
    return 1 if odd % 4 == 1 else -1


def _normal_tail(x: float) -> float:
    """P(Z > x) for a standard normal Z."""
    return math.erfc(x / math.sqrt(2)) / 2
