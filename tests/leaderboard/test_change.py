"""Changes against a base: the interval by formulas written here, the fall of accuracy, and the choice of the base."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import RESAMPLES, losses_of_run, only_board, resamples, store, store_runs, unstored_record
from scipy.stats import norm, t

from calibench import InputError
from calibench.leaderboard.base import default_base
from calibench.leaderboard.boards import Board, boards
from calibench.leaderboard.change import Change, Figures, change, student_quantile
from calibench.records.record import ResultRecord


def changes(board: Board) -> dict[str, Change | None]:
    return {row.recipe: row.change for row in board.rows}


def losses_of(recipe: str, shifts: list[float]) -> np.ndarray:
    """The losses `[S, N]` of the seeds of a recipe."""
    return np.array([losses_of_run(recipe, seed, shift) for seed, shift in enumerate(shifts)])


def test_with_one_seed_the_interval_is_that_of_paired_differences(tmp_path: Path) -> None:
    records = store_runs(tmp_path, "ce", [0.0]) + store_runs(tmp_path, "ce+x", [0.3])
    found = changes(only_board(records, tmp_path))
    assert found["ce"] is None
    differences = losses_of("ce+x", [0.3])[0] - losses_of("ce", [0.0])[0]
    assert found["ce+x"] is not None
    assert found["ce+x"].estimate == pytest.approx(differences.mean(), rel=1e-12)
    expected = np.quantile(differences[resamples()].mean(axis=1), [0.025, 0.975])
    np.testing.assert_allclose(found["ce+x"].interval, expected, rtol=1e-10)


def test_with_several_seeds_the_interval_is_over_samples_and_seeds(tmp_path: Path) -> None:
    of_base, of_row = [0.0, 0.1, 0.3], [0.2, 0.5, 0.4]
    records = store_runs(tmp_path, "ce", of_base) + store_runs(tmp_path, "ce+x", of_row)
    found = changes(only_board(records, tmp_path))["ce+x"]
    differences = losses_of("ce+x", of_row) - losses_of("ce", of_base)
    over_samples = differences.mean(axis=0)[resamples()].mean(axis=1).var()
    by_seed = differences.mean(axis=1)
    over_seeds = by_seed.var(ddof=1) / 3
    quantile = (over_samples * norm.ppf(0.975) + over_seeds * t.ppf(0.975, 2)) / (over_samples + over_seeds)
    margin = quantile * np.sqrt(over_samples + over_seeds)
    assert found is not None
    np.testing.assert_allclose(found.interval, by_seed.mean() + margin * np.array([-1, 1]), rtol=1e-5)


def test_seeds_that_differ_are_independent() -> None:
    replicates = np.random.default_rng(0).normal(scale=0.01, size=(2, RESAMPLES))
    figures, base = Figures({0: 1.0, 1: 1.2, 2: 1.1}, replicates[0]), Figures({5: 0.9, 6: 0.7}, replicates[1])
    squares = [np.var([1.0, 1.2, 1.1], ddof=1) / 3, np.var([0.9, 0.7], ddof=1) / 2]
    over_samples = (replicates[0] - replicates[1]).var()
    total = over_samples + sum(squares)
    of_parts = over_samples * norm.ppf(0.975) + squares[0] * t.ppf(0.975, 2) + squares[1] * t.ppf(0.975, 1)
    found = change(figures, base)
    assert found.interval is not None
    margin = of_parts / total * np.sqrt(total)
    np.testing.assert_allclose(found.interval, [0.3 - margin, 0.3 + margin], rtol=1e-5)


def test_a_spread_that_is_not_known_gives_no_interval() -> None:
    values = np.random.default_rng(0).normal(size=RESAMPLES)
    one, two = Figures({0: 1.0}, values), Figures({0: 0.5, 1: 0.5}, values)
    assert change(one, two) == change(Figures({0: 1.0}, None), one.__class__({0: 0.5}, values)) == Change(0.5, None)
    assert change(two, one).interval is None
    undefined = np.full(RESAMPLES, np.nan)
    assert change(Figures({0: 1.0, 1: 1.0}, undefined), two).interval is None
    assert change(Figures({0: 1.0}, undefined), one).interval is None


def test_equal_figures_have_an_interval_of_zero_width() -> None:
    figures = Figures({0: 1.0, 1: 2.0}, np.arange(RESAMPLES, dtype=float))
    assert change(figures, figures) == Change(0.0, (0.0, 0.0))


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 4.7, 30, 1000, 20_000, math.inf])
def test_the_quantile_of_student(freedom: float) -> None:
    assert student_quantile(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=1e-4)


# --- accuracy -------------------------------------------------------------------------------------------------------


def test_accuracy_that_falls_beyond_the_interval_is_marked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.02, RESAMPLES)
    records = [
        store(
            tmp_path,
            recipe,
            0,
            {"brier": 0.1, "accuracy": accuracy},
            {"brier": 0.1 + shared, "accuracy": accuracy + shared + rng.normal(0, 0.002, RESAMPLES)},
        )
        for recipe, accuracy in (("ce", 0.9), ("ce+a", 0.89), ("ce+b", 0.899), ("ce+c", 0.91))
    ]
    (board,) = boards(records, tmp_path)
    falls = {row.recipe: row.accuracy_falls for row in board.rows}
    assert falls == {"ce": False, "ce+a": True, "ce+b": False, "ce+c": False}
    unpaired = only_board([unstored_record(r.recipe, 0, r.metrics) for r in records], tmp_path, "brier")
    assert not any(row.accuracy_falls for row in unpaired.rows)


# --- the base -------------------------------------------------------------------------------------------------------


def record_of(recipe: str, *stages: str) -> ResultRecord:
    config = {"stages": [{"name": name, "params": {}} for name in stages]} if stages else {}
    return unstored_record(recipe, 0, {"nll": 1.0}, config=config)


def base_of(*records: ResultRecord) -> str | None:
    return default_base({record.recipe: record for record in records})


def test_the_base_is_the_recipe_that_most_others_extend() -> None:
    ce, tst = record_of("ce", "ce"), record_of("tst", "ce", "tst")
    calibrated = record_of("tst+temperature", "ce", "tst", "temperature")
    assert base_of(tst, calibrated, ce) == "ce"
    assert base_of(tst, calibrated) == "tst"
    assert base_of(tst, record_of("vtst", "ce", "vtst")) is None
    longer = record_of("ce:epochs=9+temperature", "ce", "temperature")
    assert base_of(ce, longer) is None, "other parameters make another recipe"
    assert base_of(record_of("ce:epochs=9", "ce"), longer, ce) == "ce:epochs=9"


def test_ties_go_by_name_and_texts_without_a_configuration_stand_for_themselves() -> None:
    assert base_of(*map(record_of, ("b", "b+x", "a", "a+x"))) == "a"
    assert base_of(record_of("ce"), record_of("tst")) is None
    assert base_of(record_of('"no recipe'), record_of('"no recipe+x')) is None
    assert default_base({}) is None


def test_a_board_says_that_it_has_no_base() -> None:
    records = [unstored_record(name, 0, {"nll": 1.0}) for name in ("a", "b")]
    board = only_board(records, Path("nowhere"))
    assert board.base is None
    assert set(changes(board).values()) == {None}
    assert board.notes[-1] == "no changes: no recipe extends another; --base names the one to compare with"
    assert only_board(records[:1], Path("nowhere")).notes[1:] == ()


def test_a_named_base() -> None:
    other: dict[str, Any] = {"dataset": "other", "data": {"clean_fingerprint": "g"}}
    records = [
        unstored_record("ce", 0, {"nll": 1.0}),
        unstored_record("ce+x", 0, {"nll": 1.5}),
        unstored_record("ce", 0, {"nll": 1.0}, **other),
    ]
    there, without = sorted(boards(records, Path("nowhere"), "nll", base="ce+x"), key=lambda b: b.dataset, reverse=True)
    assert changes(there) == {"ce": Change(-0.5, None), "ce+x": None}
    assert without.base is None
    assert without.notes[-1] == "no changes: no row is called ce+x"
    with pytest.raises(InputError, match=r"no record has the recipe 'ce\+y'") as caught:
        boards(records, Path("nowhere"), "nll", base="ce+y")
    assert "did you mean 'ce+x'?" in caught.value.hint
