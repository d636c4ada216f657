"""The printed forms of a board: table, Markdown, CSV and JSON hold the same figures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import RESAMPLES, only_board, store, unstored_record

from calibench import InputError
from calibench.leaderboard.boards import Board
from calibench.report.board_text import columns_of
from calibench.report.render import render

COLUMNS = {"accuracy": ("accuracy %", 100, 2), "nll": ("nll nats", 1, 4), "ece15": ("ece15 %", 100, 2)}
"""For each metric its column, what a stored figure is multiplied by, and the digits that are shown."""


@pytest.fixture
def board(tmp_path: Path) -> Board:
    rng = np.random.default_rng(0)
    records = []
    for recipe, ece in (("ce", 0.12), ("ce+temperature", 0.04), ("vtst", 0.039)):
        for seed in (0, 1, 2):
            metrics = {"accuracy": 0.8 + 0.001 * seed, "nll": 5 * ece, "ece15": ece + 0.001 * seed}
            spread = {name: value + rng.normal(0, 0.002, RESAMPLES) for name, value in metrics.items()}
            records.append(store(tmp_path, recipe, seed, metrics, spread))
    return only_board(records, tmp_path, "ece15")


@pytest.fixture
def document(board: Board) -> dict[str, Any]:
    """The rows of the JSON document by recipe."""
    whole = json.loads(render([board], "json"))
    assert whole["schema"] == "calibench.leaderboard/1"
    (one,) = whole["boards"]
    return {row["recipe"]: row for row in one["rows"]}


def markdown_cells(board: Board) -> list[list[str]]:
    lines = render([board], "markdown").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]


def test_the_json_document_holds_the_rows(board: Board, document: dict[str, Any]) -> None:
    assert list(document) == [row.recipe for row in board.rows]
    for row in board.rows:
        entry = document[row.recipe]
        assert (entry["rank"], entry["seeds"]) == (row.rank, [0, 1, 2])
        assert entry["floors"] == {"ece15": pytest.approx(0.02)}


def test_csv_holds_the_figures_of_the_json_document(board: Board, document: dict[str, Any]) -> None:
    lines = list(csv.DictReader(io.StringIO(render([board], "csv"))))
    assert len(lines) == 9
    for line in lines:
        row = document[line["method"]]
        cell = row["cells"][line["metric"]]
        figures = [float(line[key]) for key in ("mean", "sd", "low", "high")]
        assert figures == [cell["mean"], cell["sd"], *cell["interval"]]
        assert (line["rank"], line["ranked_by"], line["seeds"]) == (str(row["rank"]), "ece15", "0;1;2")


def test_markdown_and_table_show_the_figures_of_the_json_document(board: Board, document: dict[str, Any]) -> None:
    head, _, *body = markdown_cells(board)
    table = render([board], "table")
    assert head == ["rank", "method", "seeds", "accuracy %", "nll nats", "ece15 %", "sd", "floor"]
    assert [cells[1] for cells in body] == list(document)
    for cells in body:
        row = document[cells[1]]
        assert int(cells[0]) == row["rank"]
        for name, (column, scale, digits) in COLUMNS.items():
            mean = scale * row["cells"][name]["mean"]
            low, high = (scale * bound for bound in row["cells"][name]["interval"])
            text = f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            assert cells[head.index(column)] == text
            assert text in table
        assert cells[-2:] == [f"{100 * row['cells']['ece15']['sd']:.2f}", "2.00"]
    assert "ranked by ece15" in render([board], "markdown")


def test_columns_can_be_chosen_and_misspelt(board: Board) -> None:
    assert columns_of(board) == ["accuracy", "nll", "ece15"]
    assert columns_of(board, ["nll"]) == ["nll", "ece15"]  # the metric that ranks is always there
    with pytest.raises(InputError, match="no record on this board has the metric 'acuracy'") as caught:
        columns_of(board, ["acuracy"])
    assert "accuracy" in caught.value.hint


def test_a_narrow_table_names_the_columns_that_it_has_no_room_for(board: Board) -> None:
    from rich.console import Console

    from calibench.report.board_table import board_table

    def lines(width: int, *chosen: str) -> str:
        console = Console(width=width, file=io.StringIO(), record=True)
        console.print(board_table(board, chosen, width))
        return " ".join(console.export_text().split())

    assert "no room" not in lines(120)
    assert "no room for accuracy, nll; calibench leaderboard --columns shows them" in lines(75)
    assert "no room" not in lines(75, "accuracy", "nll")


def test_many_seeds_are_counted(tmp_path: Path) -> None:
    records = [unstored_record("ce", seed, {"nll": 1.0}) for seed in range(5)]
    (_, _, cells) = markdown_cells(only_board(records, tmp_path))
    assert cells[2] == "5 seeds"


def test_a_pipe_in_a_name_stays_in_its_cell(tmp_path: Path) -> None:
    board = only_board([unstored_record("a:key=x|y", 0, {"nll": 1.0})], tmp_path)
    lines = [line for line in render([board], "markdown").splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
