"""Boards: which records share one, which metrics rank, and what a row holds when figures are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import RESAMPLES, only_board, ranks, store, store_runs, unstored_record

from calibench import InputError
from calibench.leaderboard.boards import boards
from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.render import render


def test_mce_and_unknown_metrics_are_refused(tmp_path: Path) -> None:
    records = [store(tmp_path, "a", 0, {"mce15": 0.1, "ece15": 0.1}, {})]
    with pytest.raises(InputError, match="mce15 is shown but never ranked by"):
        boards(records, tmp_path, "mce15")
    with pytest.raises(InputError, match="no record has the metric 'ecs15'") as caught:
        boards(records, tmp_path, "ecs15")
    assert "ece15" in caught.value.hint
    assert boards([], tmp_path) == []


def test_a_board_is_in_the_order_of_brier_unless_another_metric_is_named(tmp_path: Path) -> None:
    metrics = {"a": {"brier": 0.1, "nll": 0.9}, "b": {"brier": 0.2, "nll": 0.1}}
    records = [unstored_record(recipe, 0, of_recipe) for recipe, of_recipe in metrics.items()]
    (board,) = boards(records, tmp_path)
    assert (board.metric, [row.recipe for row in board.rows]) == ("brier", ["a", "b"])
    assert [row.recipe for row in only_board(records, tmp_path, "nll").rows] == ["b", "a"]
    with pytest.raises(InputError, match="no record has the metric 'brier'"):
        boards([unstored_record("a", 0, {"nll": 1.0})], tmp_path)


def test_undefined_figures_come_last_without_a_rank(tmp_path: Path) -> None:
    risk = "selective_risk"
    undefined = np.full(RESAMPLES, np.nan)
    records = [
        store(tmp_path, "a-undefined", 0, {risk: None}, {risk: undefined}),
        store(tmp_path, "half", 0, {risk: 0.0}, {risk: np.zeros(RESAMPLES)}),
        store(tmp_path, "half", 1, {risk: None}, {risk: undefined}),
        store(tmp_path, "without", 0, {"nll": 0.1}, {"nll": np.zeros(RESAMPLES)}),
        store(tmp_path, "z-worst", 0, {risk: 0.9}, {risk: np.linspace(0.8, 1, RESAMPLES)}),
        store(tmp_path, "best", 0, {risk: 0.1}, {risk: np.where(np.arange(RESAMPLES) < 9, np.nan, 0.1)}),
    ]
    board = only_board(records, tmp_path, risk)
    assert list(ranks(board).items()) == [
        ("best", (1, 1)),
        ("z-worst", (2, 2)),
        ("a-undefined", None),
        ("half", None),
        ("without", None),
    ]
    assert board.rows[0].cells[risk].interval == (0.1, 0.1)
    columns = {column.head: column.cells for column in board_columns(board, [risk])}
    assert columns["rank"] == ("1", "2", "-", "-", "-")
    assert columns[f"{risk} %"][2] == "-"
    json.loads(render([board], "json"))


def test_the_newest_of_several_runs_of_one_seed_counts(tmp_path: Path) -> None:
    old, new, middle = (
        store(
            tmp_path,
            "a",
            0,
            {"nll": value},
            {"nll": np.full(RESAMPLES, value)},
            created=f"2025-01-0{day}T00:00:00+00:00",
        )
        for value, day in ((1.0, 1), (3.0, 3), (2.0, 2))
    )
    for records in ([old, new, middle], [new, old, middle]):
        (row,) = only_board(records, tmp_path).rows
        assert row.cells["nll"].mean == 3.0
        assert row.seeds == (0,)


def test_a_note_says_that_seeds_differ(tmp_path: Path) -> None:
    records = store_runs(tmp_path, "a", [0.0, 0.1]) + store_runs(tmp_path, "b", [0.0])
    assert "the rows do not all have the same seeds" in only_board(records, tmp_path).notes


def test_notes_of_the_data_stand_on_the_board_once(tmp_path: Path) -> None:
    notes = [["rows are few"], ["rows are few", "é"], "no list", 3, None]
    records = [
        unstored_record(f"m{k}", 0, {"nll": 1.0}, data={"clean_fingerprint": "f", "notes": note})
        for k, note in enumerate(notes)
    ]
    assert only_board(records, tmp_path, base="m0").notes[1:] == ("rows are few", "é")


def test_only_runs_of_one_protocol_share_a_board(tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"dataset": "other", "data": {"clean_fingerprint": "h"}},
        {"model": "cnn"},
        {"noise": "symmetric:rate=0.3"},
        {"data": {"clean_fingerprint": "g"}},
    ]
    records = [
        store(tmp_path, "a", 0, {"nll": 1.0}, {"nll": np.ones(RESAMPLES)}, created=str(k), **changes)
        for k, changes in enumerate(variants)
    ]
    several = boards(records, tmp_path, "nll")
    assert len(several) == 5
    assert {(board.dataset, board.model, board.noise) for board in several} == {
        ("toy", "mlp", None),
        ("other", "mlp", None),
        ("toy", "cnn", None),
        ("toy", "mlp", "symmetric:rate=0.3"),
    }


def test_two_paths_to_equal_data_are_one_board(tmp_path: Path) -> None:
    records = [
        store(
            tmp_path,
            recipe,
            0,
            {"nll": 1.0},
            {"nll": np.ones(RESAMPLES)},
            created="1",
            dataset=f"npz:path={recipe}.npz",
        )
        for recipe in ("a", "b")
    ]
    assert [len(board.rows) for board in boards(records, tmp_path, "nll")] == [2]


def test_one_run_without_predictions_shows_the_interval_of_its_record() -> None:
    record = unstored_record("m", 0, {"nll": 1.0}, intervals={"nll": [0.5, 2.0]})
    assert only_board([record], Path("nowhere")).rows[0].cells["nll"].interval == (0.5, 2.0)


def test_a_board_is_made_without_torch(tmp_path: Path) -> None:
    store_runs(tmp_path, "a", [0.0, 0.1])
    code = (
        "import sys, pathlib\n"
        "from calibench.leaderboard.boards import boards\n"
        "from calibench.report.render import render\n"
        "from calibench.records.store import read_records\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "(board,) = boards(read_records(path), path, 'nll')\n"
        "for form in ('table', 'markdown', 'csv', 'json'): assert 'nll' in render([board], form)\n"
        "assert board.rows[0].cells['nll'].interval\n"
        "print('torch' in sys.modules, 'sklearn' in sys.modules, 'scipy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False", "False"]


def test_metrics_that_the_runs_name_are_columns() -> None:
    figures = {"nll": 0.4, "mce15": 0.2, "accuracy": 0.9}
    (plain,) = boards([unstored_record("ce", 0, figures)], Path("nowhere"), "nll")
    (named,) = boards([unstored_record("ce", 0, figures, named_metrics=["mce15"])], Path("nowhere"), "nll")
    assert metrics_of(plain) == ["accuracy", "nll"]
    assert metrics_of(named) == ["mce15", "accuracy", "nll"]
    assert metrics_of(named, ["nll"]) == ["nll"]
