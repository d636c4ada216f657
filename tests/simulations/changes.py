"""How often the 95 % interval of a change against the base covers the true change. It prints a table of docs/evidence/ranks.md.

Losses are those of `ranks.py`: a part that both recipes share, a part of the recipe, and an offset of each seed, part of which
the recipes share where they have the same seeds (their first stage is the same network). Nothing is trained.
"""

from __future__ import annotations

import argparse
from functools import partial
from multiprocessing import Pool
from typing import NamedTuple

import numpy as np
from ranks import OF_METHOD, OF_OFFSET, resample_weights, share
from threadpoolctl import threadpool_limits

from calibench.leaderboard.change import Figures, change

TRUE_CHANGE = 0.03


class Case(NamedTuple):
    """One row of the table: N samples, S seeds of each recipe, the SD of a seed's offset, the same seeds or others."""

    n: int
    seeds: int
    offset: float
    same: bool = True


CASES = (
    *(Case(n, 1, 0.0) for n in (500, 2_000)),
    *(Case(n, seeds, OF_OFFSET, same) for same in (True, False) for n in (500, 2_000) for seeds in (2, 3, 5)),
    *(Case(2_000, seeds, 5 * OF_OFFSET) for seeds in (2, 3, 5)),
)


def covered(case: Case, run: int) -> tuple[bool, float]:
    """Whether the interval of one board covers the true change, and its width."""
    with threadpool_limits(1):
        rng = np.random.default_rng((run, case.n, case.seeds, case.same, int(1000 * case.offset)))
        shared, shared_offset = rng.normal(size=case.n), case.offset * rng.normal(size=case.seeds)
        of_recipe = []
        for k, mean in enumerate((0.0, TRUE_CHANGE)):
            losses = mean + shared + OF_METHOD * rng.normal(size=case.n)
            own = case.offset * rng.normal(size=case.seeds)
            offsets = own + shared_offset if case.same else own
            numbers = range(case.seeds) if case.same else range(k * case.seeds, (k + 1) * case.seeds)
            replicates = (resample_weights(case.n) @ losses.astype(np.float32)).astype(np.float64) + offsets.mean()
            of_recipe.append(Figures(dict(zip(numbers, losses.mean() + offsets, strict=True)), replicates))
        low, high = change(of_recipe[1], of_recipe[0]).interval or (np.nan, np.nan)
        return low <= TRUE_CHANGE <= high, high - low


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="boards a row")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print(
        "| N | seeds | SD of a seed's offset | boards | true change covered [95 %] | mean width |\n|---|---|---|---|---|---|"
    )
    with Pool(options.processes) as pool:
        for case in CASES:
            outcomes = pool.map(partial(covered, case), range(options.runs), chunksize=20)
            seeds = "1" if case.seeds == 1 else f"{case.seeds}, {'the same' if case.same else 'others'}"
            count, width = sum(hit for hit, _ in outcomes), float(np.mean([width for _, width in outcomes]))
            cells = (f"{case.n:,}".replace(",", " "), seeds, f"{case.offset:g}", f"{options.runs}")
            print(f"| {' | '.join(cells)} | {share(count, options.runs)} | {width:.4f} |", flush=True)


if __name__ == "__main__":
    main()
