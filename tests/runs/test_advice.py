"""The advice in a run's record: the map that helps on the cal split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from short_runs import short_run

from calibench import evaluate
from calibench.records.store import read_predictions, read_record


@pytest.fixture(scope="module")
def over_confident(tmp_path_factory: pytest.TempPathFactory) -> str:
    """3 000 rows that are logits of a calibrated model, three times too large; the head is the identity."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 4)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) > rng.random((3000, 1))).argmax(axis=1)
    file = tmp_path_factory.mktemp("scores") / "scores.npz"
    np.savez(file, train_x=3 * z, train_y=y, head_weight=np.eye(4), head_bias=np.zeros(4))
    return f"npz:path={file}"


def test_a_run_that_is_miscalibrated_has_the_advice_of_its_cal_split(over_confident: str, tmp_path: Path) -> None:
    record = short_run("ce", over_confident, tmp_path, model="frozen", epochs=None)
    assert record.calibrated == "miscalibrated"
    assert record.advice is not None
    assert record.advice["recipe"] == "temperature"
    assert record.advice["samples"] == record.n["cal"]
    stored = read_predictions(tmp_path, record)
    of_file = evaluate(stored["cal.logits"], stored["cal.labels"])
    assert record.advice == of_file["advice"]
    assert read_record(tmp_path / "records" / f"{record.run_id}.json") == record


def test_a_recipe_with_a_map_has_no_advice(over_confident: str) -> None:
    assert short_run("ce+temperature", over_confident, None, model="frozen", epochs=None).advice is None
