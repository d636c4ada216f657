"""Which of several differences are told apart from 0 at one joint level: max-T with a step-down, as for ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.lazy import np
from calibench.leaderboard.change import Difference
from calibench.leaderboard.defaults import TOLERANCE
from calibench.leaderboard.paired_differences import SPREAD_SEED, Floats, Pairs, without_zeros
from calibench.leaderboard.rank_intervals import LEVEL, MOST_UNDEFINED, critical_value, margin

if TYPE_CHECKING:
    from numpy.typing import NDArray


def told_apart(
    differences: Sequence[Difference], level: float = LEVEL, tolerance: float = TOLERANCE
) -> NDArray[np.bool_]:
    """True for each difference `[D]` that is larger than the tolerance, at a joint level for all of them.

    The deviations of the replicates are studentised. The spread over seeds joins them by a parametric bootstrap-t, as in
    `rank_intervals`, independent for each difference: that is never too narrow for differences that share their seeds. A
    difference without replicates, or with more than `MOST_UNDEFINED` of them undefined, is not told apart.
    """
    apart = np.zeros(len(differences), dtype=bool)
    places = [place for place, found in enumerate(differences) if _usable(found)]
    if not places:
        return apart
    usable = [differences[place] for place in places]
    estimates = np.array([found.estimate for found in usable])
    error, deviations = _studentised(usable)
    everything = Pairs(estimates, error, deviations.shape[1], lambda chosen: iter([_chosen(deviations, chosen)]))
    critical = critical_value(everything, level, tolerance)
    apart[places] = np.abs(estimates) > tolerance + margin(error, critical)
    return apart


def _usable(found: Difference) -> bool:
    return found.replicates is not None and bool(np.isnan(found.replicates).mean() <= MOST_UNDEFINED)


def _chosen(deviations: Floats, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
    return np.flatnonzero(chosen), deviations[chosen]


def _studentised(usable: Sequence[Difference]) -> tuple[Floats, Floats]:
    """The standard errors `[D]`, and the deviations `[D, B]` of the replicates, each divided by a standard error.

    B is the smallest number of replicates. Those that are undefined deviate by 0.
    """
    count = min(len(found.replicates) for found in usable if found.replicates is not None)
    table = np.stack([found.replicates[:count] for found in usable if found.replicates is not None])
    centred = np.nan_to_num(table - np.nanmean(table, axis=1, keepdims=True))
    variance = np.square(centred).mean(axis=1)
    squares, drawn = variance.copy(), np.repeat(variance[:, None], count, axis=1)
    rng = np.random.default_rng(SPREAD_SEED)
    for row, found in enumerate(usable):
        for square, freedom in found.over_seeds:
            centred[row] += np.sqrt(square) * rng.normal(size=count)
            drawn[row] += square * rng.chisquare(freedom, size=count) / freedom
            squares[row] += square
    return np.sqrt(squares), centred / without_zeros(np.sqrt(drawn))
