"""How often rank intervals separate equal methods, and unequal ones. It prints the tables of docs/evidence/ranks.md.

The loss of a sample is a shared normal part (hard samples are hard for all), a part of the method, and with seed variance an
offset of each of five seeds. Nothing is trained. The oracle knows the variance of every difference and, by simulation, the
quantile of the largest of them, in a single step.
"""

from __future__ import annotations

import argparse
from functools import cache, partial
from multiprocessing import Pool
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from calibench.leaderboard.grouped_means import GroupedMeans
from calibench.leaderboard.rank_intervals import RankIntervals, rank_intervals, rank_intervals_of_observations

RESAMPLES = 1000
SEEDS = 5
OF_METHOD, OF_OFFSET = 0.5, 0.02
"""SD of a method's part of a loss, and of the offset of a seed; the shared part has SD 1."""


class Case(NamedTuple):
    """One row of a table: R methods, N samples (or data sets), their loss `gap` from one to the next, seeds that differ."""

    rows: int
    n: int
    seeds_differ: bool = False
    gap: float = 0.0
    datasets: bool = False


LEVELS = tuple(Case(rows, n, differ) for differ in (False, True) for rows in (5, 20, 40) for n in (500, 2_000, 10_000))
DATASETS = tuple(Case(rows, n, datasets=True) for rows in (5, 20) for n in (10, 30, 100))
POWER = tuple(Case(20, n, differ, gap=0.01) for differ in (False, True) for n in (500, 2_000, 10_000))


class Outcome(NamedTuple):
    """Of one board: any pair separated, all true ranks covered, a wrong order, and the shares of pairs that are separated."""

    any_separated: bool
    covered: bool
    ranked_below_unseparated: bool
    power: float
    oracle: float


@cache
def resample_weights(n: int) -> NDArray[np.float32]:
    """The share of each sample in each resample: one seeded stream for all boards, as in records."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float32) / np.float32(n)


def variance_of_mean(case: Case) -> float:
    """The variance of a method's mean loss, but for the part that all share."""
    return OF_METHOD**2 / case.n + (OF_OFFSET**2 / SEEDS if case.seeds_differ else 0.0)


@cache
def oracle_quantile(rows: int) -> float:
    """The 95 % quantile of the largest of all standardised differences of `rows` equal methods."""
    means = np.random.default_rng(0).normal(size=(200_000, rows))
    return float(np.quantile(np.ptp(means, axis=1) / np.sqrt(2), 0.95))


def board(case: Case, run: int) -> Outcome:
    """The outcome of one board."""
    rng = np.random.default_rng((run, case.rows, case.n, case.seeds_differ, case.datasets))
    truth = case.gap * np.arange(case.rows)
    losses = truth + rng.normal(size=(case.n, 1)) + OF_METHOD * rng.normal(size=(case.n, case.rows))
    estimates = losses.mean(axis=0)
    if case.datasets:
        ranks = rank_intervals_of_observations(GroupedMeans.of(losses), resamples=RESAMPLES)
    else:
        replicates = (resample_weights(case.n) @ losses.astype(np.float32)).T.astype(np.float64)
        seeds = None
        if case.seeds_differ:
            offsets = OF_OFFSET * rng.normal(size=(case.rows, SEEDS))
            estimates = estimates + offsets.mean(axis=1)
            seeds = list(estimates[:, None] + offsets - offsets.mean(axis=1, keepdims=True))
        ranks = rank_intervals(estimates, replicates, seeds)
    return outcome(case, truth, estimates, ranks)


def outcome(case: Case, truth: NDArray[np.float64], estimates: NDArray[np.float64], ranks: RankIntervals) -> Outcome:
    """Compare the intervals with the truth, and with the oracle."""
    true_ranks = 1 + (truth[None, :] < truth[:, None] - 1e-12).sum(axis=1)
    below = ranks.best[:, None] > ranks.worst[None, :]  # row i is ranked below row j
    differ = np.triu(np.ones((case.rows, case.rows), dtype=bool), 1)
    needed = oracle_quantile(case.rows) * np.sqrt(2 * variance_of_mean(case))
    found = estimates[None, :] - estimates[:, None] > needed
    return Outcome(
        bool(ranks.separated.any()),
        bool(((ranks.best <= true_ranks) & (true_ranks <= ranks.worst)).all()),
        bool((below & ~ranks.separated.T).any()),
        float(ranks.separated[differ].mean()),
        float(found[differ].mean()),
    )


def one(case: Case, run: int) -> Outcome:
    """`board` on one thread."""
    with threadpool_limits(1):
        return board(case, run)


def share(count: int, runs: int) -> str:
    """A share of boards with its Clopper-Pearson interval."""
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, runs - count + 1))
    high = 1.0 if count == runs else float(beta.ppf(0.975, count + 1, runs - count))
    return f"{100 * count / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def cells(case: Case, outcomes: list[Outcome]) -> list[str]:
    """The cells of a row."""
    runs = len(outcomes)
    start = [f"{case.rows}", f"{case.n:,}".replace(",", " ")]
    if not case.datasets:
        start.append("yes" if case.seeds_differ else "no")
    if not case.gap:
        return [*start, f"{runs}", share(sum(o.any_separated for o in outcomes), runs)]
    return [
        *start,
        f"{runs}",
        share(sum(o.covered for o in outcomes), runs),
        f"{sum(o.ranked_below_unseparated for o in outcomes)}",
        f"{100 * np.mean([o.power for o in outcomes]):.1f} %",
        f"{100 * np.mean([o.oracle for o in outcomes]):.1f} %",
    ]


HEADS = {
    LEVELS: "methods | N | seeds differ | boards | any pair separated [95 %]",
    DATASETS: "methods | data sets | boards | any pair separated [95 %]",
    POWER: "methods | N | seeds differ | boards | all ranks covered [95 %] | below an unseparated row "
    "| pairs separated | by the oracle",
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="boards a row")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with Pool(options.processes) as pool:
        for cases, head in HEADS.items():
            print(f"| {head} |\n|{'---|' * (head.count('|') + 1)}")
            for case in cases:
                outcomes = pool.map(partial(one, case), range(options.runs), chunksize=10)
                print(f"| {' | '.join(cells(case, outcomes))} |", flush=True)
            print()


if __name__ == "__main__":
    main()
