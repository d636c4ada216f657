"""How often boards over data sets tell copies of one recipe apart. It prints a table of docs/evidence/ranks.md.

Ten recipes are one method with other seeds. A data set has a difficulty (log-normal) and a spread of its own (log-normal), and a
recipe's figure on it is the mean of three seeds. Boards and their summary are made by the functions of `calibench leaderboard`.
"""

from __future__ import annotations

import argparse
from functools import partial
from multiprocessing import Pool
from typing import NamedTuple

import numpy as np
from ranks import share
from threadpoolctl import threadpool_limits

from calibench.leaderboard.across import across
from calibench.leaderboard.boards import Board
from calibench.leaderboard.friedman import friedman
from calibench.leaderboard.rows import Cell, Row

COPIES, SEEDS = 10, 3
UNITS = {"brier": {"unit": "squared probability", "better": "lower", "rankable": True, "order_only": False}}


class Outcome(NamedTuple):
    """Of one board: any pair separated by rank intervals, Friedman's test below 5 %, any pair beyond the critical difference."""

    separated: bool
    friedman: bool
    nemenyi: bool


def board(dataset: str, figures: list[float]) -> Board:
    """The board of one data set."""
    rows = tuple(
        Row(None, f"copy{number}", tuple(range(SEEDS)), {"brier": Cell(figure, None, None)}, {}, ())
        for number, figure in enumerate(figures)
    )
    return Board(dataset, "mlp", None, 300, "brier", 1e-6, "copy0", UNITS, rows, (), ())


def outcome(datasets: int, run: int) -> Outcome:
    """Ten copies on so many data sets."""
    rng = np.random.default_rng((run, datasets))
    boards = []
    for number in range(datasets):
        difficulty, spread = np.exp(rng.normal(-1.5, 0.7)), np.exp(rng.normal(-4, 1))
        seeds = difficulty * np.exp(spread * rng.standard_t(5, size=(COPIES, SEEDS)))
        boards.append(board(f"set{number}", seeds.mean(axis=1).tolist()))
    made = across(boards, "copy0")
    assert made is not None
    test = friedman(made.table)
    told_apart = any(made.win_rates.separated.values())
    widest = test.mean_ranks[-1] - test.mean_ranks[0]
    return Outcome(told_apart, test.p < 0.05, widest > test.critical_difference)


def one(datasets: int, run: int) -> Outcome:
    """`outcome` on one thread."""
    with threadpool_limits(1):
        return outcome(datasets, run)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="boards a row")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print(
        "| data sets | boards | rank intervals separate a pair [95 %] | Friedman below 5 % | a pair beyond Nemenyi's |"
    )
    print("|---|---|---|---|---|")
    with Pool(options.processes) as pool:
        for datasets in (2, 4, 6, 10, 20, 40):
            outcomes = pool.map(partial(one, datasets), range(options.runs), chunksize=10)
            shares = [share(sum(column), options.runs) for column in zip(*outcomes, strict=True)]
            print(f"| {datasets} | {options.runs} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
