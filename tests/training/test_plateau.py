"""The rule by which a training ends unless the user sets its epochs, and the mark of one that still fell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from calibench import run
from calibench.leaderboard.boards import boards
from calibench.progress import quiet
from calibench.records.stage_end import still_falling
from calibench.report.board_csv import boards_csv
from calibench.report.board_markdown import board_markdown
from calibench.training.loop import train
from calibench.training.plateau import End, end_of_training
from calibench.training.schedule import Schedule


def ended(nlls: list[float], **settings: Any) -> dict[str, float]:
    """The figures of a training of one weight with these validation NLLs."""
    module, script = nn.Linear(1, 1), iter(nlls)
    schedule = Schedule(epochs=len(nlls), lr=0.1, batch_size=4, **settings)
    return train(module, lambda rows: module.weight.sum(), lambda: next(script), 10, schedule, quiet, "t")


def test_a_user_who_sets_epochs_gets_them() -> None:
    assert end_of_training(7, None, 1000, 10) == End(7, None, 0.0)
    assert end_of_training(7, 3, 1000, 10) == End(7, 3, 0.0)


def test_a_patience_alone_is_taken_literally() -> None:
    assert end_of_training(None, 3, 64_000, 64) == End(200, 3, 0.0)
    assert end_of_training(None, 500, 64_000, 64).epochs > 501, "a patience that can run out"


@settings(max_examples=200, deadline=None)
@given(rows=st.integers(1, 10**6), batch=st.integers(1, 4096))
def test_the_plateau_has_a_patience_of_ten_epochs_and_of_a_thousand_steps(rows: int, batch: int) -> None:
    end = end_of_training(None, None, rows, batch)
    steps = math.ceil(rows / batch)
    assert end.patience is not None
    assert end.patience >= 10
    assert end.patience * steps >= 1000
    assert end.patience == 10 or (end.patience - 1) * steps < 1000, "no more than needed"
    assert end.epochs >= 200
    assert end.epochs * steps >= 16_000
    assert end.epochs > end.patience + 1


def test_the_patience_grows_to_a_tenth_of_the_epochs() -> None:
    falls = [1 - 0.001 * epoch for epoch in range(100)]
    assert ended([*falls, *[2.0] * 100], patience=3)["ended_after"] == 103
    figures = ended([*falls, *[2.0] * 100], patience=3, patience_share=0.1)
    assert (figures["epoch"], figures["ended_after"]) == (100, 112)  # 12 of 112 is the first tenth; 11 of 111 is less


@settings(max_examples=100, deadline=None)
@given(nlls=st.lists(st.integers(0, 50).map(float), min_size=60, max_size=120))
def test_a_plateau_never_ends_at_an_nll_that_still_fell(nlls: list[float]) -> None:
    figures = ended(nlls, patience=2, patience_share=0.1)
    if figures["ended_after"] < len(nlls):
        assert not still_falling(figures["best_epoch"], figures["ended_after"])


@pytest.mark.parametrize(
    ("best", "last", "falling"),
    [(1, 1, True), (19, 20, False), (20, 20, True), (95, 100, False), (96, 100, True), (9, 10, False), (88, 89, True)],
)
def test_the_last_twentieth_is_still_falling(best: int, last: int, falling: bool) -> None:
    assert still_falling(best, last) == falling


def test_the_last_checkpoint_is_judged_by_the_lowest_nll() -> None:
    figures = ended([3.0, 1.0, *[2.0] * 28], select="last")
    assert (figures["epoch"], figures["best_epoch"]) == (30, 2)


def test_a_stage_that_still_fell_is_marked_in_its_record_and_on_the_board(tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": "mlp:hidden=8", "results": tmp_path}
    short = run("ce:epochs=2+tst:latent_dim=4,epochs=3", **options)
    assert [entry["still_falling"] for entry in short.fitted] == [True, True]
    full = run("ce:lr=0.05", **options)
    (entry,) = full.fitted
    assert entry["still_falling"] is False
    assert entry["ended_after"] - entry["epoch"] >= max(entry["patience"], entry["ended_after"] / 10)
    assert entry["ended_after"] <= entry["most_epochs"]
    (board,) = boards([short, full], tmp_path)
    text = board_markdown(board)
    assert "| ce:epochs=2+tst:latent_dim=4,epochs=3 † |" in text
    assert "| ce:lr=0.05 |" in text
    assert "† training of ce, tst: the validation NLL was lowest in the last 5 % of the epochs" in text
    assert "ce;tst" in boards_csv([board])
