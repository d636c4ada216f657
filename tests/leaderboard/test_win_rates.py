"""Win rates: a loop as the oracle, blank cells, and the published order of CalArena."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibench.leaderboard.results_table import read_results
from calibench.leaderboard.win_rates import Layout, win_rates, wins

TRUTH = Path(__file__).resolve().parents[3] / "shared" / "truth"
CALARENA = TRUTH / "calarena_results.csv.gz"


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_wins_equal_loops(better):
    rng = np.random.default_rng(0)
    figures = rng.integers(0, 4, size=(40, 5)).astype(float)  # many ties
    figures[rng.random(size=figures.shape) < 0.1] = np.nan
    expected = np.zeros_like(figures)
    for task in range(40):
        for i in range(5):
            for j in range(5):
                gap = figures[task, j] - figures[task, i]
                expected[task, i] += (gap > 0 if better == "lower" else gap < 0) / 4
    assert wins(figures, better) == pytest.approx(expected)


LINES = """suite,method,dataset,model,brier
s,a,d1,m,0.1
s,b,d1,m,0.2
s,c,d1,m,0.3
s,a,d1,n,0.1
s,b,d1,n,
s,c,d1,n,0.3
s,a,d2,m,0.3
s,b,d2,m,0.2
t,a,d3,m,0.1
t,b,d3,m,0.1
t,c,d3,m,0.2
"""


def test_blank_cells_missing_lines_and_ties(tmp_path):
    (tmp_path / "r.csv").write_text(LINES)
    layout = Layout("method", ("dataset", "model"), "brier", mean_over=("suite",))
    board = win_rates(read_results(tmp_path / "r.csv"), layout)
    # by task d1 m, d1 n, d2 m | d3 m: a wins 2, 1, 0 | 1; b wins 1, blank, 1 | 1; c wins 0, 0, no line | 0
    assert {row.method: row.win_rate for row in board.rows} == pytest.approx({"a": 0.5, "b": (1 / 3 + 0.5) / 2, "c": 0})
    assert {row.method: row.parts for row in board.rows}["a"] == pytest.approx({"s": 0.5, "t": 0.5})
    assert {row.method: row.blank for row in board.rows} == {"a": 0, "b": 1, "c": 1}
    assert (board.tasks, board.groups, board.blank) == ({"s": 3, "t": 1}, {"s": 2, "t": 1}, 2)
    assert {row.rank for row in board.rows} == {(1, 3)}
    assert {row.interval for row in board.rows} == {None}


@pytest.mark.slow
@pytest.mark.skipif(not CALARENA.exists(), reason=f"the results of CalArena are not at {CALARENA}")
@pytest.mark.parametrize(("kind", "methods", "datasets"), [("binary", 19, 137), ("multiclass", 18, 79)])
def test_the_published_order_of_calarena(kind, methods, datasets):
    published = json.loads((TRUTH / "calarena_results.json").read_text())
    table = read_results(CALARENA).where([f"benchmark=tabrepo-{kind},tabarena-{kind},cv-{kind}"])
    if kind == "binary":
        table = table.where(["method=CB,CB-*"], keep=False)
    board = win_rates(table, Layout("method", ("dataset", "model"), "brier", mean_over=("benchmark",)))
    order = [row.method for row in board.rows if row.method != "Base-model"]
    assert len(order) == methods
    assert order == published["published"][f"{kind} order, best first"]
    assert sum(board.groups.values()) == datasets
    for row in board.rows:
        assert row.win_rate == pytest.approx(published["mean_of_three"][kind][row.method], abs=6e-5)
        for part, rate in row.parts.items():
            assert rate == pytest.approx(published["recomputed_here"][part]["winrate_brier"][row.method], abs=5e-5)
    assert board.blank == (kind == "binary")  # CIR on one task
    rank_of = {row.method: row.rank for row in board.rows}
    below = {(low, high) for low in rank_of for high in rank_of if rank_of[low][0] > rank_of[high][1]}
    assert all(low in board.separated[high] for low, high in below)
