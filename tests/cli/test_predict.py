"""`calibench predict RUN_ID FILE`: a file of rows becomes a file that `calibench evaluate` judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

RUN = ("run", "-d", "npz:path=blobs.npz", "--model", "mlp:hidden=8", "--epochs", "2", "--json")


@pytest.fixture
def rows() -> dict[str, Any]:
    """240 rows of training, and 100 of the same classes to predict."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=340)
    x = (rng.normal(size=(340, 5)) + 1.5 * np.eye(5)[y]).astype(np.float32)
    np.savez("blobs.npz", train_x=x[:240], train_y=y[:240])
    np.savez("new.npz", x=x[240:], y=y[240:])
    np.save("new.npy", x[240:])
    return {"x": x[240:], "y": y[240:]}


def test_predicted_rows_are_judged_by_evaluate(cli: Any, rows: dict[str, Any]) -> None:
    run_id = cli(*RUN, "-m", "ce+temperature+threshold:value=0.6").document["run_id"]
    said = cli("predict", run_id[:-3], "new.npz", "-o", "out.npz").out
    assert "100 rows predicted by ce:epochs=2+temperature+threshold" in said
    assert "the rule abstains on" in said
    with np.load("out.npz") as out:
        assert set(out.files) == {"probs", "labels", "decisions"}
        np.testing.assert_array_equal(out["labels"], rows["y"])
        accuracy = float((out["probs"].argmax(axis=1) == rows["y"]).mean())
        assert (out["decisions"] == -1).tolist() == (out["probs"].max(axis=1) < 0.6).tolist()
    judged = cli("evaluate", "out.npz", "--json").document
    assert judged["metrics"]["accuracy"] == pytest.approx(accuracy)


def test_rows_without_labels_and_tables(cli: Any, rows: dict[str, Any]) -> None:
    run_id = cli(*RUN, "-m", "ce").document["run_id"]
    assert cli("predict", run_id, "new.npy", "-o", "out.csv", "--quiet").out == ""
    lines = Path("out.csv").read_text().splitlines()
    assert lines[0] == "prob_0,prob_1,prob_2"
    assert len(lines) == 101


def test_mistakes_name_the_remedy(cli: Any, refused: Any, rows: dict[str, Any]) -> None:
    run_id = cli(*RUN, "-m", "ce").document["run_id"]
    refused("predict", run_id, "new.npz", "-o", "out.txt", says="cannot write 'out.txt'")
    refused("predict", "nothing", "new.npz", "-o", "out.npz", says="there is no run 'nothing'")
    refused("predict", run_id, "gone.npz", "-o", "out.npz", says="there is no file 'gone.npz'")
    np.savez("other.npz", rows=rows["x"])
    refused("predict", run_id, "other.npz", "-o", "out.npz", says="has no array x: it has rows")
    np.savez("other.npz", x=rows["x"], y=rows["y"][:3])
    refused("predict", run_id, "other.npz", "-o", "out.npz", says="y has shape [3]")
    np.savez("other.npz", x=rows["x"], y=rows["y"] + 7)
    refused("predict", run_id, "other.npz", "-o", "out.npz", says="y has labels outside 0 .. 2")
    assert not Path("out.npz").exists()
