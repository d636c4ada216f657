"""Boards of several data sets in one: every figure by hand, nothing missing is averaged away, equal recipes are one band."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from board_records import unstored_record

sys.path.insert(0, str(Path(__file__).parents[1] / "simulations"))
from boards_over_data_sets import outcome

from calibench.leaderboard.across import across, base_of
from calibench.leaderboard.boards import Board, boards
from calibench.leaderboard.elo import elo
from calibench.leaderboard.grouped_means import GroupedMeans
from calibench.leaderboard.rank_intervals import rank_intervals_of_observations
from calibench.leaderboard.task_figures import FEW
from calibench.leaderboard.win_rates import Bootstrap, Layout, win_rates_of
from calibench.records.record import ResultRecord
from calibench.report.across_table import across_document, across_notes, across_table


def record(recipe: str, dataset: str, nll: float | None, seed: int = 0, noise: str | None = None) -> ResultRecord:
    data = {"clean_fingerprint": dataset}
    return unstored_record(recipe, seed, {"nll": nll}, dataset=dataset, data=data, noise=noise)


def boards_of(records: list[ResultRecord]) -> list[Board]:
    return boards(records, Path("nowhere"), "nll", base="ce")


FIGURES = {"a": {"ce": 0.4, "vtst": 0.2, "tst": 0.4}, "b": {"ce": 0.5, "vtst": 0.6, "tst": 0.45}}


def test_win_rates_and_improvements_are_means_over_tasks() -> None:
    made = across(boards_of([record(r, d, nll) for d, row in FIGURES.items() for r, nll in row.items()]), "ce")
    assert made is not None
    rates = {row.method: row.win_rate for row in made.win_rates.rows}
    # a: vtst beats both, ce and tst are equal, half a win each; b: tst beats both, ce beats vtst.
    assert rates == pytest.approx({"vtst": (1 + 0) / 2, "ce": (0.25 + 0.5) / 2, "tst": (0.25 + 1) / 2})
    gains = {recipe: gain.mean for recipe, gain in made.improvements.items()}
    assert gains == pytest.approx({"ce": 0, "vtst": (0.5 - 0.2) / 2, "tst": (0 + 0.1) / 2})
    assert made.missing == {}


def test_a_figure_is_the_mean_over_seeds() -> None:
    records = [record("ce", d, 0.4, seed) for d in "ab" for seed in (0, 1)]
    records += [record("vtst", d, nll, seed) for d in "ab" for seed, nll in ((0, 0.1), (1, 0.5))]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert made.improvements["vtst"].mean == pytest.approx(0.25)


def test_a_missing_cell_loses_and_has_the_lowest_improvement() -> None:
    records = [record(r, d, nll) for d, row in FIGURES.items() for r, nll in row.items() if (d, r) != ("a", "vtst")]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert made.missing == {"vtst": ("a, mlp",)}
    rates = {row.method: row.win_rate for row in made.win_rates.rows}
    assert rates["vtst"] == 0
    # Both others beat it on a, where they are equal; on b tst beats both.
    assert rates == pytest.approx({"vtst": 0, "ce": (0.75 + 0.5) / 2, "tst": (0.75 + 1) / 2})
    assert made.improvements["vtst"].mean == pytest.approx((0 - 0.2) / 2)  # on a the lowest of all recipes, at most 0
    document = across_document(made)
    assert document["missing"] == {"vtst": ["a, mlp"]}
    assert str(across_table(made).columns[0].header).endswith("missing")


def test_a_seed_that_failed_is_a_missing_cell() -> None:
    records = [record("ce", d, 0.4, seed) for d in "ab" for seed in (0, 1)]
    records += [record("vtst", d, 0.3, seed) for d in "ab" for seed in (0, 1) if (d, seed) != ("b", 1)]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert made.missing == {"vtst": ("b, mlp",)}


def test_tasks_of_one_data_set_stay_together_in_the_bootstrap() -> None:
    records = [
        record(recipe, d, 0.4 + 0.1 * k, noise=noise)
        for d in "ab"
        for noise in (None, "symmetric:rate=0.3")
        for k, recipe in enumerate(("ce", "vtst"))
    ]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert sum(made.win_rates.tasks.values()) == 4
    assert sum(made.win_rates.groups.values()) == 2


def test_few_data_sets_give_no_interval_of_an_improvement() -> None:
    def improvement(count: int) -> object:
        made = across(
            boards_of(
                [record(r, str(d), 0.4 + 0.01 * d * (r == "vtst")) for d in range(count) for r in ("ce", "vtst")]
            ),
            "ce",
        )
        assert made is not None
        return made.improvements["vtst"].interval

    assert improvement(FEW - 1) is None
    assert improvement(FEW) is not None


def test_one_data_set_or_one_recipe_make_no_summary() -> None:
    assert across(boards_of([record("ce", "a", 0.4), record("vtst", "a", 0.3)]), "ce") is None
    assert across(boards_of([record("ce", "a", 0.4), record("ce", "b", 0.3)]), "ce") is None


def test_boards_without_the_base_do_not_count() -> None:
    records = [record(r, d, nll) for d, row in FIGURES.items() for r, nll in row.items()]
    made = across(boards_of([*records, record("tst", "c", 0.1), record("vtst", "c", 0.2)]), "ce")
    assert made is not None
    assert sum(made.win_rates.tasks.values()) == 2


def test_figures_within_the_tolerance_are_equal() -> None:
    """As on the boards themselves: 1e-12 a data set is no difference, on however many."""
    records = [record("ce", f"d{k}", 0.4) for k in range(8)] + [record("vtst", f"d{k}", 0.4 + 1e-12) for k in range(8)]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert {(row.method, row.win_rate, row.rank) for row in made.win_rates.rows} == {
        ("ce", 0.5, (1, 1)),
        ("vtst", 0.5, (1, 1)),
    }
    ratings = elo(made.table)
    assert ratings["ce"].rating == pytest.approx(ratings["vtst"].rating)


def test_no_improvement_is_a_share_of_nothing() -> None:
    """A base with the figure 0 on one data set: the others count, and the table says so."""
    records = [record("ce", d, nll) for d, nll in (("a", 0.0), ("b", 0.5), ("c", 0.4))]
    records += [record("vtst", d, nll) for d, nll in (("a", 0.001), ("b", 0.25), ("c", 0.2))]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert made.no_share == ("a, mlp",)
    assert made.improvements["vtst"].mean == pytest.approx(0.5)
    assert any("on which ce has 0: a, mlp" in note for note in across_notes(made))
    none = across(boards_of([record(r, d, 0.0 if r == "ce" else 0.1) for r in ("ce", "vtst") for d in "ab"]), "ce")
    assert none is not None
    assert none.improvements == {}
    assert "better by" not in str(across_table(none).columns[0].header)
    assert across_document(none)["improvements"] == {}


def test_a_base_without_a_seed_of_most_others_is_compared_with_none() -> None:
    """The best seeds of a base against all seeds of the others would be no comparison."""
    records = [record(r, d, 0.4, seed) for r in ("ce", "vtst", "tst") for d in "abc" for seed in (0, 1)]
    records = [r for r in records if (r.recipe, r.dataset, r.seed) != ("ce", "a", 1)]
    made = across(boards_of(records), "ce")
    assert made is not None
    assert made.left_out == ("a, mlp",)
    more = [*records, record("ce", "a", 0.4, 1), record("vtst", "a", 0.4, 2)]
    made = across(boards_of(more), "ce")
    assert made is not None
    assert (made.left_out, made.missing) == ((), {})


def test_the_base_is_that_of_most_boards() -> None:
    records = [record(r, d, 0.4) for d in "abc" for r in ("ce", "ce+temperature")]
    assert base_of(boards(records, Path("nowhere"), "nll")) == "ce"
    assert base_of([]) is None


@pytest.mark.slow
@pytest.mark.parametrize("datasets", [4, 12])
def test_ten_copies_of_one_method_are_one_band(datasets: int) -> None:
    outcomes = [outcome(datasets, run) for run in range(100)]
    assert sum(made.separated for made in outcomes) <= 6
    assert sum(made.nemenyi for made in outcomes) <= 10
    assert sum(made.friedman for made in outcomes) + sum(made.nemenyi for made in outcomes) > 0, (
        "copies do differ by chance"
    )


@pytest.mark.parametrize(("rows", "enough"), [(2, 6), (3, 7), (10, 11)])
def test_a_difference_without_spread_needs_groups_enough_for_a_sign_test(rows: int, enough: int) -> None:
    """Two equal recipes win alike on n data sets with a probability of 2^(1 - n), and there are rows (rows - 1) / 2 pairs."""
    for groups in (2, enough - 1, enough):
        table = np.tile(np.arange(float(rows)), (groups, 1))
        ranks = rank_intervals_of_observations(GroupedMeans.of(table))
        assert ranks.separated.any() == (2.0 ** (1 - groups) * rows * (rows - 1) / 2 <= 0.05) == (groups == enough)


@pytest.mark.parametrize("datasets", [2, 3, 5, 8])
@pytest.mark.parametrize("recipes", [2, 3, 5])
def test_few_equal_recipes_on_few_data_sets_are_seldom_told_apart(recipes: int, datasets: int) -> None:
    wrong, draws, rng = 0, 200, np.random.default_rng(recipes * 100 + datasets)
    for draw in range(draws):
        figures = rng.normal(size=(datasets, recipes))
        layout, bootstrap = Layout("recipe", ("task",), "nll"), Bootstrap(resamples=300, seed=draw)
        names = [f"copy {number}" for number in range(recipes)]
        made = win_rates_of(figures, names, range(datasets), [""] * datasets, layout, bootstrap)
        wrong += any(made.separated.values())
    assert wrong / draws <= 0.05 + 2.6 * (0.05 * 0.95 / draws) ** 0.5
