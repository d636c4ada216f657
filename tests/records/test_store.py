"""Records on disk: what is written is read back, and a file that is not a record is refused as the user's mistake."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_record import example_record, results_folder

from calibench import InputError, RunError
from calibench.errors import CalibenchWarning
from calibench.records.store import find_record, read_predictions, read_record, read_records, with_origin, write_run

ARRAYS = {
    "test.logits": np.arange(6, dtype=np.float32).reshape(3, 2),
    "test.labels": np.array([0, 1, 0]),
    "test.ids": np.arange(6)[::2],  # not contiguous
    "bootstrap.nll": np.array([0.5, np.nan]),
}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = write_run(results_folder(tmp_path), example_record(), ARRAYS)
    assert read_record(tmp_path / "records" / "toy-mlp-ce-s0-abc.json") == written
    assert read_records(tmp_path) == [written]
    assert written == dataclasses.replace(example_record(), predictions=written.predictions)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "toy-mlp-ce-s0-abc.json",
        "toy-mlp-ce-s0-abc.safetensors",
    ]


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = write_run(results_folder(tmp_path), example_record(), ARRAYS)
    assert written.predictions is not None
    content = (tmp_path / written.predictions["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == written.predictions["sha256"]
    arrays = read_predictions(tmp_path, written)
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert set(read_predictions(tmp_path, written, ("test.labels", "bootstrap.brier"))) == {"test.labels"}
    assert read_predictions(tmp_path, written, ()) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_json_does_not_have_is_never_written(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_run(results_folder(tmp_path), example_record(metrics={"nll": value}), ARRAYS)
    assert list((tmp_path / "records").iterdir()) == []


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_run(results_folder(tmp_path), example_record(), ARRAYS)

    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full_disk)
    with pytest.raises(RunError, match="No space left"):
        write_run(tmp_path, example_record(code="other"), ARRAYS)
    assert read_records(tmp_path) == [before]
    assert set(read_predictions(tmp_path, before)) == set(ARRAYS)
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_stored_record_gets_the_preset_that_now_asks_for_it(tmp_path: Path) -> None:
    written = write_run(results_folder(tmp_path), example_record(), ARRAYS)
    assert with_origin(tmp_path, written, None, None) == written
    preset = {"name": "quick", "sha256": "0", "changed": []}
    changed = with_origin(tmp_path, written, preset, None)
    assert changed == dataclasses.replace(written, preset=preset)
    assert read_records(tmp_path) == [changed]
    assert with_origin(tmp_path, changed, preset, None) is changed


# --- find ---------------------------------------------------------------------------------------------------------------


def test_find_wants_the_same_code_and_unchanged_predictions(tmp_path: Path) -> None:
    assert find_record(tmp_path, "toy-mlp-ce-s0-abc", "c0de") is None
    written = write_run(results_folder(tmp_path), example_record(), ARRAYS)
    assert find_record(tmp_path, written.run_id, "c0de") == written
    assert find_record(tmp_path, written.run_id, "other") is None
    assert find_record(tmp_path, "toy", "c0de") is None
    assert written.predictions is not None
    file = tmp_path / written.predictions["file"]
    content = file.read_bytes()
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), b"", content + b"\0"):
        file.write_bytes(changed)
        with pytest.warns(CalibenchWarning, match="has changed since .* made again"):
            assert find_record(tmp_path, written.run_id, "c0de") is None
        with pytest.raises(InputError, match="has changed since its record was written"):
            read_predictions(tmp_path, written)
    file.unlink()
    with pytest.warns(CalibenchWarning, match="there is no file .* made again"):
        assert find_record(tmp_path, written.run_id, "c0de") is None
    with pytest.raises(InputError, match="there is no file"):
        read_predictions(tmp_path, written)
    with pytest.raises(InputError, match="names no predictions"):
        read_predictions(tmp_path, example_record())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": "other"}', '{"schema": 7}', "\ud800", "[" * 100_000]
)
def test_find_ignores_a_record_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    written = write_run(results_folder(tmp_path), example_record(), ARRAYS)
    (tmp_path / "records" / f"{written.run_id}.json").write_text(text, errors="surrogatepass")
    with pytest.warns(CalibenchWarning, match="made again"):
        assert find_record(tmp_path, written.run_id, "c0de") is None


@pytest.mark.parametrize("value", [[], {}, {"file": 1, "sha256": "x"}, "x", 3])
def test_find_ignores_a_record_whose_predictions_are_nonsense(value: Any, tmp_path: Path) -> None:
    written = write_run(results_folder(tmp_path), example_record(), ARRAYS)
    file = tmp_path / "records" / f"{written.run_id}.json"
    file.write_text(json.dumps(written.to_dict() | {"predictions": value}))
    with pytest.warns(CalibenchWarning, match="made again"):
        assert find_record(tmp_path, written.run_id, "c0de") is None


# --- files that are not records -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"seed": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", "its schema is None"),
        ('{"schema": "calibench.record/3"}', "'calibench.record/3', not 'calibench.record/2'"),
        ('{"schema": "calibench.record/2"}', "the record has no run_id, recipe, dataset"),
        ('{"schema": "calibench.record/1"}', "the record has no run_id, recipe, dataset"),
    ],
    ids=lambda text: text[:30],
)
def test_a_file_that_is_not_a_record_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    file = results_folder(tmp_path) / "records" / "bad.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_records(tmp_path)
    assert str(file) in caught.value.message
    assert caught.value.hint


def test_bytes_and_folders_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match="cannot read"):
        read_record(file)
    with pytest.raises(InputError, match="cannot read"):
        read_record(tmp_path)
    with pytest.raises(InputError, match="there are no records"):
        read_records(tmp_path)
