"""Fits a limit on the uncertainty to labelled samples, with a finite-sample guarantee or without one.

Samples are ranked by uncertainty, least first. A limit accepts a sample together with all samples tied with it, so counts are
taken at the ends of ties: `accepted` and `errors` are cumulative. Nothing here depends on the score that measures uncertainty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.binomial import lower_bound, upper_bound

START_RATIO = 4
"""`clopper-pearson` starts tests at n_0, 4 n_0, 16 n_0, ... accepted samples."""


class Limit(NamedTuple):
    """The largest accepted `uncertainty` (None: nothing is accepted), and the counts on the fitted samples at this limit."""

    uncertainty: float | None
    accepted: int
    errors: int
    bound: float | None
    """With a guarantee, an upper bound on the risk or a lower bound on the coverage."""
    note: str = ""


class TieEnds(NamedTuple):
    """Cumulative counts at the end of each tie, in order of uncertainty."""

    accepted: Ints
    errors: Ints
    uncertainty: Floats


def limit_risk(uncertainty: Floats, wrong: Bools, target: float, guarantee: str, delta: float) -> Limit:
    """The limit that accepts most samples with a selective risk of at most `target`.

    `none`: errors / accepted <= target on these samples; the population's risk is above the target about half of the time.

    `clopper-pearson`: tests the hypotheses "the risk of accepting the k samples of least uncertainty exceeds the target" in
    order of k, each at level delta / J by P(Binomial(k, target) <= errors). Tests start at J values k = n_0, 4 n_0, 16 n_0,
    ..., fixed before any label is seen; each chain runs until its first failure (fixed-sequence tests, Learn then Test). n_0
    is the least k that passes without errors. The test at a start uses k - 1 samples, because its limit is itself a sample.
    For independent samples with untied uncertainties, the population's risk at the limit exceeds the target with probability
    at most delta over draws of the samples, if that risk, as coverage grows from a start on, rises through the target once;
    with c such crossings the probability is at most c delta.

    `sgr`: Geifman & El-Yaniv 2017, a binary search over k in ceil(log2 n) steps, each with the bound at delta / steps.
    """
    ends = tie_ends(uncertainty, wrong)
    if guarantee == "none":
        # The slack: 29 of 100 are 0.29, but 0.29 * 100 is not 29 in floating point.
        passed = np.flatnonzero(ends.errors <= target * ends.accepted + 1e-9)
        return _largest(passed, ends, None, "no limit has so few errors on these samples")
    test = _binary_search if guarantee == "sgr" else _chains
    passed, level = test(ends, target, delta)
    note = (
        f"no limit passes: there are {len(uncertainty)} samples with {int(wrong.sum())} errors; give more samples, or a "
        "larger target or delta"
    )
    return _largest(passed, ends, level, note)


def limit_coverage(uncertainty: Floats, wrong: Bools, target: float, guarantee: str, delta: float) -> Limit:
    """The limit that accepts fewest samples with a coverage of at least `target`.

    `none`: the ceil(target n)-th least uncertainty. `clopper-pearson`: the k-th, for the least k whose lower bound at level
    delta reaches the target. k depends only on n, so the population's coverage, which is at least a Beta(k, n + 1 - k),
    reaches the target with probability 1 - delta, with ties or without. If not even k = n is enough, everything is accepted.
    """
    ends = tie_ends(uncertainty, wrong)
    n = len(uncertainty)
    if guarantee == "none":
        # Rounded down a little before rounding up: 0.9 of 10 is 9 despite the rounding error of the product.
        return _accepting(max(1, math.ceil(target * n - 1e-9)), ends, None)
    k = np.arange(1, n + 1)
    reaching = np.flatnonzero(lower_bound(k, np.full(n, n), delta) >= target)
    if not len(reaching):
        note = f"{n} samples cannot show a coverage of {target:g}: everything is accepted"
        return Limit(math.inf, n, int(ends.errors[-1]), 1.0, note)
    accepted = int(k[reaching[0]])
    return _accepting(accepted, ends, float(lower_bound(np.array(accepted), np.array(n), delta)))


def tie_ends(uncertainty: Floats, wrong: Bools) -> TieEnds:
    """The counts at each different uncertainty, least first."""
    order = np.argsort(uncertainty, kind="stable")
    ranked = uncertainty[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return TieEnds(ends + 1, wrong[order].cumsum()[ends], ranked[ends])


def _accepting(count: int, ends: TieEnds, bound: float | None) -> Limit:
    """The limit at the first end that accepts at least `count` samples."""
    i = int(np.searchsorted(ends.accepted, count))
    return Limit(float(ends.uncertainty[i]), int(ends.accepted[i]), int(ends.errors[i]), bound)


def _largest(passed: Ints, ends: TieEnds, level: float | None, note: str) -> Limit:
    """The largest limit among the ends that passed, with the risk's bound at `level`; if none passed, `note` has the reason."""
    if not len(passed):
        return Limit(None, 0, 0, None, note)
    i = int(passed.max())
    bound = None if level is None else float(upper_bound(ends.errors[i], ends.accepted[i], level))
    return Limit(float(ends.uncertainty[i]), int(ends.accepted[i]), int(ends.errors[i]), bound)


def starts(n: int, target: float, delta: float) -> tuple[list[int], float]:
    """The numbers of samples at which `clopper-pearson` starts tests, none if n is too small, and each test's level delta / J."""
    chains = 0
    while True:
        chains += 1
        # (1 - target)^(n_0 - 1) <= level: one sample more than the test needs, because the limit is itself a sample.
        first = 1 + math.ceil(math.log(delta / chains) / math.log1p(-target))
        places: list[int] = []
        while first * START_RATIO ** len(places) <= n:
            places.append(first * START_RATIO ** len(places))
        if len(places) <= chains:
            return places, delta / chains


def _chains(ends: TieEnds, target: float, delta: float) -> tuple[Ints, float]:
    """Indices of the ends that some chain passed, and the level of each test."""
    from scipy.special import bdtr

    places, level = starts(int(ends.accepted[-1]), target, delta)
    passing = bdtr(ends.errors.astype(np.float64), ends.accepted, target) <= level
    passed: list[int] = []
    for place in places:
        start = int(np.searchsorted(ends.accepted, place))
        # Given the limit of a start, only the samples below it are drawn freely: one fewer.
        if not bdtr(float(ends.errors[start]), ends.accepted[start] - 1, target) <= level:
            continue
        failures = np.flatnonzero(~passing[start:])
        passed += range(start, start + int(failures[0]) if len(failures) else len(passing))
    return np.array(passed, dtype=np.int64), level


def _binary_search(ends: TieEnds, target: float, delta: float) -> tuple[Ints, float]:
    """Indices of the ends that SGR's search found to be below the target, and the level of each bound."""
    n = int(ends.accepted[-1])
    steps = max(1, math.ceil(math.log2(n)))
    low, high = 1, n
    passed = []
    for _ in range(steps):
        k = (low + high + 1) // 2
        i = int(np.searchsorted(ends.accepted, k))
        if float(upper_bound(ends.errors[i], ends.accepted[i], delta / steps)) < target:
            passed.append(i)
            low = k
        else:
            high = k
    return np.array(passed, dtype=np.int64), delta / steps
