"""`calibench verify` passes on runs as they were stored, and names each kind of forgery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from short_runs import short_run, write_blobs

from calibench import InputError
from calibench.records.record import ResultRecord
from calibench.runs.verify import Verified, verify

RECIPES = (
    "ce+temperature",
    "ce+threshold:target_coverage=0.8,score=entropy",
    "ce+temperature+conformal:method=aps",
    "vtst+isotonic",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def record(data: str, tmp_path: Path) -> ResultRecord:
    """A stored run of `ce+temperature`, in `tmp_path`."""
    return short_run("ce+temperature", data, tmp_path)


def only(results: Path) -> Verified:
    (verified,) = verify(results)
    return verified


def edit_record(results: Path, change: Callable[[dict[str, Any]], None]) -> None:
    (file,) = (results / "records").glob("*.json")
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def edit_predictions(results: Path, change: Callable[[dict[str, np.ndarray]], None], *, forge: bool = True) -> None:
    """Change the stored arrays, and with `forge` their checksum in the record."""
    (file,) = (results / "predictions").glob("*.safetensors")
    arrays = load_file(file)
    change(arrays)
    save_file(arrays, file, metadata={"schema": "calibench.predictions/1"})
    if forge:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        edit_record(results, lambda document: document["predictions"].update(sha256=digest))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_as_it_was_stored_has_no_fault(recipe: str, data: str, tmp_path: Path) -> None:
    short_run(recipe, data, tmp_path, metrics="smece,ece:bins=7")
    verified = only(tmp_path)
    assert (verified.faults, verified.unseen) == ([], [])


def test_a_changed_digit_is_named(record: ResultRecord, tmp_path: Path) -> None:
    edit_record(tmp_path, lambda document: document["metrics"].update(ece15=0.001))
    assert only(tmp_path).faults[0].startswith("ece15 is 0.001, and the predictions give ")


def test_a_changed_interval_and_noise_floor_are_named(record: ResultRecord, tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["intervals"]["brier"][0] -= 0.01
        document["noise_floor"]["ece15"]["mean"] *= 2

    edit_record(tmp_path, change)
    faults = only(tmp_path).faults
    assert any(fault.startswith("the interval of brier is [") for fault in faults)
    assert any(fault.startswith("the noise floor of ece15 is") for fault in faults)


def test_a_figure_that_no_prediction_gives_is_named(record: ResultRecord, tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["metrics"]["invented"] = 0.0
        document["intervals"]["invented"] = None
        del document["metrics"]["nll"]

    edit_record(tmp_path, change)
    assert "the predictions give no invented" in only(tmp_path).faults


def test_swapped_predictions_are_named(record: ResultRecord, data: str, tmp_path: Path) -> None:
    other = short_run("ce+temperature", data, tmp_path / "other", seed=1)
    source = tmp_path / "other" / "predictions" / f"{other.run_id}.safetensors"
    target = tmp_path / "predictions" / f"{record.run_id}.safetensors"
    target.write_bytes(source.read_bytes())
    assert "has changed since its record was written" in only(tmp_path).faults[0]
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    edit_record(tmp_path, lambda document: document["predictions"].update(sha256=digest))
    assert any("and the predictions give" in fault for fault in only(tmp_path).faults)


def test_a_forged_hash_is_named(record: ResultRecord, tmp_path: Path) -> None:
    edit_record(tmp_path, lambda document: document["predictions"].update(sha256="0" * 64))
    assert "has changed since its record was written" in only(tmp_path).faults[0]


def test_permuted_labels_are_named_even_with_all_figures_forged(record: ResultRecord, tmp_path: Path) -> None:
    def permute(arrays: dict[str, np.ndarray]) -> None:
        arrays["test.labels"] = np.ascontiguousarray(arrays["test.labels"][::-1])

    edit_predictions(tmp_path, permute)
    faults = only(tmp_path).faults
    assert any("and the predictions give" in fault for fault in faults)
    assert any("labels of test are not those of the data" in fault for fault in faults)


def test_doubled_ids_are_named(record: ResultRecord, tmp_path: Path) -> None:
    def double(arrays: dict[str, np.ndarray]) -> None:
        arrays["test.ids"][1] = arrays["test.ids"][0]

    edit_predictions(tmp_path, double)
    assert only(tmp_path).faults == ["1 ids of test stand twice"]


def test_fewer_rows_than_the_record_states_are_named(record: ResultRecord, tmp_path: Path) -> None:
    def cut(arrays: dict[str, np.ndarray]) -> None:
        for name in ("test.logits", "test.labels", "test.ids"):
            arrays[name] = np.ascontiguousarray(arrays[name][:-1])

    edit_predictions(tmp_path, cut)
    assert "samples, and" in only(tmp_path).faults[0]


def test_another_configuration_under_the_same_id_is_named(record: ResultRecord, tmp_path: Path) -> None:
    edit_record(tmp_path, lambda document: document["config"]["stages"][0]["params"].update(lr=0.5))
    assert any("its configuration and data give" in fault for fault in only(tmp_path).faults)


def test_another_version_of_a_suite_is_named(record: ResultRecord, tmp_path: Path) -> None:
    mark = {"name": "quick-v1", "sha256": "0" * 64, "changed": [], "suite": True}
    edit_record(tmp_path, lambda document: document.update(preset=mark))
    assert only(tmp_path).faults[0].startswith("it was made by another version of suite quick-v1")


def test_a_truncated_file_is_named(record: ResultRecord, tmp_path: Path) -> None:
    (file,) = (tmp_path / "records").glob("*.json")
    file.write_text(file.read_text()[:-30])
    assert "not JSON" in only(tmp_path).faults[0]
    (predictions,) = (tmp_path / "predictions").glob("*")
    predictions.write_bytes(predictions.read_bytes()[:-10])
    assert len(only(tmp_path).faults) == 1


def test_missing_predictions_are_no_fault_and_are_said(record: ResultRecord, tmp_path: Path) -> None:
    (tmp_path / "predictions" / f"{record.run_id}.safetensors").unlink()
    verified = only(tmp_path)
    assert verified.faults == []
    assert "no figure can be computed again" in verified.unseen[0]


def test_data_that_are_not_here_are_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    short_run("ce+temperature", write_blobs(tmp_path / "data"), tmp_path)
    (tmp_path / "data" / "blobs.npz").unlink()
    verified = only(tmp_path)
    assert verified.faults == []
    assert "its labels were not compared with the data" in verified.unseen[0]


def test_the_command(record: ResultRecord, tmp_path: Path, cli: Any) -> None:
    passed = cli("verify", tmp_path)
    assert passed.code == 0
    assert cli("verify", tmp_path, "--strict").code == 0
    assert "1 records: 0 with faults, 1 equal in everything" in passed.out
    edit_record(tmp_path, lambda document: document["metrics"].update(brier=0.0))
    failed = cli("verify", tmp_path)
    assert failed.code == 1
    assert "fault: brier is 0, and the predictions give" in failed.out
    document = cli("verify", tmp_path, "--json")
    assert json.loads(document.out)["records"][0]["faults"]


def test_a_folder_of_folders_stands_for_all_of_them(record: ResultRecord, tmp_path: Path) -> None:
    assert [verified.path.stem for verified in verify(tmp_path.parent / tmp_path.name)] == [record.run_id]
    outer = tmp_path / "outer"
    (outer / "a").mkdir(parents=True)
    for name in ("records", "predictions"):
        (tmp_path / name).rename(outer / "a" / name)
    assert [(v.path.stem, v.faults) for v in verify(outer)] == [(record.run_id, [])]


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no records"):
        list(verify(tmp_path / "nowhere"))
