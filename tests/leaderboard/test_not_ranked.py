"""Rows that are shown and never ranked: figures that cannot be, changed predictions, seeds that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from board_records import only_board, ranks, store_runs, unstored_record

from calibench.leaderboard.across import across
from calibench.leaderboard.boards import Board, boards
from calibench.leaderboard.faults import RANGES, faults_of
from calibench.leaderboard.rows import FailedSeed
from calibench.leaderboard.suite_names import failed_named_by_suite
from calibench.plugins.discovery import registry
from calibench.records.failed_cells import FailedCell
from calibench.records.record import ResultRecord
from calibench.records.store import read_records
from calibench.report.render import render

BOARDS = Path(__file__).parents[2] / "leaderboards"
OF_MEAN = {"bootstrap": {"methods": {"brier": "mean"}}}


def faults(metrics: dict[str, float | None], **changes: Any) -> list[str]:
    return list(faults_of(unstored_record("ce", 0, metrics, **changes)))


@pytest.mark.parametrize(
    ("metrics", "changes", "says"),
    [
        ({"accuracy": 1.2}, {}, "accuracy is 1.2, and cannot be over 1"),
        ({"brier": -0.1}, {}, "brier is -0.1, and cannot be under 0"),
        ({"brier": 2.1}, {}, "and cannot be over 2"),
        ({"ece20": -0.01}, {}, "ece20 is -0.01"),
        ({"ece_debiased15": 1.01}, {}, "ece_debiased15 is 1.01"),
        ({"shift_nll_rotation": -1.0}, {}, "shift_nll_rotation is -1"),
        ({"shift_ece_debiased15_rotation": 2.0}, {}, "and cannot be over 1"),
        ({"brier": 0.5}, {"intervals": {"brier": [0.6, 0.7]}, **OF_MEAN}, "brier is 0.5, outside its own interval"),
        ({"nll": None}, {"intervals": {"nll": [0.7, 0.6]}}, "the interval of nll goes from 0.7 to 0.6"),
    ],
)
def test_a_figure_that_cannot_be_is_named(metrics: dict[str, float | None], changes: dict[str, Any], says: str) -> None:
    (fault,) = faults(metrics, **changes)
    assert says in fault


def test_figures_that_can_be_are_no_fault() -> None:
    assert (
        faults({"accuracy": 1.0, "brier": 0.0, "nll": 27.0, "skce": -0.01, "calibration_nll": -0.1, "mine": -5}) == []
    )
    assert faults({"brier": 2.0 + 1e-12}) == []
    # The interval of a calibration error is one of the population value, which noise makes smaller than the figure.
    assert faults({"ece15": 0.5}, intervals={"ece15": [0.0, 0.1]}, bootstrap={"methods": {"ece15": "inversion"}}) == []
    assert faults({"brier": 0.5}, intervals={"brier": [-0.1, 0.7]}, **OF_MEAN) == []


def test_ranges_are_of_metrics_that_exist_and_no_committed_record_has_a_fault() -> None:
    names = {entry.spec.name for entry in registry("metric").all("metric")}
    assert {name for name in RANGES if name not in names and f"{name}15" not in names} == set()
    folders = sorted(path.parent for path in BOARDS.glob("*/records"))
    records = [record for folder in folders for record in read_records(folder)]
    assert len(records) > 600
    assert [(record.run_id, fault) for record in records for fault in faults_of(record)] == []


@pytest.fixture
def records(tmp_path: Path) -> list[ResultRecord]:
    """Three recipes that are far from each other, stored with replicates, two seeds each."""
    return [r for shift, recipe in enumerate(("a", "b", "c")) for r in store_runs(tmp_path, recipe, [shift, shift])]


def with_fault(record: ResultRecord) -> ResultRecord:
    return ResultRecord(**{**vars(record), "metrics": {**record.metrics, "nll": -1.0}})


def footer(board: Board) -> str:
    return " ".join(render([board], "markdown").split())


def test_an_impossible_figure_comes_last_and_has_no_rank(records: list[ResultRecord], tmp_path: Path) -> None:
    assert ranks(only_board(records, tmp_path)) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    bad = [with_fault(record) if (record.recipe, record.seed) == ("a", 1) else record for record in records]
    board = only_board(bad, tmp_path, base="b")
    assert ranks(board) == {"b": (1, 1), "c": (2, 2), "a": None}
    assert board.rows[-1].faults == ("seed 1: nll is -1, and cannot be under 0",)
    assert board.rows[-1].change is None
    assert "✗ a is not ranked: seed 1: nll is -1, and cannot be under 0" in footer(board)
    assert "| a ✗ |" in render([board], "markdown")
    assert "no changes: a is not ranked" in only_board(bad, tmp_path, base="a").notes


def test_other_predictions_than_those_of_the_record_are_a_fault(records: list[ResultRecord], tmp_path: Path) -> None:
    assert records[0].predictions is not None
    file = tmp_path / records[0].predictions["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    board = only_board(records, tmp_path, base="b")
    assert ranks(board) == {"b": (1, 1), "c": (2, 2), "a": None}
    assert "has changed since its record was written" in footer(board)
    unpaired = [ResultRecord(**{**vars(r), "bootstrap": {"seed": int(r.recipe == "b")}}) for r in records]
    assert only_board(unpaired, tmp_path, base="b").rows[-1].faults, "checksums count where nothing can be ranked"


def failed(recipe: str, seed: int, dataset: str = "toy") -> FailedCell:
    return FailedCell(recipe, dataset, "mlp", None, seed, "the loss is \x1b[31mNaN")


def test_failed_seeds_are_shown_and_not_averaged_away(records: list[ResultRecord], tmp_path: Path) -> None:
    cells = [failed("a", 2), failed("b", 0), failed("d", 0), failed("d", 1), failed("a", 3, "elsewhere")]
    board = only_board(records, tmp_path, base="b", failed=cells)
    assert ranks(board) == {"b": (1, 1), "c": (2, 2), "a": None, "d": None}, "b has a record of seed 0: it did not fail"
    rows = {row.recipe: row for row in board.rows}
    assert rows["a"].failed == (FailedSeed(2, "the loss is \x1b[31mNaN"),)
    assert rows["d"].cells == {}
    text = footer(board)
    assert "✗ a is not ranked: seed 2 failed: the loss is \\\\x1b[31mNaN" in text
    assert "✗ d is not ranked: seeds 0, 1 failed" in text
    assert "| 0,1 (1 failed) |" in text
    assert "| 2 failed |" in text
    for form in ("table", "csv", "json", "latex", "html"):
        assert "NaN" in render([board], form) or form == "csv"
    csv = [line for line in render([board], "csv").splitlines() if ",d," in line]
    assert len(csv) == 1
    assert ",0;1," in csv[0]


def test_a_failed_run_of_a_suite_stands_under_the_name_that_the_suite_gives_it() -> None:
    cells = [FailedCell("ce:epochs=600+vtst", "toy", "mlp", None, 0, "m", suite="s", method="vtst"), failed("a", 0)]
    assert [cell.recipe for cell in failed_named_by_suite(cells)] == ["vtst", "a"]


def test_over_all_data_sets_a_failed_seed_is_a_missing_cell() -> None:
    def record(recipe: str, dataset: str, seed: int, nll: float) -> ResultRecord:
        return unstored_record(recipe, seed, {"nll": nll}, dataset=dataset, data={"clean_fingerprint": dataset})

    records = [record(r, d, 0, nll) for d in "xy" for r, nll in (("ce", 0.4), ("best", 0.1), ("worse", 0.5))]
    made = across(boards(records, Path("nowhere"), "nll", failed=[failed("best", 1, "x")]), "ce")
    assert made is not None
    assert made.missing == {"best": ("x, mlp",)}
    assert {row.method: row.win_rate for row in made.win_rates.rows} == {"best": 0.5, "ce": 0.75, "worse": 0.25}
    without_base = across(boards(records, Path("nowhere"), "nll", failed=[failed("ce", 1, "x")]), "ce")
    assert without_base is None, "one data set is left"
