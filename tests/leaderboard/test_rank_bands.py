"""Ranks and bands against a bootstrap written here."""

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


def brute_force_bands(shifts: Mapping[str, list[float]]) -> dict[str, int]:
    """Bands from the samples themselves: resample, average over seeds, subtract the band's first row, look for 0."""
    table = {
        recipe: np.array([losses_of_run(recipe, seed, shift) for seed, shift in enumerate(of_seeds)])
        for recipe, of_seeds in shifts.items()
    }
    order = sorted(table, key=lambda recipe: table[recipe].mean())
    bands: dict[str, int] = {}
    first = order[0]
    for place, recipe in enumerate(order, 1):
        gaps = sorted(float(table[recipe][:, row].mean() - table[first][:, row].mean()) for row in resamples())
        low = gaps[24] + 0.975 * (gaps[25] - gaps[24])  # position 0.025 * 999 = 24.975
        high = gaps[974] + 0.025 * (gaps[975] - gaps[974])
        if recipe == first or not low <= 0 <= high:
            first = recipe
            bands[recipe] = place
        else:
            bands[recipe] = bands[first]
    return bands


@pytest.mark.parametrize(
    "shifts",
    [
        {"a": [0.0], "b": [0.02], "c": [0.3], "d": [0.31]},
        {"a": [0.0, 0.05, 0.1], "b": [0.04, 0.05, 0.08], "c": [0.5, 0.5, 0.6]},
        {"a": [0.0], "b": [0.03], "c": [0.06], "d": [0.09], "e": [0.12]},  # neighbours tie, the ends do not
        {"a": [1.0]},
    ],
    ids=["two bands", "three seeds", "a chain", "alone"],
)
def test_bands_equal_a_brute_force_paired_bootstrap(shifts: dict[str, list[float]], tmp_path: Path) -> None:
    records = [record for recipe, of_seeds in shifts.items() for record in store_runs(tmp_path, recipe, of_seeds)]
    board = only_board(records[::-1], tmp_path)
    expected = brute_force_bands(shifts)
    assert ranks(board) == expected
    mean = {row.recipe: row.cells["nll"].mean for row in board.rows}
    assert list(ranks(board)) == sorted(expected, key=mean.__getitem__)


def test_pairing_separates_rows_whose_intervals_overlap(tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0], spread=0.01) + store_runs(tmp_path, "b", [0.02], spread=0.01)
    board = only_board(records, tmp_path)
    (a, b) = (row.cells["nll"].interval for row in board.rows)
    assert a is not None
    assert b is not None
    assert a[1] > b[0]  # the intervals overlap almost wholly
    assert ranks(board) == {"a": 1, "b": 2}


def test_an_interval_is_over_test_samples_and_the_sd_over_seeds(tmp_path: Path) -> None:
    shifts = [0.0, 0.4, 0.1]
    records = store_runs(tmp_path, "a", shifts)
    (row,) = only_board(records, tmp_path).rows
    means = [record.metrics["nll"] for record in records]
    cell = row.cells["nll"]
    assert cell.mean == pytest.approx(np.mean(means), rel=1e-15)
    assert cell.sd == pytest.approx(math.sqrt(sum((m - np.mean(means)) ** 2 for m in means) / 2), rel=1e-12)
    samples = np.mean([losses_of_run("a", seed, shift) for seed, shift in enumerate(shifts)], axis=0)
    expected = np.quantile(samples[resamples()].mean(axis=1), [0.025, 0.975])
    np.testing.assert_allclose(cell.interval, expected, rtol=1e-12)
    assert row.seeds == (0, 1, 2)
    (single,) = only_board(records[:1], tmp_path).rows
    assert single.cells["nll"].sd is None


def test_a_metric_whose_higher_values_are_better_ranks_from_high_to_low(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = [
        store(tmp_path, name, 0, {"accuracy": mean}, {"accuracy": mean + rng.normal(0, 0.001, RESAMPLES)})
        for name, mean in (("low", 0.5), ("high", 0.9), ("middle", 0.7))
    ]
    assert ranks(only_board(records, tmp_path, "accuracy")) == {"high": 1, "middle": 2, "low": 3}


@settings(max_examples=30, deadline=None)
@given(means=st.lists(st.floats(0, 1), min_size=1, max_size=6), data=st.data())
def test_without_replicates_ranks_are_places(means: list[float], data: st.DataObject) -> None:
    metric = data.draw(st.sampled_from(["nll", "accuracy"]))
    records = [unstored_record(f"m{k}", 0, {metric: mean}) for k, mean in enumerate(means)]
    board = only_board(records, Path("nowhere"), metric)
    assert [row.cells[metric].mean for row in board.rows] == sorted(means, reverse=metric == "accuracy")
    assert [row.rank for row in board.rows] == list(range(1, len(means) + 1))
    assert len(board.notes) == 1
    assert all(f"m{k}" in board.notes[0] for k in range(len(means)))


def test_a_row_whose_predictions_are_missing_is_a_band_of_its_own(tmp_path: Path) -> None:
    records = [record for recipe in "abc" for record in store_runs(tmp_path, recipe, [0.0])]
    assert set(ranks(only_board(records, tmp_path)).values()) == {1}
    assert records[1].predictions is not None
    (tmp_path / records[1].predictions["file"]).unlink()
    board = only_board(records, tmp_path)
    rows = {row.recipe: row for row in board.rows}
    assert rows["b"].cells["nll"].interval is None
    assert rows["a"].cells["nll"].interval is not None
    assert sorted(ranks(board).values(), key=str) != [1, 1, 1]
    (note,) = board.notes
    assert note.startswith("no interval over seeds and no band for b: cannot read")


def test_changed_predictions_are_not_used(tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0])
    assert records[0].predictions is not None
    file = tmp_path / records[0].predictions["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    board = only_board(records, tmp_path)
    assert "has changed since" in board.notes[0]
    assert board.rows[0].cells["nll"].interval is None


@pytest.mark.parametrize(
    "bootstrap",
    [{"seed": 1, "resamples": RESAMPLES}, {"seed": 0, "resamples": 2 * RESAMPLES}, {}, {"seed": [0]}],
    ids=["another seed", "more resamples", "unknown", "nonsense"],
)
def test_unpaired_bootstraps_make_no_bands(bootstrap: dict[str, object], tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0]) + store_runs(tmp_path, "b", [0.0001])
    records.append(store(tmp_path, "c", 0, {"nll": 9.0}, {"nll": np.ones(RESAMPLES)}, bootstrap=bootstrap))
    board = only_board(records, tmp_path)
    assert sorted(ranks(board).values(), key=str) == [1, 2, 3]
    assert all(row.cells["nll"].interval is None for row in board.rows)
    assert board.notes == ("no bands: the records were bootstrapped with different seeds or numbers of resamples",)
