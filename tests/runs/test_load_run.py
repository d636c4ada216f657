"""A run that has ended predicts: its rows of test get their stored probabilities and decisions, and nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from short_runs import short_run, write_blobs
from torch import nn

import calibench
from calibench import InputError
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.records.store import read_predictions

RECIPES = (
    "ce",
    "vtst+temperature+threshold:value=0.6",
    "tst:head=linear+vector",
    "reinit+histogram",
    "ce+swag+temperature",
    "vtst+ensemble:members=2+temperature",
    "bce+isotonic",
    "ce+prior-correction",
)


def rows_of_test(dataset: str) -> np.ndarray:
    return load_data(resolve("ce", dataset)).test.x


def probs_of(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def stored_probs(results: Path, record: Any) -> np.ndarray:
    stored = read_predictions(results, record)
    return stored["test.probs"] if "test.probs" in stored else probs_of(stored["test.logits"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_rows_of_test_get_their_stored_probabilities_and_decisions(recipe: str, blobs: str, tmp_path: Path) -> None:
    record = short_run(recipe, blobs, tmp_path)
    predicted = calibench.load_run(record.run_id, tmp_path).predict(rows_of_test(blobs))
    np.testing.assert_allclose(predicted.probs, stored_probs(tmp_path, record), atol=1e-7)
    stored = read_predictions(tmp_path, record)
    answers = stored.get("test.decisions", predicted.probs.argmax(axis=1))
    np.testing.assert_array_equal(predicted.decisions.answers, answers)


def test_one_row_alone_gets_the_probabilities_that_it_gets_among_others(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce+prior-correction", blobs, tmp_path)
    loaded, x = calibench.load_run(record, tmp_path), rows_of_test(blobs)
    together = loaded.predict(x).probs
    np.testing.assert_allclose(loaded.predict(x[3:4]).probs, together[3:4], atol=1e-6)
    np.testing.assert_allclose(loaded.predict(torch.from_numpy(x[:2])).probs, together[:2], atol=1e-6)
    assert np.abs(loaded.predict(x[:20], adapt=True).probs - together[:20]).max() > 1e-4


def test_a_sampler_that_draws_gives_the_same_rows_the_same_probabilities(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce+mc-dropout:samples=200", blobs, tmp_path, model="mlp:hidden=8,dropout=0.1")
    x = rows_of_test(blobs)
    first = calibench.load_run(record.run_id, tmp_path).predict(x).probs
    loaded = calibench.load_run(record.run_id, tmp_path)
    np.testing.assert_array_equal(loaded.predict(x).probs, first)
    np.testing.assert_array_equal(loaded.predict(x).probs, first)
    assert np.abs(first - stored_probs(tmp_path, record)).max() < 0.03  # other draws of the same posterior


def test_sets_come_with_the_answers(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce+temperature+conformal:method=aps", blobs, tmp_path)
    decisions = calibench.load_run(record.run_id, tmp_path).predict(rows_of_test(blobs)).decisions
    assert decisions.sets is not None
    assert decisions.sets.shape == (record.n["test"], 3)


def test_nothing_is_trained_and_nothing_is_written(blobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = short_run("vtst+temperature", blobs, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr("calibench.recipe.stage_1.train", lambda *_, **__: pytest.fail("trained"))
    calibench.load_run(record.run_id, tmp_path).predict(rows_of_test(blobs))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_number_of_threads_finds_the_stages(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce", blobs, tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        calibench.load_run(record.run_id, tmp_path)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.body(x)))


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=200)
    return (rng.normal(size=(200, 5)) + 1.5 * np.eye(5)[y]).astype(np.float32), y


def test_data_and_a_network_from_python_are_given_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Net()
    given = {"dataset": arrays(), "model": net, "trained": False}
    record = calibench.run("ce+temperature", epochs=2, results=tmp_path, **given)
    loaded = calibench.load_run(record.run_id, tmp_path, **given)
    test = read_predictions(tmp_path, record)
    np.testing.assert_allclose(
        loaded.predict(arrays()[0][test["test.ids"]]).probs, probs_of(test["test.logits"]), atol=1e-6
    )
    with pytest.raises(InputError, match="got its dataset from a program"):
        calibench.load_run(record.run_id, tmp_path)
    with pytest.raises(InputError, match="got its model from a program"):
        calibench.load_run(record.run_id, tmp_path, dataset=arrays())
    x, y = arrays()
    with pytest.raises(InputError, match="dataset is not the one of the run"):
        calibench.load_run(record.run_id, tmp_path, dataset=(x + 1, y), model=net, trained=False)
    with pytest.raises(InputError, match="model is not the one of the run"):
        calibench.load_run(record.run_id, tmp_path, dataset=arrays(), model=Net(), trained=False)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_run_that_is_not_there_is_refused(blobs: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run 'x'"):
        calibench.load_run("x", tmp_path)
    with pytest.raises(InputError, match="run is a NoneType"):
        calibench.load_run(None, tmp_path)  # type: ignore[arg-type]
    record = short_run("ce", blobs, tmp_path)
    other = short_run("ce", blobs, tmp_path, seed=1)
    with pytest.raises(InputError) as refused:
        calibench.load_run(record.run_id[:-1] + "z", tmp_path)
    assert record.run_id in str(refused.value)
    with pytest.raises(InputError, match="2 runs"):
        calibench.load_run(record.run_id[:8], tmp_path)
    assert calibench.load_run(other.run_id[:-4], tmp_path).record.seed == 1


def test_a_stage_that_is_gone_is_refused_and_not_trained(blobs: str, tmp_path: Path) -> None:
    record = short_run("vtst+temperature", blobs, tmp_path)
    for path in (tmp_path / "cache").glob("stage2*"):
        path.unlink()
    with pytest.raises(InputError, match=r"does not hold its stage2"):
        calibench.load_run(record.run_id, tmp_path)


def test_changed_data_are_refused(tmp_path: Path) -> None:
    dataset = write_blobs(tmp_path)
    record = short_run("ce", dataset, tmp_path / "results")
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "blobs.npz", train_x=rng.normal(size=(90, 5)), train_y=np.arange(90) % 3)
    with pytest.raises(InputError, match="the data have changed"):
        calibench.load_run(record.run_id, tmp_path / "results")


def test_rows_of_another_shape_and_bad_values_are_refused(blobs: str, tmp_path: Path) -> None:
    loaded = calibench.load_run(short_run("ce", blobs, tmp_path).run_id, tmp_path)
    for x in (np.zeros((4, 6)), np.zeros(5), np.zeros((0, 5)), 3.0):
        with pytest.raises(InputError, match=r"this run takes rows \[N, 5\]"):
            loaded.predict(x)
    with pytest.raises(InputError, match="row 1 of x holds NaN"):
        loaded.predict(np.array([[0.0] * 5, [np.nan] * 5]))
    with pytest.raises(InputError, match="store numbers"):
        loaded.predict(np.array([["a"] * 5]))
    with pytest.raises(InputError, match="inhomogeneous"):
        loaded.predict([[1.0] * 5, [1.0] * 4])
    with pytest.raises(InputError, match="would lose its mask"):
        loaded.predict(np.ma.masked_array(np.zeros((1, 5)), mask=True))
    x = torch.from_numpy(rows_of_test(blobs)[:3])
    np.testing.assert_allclose(loaded.predict(x.bfloat16()).probs, loaded.predict(x).probs, atol=0.05)


def test_a_record_without_a_fitted_map_is_refused(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce+temperature", blobs, tmp_path)
    file = tmp_path / "records" / f"{record.run_id}.json"
    document = json.loads(file.read_text())
    document["fitted"] = [entry for entry in document["fitted"] if entry["stage"] != "temperature"]
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match="does not state what temperature learned"):
        calibench.load_run(record.run_id, tmp_path)
