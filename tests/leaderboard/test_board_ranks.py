"""Ranks on boards: those of `rank_intervals`, and what a board says where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from board_records import (
    RESAMPLES,
    losses_of_run,
    only_board,
    ranks,
    resamples,
    store,
    store_runs,
    unstored_record,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError
from calibench.leaderboard.board_ranks import ranks_of
from calibench.leaderboard.boards import boards
from calibench.leaderboard.change import Figures
from calibench.leaderboard.defaults import TOLERANCE
from calibench.leaderboard.rank_intervals import rank_intervals


def by_rank_intervals(shifts: Mapping[str, list[float]], tolerance: float) -> dict[str, tuple[int, int]]:
    """Rank intervals from the samples themselves: resample, average over seeds, and compare."""
    losses = [[losses_of_run(recipe, seed, shift) for seed, shift in enumerate(s)] for recipe, s in shifts.items()]
    replicates = np.array([np.mean(of_seeds, axis=0)[resamples()].mean(axis=1) for of_seeds in losses])
    seeds = [[values.mean() for values in of_seeds] for of_seeds in losses]
    several = any(len(of_seeds) > 1 for of_seeds in seeds)
    estimates = [np.mean(of_seeds) for of_seeds in seeds]
    intervals = rank_intervals(estimates, replicates, seeds if several else None, tolerance=tolerance)
    return dict(zip(shifts, zip(intervals.best.tolist(), intervals.worst.tolist(), strict=True), strict=True))


@pytest.mark.parametrize(
    "shifts",
    [
        {"a": [0.0], "b": [0.02], "c": [0.3], "d": [0.31]},
        {"a": [0.0, 0.05, 0.1], "b": [0.04, 0.05, 0.08], "c": [0.9, 0.9, 1.0]},
        {"a": [0.0], "b": [0.03], "c": [0.06], "d": [0.09], "e": [0.12]},  # neighbours tie, the ends do not
        {"a": [0.0, 0.0], "b": [9.0], "c": [5.0, 5.1]},
        {"a": [1.0]},
    ],
    ids=["two groups", "three seeds", "a chain", "one row has one seed", "alone"],
)
def test_ranks_are_those_of_rank_intervals(shifts: dict[str, list[float]], tmp_path: Path) -> None:
    records = [record for recipe, of_seeds in shifts.items() for record in store_runs(tmp_path, recipe, of_seeds)]
    for tolerance in (TOLERANCE, 0.1):
        board = only_board(records[::-1], tmp_path, tolerance=tolerance)
        expected = by_rank_intervals(shifts, tolerance)
        assert ranks(board) == expected
        mean = {row.recipe: row.cells["nll"].mean for row in board.rows}
        assert list(ranks(board)) == sorted(expected, key=mean.__getitem__)
    (single,) = [note for note in board.notes if "one seed" in note] or [""]
    assert ("b" in single) == (shifts.get("b") == [9.0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 7), of_seeds=st.integers(1, 3))
def test_no_row_is_ranked_below_one_that_is_not_worse_by_the_same_test(seed: int, rows: int, of_seeds: int) -> None:
    rng = np.random.default_rng(seed)
    figures = {
        f"m{row}": Figures(dict(enumerate(mean + 0.05 * rng.normal(size=of_seeds))), mean + rng.normal(size=100) * 0.1)
        for row, mean in enumerate(rng.normal(scale=0.2, size=rows))
    }
    found = ranks_of(figures, "lower", TOLERANCE)
    table = np.array([figures[name].replicates for name in found])
    seeds = [list(figures[name].of_seed.values()) for name in found] if of_seeds > 1 else None
    separated = rank_intervals([figures[name].mean for name in found], table, seeds).separated
    for i, (best, _) in enumerate(found.values()):
        for j, (_, worst) in enumerate(found.values()):
            assert best <= worst or separated[j, i]


def test_two_spellings_of_a_loss_share_a_rank(tmp_path: Path) -> None:
    rows, values = resamples(), losses_of_run("a", 0, 0.0)
    figures = {"focal:gamma=0": values, "ce": values + 3e-9, "worse": values + losses_of_run("b", 0, 1.0, 0.01) * 0.1}
    records = [
        store(tmp_path, recipe, 0, {"nll": float(v.mean())}, {"nll": v[rows].mean(axis=1)})
        for recipe, v in figures.items()
    ]
    assert ranks(only_board(records, tmp_path)) == {"focal:gamma=0": (1, 1), "ce": (1, 1), "worse": (3, 3)}
    exact = ranks(only_board(records, tmp_path, tolerance=0.0))
    assert (exact["focal:gamma=0"], exact["ce"]) == ((1, 1), (2, 2))
    for tolerance in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="tolerance"):
            boards(records, tmp_path, "nll", tolerance)


def test_equal_figures_are_in_the_order_of_their_names() -> None:
    records = [unstored_record(name, 0, {"nll": 1.0}) for name in "bca"]
    assert [row.recipe for row in only_board(records, Path("nowhere")).rows] == ["a", "b", "c"]


def test_pairing_separates_rows_whose_intervals_overlap(tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0], spread=0.01) + store_runs(tmp_path, "b", [0.02], spread=0.01)
    board = only_board(records, tmp_path)
    (a, b) = (row.cells["nll"].interval for row in board.rows)
    assert a is not None
    assert b is not None
    assert a[1] > b[0]  # the intervals overlap almost wholly
    assert ranks(board) == {"a": (1, 1), "b": (2, 2)}


def test_an_interval_is_the_mean_of_those_of_the_seeds(tmp_path: Path) -> None:
    shifts = [0.0, 0.4, 0.1]
    records = store_runs(tmp_path, "a", shifts)
    (row,) = only_board(records, tmp_path).rows
    means = [record.metrics["nll"] for record in records]
    cell = row.cells["nll"]
    assert cell.mean == pytest.approx(np.mean(means), rel=1e-15)
    assert cell.sd == pytest.approx(math.sqrt(sum((m - np.mean(means)) ** 2 for m in means) / 2), rel=1e-12)
    expected = np.mean([record.intervals["nll"] for record in records], axis=0)
    np.testing.assert_allclose(cell.interval, expected, rtol=1e-15)
    assert row.seeds == (0, 1, 2)
    (single,) = only_board(records[:1], tmp_path).rows
    assert single.cells["nll"].sd is None


def test_a_metric_whose_higher_values_are_better_ranks_from_high_to_low(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = [
        store(tmp_path, name, 0, {"accuracy": mean}, {"accuracy": mean + rng.normal(0, 0.001, RESAMPLES)})
        for name, mean in (("low", 0.5), ("high", 0.9), ("middle", 0.7))
    ]
    found = ranks(only_board(records, tmp_path, "accuracy"))
    assert found == {"high": (1, 1), "middle": (2, 2), "low": (3, 3)}


@settings(max_examples=30, deadline=None)
@given(means=st.lists(st.floats(0, 1), min_size=1, max_size=6), data=st.data())
def test_without_replicates_there_is_an_order_and_no_rank(means: list[float], data: st.DataObject) -> None:
    metric = data.draw(st.sampled_from(["nll", "accuracy"]))
    records = [unstored_record(f"m{k}", 0, {metric: mean}) for k, mean in enumerate(means)]
    board = only_board(records, Path("nowhere"), metric, base="m0")
    assert [row.cells[metric].mean for row in board.rows] == sorted(means, reverse=metric == "accuracy")
    assert [row.rank for row in board.rows] == [None] * len(means)
    (note,) = board.notes
    assert note.startswith("no ranks and no intervals of changes: the predictions of no row can be read (")


def test_a_row_whose_predictions_are_missing_has_no_rank(tmp_path: Path) -> None:
    records = [record for recipe in "abc" for record in store_runs(tmp_path, recipe, [0.0])]
    assert set(ranks(only_board(records, tmp_path)).values()) == {(1, 3)}
    assert records[1].predictions is not None
    (tmp_path / records[1].predictions["file"]).unlink()
    board = only_board(records, tmp_path, base="a")
    rows = {row.recipe: row for row in board.rows}
    assert rows["b"].cells["nll"].interval is not None  # its record has it
    assert rows["b"].change is not None
    assert rows["b"].change.interval is None
    assert rows["a"].cells["nll"].interval is not None
    assert {recipe: row.rank for recipe, row in rows.items()} == {"a": (1, 2), "b": None, "c": (1, 2)}
    (note,) = board.notes
    assert note.startswith("no rank and no interval of the change for b: there is no file")
    assert note.endswith("; the ranks are among the other rows")


def test_a_row_without_replicates_of_the_metric_is_named(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=RESAMPLES)
    records = [
        store(tmp_path, "a", 0, {"nll": 0.1}, {"nll": values}),
        store(tmp_path, "b", 0, {"nll": 0.2}, {"accuracy": values}),
        store(tmp_path, "c", 0, {"nll": 0.3}, {"nll": np.where(values > 0, np.nan, values)}),
    ]
    board = only_board(records, tmp_path, base="a")
    assert ranks(board) == {"a": (1, 2), "b": None, "c": (1, 2)}
    assert board.notes == (
        "no rank for b: the predictions hold no replicates of nll",
        "separated from no row, since nll is undefined in over 10 % of resamples: c",
    )


def test_changed_predictions_are_not_used(tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0])
    assert records[0].predictions is not None
    file = tmp_path / records[0].predictions["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    (row,) = only_board(records, tmp_path).rows
    assert "has changed since" in row.faults[0]
    assert row.rank is None


@pytest.mark.parametrize(
    "bootstrap",
    [
        {"seed": 1, "resamples": RESAMPLES},
        {"seed": 0, "resamples": 2 * RESAMPLES},
        {"seed": 0, "resamples": RESAMPLES, "stream": "another"},
        {},
        {"seed": [0]},
    ],
    ids=["another seed", "more resamples", "another stream", "unknown", "nonsense"],
)
def test_unpaired_bootstraps_give_no_ranks(bootstrap: dict[str, object], tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0]) + store_runs(tmp_path, "b", [0.0001])
    records.append(store(tmp_path, "c", 0, {"nll": 9.0}, {"nll": np.ones(RESAMPLES)}, bootstrap=bootstrap))
    board = only_board(records, tmp_path, base="a")
    assert set(ranks(board).values()) == {None}
    assert all(row.change is None or row.change.interval is None for row in board.rows)
    assert board.notes == (
        "no ranks: the records were bootstrapped with different seeds, streams or numbers of resamples",
    )


# --- figures that are biased by an amount that depends on the model -------------------------------------------------


def biased_records(results: Path, metric: str, **changes: object) -> list:
    rng = np.random.default_rng(0)
    return [
        store(results, name, 0, {metric: mean}, {metric: mean + rng.normal(0, 0.001, RESAMPLES)}, **changes)
        for name, mean in (("ce", 0.1), ("ce+temperature", 0.5))
    ]


def test_a_metric_that_only_orders_gives_no_rank_and_no_interval_of_a_change(tmp_path: Path) -> None:
    board = only_board(biased_records(tmp_path, "ece15"), tmp_path, "ece15")
    assert ranks(board) == {"ce": None, "ce+temperature": None}
    change = board.rows[1].change
    assert change is not None
    assert (round(change.estimate, 12), change.interval) == (0.4, None)
    (note,) = board.notes
    assert note.startswith("no ranks: ece15 is biased by an amount that depends on the model")


def test_the_note_names_metrics_of_the_board_that_rank(tmp_path: Path) -> None:
    metrics = {"ece15": 0.1, "ece_debiased15": 0.0, "brier": 0.2}
    board = only_board([unstored_record("ce", 0, metrics)], tmp_path, "ece15")
    assert board.notes[-1].endswith("; --metric ece_debiased15 or --metric brier ranks")


@pytest.mark.parametrize("metric", ["ece15", "shift_ece15_rotation", "ece_debiased15"])
def test_records_of_earlier_versions_name_their_biased_metrics(metric: str, tmp_path: Path) -> None:
    changes = {
        "units": {metric: {"unit": "fraction", "better": "lower", "rankable": True}},
        "bootstrap": {"seed": 0, "resamples": RESAMPLES, "bias_corrected": ["ece15", "ece_debiased15"]},
    }
    found = set(ranks(only_board(biased_records(tmp_path, metric, **changes), tmp_path, metric)).values())
    assert found == ({(1, 1), (2, 2)} if metric == "ece_debiased15" else {None})


def test_a_record_with_a_malformed_list_of_biased_metrics_still_ranks(tmp_path: Path) -> None:
    changes = {
        "units": {"ece15": {"unit": "fraction", "better": "lower"}},
        "bootstrap": {"seed": 0, "resamples": RESAMPLES, "bias_corrected": 3},
    }
    board = only_board(biased_records(tmp_path, "ece15", **changes), tmp_path, "ece15")
    assert set(ranks(board).values()) == {(1, 1), (2, 2)}
