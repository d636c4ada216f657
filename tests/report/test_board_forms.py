"""The printed forms of a board: table, Markdown, CSV and JSON hold the same figures."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import RESAMPLES, only_board, store, unstored_record
from rich.console import Console

from calibench import InputError
from calibench.leaderboard.boards import Board
from calibench.records.record import ResultRecord
from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.board_table import board_table
from calibench.report.render import render

COLUMNS = {"accuracy": ("accuracy %", 100, 2), "brier": ("brier", 1, 4), "ece15": ("ece15 %", 100, 2)}
"""For each metric its column, what a stored figure is multiplied by, and the digits that are shown."""


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """The first two rows share a rank; the accuracy of vtst falls."""
    rng = np.random.default_rng(0)
    records = []
    for recipe, ece, accuracy in (("ce+temperature", 0.04, 0.8), ("ce", 0.12, 0.8), ("vtst", 0.039, 0.7)):
        for seed in (0, 1, 2):
            metrics = {"accuracy": accuracy + 0.001 * seed, "brier": 1.2 - accuracy, "ece15": ece + 0.001 * seed}
            spread = {name: value + rng.normal(0, 0.002, RESAMPLES) for name, value in metrics.items()}
            stages = {"stages": [{"name": "ce"}, {"name": "vtst"}]} if recipe == "vtst" else {}
            records.append(store(tmp_path, recipe, seed, metrics, spread, config=stages))
    return only_board(records, tmp_path, "brier")


@pytest.fixture
def document(board: Board) -> dict[str, Any]:
    """The rows of the JSON document by recipe."""
    whole = json.loads(render([board], "json"))
    assert whole["schema"] == "calibench.leaderboard/2"
    (one,) = whole["boards"]
    return {row["recipe"]: row for row in one["rows"]}


def markdown_cells(board: Board) -> list[list[str]]:
    lines = render([board], "markdown").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]


def test_the_json_document_holds_the_rows(board: Board, document: dict[str, Any]) -> None:
    assert list(document) == [row.recipe for row in board.rows]
    for row in board.rows:
        entry = document[row.recipe]
        assert row.rank is not None
        assert (entry["rank"], entry["seeds"]) == (list(row.rank), [0, 1, 2])
        assert entry["floors"] == {"ece15": pytest.approx(0.02)}
    assert [entry["rank"] for entry in document.values()] == [[1, 2], [1, 2], [3, 3]]
    assert document["ce"]["change"] is None
    change = document["vtst"]["change"]
    assert change["estimate"] == pytest.approx(0.1)
    assert change["interval"][0] < 0.1 < change["interval"][1]
    assert [entry["accuracy_falls"] for entry in document.values()] == [False, False, True]


def test_csv_holds_the_figures_of_the_json_document(board: Board, document: dict[str, Any]) -> None:
    lines = list(csv.DictReader(io.StringIO(render([board], "csv"))))
    assert len(lines) == 9
    for line in lines:
        row = document[line["method"]]
        cell = row["cells"][line["metric"]]
        figures = [float(line[key]) for key in ("mean", "sd", "low", "high")]
        assert figures == [cell["mean"], cell["sd"], *cell["interval"]]
        assert [int(line["rank_best"]), int(line["rank_worst"])] == row["rank"]
        assert (line["ranked_by"], line["seeds"], line["base"]) == ("brier", "0;1;2", "ce")
        assert line["accuracy_falls"] == str(row["accuracy_falls"]).lower()
        change = [line[key] for key in ("change", "change_low", "change_high")]
        of_row = row["change"]
        assert change == ([""] * 3 if of_row is None else [str(of_row["estimate"]), *map(str, of_row["interval"])])


def test_markdown_and_table_show_the_figures_of_the_json_document(board: Board, document: dict[str, Any]) -> None:
    head, _, *body = markdown_cells(board)
    table = render([board], "table")
    assert head == ["rank", "method", "seeds", "accuracy %", "brier", "change", "sd", "ece15 %", "floor %"]
    assert [cells[1] for cells in body] == list(document)
    assert [cells[0] for cells in body] == ["1-2", "1-2", "3"]
    for cells in body:
        row = document[cells[1]]
        for name, (column, scale, digits) in COLUMNS.items():
            mean = scale * row["cells"][name]["mean"]
            low, high = (scale * bound for bound in row["cells"][name]["interval"])
            text = f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            mark = "↓ " if name == "accuracy" and row["accuracy_falls"] else ""
            assert cells[head.index(column)] == mark + text
            assert mark + text in table
        change = "base"
        if row["change"] is not None:
            low, high = row["change"]["interval"]
            sign = "+" if row["change"]["estimate"] > 0 else ""
            change = f"{sign}{row['change']['estimate']:.4f} [{low:.4f}, {high:.4f}]"
        assert cells[head.index("change")] == change
        assert change in table
        assert cells[-1] == "2.00"
        assert cells[head.index("sd")] == f"{row['cells']['brier']['sd']:.4f}"
    markdown = render([board], "markdown")
    for words in (
        "ranked by brier",
        "joint level of 95 %, over test samples and seeds; figures that differ by 1e-06 or less are equal",
        "change: brier less that of ce [95 % paired interval",
        "↓ accuracy is below that of ce beyond its paired interval: vtst",
    ):
        assert words in markdown


def test_a_board_without_ranks_is_in_the_order_of_its_metric(tmp_path: Path) -> None:
    records = [
        unstored_record(recipe, 0, {"ece15": ece, "accuracy": 0.5}) for recipe, ece in (("ce", 0.1), ("ce+x", 0.3))
    ]
    board = only_board(records, tmp_path, "ece15")
    head, _, *body = markdown_cells(board)
    assert head == ["rank", "method", "seeds", "accuracy %", "ece15 %", "change pp", "floor %"]
    assert [[cells[0], cells[5]] for cells in body] == [["-", "base"], ["-", "+20.00"]]
    text = render([board], "markdown")
    assert "in the order of ece15" in text
    assert "change: ece15 less that of ce, in percentage points  " in text
    assert "ranked by" not in text
    assert "sd:" not in text
    lines = list(csv.DictReader(io.StringIO(render([board], "csv"))))
    assert {(line["rank_best"], line["rank_worst"], line["change_low"]) for line in lines} == {("", "", "")}
    assert {line["change"] for line in lines if line["method"] == "ce+x"} == {str(0.3 - 0.1)}
    (of_json,) = json.loads(render([board], "json"))["boards"]
    assert [row["rank"] for row in of_json["rows"]] == [None, None]


def test_columns_can_be_chosen_and_misspelt(board: Board) -> None:
    assert metrics_of(board) == ["accuracy", "brier", "ece15"]
    assert metrics_of(board, ["ece15"]) == ["brier", "ece15"]  # the metric that ranks is always there
    with pytest.raises(InputError, match="no record on this board has the metric 'acuracy'") as caught:
        metrics_of(board, ["acuracy"])
    assert "accuracy" in caught.value.hint
    names = [column.name for column in board_columns(board, metrics_of(board, ["sd", "ece15"]), ["sd", "ece15"])]
    assert names == ["rank", "method", "brier", "sd", "ece15"]
    with pytest.raises(InputError) as caught:
        metrics_of(board, ["chnage"])
    assert "did you mean 'change'?" in caught.value.hint


def printed(board: Board, width: int, *chosen: str) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(board_table(board, chosen, width))
    return console.export_text().splitlines()


def test_a_narrow_table_names_the_columns_that_it_has_no_room_for(board: Board) -> None:
    def lines(width: int, *chosen: str) -> str:
        return " ".join(" ".join(printed(board, width, *chosen)).split())

    assert "no room" not in lines(170)
    assert "no room for seeds, accuracy, sd, ece15, floor; a wider terminal and --format markdown show them" in lines(
        85
    )
    assert "no room for seeds, accuracy, change, sd, ece15, floor;" in lines(60)
    assert "no room" not in lines(80, "accuracy", "ece15"), "intervals move below their figures"
    assert "no room for ece15;" in lines(64, "accuracy", "ece15"), "the last that is named goes first"
    assert "beyond its paired interval: vtst" in lines(60), "the note names the row although its column is gone"


@pytest.mark.parametrize("width", [70, 85, 100, 120, 150, 200])
def test_no_width_cuts_a_figure_or_a_word(board: Board, width: int) -> None:
    shown = printed(board, width)
    assert max(map(len, shown)) <= width
    whole = {cell for column in board_columns(board, metrics_of(board)) for cell in (column.head, *column.cells)}
    rows = [line for line in shown if line.startswith("  ") and line.strip()][:4]
    assert len(rows) == 4
    for line in rows:
        assert {cell for cell in re.split(r" {2,}", line.strip()) if cell} <= whole


def test_a_long_recipe_is_broken_between_its_words(tmp_path: Path) -> None:
    recipes = [f"ce:epochs=300,lr=0.02,batch_size=128,channels_last=true{end}" for end in ("", "+temperature")]
    board = only_board([unstored_record(recipe, 0, {"brier": 0.1}) for recipe in recipes], tmp_path, "brier")
    text = "\n".join(printed(board, 80))
    for part in ("ce:epochs=300,lr=0.02,", "batch_size=128,", "channels_last=true", "+temperature"):
        assert part in text
    assert recipes[1] in " ".join(render([board], "markdown").split())


def test_many_seeds_are_counted(tmp_path: Path) -> None:
    records = [unstored_record("ce", seed, {"nll": 1.0}) for seed in range(5)]
    (_, _, cells) = markdown_cells(only_board(records, tmp_path))
    assert cells[2] == "5 seeds"


def test_a_pipe_in_a_name_stays_in_its_cell(tmp_path: Path) -> None:
    board = only_board([unstored_record("a:key=x|y", 0, {"nll": 1.0})], tmp_path)
    lines = [line for line in render([board], "markdown").splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_the_verdict_of_seeds_that_agree_and_that_differ(tmp_path: Path) -> None:
    words = {"a": ["no_sign", "no_sign"], "b": ["miscalibrated", "too_few"], "c": ["miscalibrated", "miscalibrated"]}
    records = [
        unstored_record(recipe, seed, {"brier": 0.1}, calibrated=word)
        for recipe, of_seeds in words.items()
        for seed, word in enumerate(of_seeds)
    ]
    board = only_board(records, tmp_path, "brier")
    head, _, *body = markdown_cells(board)
    assert [cells[head.index("verdict")] for cells in body] == [
        "no sign",
        "1 miscalibrated, 1 too few",
        "miscalibrated",
    ]
    lines = list(csv.DictReader(io.StringIO(render([board], "csv"))))
    assert [line["calibrated"] for line in lines] == [";".join(of_seeds) for of_seeds in words.values()]


def test_levels_of_intervals_and_reasons_for_none_are_told(tmp_path: Path) -> None:
    def record(recipe: str, seed: int, level: float, interval: list[float] | None) -> ResultRecord:
        why = {"no_interval": {"brier": "too few"}} if interval is None else {}
        bootstrap = {"seed": 0, "resamples": RESAMPLES, "level": level}
        return unstored_record(recipe, seed, {"brier": 0.1}, intervals={"brier": interval}, bootstrap=bootstrap, **why)

    rows = [("a", 0, 0.5, [0.0, 0.2]), ("b", 0, 0.95, None), ("c", 0, 0.95, [0.0, 0.2]), ("c", 1, 0.5, [0.0, 0.2])]
    board = only_board([record(*row) for row in rows], tmp_path, "brier")
    assert [row.cells["brier"].interval for row in board.rows] == [(0.0, 0.2), None, None]
    text = render([board], "markdown")
    assert "[50 % interval of the population value" in text, "the one row with an interval has this level"
    assert "no interval of brier for b: too few" in text


def test_the_footer_of_figures_alone_says_nothing_of_intervals_ranks_or_seeds(tmp_path: Path) -> None:
    records = [unstored_record(recipe, 0, {"brier": value}) for recipe, value in (("ce", 0.1), ("ce+x", 0.2))]
    text = render([only_board(records, tmp_path, "brier")], "markdown")
    assert "in the order of brier" in text
    assert "one seed a row; floor" not in text
    assert "one seed a row" in text
    for word in ("interval of the population", "mean over seeds", "rank:", "paired interval"):
        assert word not in text
