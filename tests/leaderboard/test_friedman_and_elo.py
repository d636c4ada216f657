"""Friedman's test, Nemenyi's difference and Elo ratings, against scipy, scikit-posthocs and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from calibench import InputError
from calibench.leaderboard.elo import DRAWS, MEAN, POINTS, elo, ratings_of
from calibench.leaderboard.friedman import friedman
from calibench.leaderboard.task_figures import FEW, TaskFigures


def table(figures: NDArray[np.float64], datasets: list[str] | None = None, better: str = "lower") -> TaskFigures:
    names = tuple(datasets or [f"d{row}" for row in range(len(figures))])
    return TaskFigures(tuple(f"r{column:02d}" for column in range(figures.shape[1])), names, figures, better)


def drawn(seed: int, tasks: int = 12, recipes: int = 6, digits: int = 1) -> NDArray[np.float64]:
    """Figures of recipes that differ, rounded so that some are equal."""
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(size=(tasks, recipes)) + 0.5 * np.arange(recipes), digits)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [0, 8])
def test_the_test_is_that_of_scipy_and_the_difference_that_of_scikit_posthocs(seed: int, digits: int) -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    figures = drawn(seed, digits=digits)
    made = friedman(table(figures))
    expected = stats.friedmanchisquare(*figures.T)
    assert (made.statistic, made.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    p_of_pair = posthocs.posthoc_nemenyi_friedman(figures).to_numpy()
    place = {recipe: int(recipe[1:]) for recipe in made.recipes}
    for first, low in enumerate(made.mean_ranks):
        for second in range(first + 1, len(made.recipes)):
            p = p_of_pair[place[made.recipes[first]], place[made.recipes[second]]]
            assert abs(p - 0.05) > 1e-4
            assert (made.mean_ranks[second] - low > made.critical_difference) == (p < 0.05)
    assert list(made.mean_ranks) == sorted(stats.rankdata(figures, axis=1).mean(axis=0))


def test_bands_are_the_longest_runs_within_the_difference() -> None:
    made = friedman(table(drawn(1, tasks=40)))
    within = {
        (a, b)
        for a in range(6)
        for b in range(a + 1, 6)
        if made.mean_ranks[b] - made.mean_ranks[a] <= made.critical_difference
    }
    longest = {(a, b) for a, b in within if not any((c, d) != (a, b) and c <= a and b <= d for c, d in within)}
    assert set(made.bands) == longest
    assert 0 < len(longest) < 6


def test_a_figure_of_which_higher_is_better_and_a_missing_one() -> None:
    figures = drawn(2)
    turned = friedman(table(-figures, better="higher"))
    assert turned == friedman(table(figures))
    figures[:, 0] = np.nan
    made = friedman(table(figures))
    assert (made.recipes[-1], made.mean_ranks[-1]) == ("r00", 6.0)


def test_tasks_of_one_data_set_are_one_block() -> None:
    figures = np.array([[1.0, 2, 3], [3, 1, 2], [1, 3, 2], [2, 1, 3], [1, 2, 3]])
    made = friedman(table(figures, ["a", "a", "a", "b", "c"]))
    # Mean ranks in a: 5/3, 2, 7/3, which rank 1, 2, 3.
    expected = stats.friedmanchisquare([1, 2, 1], [2, 1, 2], [3, 3, 3])
    assert (made.datasets, made.statistic) == (3, pytest.approx(expected.statistic))


def test_too_few_recipes_are_refused() -> None:
    with pytest.raises(InputError, match="three recipes or more on two data sets or more; here are 2 on 12"):
        friedman(table(drawn(0)[:, :2]))


@pytest.mark.parametrize("seed", range(3))
def test_ratings_are_those_of_a_logistic_regression(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    won = table(drawn(seed, recipes=5)).games().sum(axis=0)
    (ratings,) = ratings_of(won[None])
    rows, shares, counts = [], [], []
    for i in range(5):
        rows.append(np.eye(5)[i])  # the draw with the recipe of the mean rating
        shares.append(0.5)
        counts.append(DRAWS)
        for j in range(i + 1, 5):
            rows.append(np.eye(5)[i] - np.eye(5)[j])
            shares.append(won[i, j] / (won[i, j] + won[j, i]))
            counts.append(won[i, j] + won[j, i])
    model = api.GLM(np.array(shares), np.array(rows), family=api.families.Binomial(), var_weights=np.array(counts))
    strength = model.fit(tol=1e-12).params
    assert ratings == pytest.approx(MEAN + POINTS * (strength - strength.mean()), abs=1e-4)


def test_four_hundred_points_are_ten_wins_of_eleven() -> None:
    (ratings,) = ratings_of(np.array([[[0, 10e6], [1e6, 0]]]))
    assert ratings[0] - ratings[1] == pytest.approx(400, abs=1e-2)


def test_no_order_of_tasks_or_recipes_changes_a_rating_and_one_that_wins_always_has_a_finite_one() -> None:
    figures = drawn(3)
    figures[:, 2] = -9
    figures[0, 4] = np.nan
    made = elo(table(figures))
    order = np.random.default_rng(0).permutation(12)
    shuffled = elo(table(figures[order], [f"d{row}" for row in order]))
    for recipe, rating in made.items():
        assert rating.rating == pytest.approx(shuffled[recipe].rating, abs=1e-6)
        assert rating.interval is not None
        assert rating.interval[0] <= rating.rating <= rating.interval[1] or recipe != "r02"
    assert max(made, key=lambda recipe: made[recipe].rating) == "r02"
    assert sum(r.rating for r in made.values()) / 6 == pytest.approx(MEAN)
    assert made["r02"].rating < 3000


def test_few_data_sets_give_no_interval_and_intervals_are_of_resampled_ones() -> None:
    assert all(rating.interval is None for rating in elo(table(drawn(0, tasks=FEW - 1))).values())
    figures = drawn(4, tasks=6)
    made = elo(table(figures))
    scores = table(figures).games()
    weights = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=1000)
    each = np.array([ratings_of(np.tensordot(row, scores, axes=1)[None])[0] for row in weights])
    for column, rating in enumerate(made.values()):
        assert rating.interval == pytest.approx(tuple(np.quantile(each[:, column], (0.025, 0.975))), abs=1e-6)
