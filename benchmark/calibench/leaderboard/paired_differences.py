"""The differences of every pair of rows and their standardised deviations, in blocks: all at once they take 1 GB for 500 rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

Blocks: TypeAlias = "Iterator[tuple[NDArray[np.int64], Floats]]"
"""Some pairs at a time: their places among all pairs, and B numbers of each."""

SPREAD_SEED = 0
"""Seeds the draws of the spread over seeds."""


@dataclass(frozen=True)
class Pairs:
    """Every pair of R rows once, in the order of `np.triu_indices(R, 1)`.

    `advantage [P]` is that of the first row, `error [P]` its standard error; infinite if there are too few replicates.
    `blocks(chosen [P])` computes the `count` standardised deviations of the chosen pairs, anew with each call; where resamples
    repeat, those of the distinct ones, and `draw [count]` has the place of each among them.
    """

    advantage: Floats
    error: Floats
    count: int
    blocks: Callable[[NDArray[np.bool_]], Blocks]
    draw: NDArray[np.int64] | None = None

    def largest(self, may_win: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The largest deviations in favour of rows that may win: of each replicate `[B]`, and of each such row in a pair `[2, P]`.

        `may_win [2, P]` says it of the first and of the second row of each pair. -inf stands where there is none.
        """
        distinct = self.count if self.draw is None else int(self.draw.max()) + 1
        of_replicate, of_row = np.full(distinct, -np.inf), np.full(may_win.shape, -np.inf)
        for places, deviations in self.blocks(may_win[0] | may_win[1]):
            for side, (sign, extreme) in enumerate(((1.0, np.max), (-1.0, np.min))):
                open_ = may_win[side, places]
                if open_.any():
                    chosen = deviations if open_.all() else deviations[open_]
                    np.maximum(of_replicate, sign * extreme(chosen, axis=0), out=of_replicate)
                    of_row[side, places[open_]] = sign * extreme(chosen, axis=1)
        return of_replicate if self.draw is None else of_replicate[self.draw], of_row


def pairs_of_replicates(figures: Floats, table: Floats, seeds: list[Floats] | None) -> Pairs:
    """Differences of `figures [R]`, of which lower is better, with replicates `table [R, B]` and the figures of each row's seeds.

    Deviations are from the replicates' own mean, so their bias cancels.
    """
    first, second = np.triu_indices(len(figures), 1)
    advantage = figures[second] - figures[first]
    count, everything = table.shape[1], np.ones(len(first), dtype=bool)
    if count < 2:
        return Pairs(advantage, np.full(len(first), np.inf), 0, lambda _: iter(()))
    centred = table - table.mean(axis=1, keepdims=True)
    variance = np.empty(len(first))
    for _, _, places, differences in _differences(centred, everything):
        variance[places] = np.square(differences, out=differences).mean(axis=1)
    if seeds is None:
        return Pairs(advantage, np.sqrt(variance), count, lambda chosen: _over_samples(centred, variance, chosen))
    of_seeds, of_mean, of_draw = _spread_over_seeds(seeds, count)
    error = np.sqrt(variance + of_mean[second] + of_mean[first])
    spread = of_seeds, of_draw
    return Pairs(advantage, error, count, lambda chosen: _over_samples_and_seeds(centred, variance, spread, chosen))


def _differences(
    table: Floats, chosen: NDArray[np.bool_]
) -> Iterator[tuple[int, slice | NDArray[np.int64], NDArray[np.int64], Floats]]:
    """For each row of `table [R, B]` its chosen pairs with rows below: the row, those rows, the pairs' places, the differences."""
    start = 0
    for row in range(len(table) - 1):
        stop = start + len(table) - row - 1
        places = np.flatnonzero(chosen[start:stop])
        if len(places):
            below: slice | NDArray[np.int64] = places + (row + 1)
            if len(places) == stop - start:
                below = slice(row + 1, None)  # a view, where indices copy
            yield row, below, places + start, table[below] - table[row]
        start = stop


def _over_samples(centred: Floats, variance: Floats, chosen: NDArray[np.bool_]) -> Blocks:
    """Differences of `centred [R, B]` replicates, divided by their standard errors."""
    error = without_zeros(np.sqrt(variance))[:, None]
    for _, _, places, differences in _differences(centred, chosen):
        yield places, np.divide(differences, error[places], out=differences)


def _over_samples_and_seeds(
    centred: Floats, variance: Floats, spread: tuple[Floats, Floats], chosen: NDArray[np.bool_]
) -> Blocks:
    """The same with deviations over seeds `[R, B]`, of which each draw estimates the variance `[R, B]`."""
    of_seeds, of_draw = spread
    for row, below, places, deviations in _differences(centred + of_seeds, chosen):
        error = of_draw[below] + of_draw[row]
        error += variance[places, None]
        yield places, np.divide(deviations, without_zeros(np.sqrt(error, out=error)), out=deviations)


def without_zeros(error: Floats) -> Floats:
    """The standard errors, with 1 in the place of 0: a deviation of 0 stays 0. Changes the array."""
    if not error.min(initial=1.0) > 0:
        error[~(error > 0)] = 1.0
    return error


def _spread_over_seeds(seeds: list[Floats], count: int) -> tuple[Floats, Floats, Floats]:
    """Deviations of each row's mean over seeds `[R, B]`, its variance `[R]`, and the variance that each draw estimates `[R, B]`.

    A parametric bootstrap: figures of seeds are normal with the variance of the row's own seeds.
    """
    rng = np.random.default_rng(SPREAD_SEED)
    of_mean = np.array([values.var(ddof=1) / len(values) for values in seeds])
    freedom = np.array([len(values) - 1 for values in seeds])[:, None]
    deviation = np.sqrt(of_mean)[:, None] * rng.normal(size=(len(seeds), count))
    of_draw = of_mean[:, None] * rng.chisquare(freedom, size=(len(seeds), count)) / freedom
    return deviation, of_mean, of_draw
