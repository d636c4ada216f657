"""`calibench verify` names forgeries that leave every figure in agreement with the predictions, and what is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import short_run, write_blobs
from test_verify import edit_predictions, edit_record, only

from calibench import InputError
from calibench.runs.verify import verify

ENTRIES = Path(__file__).parents[2] / "leaderboards" / "selective-v1"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one run of `ce+temperature` under label noise."""
    folder = tmp_path_factory.mktemp("stored")
    short_run("ce+temperature", write_blobs(folder), folder, noise="symmetric:rate=0.2")
    return folder


@pytest.fixture
def results(stored: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(stored, tmp_path / "results")


NAMES: dict[str, tuple[Any, str]] = {
    "recipe": ("vtst", "its recipe is vtst, and its configuration has"),
    "model": ("cnn", "its model is cnn, and its configuration has mlp"),
    "noise": (None, "its noise is None, and its configuration has symmetric:rate=0.2"),
    "seed": (7, "its seed is 7, and its configuration has 0"),
    "calibrated": ("no_sign_at_all", "calibrated is no_sign_at_all, and the predictions give"),
    "mean_confidence": (0.1, "mean_confidence is 0.1, and the predictions give"),
    "verdict": ("No sign of miscalibration", "verdict is No sign of miscalibration, and the predictions give"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_text_or_verdict_that_is_not_that_of_the_run_is_named(name: str, results: Path) -> None:
    value, says = NAMES[name]
    edit_record(results, lambda document: document.update({name: value}))
    faults = only(results).faults
    assert any(fault.startswith(says) for fault in faults), faults


def test_the_front_of_the_id_is_that_of_the_configuration(results: Path) -> None:
    """Another seed in the name of a copied run would make three of one."""
    (file,) = (results / "records").glob("*.json")
    renamed = file.name.replace("-s0-", "-s1-")
    edit_record(results, lambda document: document.update(run_id=renamed.removesuffix(".json"), seed=1))
    file.rename(file.with_name(renamed))
    faults = only(results).faults
    assert any(fault.startswith("its id is ") for fault in faults)
    assert any(fault.startswith("its seed is 1, ") for fault in faults)


def unit(document: dict[str, Any]) -> None:
    document["units"]["brier"]["better"] = "higher"


def invented(document: dict[str, Any]) -> None:
    document["metrics"]["shift_brier"] = 0.001


def left_out(document: dict[str, Any]) -> None:
    for part in ("metrics", "intervals", "noise_floor"):
        document[part].pop("nll", None)


def searched(document: dict[str, Any]) -> None:
    document["tuned"] = {"recipe": "ce+temperature", "chosen": {"ce.lr": 0.3}}


def negative(document: dict[str, Any]) -> None:
    document["timings_s"]["stage1"] = -50.0


def facts(document: dict[str, Any]) -> None:
    document["details"]["brier"]["reliability"] = 0.0


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unit": (unit, "the better of brier is higher, and the metric says lower"),
    "invented": (invented, "the predictions give no shift_brier"),
    "left_out": (left_out, "nll is missing"),
    "searched": (searched, "its search chose ce.lr = 0.3, and its configuration has"),
    "negative": (negative, "stage1 took -50 s"),
    "facts": (facts, "the facts behind brier is"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_part_is_named(name: str, results: Path) -> None:
    change, says = CHANGES[name]
    edit_record(results, change)
    assert any(fault.startswith(says) for fault in only(results).faults), only(results).faults


def test_forged_resamples_are_named(results: Path) -> None:
    """They decide ranks and changes, and no figure of the record shows them."""

    def narrow(arrays: dict[str, np.ndarray]) -> None:
        arrays["bootstrap.brier"] = np.full_like(arrays["bootstrap.brier"], arrays["bootstrap.brier"].mean())

    edit_predictions(results, narrow)
    assert only(results).faults == ["1000 of 1000 resamples of brier are not those of the predictions"]
    edit_predictions(results, lambda arrays: arrays.update({"bootstrap.brier": arrays["bootstrap.brier"][:5]}))
    assert only(results).faults == ["the file holds resamples of brier that its predictions do not give"]


def test_a_number_of_resamples_that_no_memory_holds_is_named(results: Path) -> None:
    edit_record(results, lambda document: document["bootstrap"].update(resamples=10**12))
    assert any("its figures cannot be computed again" in fault for fault in only(results).faults)


def test_every_fault_of_a_record_is_named(results: Path) -> None:
    """A false figure is named beside a false configuration."""

    def both(document: dict[str, Any]) -> None:
        document["config"]["stages"][0]["params"]["lr"] = 0.5
        document["metrics"]["brier"] *= 1 + 1e-8

    edit_record(results, both)
    faults = only(results).faults
    assert any("its configuration and data give" in fault for fault in faults)
    (figure,) = [fault for fault in faults if fault.startswith("brier is ")]
    stored, again = figure.removeprefix("brier is ").split(", and the predictions give ")
    assert stored != again, "the digits that differ are shown"


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    """Two committed entries of `selective-v1`, with their predictions."""
    folder = tmp_path / "entries"
    for name, ending in (("records", ".json"), ("predictions", ".safetensors")):
        (folder / name).mkdir(parents=True)
        for file in sorted((ENTRIES / name).glob(f"breast-cancer-mlp-ce-s[01]-*{ending}")):
            shutil.copy(file, folder / name)
    return folder


def test_a_run_that_no_run_of_its_suite_is_is_named(results: Path, entries: Path) -> None:
    """A run of one's own under the mark of a suite is on no board of the suite."""
    mark = json.loads(next((entries / "records").iterdir()).read_text())["preset"]
    edit_record(results, lambda document: document.update(preset=mark))
    record, *_ = verify(results)
    assert "suite selective-v1 has no run with its settings, its data and its metric" in record.faults


def test_a_suite_that_is_not_whole_is_said_and_with_strict_a_fault(entries: Path, cli: Any) -> None:
    *records, whole = list(verify(entries))
    assert [record.faults for record in records] == [[], []]
    assert whole.unseen[0].startswith("124 runs of suite selective-v1 have neither a record nor a failure: ")
    assert cli("verify", entries).code == 0
    assert cli("verify", entries, "--strict").code == 1


def test_missing_predictions_fail_with_strict(results: Path, cli: Any) -> None:
    shutil.rmtree(results / "predictions")
    assert cli("verify", results).code == 0
    assert cli("verify", results, "--strict").code == 1


def test_figures_without_predictions_must_be_possible(results: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["predictions"] = None
        document["metrics"]["accuracy"] = 1.2

    edit_record(results, change)
    assert only(results).faults == ["accuracy is 1.2, and cannot be over 1"]


def test_a_folder_of_no_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    with pytest.raises(InputError, match="there are no records"):
        list(verify(tmp_path))


def test_an_id_that_is_cut_has_no_fault(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems take names of 255 bytes: `run` and `verify` cut a long id alike."""
    monkeypatch.setattr("calibench.config.run_config.LONGEST_ID", 12)
    record = short_run("ce+temperature", f"npz:path={stored / 'blobs.npz'}", tmp_path)
    assert record.run_id.startswith("npz-mlp-ce+t-s0-")
    assert only(tmp_path).faults == []
