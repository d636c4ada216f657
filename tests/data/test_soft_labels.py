"""Soft labels of test rows: checked, part of the fingerprint, stored by a run and ranked on a board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calibench import Arrays, InputError, run
from calibench.data.prepare import Data, prepare
from calibench.records.store import read_predictions

SHARES = {"val": 0.1, "cal": 0.1, "test": 0.25, "split_seed": 0}
TEST_ROWS, CLASSES = 100, 4


def answers() -> np.ndarray:
    """Shares of 20 people's answers to each test row."""
    rng = np.random.default_rng(1)
    return rng.multinomial(20, np.full(CLASSES, 1 / CLASSES), size=TEST_ROWS) / 20


def arrays(**change: Any) -> Arrays:
    y = np.arange(300) % CLASSES
    x = np.random.default_rng(0).normal(size=(300, CLASSES)) + 2 * np.eye(CLASSES)[y]
    splits = {"x": x[:200], "y": y[:200], "test": (x[200:], y[200:]), "test_soft": answers()}
    return Arrays(**(splits | change))


def prepared(**change: Any) -> Data:
    return prepare(arrays(**change), SHARES, frozenset(), "here")


def test_soft_labels_keep_their_rows_and_change_the_fingerprint() -> None:
    data, without = prepared(), prepared(test_soft=None)
    assert data.test_soft is not None
    np.testing.assert_allclose(data.test_soft, answers(), rtol=1e-12)
    assert without.test_soft is None
    assert data.fingerprint != without.fingerprint
    assert data.test_fingerprint != without.test_fingerprint
    narrow = prepared(test_soft=answers().astype(np.float16))
    np.testing.assert_allclose(narrow.test_soft.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_soft": np.full((100, 3), 1 / 3)}, r"shape \[100, 3\]"),
        ({"test_soft": np.full((99, 4), 0.25)}, r"shape \[99, 4\]"),
        ({"test_soft": np.eye(4, dtype=int)[[0] * 100]}, "type int64"),
        ({"test_soft": np.full((100, 4), 0.26)}, "row 0 of here: test_soft is no set of shares"),
        ({"test_soft": np.array([[0.25] * 4] * 99 + [[1.5, -0.5, 0, 0]])}, "row 99"),
        ({"test_soft": np.array([[0.25] * 4] * 99 + [[np.nan, 1, 0, 0]])}, "row 99"),
        ({"test": None}, "for a test split"),
    ],
)
def test_arrays_that_are_not_shares_of_the_test_rows_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepared(**change)


@pytest.mark.slow
def test_a_run_judges_by_them_stores_them_and_ranks_by_them(cli, tmp_path: Path) -> None:
    source = arrays()
    test_x, test_y = source.test
    splits = {"train_x": source.x, "train_y": source.y, "test_x": test_x, "test_y": test_y}
    np.savez(tmp_path / "a.npz", **splits, test_soft=source.test_soft)
    record = run("ce", f"npz:path={tmp_path / 'a.npz'}", "mlp:hidden=16", epochs=3, results=tmp_path / "r")
    stored = read_predictions(tmp_path / "r", record)
    np.testing.assert_allclose(stored["test.soft"], source.test_soft, rtol=1e-12)
    probs = torch.from_numpy(stored["test.logits"]).double().softmax(1).numpy()
    brier = ((probs - source.test_soft) ** 2).sum(axis=1).mean()
    assert record.metrics["soft_brier"] == pytest.approx(brier, rel=1e-6)
    low, high = record.intervals["soft_nll"]
    assert low < record.metrics["soft_nll"] < high
    run("ce", "digits", "mlp:hidden=4", epochs=1, results=tmp_path / "r")
    ranked = cli("leaderboard", "--results", "r", "--metric", "soft_nll", "--json")
    assert ranked.code == 0, ranked.err
    (board,) = ranked.document["boards"]
    assert board["metric"] == "soft_nll"
    assert board["dataset"].startswith("npz:"), "digits has no soft labels, so it has no such board"
