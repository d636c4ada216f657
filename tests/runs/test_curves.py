"""The curves of runs: in the record, from the cache, of every member; and records that hold none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from short_runs import short_run

from calibench import InputError
from calibench.records.field_types import fits
from calibench.records.record import ResultRecord
from calibench.records.store import read_records
from calibench.report.training_curves import training_curves


def test_a_record_holds_the_course_of_each_training(blobs: str, tmp_path: Path) -> None:
    record = short_run("ce+vtst+temperature", blobs, tmp_path)
    assert [(curve["stage"], curve["epochs"]) for curve in record.curves] == [("ce", [1, 2]), ("vtst", [1, 2])]
    for curve, entry in zip(record.curves, record.fitted, strict=False):
        kept = curve["epochs"].index(int(entry["epoch"]))
        assert curve["val_nll"][kept] == pytest.approx(entry["val_nll"], rel=1e-4)
        assert curve["val_nll"][kept] == min(curve["val_nll"])
    assert read_records(tmp_path)[0] == record


def test_a_stage_from_the_cache_brings_its_curve(blobs: str, tmp_path: Path) -> None:
    first = short_run("ce", blobs, tmp_path)
    second = short_run("ce+temperature", blobs, tmp_path)
    assert second.cache["hits"] == ["stage1"]
    assert second.curves == first.curves


def test_each_member_of_an_ensemble_has_its_own(blobs: str) -> None:
    record = short_run("ensemble:members=2", blobs, None)
    one, other = record.curves
    assert (one["member"], other["member"]) == (0, 1)
    assert one["val_nll"] != other["val_nll"]
    assert [curve.name for curve in training_curves(record)] == [
        f"ce:epochs=2+ensemble:members=2, seed 0, member {m}" for m in (0, 1)
    ]


def test_a_network_that_comes_trained_has_none(scores: str) -> None:
    record = short_run("ce+temperature", scores, None, model="frozen", epochs=None)
    assert record.curves == []
    with pytest.raises(InputError, match="no stage of it trains"):
        training_curves(record)


def test_a_record_of_an_earlier_version_says_so(blobs: str) -> None:
    record = short_run("ce", blobs, None)
    document = record.to_dict()
    del document["curves"]
    old = ResultRecord.from_dict(document, "old.json")
    assert old == dataclasses.replace(record, curves=[])
    with pytest.raises(InputError, match="earlier version"):
        training_curves(old)


@pytest.mark.parametrize(
    "curve",
    [
        {"epochs": [1], "val_nll": [1.0]},
        {"stage": "ce", "epochs": [1, 2], "val_nll": [1.0]},
        {"stage": "ce", "epochs": [1.5], "val_nll": [1.0]},
        {"stage": "ce", "epochs": [1], "val_nll": ["x"]},
        {"stage": "ce", "epochs": [1], "val_nll": [float("nan")]},
        {"stage": "ce", "epochs": [1]},
        {"stage": "ce", "epochs": [], "val_nll": []},
    ],
)
def test_what_is_no_curve_is_no_record(curve: dict[str, object]) -> None:
    assert not fits("curves", [curve])
    assert fits("curves", [{"stage": "ce", "epochs": [1], "val_nll": [1.0]}])
