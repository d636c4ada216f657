"""A run: what it stores is what it judged, it is run once, it is seeded, and it fails before or without a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disk import flip
from short_runs import Trainings, figures, short_run

from calibench import InputError, RunError
from calibench.errors import CalibenchWarning
from calibench.records.store import read_predictions, read_record
from calibench.seeds import derived_seed

# --- what is stored -------------------------------------------------------------------------------------------------


def test_results_none_writes_nothing(blobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = short_run("vtst+threshold", blobs, None)
    assert list(tmp_path.iterdir()) == []
    assert record.predictions is None


def test_what_is_stored_is_what_was_judged(blobs: str, tmp_path: Path) -> None:
    record = short_run("vtst+temperature+threshold:value=0.6", blobs, tmp_path)
    assert read_record(tmp_path / "records" / f"{record.run_id}.json") == record
    stored = read_predictions(tmp_path, record)
    assert {name for name in stored if not name.startswith("bootstrap.")} == {
        *(f"{split}.{what}" for split in ("cal", "test") for what in ("logits", "labels", "ids")),
        "test.decisions",
    }
    logits, labels = stored["test.logits"].astype(np.longdouble), stored["test.labels"]
    assert stored["test.logits"].dtype == np.float32
    assert logits.shape == (record.n["test"], 3)
    assert len(stored["cal.labels"]) == record.n["cal"]
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert record.metrics["accuracy"] == np.mean(logits.argmax(axis=1) == labels)
    assert record.metrics["nll"] == pytest.approx(float(-log_p[np.arange(len(labels)), labels].mean()), rel=1e-6)
    assert record.metrics["coverage"] == np.mean(stored["test.decisions"] >= 0)
    with np.load(blobs.removeprefix("npz:path=")) as source:
        np.testing.assert_array_equal(source["train_y"][stored["test.ids"]], labels)
    for name, value in record.metrics.items():
        assert stored[f"bootstrap.{name}"].shape == (1000,)
        assert (record.intervals[name] is None) == (value is None or name in record.no_interval), name
    wrong = (1 - record.metrics["accuracy"]) * record.n["test"]
    assert (record.intervals["ece15"] is not None) == (10 <= round(wrong) <= record.n["test"] - 10)


# --- a run that is stored already -----------------------------------------------------------------------------------


def test_a_stored_run_is_not_run_again(blobs: str, tmp_path: Path, trainings: Trainings) -> None:
    first = short_run("ce", blobs, tmp_path, report=trainings)
    file = tmp_path / "records" / f"{first.run_id}.json"
    stamp = file.stat().st_mtime_ns
    second = short_run("ce", blobs, tmp_path, report=trainings)
    assert trainings == ["stage 1, ce"]
    assert first == second
    assert file.stat().st_mtime_ns == stamp
    assert short_run("ce:epochs=2", blobs, tmp_path, epochs=None) == first, "the same run in other words"


def test_a_record_whose_predictions_have_changed_is_run_again(blobs: str, tmp_path: Path) -> None:
    first = short_run("ce", blobs, tmp_path)
    assert first.predictions is not None
    file = tmp_path / first.predictions["file"]
    content = file.read_bytes()
    flip(file, at=-1)
    with pytest.warns(CalibenchWarning, match="has changed since .* made again"):
        second = short_run("ce", blobs, tmp_path)
    assert file.read_bytes() == content
    assert second.cache == {"hits": ["stage1"], "made": []}


# --- seeds ----------------------------------------------------------------------------------------------------------


def test_seeds_are_recorded_and_differ_by_purpose(blobs: str) -> None:
    record = short_run("vtst", blobs, None, noise="symmetric:rate=0.2", seed=3)
    assert record.seeds["run"] == 3
    derived = {purpose: derived_seed(3, purpose) for purpose in ("stage1", "stage2", "sampling", "posthoc", "noise")}
    assert record.seeds == {"run": 3, **derived, "split": 0, "bootstrap": 0}
    assert len(set(derived.values())) == len(derived)
    assert all(0 <= seed < 2**63 for seed in derived.values())
    assert record.data["noise"]["realised_rate"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.slow
def test_a_run_is_deterministic_and_leaves_the_global_generators_alone(blobs: str) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    state, numbers = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    options: dict[str, Any] = {"noise": "symmetric:rate=0.2"}
    first = short_run("vtst+temperature", blobs, None, **options)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)
    torch.manual_seed(8)
    second = short_run("vtst+temperature", blobs, None, **options)
    other_seed = short_run("vtst+temperature", blobs, None, seed=1, **options)
    assert figures(first) == figures(second)
    assert figures(first) != figures(other_seed)


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("ce", {"model": "frozen", "epochs": None}, "needs the trained head"),
        ("ce", {"model": "cnn"}, "model 'cnn' needs images"),
        ("ce+threshold:values=0.5;0.5", {}, "2 values for 3 classes"),
        ("ce", {"settings": ["npz.test=0.9", "npz.val=0.09"]}, "leave less than 5 %"),
        ("ce", {"seed": -1}, "seed -1"),
        ("ce", {"device": "tpu"}, "device 'tpu'"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    recipe: str, options: dict[str, Any], message: str, blobs: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        short_run(recipe, blobs, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_a_loss_that_runs_away_is_a_failed_run_without_a_record(blobs: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"stage 1, ce: .* in epoch \d+"):
        short_run("ce", blobs, tmp_path, settings=["ce.lr=1e36"])
    assert list((tmp_path / "records").iterdir()) == []
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["locks"]
