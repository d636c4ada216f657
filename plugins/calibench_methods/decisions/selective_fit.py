"""Where to stop answering: a limit on the uncertainty, fitted to labelled samples, with a finite-sample guarantee or without one.

Samples are ranked by uncertainty, least first; a limit accepts a sample, and with it all that are tied with it. `accepted` and
`errors` are cumulative counts at the ends of ties. Nothing here knows what the uncertainty is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.binomial import lower_bound, upper_bound

SPREAD = 4
"""`clopper-pearson` starts testing at n_0, 4 n_0, 16 n_0, ... accepted samples."""


class Limit(NamedTuple):
    """`uncertainty`, the largest that is accepted (None: nothing is), and what the samples it was fitted to say at it."""

    uncertainty: float | None
    accepted: int
    errors: int
    bound: float | None
    """An upper bound on the risk, or a lower one on the coverage, where there is a guarantee."""
    note: str = ""


def limit_risk(uncertainty: Floats, wrong: Bools, target: float, guarantee: str, delta: float) -> Limit:
    """The limit that accepts most with a selective risk of at most `target`.

    `none`: errors / accepted <= target on these samples, which the population exceeds about as often as not.

    `clopper-pearson`: the hypotheses "the risk of accepting the k least doubtful exceeds the target" are tested in order of
    k, each at level delta / J by P(Binomial(k, target) <= errors), from J starts k = n_0, 4 n_0, 16 n_0, ... fixed before
    any label is seen, each chain until its first failure (fixed-sequence tests, Learn then Test). n_0 is the least k that
    no error at all would pass; the test of a start takes k - 1, since its limit is itself a sample. For independent samples
    with untied doubts, the population's risk at the limit exceeds the target with probability delta at most over draws of
    the samples, provided that its risk, as coverage grows from a start on, rises through the target once; with c such
    crossings, c delta at most.

    `sgr`: Geifman & El-Yaniv 2017, a binary search over k in ceil(log2 n) steps, each with the bound at delta / steps.
    """
    accepted, errors, limits = _ranked(uncertainty, wrong)
    if guarantee == "none":
        passed = np.flatnonzero(errors <= target * accepted + 1e-9)  # 29 of 100 are 0.29, and 0.29 * 100 is not 29
        return _limit(passed, accepted, errors, limits, None, "no limit has so few errors on these samples")
    if guarantee == "sgr":
        passed, level = _binary_search(accepted, errors, target, delta)
    else:
        passed, level = _chains(accepted, errors, target, delta)
    note = f"no limit passes: {len(uncertainty)} samples with {int(wrong.sum())} errors; give more, or a larger target or delta"
    return _limit(passed, accepted, errors, limits, level, note)


def limit_coverage(uncertainty: Floats, wrong: Bools, target: float, guarantee: str, delta: float) -> Limit:
    """The limit that accepts least with a coverage of at least `target`.

    `none`: the ceil(target n)-th least uncertainty. `clopper-pearson`: the k-th for the least k whose lower bound at level delta
    reaches the target. k depends on n alone, so the population's coverage, which is at least a Beta(k, n + 1 - k), reaches
    the target with probability 1 - delta, ties or none; where not even k = n does, everything is accepted.
    """
    accepted, errors, limits = _ranked(uncertainty, wrong)
    n = len(uncertainty)
    if guarantee == "none":
        # Down by a little before rounding up: 0.9 of 10 is 9, whatever the ninth digit of the product.
        index = int(np.searchsorted(accepted, max(1, math.ceil(target * n - 1e-9))))
        return Limit(float(limits[index]), int(accepted[index]), int(errors[index]), None)
    k = np.arange(1, n + 1)
    reaching = np.flatnonzero(lower_bound(k, np.full(n, n), delta) >= target)
    if not len(reaching):
        note = f"{n} samples cannot show a coverage of {target:g}: everything is accepted"
        return Limit(math.inf, n, int(errors[-1]), 1.0, note)
    least = int(k[reaching[0]])
    index = int(np.searchsorted(accepted, least))
    bound = float(lower_bound(np.array(least), np.array(n), delta))
    return Limit(float(limits[index]), int(accepted[index]), int(errors[index]), bound)


def _ranked(uncertainty: Floats, wrong: Bools) -> tuple[Ints, Ints, Floats]:
    """Accepted, errors among them, and the uncertainty, at the end of each tie in rank order."""
    order = np.argsort(uncertainty, kind="stable")
    ranked = uncertainty[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return ends + 1, wrong[order].cumsum()[ends], ranked[ends]


def _limit(passed: Ints, accepted: Ints, errors: Ints, limits: Floats, level: float | None, note: str) -> Limit:
    if not len(passed):
        return Limit(None, 0, 0, None, note)
    i = int(passed.max())
    bound = None if level is None else float(upper_bound(errors[i], accepted[i], level))
    return Limit(float(limits[i]), int(accepted[i]), int(errors[i]), bound)


def starts(n: int, target: float, delta: float) -> tuple[list[int], float]:
    """Where `clopper-pearson` starts testing, and the level delta / J of each test; no start where n samples are too few."""
    chains = 0
    while True:
        chains += 1
        # (1 - target)^(n_0 - 1) <= level: one sample more than the test needs, as the limit is itself a sample.
        first = 1 + math.ceil(math.log(delta / chains) / math.log1p(-target))
        places: list[int] = []
        while first * SPREAD ** len(places) <= n:
            places.append(first * SPREAD ** len(places))
        if len(places) <= chains:
            return places, delta / chains


def _chains(accepted: Ints, errors: Ints, target: float, delta: float) -> tuple[Ints, float]:
    """Which ends of ties were passed by some chain, and the level of each test."""
    from scipy.special import bdtr

    places, level = starts(int(accepted[-1]), target, delta)
    passing = bdtr(errors.astype(np.float64), accepted, target) <= level
    passed: list[int] = []
    for place in places:
        start = int(np.searchsorted(accepted, place))
        # Given where the limit of a start lies, only the samples before it are drawn freely: one fewer.
        if not bdtr(float(errors[start]), accepted[start] - 1, target) <= level:
            continue
        failures = np.flatnonzero(~passing[start:])
        passed += range(start, start + int(failures[0]) if len(failures) else len(passing))
    return np.array(passed, dtype=np.int64), level


def _binary_search(accepted: Ints, errors: Ints, target: float, delta: float) -> tuple[Ints, float]:
    """Which ends of ties the search of SGR found to be below the target, and the level of each bound."""
    n = int(accepted[-1])
    steps = max(1, math.ceil(math.log2(n)))
    low, high = 1, n
    passed = []
    for _ in range(steps):
        k = (low + high + 1) // 2
        end = int(np.searchsorted(accepted, k))
        if float(upper_bound(errors[end], accepted[end], delta / steps)) < target:
            passed.append(end)
            low = k
        else:
            high = k
    return np.array(passed, dtype=np.int64), delta / steps
