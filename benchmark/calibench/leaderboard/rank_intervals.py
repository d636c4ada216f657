"""Confidence intervals of ranks: with a probability of at least `level`, the true ranks of all rows lie in their intervals.

All paired differences are tested at one joint level by max-T with a step-down. Source: Mogstad, Romano, Shaikh & Wilhelm 2024,
"Inference for ranks with applications to mobility across neighbourhoods and academic achievement across countries"; the
step-down is that of Romano & Wolf 2005. A row's true rank is 1 + the number of rows that are better by more than the tolerance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibench.errors import InputError
from calibench.lazy import np
from calibench.leaderboard.defaults import TOLERANCE
from calibench.leaderboard.grouped_means import GroupedMeans
from calibench.leaderboard.paired_differences import Floats, Pairs, pairs_of_replicates

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
MOST_UNDEFINED = 0.1
"""A row of which more replicates are NaN is not separated from any other."""

QUANTILE_MARGIN = 1.645
"""The critical value is a 95 % upper bound of the quantile, which B replicates only estimate. The bare quantile of 1 000
separates 40 equal rows in 5.6 % of boards, because the standard errors come from the same replicates."""

NO_SPREAD = 1e-12
"""A standard error that is 0 but for rounding."""

PRUNED = 0.1
"""The next critical value of the step-down is sought among pairs with deviations above the last one less this share of it."""


@dataclass(frozen=True)
class RankIntervals:
    """`best [R]` and `worst [R]` rank of each row, 1 for the best; 0 for a row without a figure.

    `separated[i, j]` is True if row i is better than row j, by more than the tolerance, at the joint level. `critical` is the
    number of standard errors that a difference needs; infinite if there are too few replicates.
    """

    best: NDArray[np.int64]
    worst: NDArray[np.int64]
    separated: NDArray[np.bool_]
    critical: float

    def text(self, row: int) -> str:
        """`1-4`, `3` if both ends are equal, `-` without a rank."""
        best, worst = int(self.best[row]), int(self.worst[row])
        return "-" if best == 0 else str(best) if best == worst else f"{best}-{worst}"


def rank_intervals(
    estimates: ArrayLike,
    replicates: ArrayLike,
    seeds: Sequence[ArrayLike] | None = None,
    better: str = "lower",
    level: float = LEVEL,
    tolerance: float = TOLERANCE,
) -> RankIntervals:
    """Rank intervals of figures `estimates [R]`, from their paired `replicates [R, B]` (resamples of the test samples).

    `seeds` holds for each row the figures of its seeds, of which the estimate is the mean. Their spread then joins that of the
    replicates, by a parametric bootstrap-t (Krishnamoorthy, Lu & Mathew 2007): few seeds estimate their own spread badly, and
    differences must be larger. Seeds of two rows count as independent. A row of one seed among rows of several has no known
    spread, and is not separated from any.

    A row whose estimate is not finite has no rank. A row of which more than `MOST_UNDEFINED` of the replicates are NaN is not
    separated from any. Of the other rows, replicates in which one is NaN are left out for all, so that differences stay paired.
    Too few replicates (at a level of .95 fewer than 86) separate nothing.

    Raises InputError for shapes that do not fit, an unknown `better`, a level outside (0, 1) or a negative tolerance.
    """
    figures, table = np.asarray(estimates, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    if figures.ndim != 1 or table.ndim != 2 or len(table) != len(figures):
        raise InputError(f"replicates {table.shape} do not belong to estimates {figures.shape}", "pass [R] and [R, B]")
    if seeds is not None and len(seeds) != len(figures):
        raise InputError(f"there are seeds of {len(seeds)} rows and estimates of {len(figures)}", "pass one list a row")
    sign = check_rule(better, level, tolerance)
    known = np.isfinite(figures)
    usable = known & (np.isnan(table).mean(axis=1) <= MOST_UNDEFINED if table.shape[1] else False)
    spread = None
    if seeds is not None:
        lists = [np.asarray(of_row, dtype=np.float64) for of_row in seeds]
        usable &= np.array([of_row.size > 1 and bool(np.isfinite(of_row).all()) for of_row in lists], dtype=bool)
        spread = [of_row for of_row, use in zip(lists, usable, strict=True) if use]
    table = table[usable]
    table = table[:, ~np.isnan(table).any(axis=0)]
    pairs = pairs_of_replicates(sign * figures[usable], sign * table, spread)
    return _intervals(pairs, known, usable, level, tolerance)


def rank_intervals_of_observations(
    means: GroupedMeans,
    better: str = "lower",
    level: float = LEVEL,
    tolerance: float = TOLERANCE,
    resamples: int = 1000,
    seed: int = 0,
) -> RankIntervals:
    """Rank intervals of the means of paired observations, by a bootstrap-t of whole groups (within their strata).

    Each replicate is divided by its own standard error, so the level also holds for few groups. A stratum of one group shows
    no spread, and nothing is separated. Two rows whose difference is the same in every group, as of two methods of which one
    always wins, show no spread either: they are separated only if equal rows would differ so in at most 1 - level of all cases,
    by a sign test of all pairs (Bonferroni): from 6 groups on for two rows, from 12 for ten.
    """
    sign = check_rule(better, level, tolerance)
    everything = np.ones(means.rows, dtype=bool)
    pairs = means.pairs(-sign, resamples, seed)
    if 2.0 ** (1 - means.groups) * len(pairs.advantage) > 1 - level:
        pairs = dataclasses.replace(pairs, error=np.where(pairs.error <= NO_SPREAD, np.inf, pairs.error))
    return _intervals(pairs, everything, everything, level, tolerance)


def check_rule(better: str, level: float, tolerance: float) -> float:
    """1.0 if lower is better, -1.0 if higher is. InputError for a value that is out of its range."""
    if better not in {"lower", "higher"}:
        raise InputError(f"better is {better!r}", "write lower or higher")
    if not 0 < level < 1:
        raise InputError(f"the level {level} is not between 0 and 1", "0.95 is usual")
    if not 0 <= tolerance < np.inf:
        raise InputError(f"the tolerance {tolerance} is not a number from 0 on", "0 calls nothing equal")
    return 1.0 if better == "lower" else -1.0


def _intervals(
    pairs: Pairs, known: NDArray[np.bool_], usable: NDArray[np.bool_], level: float, tolerance: float
) -> RankIntervals:
    """Intervals among the rows that are `known`; `pairs` are those of the rows that are `usable`."""
    rows = len(known)
    critical = critical_value(pairs, level, tolerance)
    lower, upper = (pairs.advantage + side * margin(pairs.error, critical) for side in (-1, 1))
    place = np.flatnonzero(usable)
    first, second = (place[side] for side in np.triu_indices(len(place), 1))
    better = np.zeros((rows, rows), dtype=bool)  # [i, j]: row i is better than row j
    better[first, second], better[second, first] = lower > tolerance, -upper > tolerance
    not_better = np.zeros((rows, rows), dtype=bool)  # [i, j]: row i is not better than row j by more than the tolerance
    not_better[first, second], not_better[second, first] = upper <= tolerance, -lower <= tolerance
    maybe_better = known[:, None] & ~not_better & ~np.eye(rows, dtype=bool)
    best = np.where(known, 1 + better.sum(axis=0), 0)
    worst = np.where(known, 1 + maybe_better.sum(axis=0), 0)
    # Tolerance is not transitive: a row also reaches down to every row that it is not separated from.
    reach = np.where(better, 0, best[None, :]).max(axis=1, initial=0)
    return RankIntervals(best, np.where(known, np.maximum(worst, reach), 0), better, critical)


def critical_value(pairs: Pairs, level: float, tolerance: float) -> float:
    """The step-down's last critical value: the joint quantile of all deviations that could still make a wrong statement.

    A pair makes two statements, one a direction. A direction that is established leaves the maximum, its reverse stays.
    """
    count = pairs.count
    place = int(np.ceil(level * (count + 1) + QUANTILE_MARGIN * np.sqrt(count * level * (1 - level)) - 1e-9))
    if not len(pairs.advantage) or place > count:
        return float("inf")

    def quantile(largest: Floats) -> float:
        return float(np.partition(largest, place - 1)[place - 1])

    may_win = np.ones((2, len(pairs.advantage)), dtype=bool)
    largest, of_row = pairs.largest(may_win)
    critical = quantile(largest)
    while True:
        needed = tolerance + margin(pairs.error, critical)
        wins = np.stack([pairs.advantage > needed, -pairs.advantage > needed])
        if not (wins & may_win).any():
            return critical
        may_win &= ~wins
        # The next value is a little smaller. Deviations up to `floor` do not change it if it is larger: few pairs are needed.
        floor = critical - PRUNED * abs(critical)
        critical = quantile(pairs.largest(may_win & (of_row > floor))[0])
        if not critical >= floor:
            critical = quantile(pairs.largest(may_win)[0])


def margin(error: Floats, critical: float) -> Floats:
    """Critical value times standard error; infinite if either is."""
    finite = np.isfinite(error) & np.isfinite(critical)
    widths = np.full(len(error), np.inf)
    widths[finite] = critical * error[finite]
    return widths
