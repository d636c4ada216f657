"""`calibench run --tune`: the search before the runs, one a seed, in one row of the board; and mistakes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def data(tmp_path: Any) -> str:
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    np.savez(tmp_path / "data.npz", train_x=(rng.normal(size=(240, 5)) + np.eye(5)[y]).astype(np.float32), train_y=y)
    return "npz:path=data.npz"


@pytest.fixture
def run(data: str) -> tuple[str, ...]:
    return ("run", "-m", "label-smoothing", "-d", data, "--model", "mlp:hidden=8", "--epochs", "10")


SEARCH = ("--tune", "epsilon=0..0.5, lr=0.003|0.03", "--trials", "3")


@pytest.mark.slow
def test_each_seed_is_searched_and_the_seeds_share_a_row(run: tuple[str, ...], cli: Any, tmp_path: Any) -> None:
    ran = cli(*run, "-s", "0-1", *SEARCH)
    assert ran.code == 0, ran.err
    for seed in (0, 1):
        assert f"seed {seed}: chosen label-smoothing.epsilon=" in ran.err
        assert "of 3 trials: val brier" in ran.err
    document = cli("leaderboard", "--json").document
    (row,) = document["boards"][0]["rows"]
    assert row["recipe"] == "label-smoothing:epochs=10 (tuned label-smoothing.epsilon, label-smoothing.lr)"
    assert row["seeds"] == [0, 1]
    assert len(list((tmp_path / "results" / "tuning").glob("*.json"))) == 2
    again = cli(*run, "-s", "0-1", *SEARCH)
    assert again.err.count("there already") == 2
    assert "chosen" in again.err
    assert cli("verify", "results").code == 0
    compared = cli("compare", "label-smoothing:epochs=10", row["recipe"])
    assert compared.code == 2
    assert cli(*run, "-s", "0-1", "-q").code == 0
    assert cli("compare", "label-smoothing:epochs=10", row["recipe"]).code == 0


@pytest.mark.slow
def test_a_jobs_run_is_searched_too(run: tuple[str, ...], cli: Any) -> None:
    ran = cli(*run, *SEARCH, "-j", "1", "--json", "-q")
    assert ran.code == 0, ran.err
    assert ran.document["tuned"]["trials"] == 3
    assert ran.document["tuned"]["split"] == "val"


def test_what_is_better_without_a_search_is_said(run: tuple[str, ...], cli: Any) -> None:
    ran = cli(*run, "--set", "label-smoothing.lr=0.03", "--tune", "epsilon=0.8|0.9")
    assert ran.code == 0, ran.err
    assert "without the search it scores better on val" in ran.err


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (("--trials", "3"), "--trials would do nothing without --tune", ""),
        (("--tune-seed", "3"), "--tune-seed would do nothing without --tune", ""),
        (("--tune", "epsilon=0..2"), "outside [0, 1]", ""),
        (("--tune", "epsilonn=0..1"), "no stage of this run has a parameter 'epsilonn'", "did you mean 'epsilon'"),
        (("--tune", "epsilon=0..1", "--tune-metric", "ece15"), "leads no search", "brier"),
        (("--tune", "epochs=5|6"), "label-smoothing.epochs is searched by --tune and set besides", "leave one"),
    ],
)
def test_mistakes_are_refused(run: tuple[str, ...], refused: Any, words: tuple[str, ...], says: str, hint: str) -> None:
    refused(*run, *words, says=says, hint=hint)


def test_without_optuna_the_extra_is_named(run: tuple[str, ...], refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    refused(
        *run, "--tune", "epsilon=0..0.5", says="optuna, which is not installed", hint='pip install "calibench[tune]"'
    )
