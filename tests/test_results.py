"""Records: what is written is read back, and what is no record of ours is refused as the user's mistake."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError, RunError
from calibench.leaderboard.boards import boards
from calibench.records.record import SCHEMA, ResultRecord
from calibench.records.store import find, read_predictions, read_record, read_records, write
from calibench.report.tables import render


def record(**changes: Any) -> ResultRecord:
    given_fields: dict[str, Any] = {
        "run_id": "toy-mlp-ce-s0-abc",
        "recipe": "ce",
        "dataset": "toy",
        "model": "mlp",
        "seed": 0,
        "noise": None,
        "backend": "reference",
        "n": {"train": 6, "val": 2, "cal": 2, "test": 3},
        "metrics": {"accuracy": 0.1 + 0.2, "nll": 5e-324, "selective_risk": None},
        "intervals": {"accuracy": [0.25, 1 / 3], "nll": [0.0, 1.0], "selective_risk": None},
        "noise_floor": {"ece15": {"mean": 0.01, "p95": 0.02}},
        "timings_s": {"total": 1.25},
        "versions": {"calibench": "0.1.0"},
        "units": {"accuracy": {"unit": "fraction", "better": "higher", "rankable": True}},
        "details": {"coverage": {"abstention_per_class": [0.5, None]}},
        "fitted": [{"stage": "ce", "trained": True, "epoch": 3.0}],
        "config": {"seed": 0, "stages": []},
        "seeds": {"run": 0, "stage1": 2**63 - 1},
        "bootstrap": {"seed": 0, "resamples": 1000},
        "data": {"test_fingerprint": "f", "notes": ["é"]},
        "machine": {"cores": 2},
        "code": "c0de",
        "cache": {"hits": [], "made": ["stage1"]},
        "created": "2025-01-01T00:00:00+00:00",
    }
    return ResultRecord(**(given_fields | changes))


def folders(results: Path) -> Path:
    (results / "records").mkdir(parents=True)
    (results / "predictions").mkdir()
    return results


ARRAYS = {
    "test.logits": np.arange(6, dtype=np.float32).reshape(3, 2),
    "test.labels": np.array([0, 1, 0]),
    "test.ids": np.arange(6)[::2],  # not contiguous
    "bootstrap.nll": np.array([0.5, np.nan]),
}


# --- writing and reading back ---------------------------------------------------------------------------------------


def test_a_record_survives_json_bit_for_bit() -> None:
    one = record()
    text = json.dumps(one.to_dict(), allow_nan=False)
    assert ResultRecord.from_dict(json.loads(text), "here") == one
    assert next(iter(one.to_dict())) == "schema"
    assert one["metrics"] == one.metrics
    assert json.loads(text)["seeds"]["stage1"] == 2**63 - 1


def test_write_then_read(tmp_path: Path) -> None:
    written = write(folders(tmp_path), record(), ARRAYS)
    file = tmp_path / "records" / "toy-mlp-ce-s0-abc.json"
    assert read_record(file) == written
    assert read_records(tmp_path) == [written]
    assert written == dataclasses.replace(record(), predictions=written.predictions)
    assert written.predictions is not None
    content = (tmp_path / written.predictions["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == written.predictions["sha256"]
    held = read_predictions(tmp_path, written)
    assert set(held) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(held[name], array)
        assert held[name].dtype == array.dtype
    assert set(read_predictions(tmp_path, written, ("test.labels",))) == {"test.labels"}
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        "toy-mlp-ce-s0-abc.json",
        "toy-mlp-ce-s0-abc.safetensors",
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_json_cannot_hold_is_never_written(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write(folders(tmp_path), record(metrics={"nll": value}), ARRAYS)
    assert list((tmp_path / "records").iterdir()) == []


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(folders(tmp_path), record(), ARRAYS)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calibench.records.store.save_file", full)
    with pytest.raises(RunError, match="No space left"):
        write(tmp_path, record(code="other"), ARRAYS)
    assert read_records(tmp_path) == [before]
    assert set(read_predictions(tmp_path, before)) == set(ARRAYS)
    assert len(list(tmp_path.rglob("*.tmp"))) == 0


# --- what is there already ------------------------------------------------------------------------------------------


def test_find_wants_the_same_code_and_unchanged_predictions(tmp_path: Path) -> None:
    assert find(tmp_path, "toy-mlp-ce-s0-abc", "c0de") is None
    written = write(folders(tmp_path), record(), ARRAYS)
    assert find(tmp_path, written.run_id, "c0de") == written
    assert find(tmp_path, written.run_id, "other") is None
    assert find(tmp_path, "toy", "c0de") is None
    assert written.predictions is not None
    file = tmp_path / written.predictions["file"]
    content = file.read_bytes()
    for harmed in (content[:-1] + bytes([content[-1] ^ 1]), b"", content + b"\0"):
        file.write_bytes(harmed)
        assert find(tmp_path, written.run_id, "c0de") is None
        with pytest.raises(InputError, match="has changed since its record was written"):
            read_predictions(tmp_path, written)
    file.unlink()
    assert find(tmp_path, written.run_id, "c0de") is None
    with pytest.raises(InputError, match="cannot read"):
        read_predictions(tmp_path, written)
    with pytest.raises(InputError, match="names no predictions"):
        read_predictions(tmp_path, record())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": "other"}', '{"schema": 7}', "\ud800", "[" * 100_000]
)
def test_find_takes_an_unreadable_record_for_none(text: str, tmp_path: Path) -> None:
    written = write(folders(tmp_path), record(), ARRAYS)
    (tmp_path / "records" / f"{written.run_id}.json").write_text(text, errors="surrogatepass")
    assert find(tmp_path, written.run_id, "c0de") is None


@pytest.mark.parametrize("value", [[], {}, {"file": 1, "sha256": "x"}, "x", 3])
def test_find_takes_a_record_with_nonsense_for_predictions_for_none(value: Any, tmp_path: Path) -> None:
    written = write(folders(tmp_path), record(), ARRAYS)
    file = tmp_path / "records" / f"{written.run_id}.json"
    file.write_text(json.dumps(written.to_dict() | {"predictions": value}))
    assert find(tmp_path, written.run_id, "c0de") is None


# --- what is no record ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"seed": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", "its schema is None"),
        ('{"schema": "calibench.record/2"}', "'calibench.record/2', not 'calibench.record/1'"),
        ('{"schema": "calibench.record/1"}', "the record has no run_id, recipe, dataset"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_record_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    file = folders(tmp_path) / "records" / "bad.json"
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


def test_fields_of_a_later_version_are_left_out_and_optional_ones_default() -> None:
    document = record().to_dict() | {"a_field_of_tomorrow": 1}
    del document["details"], document["fitted"]
    found = ResultRecord.from_dict(document, "here")
    assert found == record(details={}, fitted=[])


FIELDS = [f.name for f in dataclasses.fields(ResultRecord) if f.name != "schema"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["accuracy", "test", "unit", "better", "file", "sha256", "mean"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(document=VALUES | st.dictionaries(st.sampled_from([*FIELDS, "schema"]), VALUES | st.just(SCHEMA)))
def test_from_dict_of_anything_raises_nothing_but_input_errors(document: Any) -> None:
    try:
        ResultRecord.from_dict(document, "here")
    except InputError as error:
        if not error.message.startswith("here: "):
            raise AssertionError(error.message) from error


@settings(max_examples=400, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=3))
def test_a_board_of_whatever_from_dict_lets_through_can_be_made(changes: dict[str, Any]) -> None:
    try:
        found = ResultRecord.from_dict(record().to_dict() | changes, "here")
        made = boards([found, record(seed=1)], Path("nowhere"), "accuracy")
    except InputError:
        return
    for kind in ("json", "csv", "markdown"):
        render(made, kind)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(ResultRecord)])
@pytest.mark.parametrize(
    "value", [object(), 1.5, True, [1], {"a": object()}], ids=["object", "1.5", "True", "[1]", "{}"]
)
def test_every_field_has_its_shape(name: str, value: Any) -> None:
    free = {"config", "bootstrap", "data", "machine"}
    if name in free and isinstance(value, dict):
        return
    with pytest.raises(InputError, match="here: "):
        ResultRecord.from_dict(record().to_dict() | {name: value}, "here")
