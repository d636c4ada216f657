"""What a row cost and the Pareto front, other orders of rows, and the gaps of reliability diagrams, each against a plain loop."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import only_board, unstored_record

from calibench import InputError
from calibench.leaderboard.board_front import with_front
from calibench.leaderboard.boards import Board
from calibench.leaderboard.cost import mean_seconds
from calibench.leaderboard.reliability_gaps import BINS, FEWEST, reliability_gaps
from calibench.leaderboard.sorting import sorted_board
from calibench.records.record import ResultRecord
from calibench.records.store import write_run
from calibench.report.render import render
from calibench.report.sparkline import sparkline

MACHINE = {"processor": "Any", "cores": 2, "threads": 1, "device": "cpu"}


def record(recipe: str, nll: float | None, seconds: float | None, seed: int = 0, **changes: Any) -> ResultRecord:
    times = {"data": 9.0, "judge": 9.0, "total": 99.0}
    if seconds is not None:
        times |= {"stage1": seconds / 2, "stage2": seconds / 4, "posthoc": seconds / 4}
    return unstored_record(recipe, seed, {"nll": nll}, **{"timings_s": times, "machine": MACHINE, **changes})


def test_seconds_are_those_of_training_and_fitting() -> None:
    assert mean_seconds([record("a", 1, 4.0), record("a", 1, 8.0, 1)]) == pytest.approx(6.0)
    assert mean_seconds([record("a", 1, 4.0), record("a", 1, None, 1)]) is None
    assert mean_seconds([]) is None


def test_rows_without_a_rank_or_seconds_are_not_on_the_front() -> None:
    made = with_front(
        only_board([record("a", -1.0, 1.0), record("b", 2.0, None), record("c", 3.0, 5.0)], Path("nowhere"))
    )
    assert made.front == ("c",)
    text = render([made], "markdown")
    assert "| ◆ 5.00 |" in text
    assert "seconds of training and fitting, mean over seeds on Any, 2 cores, 1 threads, cpu" in text
    lines = list(csv.DictReader(render([made], "csv").splitlines()))
    found = [(line["method"], line["seconds"], line["front"]) for line in lines]
    assert found == [("b", "", "false"), ("c", "5.0", "true"), ("a", "1.0", "false")]


def test_seconds_of_two_machines_give_no_front() -> None:
    other = {**MACHINE, "device": "cuda"}
    made = with_front(only_board([record("a", 1.0, 1.0), record("b", 2.0, 2.0, machine=other)], Path("nowhere")))
    assert made.front is None
    assert made.notes[-1].startswith("no Pareto front: the seconds were measured on 2 machines: Any, 2 cores")
    assert "do not compare them" in render([made], "markdown", ["seconds"])


@pytest.fixture
def board() -> Board:
    figures = {"b": (0.2, 0.7), "a": (0.3, 0.9), "c": (0.1, None), "broken": (-1.0, 0.99)}
    records = [unstored_record(recipe, 0, {"nll": nll, "accuracy": acc}) for recipe, (nll, acc) in figures.items()]
    return only_board(records, Path("nowhere"))


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("nll", ["c", "b", "a", "broken"]),
        ("-nll", ["a", "b", "c", "broken"]),
        ("accuracy", ["b", "a", "c", "broken"]),
        ("-accuracy", ["a", "b", "c", "broken"]),
        ("name", ["a", "b", "broken", "c"]),
    ],
)
def test_rows_stand_in_the_order_that_is_asked_for(board: Board, by: str, order: list[str]) -> None:
    made = sorted_board(board, by)
    assert [row.recipe for row in made.rows] == order
    assert f"in the order of {by}**" in render([made], "markdown")


def test_an_unknown_order_is_refused(board: Board) -> None:
    with pytest.raises(InputError, match="--sort -acuracy: no record on this board has the metric 'acuracy'") as caught:
        sorted_board(board, "-acuracy")
    assert "did you mean 'accuracy'?" in caught.value.hint


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_gaps_are_those_of_a_loop(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 300, 4)).astype(np.float32) * 2
    labels = rng.integers(0, 4, size=(2, 300))
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    for folder in ("records", "predictions"):
        (tmp_path / folder).mkdir()
    records = []
    for seed in (0, 1):
        arrays = {f"test.{kind}": (logits if kind == "logits" else probs)[seed], "test.labels": labels[seed]}
        records.append(write_run(tmp_path, unstored_record("a", seed, {"nll": 1.0}), arrays))
    expected = []
    for number in range(BINS):
        inside = [
            (p.max(), p.argmax() == y)
            for p, y in zip(probs.reshape(-1, 4), labels.ravel(), strict=True)
            if number <= p.max() * BINS < number + 1
        ]
        gap = (
            np.mean([right for _, right in inside]) - np.mean([p for p, _ in inside]) if len(inside) >= FEWEST else None
        )
        expected.append(gap)
    found = reliability_gaps(records, tmp_path)
    assert [gap is None for gap in found] == [gap is None for gap in expected]
    assert [gap for gap in found if gap is not None] == pytest.approx([g for g in expected if g is not None], abs=1e-5)
    made = only_board(records, tmp_path, reliability=True)
    assert made.rows[0].reliability == found
    assert sparkline(found) in render([made], "markdown", ["reliability"])
    several = [ResultRecord(**{**vars(record), "data": {"questions": 3}}) for record in records]
    assert reliability_gaps(several, tmp_path) == ()
    assert reliability_gaps([unstored_record("a", 0, {"nll": 1.0})], tmp_path) == ()


def test_each_bar_is_a_step_of_five_points() -> None:
    assert sparkline([None, 0.0, 0.024, -0.024, 0.026, -0.026, 0.1, -0.1, 0.15, -0.15, 0.9, -0.9]) == "·▄▄▄▅▃▆▂▇▁▇▁"
    assert sparkline([]) == "-"
