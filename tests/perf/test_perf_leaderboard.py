"""The boards of 1 000 records in every form, timed by pytest-benchmark (`make bench`) and checked once by CI."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from many_records import write_runs

from calibench.leaderboard.boards import boards
from calibench.leaderboard.win_rates import Layout, win_rates_of
from calibench.records.store import read_records
from calibench.report.render import FORMATS, render

METHODS, DATASETS, SEEDS = 20, 5, 10


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A results folder of 1 000 runs, 120 MB."""
    folder = tmp_path_factory.mktemp("many")
    assert write_runs(folder, METHODS, DATASETS, SEEDS) == 1000
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("form", FORMATS)
def test_leaderboard(results: Path, form: str, benchmark) -> None:
    benchmark.group = "leaderboard"
    benchmark.extra_info["records"] = METHODS * DATASETS * SEEDS
    made = []

    def leaderboard() -> str:
        made[:] = boards(read_records(results), results)
        return render(made, form)

    text = benchmark.pedantic(leaderboard, rounds=3)  # a second a call
    assert [len(board.rows) for board in made] == [METHODS] * DATASETS
    assert all(row.rank is not None for board in made for row in board.rows)
    assert all(row.recipe in text for board in made for row in board.rows)


@pytest.mark.parametrize("recipes", [100, 800])
def test_all_data_sets_together(recipes: int, benchmark) -> None:
    benchmark.group = "leaderboard over data sets"
    figures = np.random.default_rng(0).normal(size=(4, recipes)) + np.arange(recipes) / 20
    names, layout = [f"recipe{number}" for number in range(recipes)], Layout("recipe", ("task",), "nll")
    made = benchmark.pedantic(win_rates_of, (figures, names, range(4), [""] * 4, layout), rounds=3)
    assert made.rows[0].win_rate > 0.9
