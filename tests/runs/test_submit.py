"""Entries of a leaderboard: predictions alone, from which `verify` and boards compute what the runs computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import short_run

from calibench import InputError
from calibench.evaluation.stored_run import replicates_again
from calibench.leaderboard.boards import boards
from calibench.records.store import read_predictions, read_records
from calibench.runs.submit import submit
from calibench.runs.verify import verify

RECIPES = ("ce", "ce+temperature", "vtst+threshold:value=0.6")


@pytest.fixture(scope="module")
def results(blobs: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recipes with two seeds each."""
    folder = tmp_path_factory.mktemp("runs")
    for recipe in RECIPES:
        for seed in (0, 1):
            short_run(recipe, blobs, folder, seed=seed)
    return folder


def test_entries_hold_test_alone_and_verify(results: Path, tmp_path: Path) -> None:
    written = submit(read_records(results), results, tmp_path)
    for record in written:
        arrays = read_predictions(tmp_path, record)
        assert all(name.startswith("test.") for name in arrays)
        assert {"test.logits", "test.labels", "test.ids"} <= set(arrays)
    assert [(v.faults, v.unseen) for v in verify(tmp_path)] == [([], [])] * 6
    size = {folder: sum(f.stat().st_size for f in (folder / "predictions").glob("*")) for folder in (results, tmp_path)}
    assert size[tmp_path] < size[results] / 5


def test_replicates_are_those_of_the_run(results: Path) -> None:
    for record in read_records(results):
        arrays = read_predictions(results, record)
        again = replicates_again(record, arrays, {"brier", "accuracy", "aurc", "ece15", "coverage"})
        assert set(again) == {"brier", "accuracy", "aurc", "ece15"} | ({"coverage"} & set(record.metrics))
        for name, values in again.items():
            np.testing.assert_allclose(values, arrays[f"bootstrap.{name}"], rtol=1e-9, atol=1e-12)


def test_boards_of_entries_are_those_of_the_runs(results: Path, tmp_path: Path) -> None:
    submit(read_records(results), results, tmp_path)
    (before,) = boards(read_records(results), results, "brier")
    (after,) = boards(read_records(tmp_path), tmp_path, "brier", resample=replicates_again)
    assert [(row.recipe, row.rank) for row in after.rows] == [(row.recipe, row.rank) for row in before.rows]
    assert all(row.rank is not None for row in after.rows)
    for row, old in zip(after.rows, before.rows, strict=True):
        if old.change is not None:
            assert row.change is not None
            assert row.change.interval == pytest.approx(old.change.interval, rel=1e-9)
    (without,) = boards(read_records(tmp_path), tmp_path, "brier")
    assert all(row.rank is None for row in without.rows)


def test_a_record_without_predictions_is_refused_and_nothing_is_written(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce", blobs, None)
    with pytest.raises(InputError, match="has no predictions"):
        submit([record], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(results: Path, tmp_path: Path, cli: Any, refused: Any) -> None:
    record = read_records(results)[0]
    done = cli("submit", record.run_id[:-2], "--results", results, "-o", "entries")
    assert done.out.strip() == "entries: 1 records, 0 with faults"
    assert "1 equal in everything" in cli("verify", "entries").out
    other = read_records(results)[1]
    again = cli("submit", record.run_id, record.run_id, other.run_id, "--results", results, "-o", "entries")
    assert again.out.strip() == "entries: 2 records, 1 of them in place of older ones, 0 with faults"
    more = cli("submit", other.run_id, "--results", results, "-o", "entries")
    assert "1 of them in place of older ones, beside 1 that were there" in more.out
    refused("submit", "-o", "x", says="name runs, or a suite")
    refused("submit", record.run_id, "--results", "entries", "-o", "./entries", says="holds the runs themselves")
    refused(
        "submit",
        "--suite",
        "quick-v1",
        "--results",
        results,
        "-o",
        "x",
        says="no run of this version of suite quick-v1",
    )
