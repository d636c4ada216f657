"""Means of paired observations that come in groups and strata, and their bootstrap: groups are drawn, within their stratum.

An observation is a row of figures, one for each method. Observations of one group depend on each other, as several models
trained on one data set do. The mean is taken in each stratum, over all of its observations, and then over the strata.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from calibench.errors import InputError
from calibench.lazy import np
from calibench.leaderboard.paired_differences import Blocks, Pairs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"

NUMBERS = 1 << 20
"""At most so many numbers, 8 MB, are in one table of pairs and resamples."""


@dataclass(frozen=True)
class _Stratum:
    """Sums `[G, R]` over the observations of each group, and their numbers `[G]`."""

    sums: Floats
    counts: Floats

    def weights(self, resamples: int, rng: np.random.Generator) -> Floats:
        """How often each group is drawn in each resample, `[B, G]`."""
        groups = len(self.counts)
        return rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples).astype(np.float64)


@dataclass(frozen=True)
class GroupedMeans:
    """The means of R methods over observations in groups and strata."""

    strata: tuple[_Stratum, ...]

    @classmethod
    def of(
        cls,
        observations: ArrayLike,
        groups: Sequence[Hashable] | None = None,
        strata: Sequence[Hashable] | None = None,
    ) -> GroupedMeans:
        """From `observations [D, R]`, with the group and the stratum of each of the D.

        Without groups every observation is one; without strata all are in one. Observations with a NaN are left out for all
        methods, so that differences stay paired. Raises InputError if none is left, or if lengths differ.
        """
        table = np.asarray(observations, dtype=np.float64)
        if table.ndim != 2:
            raise InputError(f"observations have the shape {table.shape}", "pass [D, R]: a row for each observation")
        for name, given in (("groups", groups), ("strata", strata)):
            if given is not None and len(given) != len(table):
                raise InputError(f"there are {len(given)} {name} and {len(table)} observations", "pass one for each")
        complete = ~np.isnan(table).any(axis=1)
        if not complete.any():
            raise InputError("no observation is complete", "each needs a figure of every method")
        members: dict[Hashable, dict[Hashable, list[int]]] = {}
        for row in np.flatnonzero(complete).tolist():
            stratum = members.setdefault(None if strata is None else strata[row], {})
            stratum.setdefault(row if groups is None else groups[row], []).append(row)
        return cls(
            tuple(
                _Stratum(
                    np.array([table[rows].sum(axis=0) for rows in stratum.values()]),
                    np.array([float(len(rows)) for rows in stratum.values()]),
                )
                for stratum in members.values()
            )
        )

    @property
    def rows(self) -> int:
        """R, the number of methods."""
        return int(self.strata[0].sums.shape[1])

    @property
    def groups(self) -> int:
        """The number of groups, of all strata."""
        return sum(len(stratum.counts) for stratum in self.strata)

    def by_stratum(self) -> Floats:
        """The mean of each method in each stratum, `[S, R]`; strata in the order of their first observation."""
        return np.array([stratum.sums.sum(axis=0) / stratum.counts.sum() for stratum in self.strata])

    def estimates(self) -> Floats:
        """The mean of each method over the strata, `[R]`."""
        means: Floats = self.by_stratum().mean(axis=0)
        return means

    def replicates(self, resamples: int, seed: int) -> Floats:
        """The mean of each method in resamples of the groups, `[R, B]`."""
        rng = np.random.default_rng(seed)
        total = np.zeros((self.rows, resamples))
        for stratum in self.strata:
            weights = stratum.weights(resamples, rng)
            total += (weights @ stratum.sums / (weights @ stratum.counts)[:, None]).T
        return total / len(self.strata)

    def pairs(self, sign: float, resamples: int, seed: int) -> Pairs:
        """Every pair of methods: the advantage is `sign` times the first mean less the second, replicates are of the groups.

        A replicate is its deviation from the mean, divided by its own standard error. Errors are those of a ratio of sums over
        groups, times sqrt(G / (G - 1)); infinite if a stratum has one group. Few groups give few distinct resamples (35 of 4
        groups), and each is computed once.
        """
        first, second = np.triu_indices(self.rows, 1)
        rng = np.random.default_rng(seed)
        weights = np.hstack([stratum.weights(resamples, rng) for stratum in self.strata])
        distinct, draw = np.unique(weights, axis=0, return_inverse=True)
        mean, variance = np.empty(len(first)), np.empty(len(first))
        for block in _parts(np.arange(len(first)), 1):
            in_sample = self._moments(np.ones((1, weights.shape[1])), sign, first[block], second[block])
            mean[block], variance[block] = in_sample[0][0], in_sample[1][0]

        def blocks(chosen: NDArray[np.bool_]) -> Blocks:
            for places in _parts(np.flatnonzero(chosen), len(distinct)):
                drawn, error = self._moments(distinct, sign, first[places], second[places])
                drawn -= mean[places]
                nothing = (np.abs(drawn) <= 1e-12) | ~np.isfinite(variance[places])  # as of two methods that are equal
                with np.errstate(divide="ignore", invalid="ignore"):
                    drawn /= np.sqrt(error, out=error)
                drawn[nothing] = 0.0
                yield places, drawn.T

        count = len(self.strata)
        return Pairs(mean / count, np.sqrt(variance) / count, resamples, blocks, draw.reshape(-1))

    def _moments(
        self, weights: Floats, sign: float, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Sums over strata of the mean difference of each pair, and of its squared standard error, `[B, P]`; `weights [B, G]`."""
        mean = variance = np.zeros((len(weights), len(first)))
        start = 0
        for stratum in self.strata:
            stop = start + len(stratum.counts)
            differences = sign * (stratum.sums[:, first] - stratum.sums[:, second])
            of_mean, of_variance = _ratio(weights[:, start:stop], differences, stratum.counts)
            mean, variance = mean + of_mean, variance + of_variance
            start = stop
        return mean, variance


def _parts(places: NDArray[np.int64], resamples: int) -> Iterator[NDArray[np.int64]]:
    """`places` in parts, so that a table of each with its resamples stays small."""
    size = max(1, NUMBERS // resamples)
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _ratio(weights: Floats, sums: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """The weighted ratio of sums `[G, P]` to counts `[G]`, and its squared standard error, both `[B, P]`; `weights [B, G]`."""
    groups = len(counts)
    size = (weights @ counts)[:, None]
    mean = weights @ sums
    mean /= size
    if groups == 1:
        return mean, np.full_like(mean, np.inf)
    if (counts == counts[0]).all():  # then the two terms below are one
        squares = weights @ np.square(sums)
        squares -= np.square(mean) * (size * counts[0])
    else:
        squares = weights @ np.square(sums) - 2 * mean * (weights @ (sums * counts[:, None]))
        squares += np.square(mean) * (weights @ np.square(counts))[:, None]
    variance = np.maximum(squares, 0.0, out=squares)
    variance *= groups / (groups - 1) / np.square(size)
    return mean, variance
