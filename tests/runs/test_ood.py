"""Runs judged against OOD sets: their rows, near and far means, what is stored, and the board."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_sets import digit_images, quick, write_ood_sets, write_some_digits
from sklearn.metrics import average_precision_score, roc_auc_score

from calibench import InputError
from calibench.leaderboard.boards import boards
from calibench.records.store import read_predictions, read_record, read_records

DECLARING = """
import calibench
from digit_sets import digit_images

@calibench.hookimpl
def calibench_datasets():
    groups = {groups}
    return [calibench.DatasetSpec(name="declaring", target=f"{{__name__}}:some_digits", summary="A test.", **groups)]

def some_digits():
    x, y = digit_images()
    return calibench.Arrays(x=x[:450], y=y[:450])
"""
"""A plugin whose dataset `declaring` declares OOD sets, a quarter of the digits."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A quarter of the digits."""
    return write_some_digits(tmp_path_factory.mktemp("small"), 450)


@pytest.fixture(scope="module")
def ood(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """OOD sets for digits: `mixed`, their pixels in another order, and `negative`."""
    return write_ood_sets(tmp_path_factory.mktemp("ood"))


@pytest.mark.slow
def test_ood_rows_are_what_scikit_learn_makes_of_the_stored_scores(tmp_path: Path, ood: dict[str, str]) -> None:
    record = quick(
        "ce+temperature", ood=[ood["mixed"], ood["negative"]], ood_score=["max-softmax", "energy"], results=tmp_path
    )
    stored = read_predictions(tmp_path, record)
    logits = stored["test.logits"].astype(np.float64)
    inside = {
        "max-softmax": 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1),
        "energy": np.log(np.exp(logits).sum(axis=1)),
    }
    assert [(row["set"], row["score"]) for row in record.ood] == [
        (ood[name], score) for name in ("mixed", "negative") for score in inside
    ]
    for row in record.ood:
        assert row["n"] == 400
        assert row["group"] is None
        assert row["left_out"] == 0
        id_scores, ood_scores = inside[row["score"]], -stored[f"ood.{row['set']}.{row['score']}"]
        if row["score"] == "max-softmax":  # stored is the uncertainty (1 - c) / c
            ood_scores = 1 / (1 - ood_scores)
        truth, scores = np.r_[np.ones(len(id_scores)), np.zeros(400)], np.r_[id_scores, ood_scores]
        assert row["metrics"]["auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
        assert row["metrics"]["aupr"] == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
        assert row["metrics"]["aupr_out"] == pytest.approx(average_precision_score(1 - truth, -scores), abs=1e-6)
        limit = np.sort(id_scores)[::-1][int(np.ceil(0.95 * len(id_scores))) - 1]
        assert row["metrics"]["fpr95"] == pytest.approx((ood_scores >= limit).mean(), abs=1 / 400)
        low, high = row["intervals"]["auroc"]
        assert low < row["metrics"]["auroc"] < high
        suffix = "" if row["score"] == "max-softmax" else "_energy"
        assert record.metrics[f"ood_auroc_{row['set']}{suffix}"] == row["metrics"]["auroc"]
    units = {record.units[f"ood_{f}_{ood['mixed']}"]["better"] for f in ("auroc", "aupr", "aupr_out")}
    assert units == {"higher"}
    assert record.units[f"ood_fpr95_{ood['mixed']}"]["better"] == "lower"
    assert not any(name.endswith(("_near", "_far")) for name in record.metrics)


# --- near and far -----------------------------------------------------------------------------------------------------


@pytest.fixture
def declare(install_plugin: Any) -> Callable[..., None]:
    """`declare(near_ood=(...), far_ood=(...))`: a dataset `declaring` that declares these OOD sets."""
    return lambda **groups: install_plugin("declaring", DECLARING.format(groups=groups))


@pytest.mark.slow
def test_near_and_far_means_stand_beside_the_rows_and_are_never_pooled(
    declare: Callable[..., None], ood: dict[str, str]
) -> None:
    declare(near_ood=(ood["mixed"],), far_ood=(ood["negative"],))
    record = quick("ce", dataset="declaring", ood=["all"])
    assert [(row["set"], row["group"]) for row in record.ood] == [(ood["mixed"], "near"), (ood["negative"], "far")]
    for row in record.ood:
        for name, value in row["metrics"].items():
            assert record.metrics[f"ood_{name}_{row['group']}"] == value
            assert record.intervals[f"ood_{name}_{row['group']}"] == row["intervals"][name]
    assert not any(name.startswith("ood_auroc_all") for name in record.metrics)
    near = quick("ce", dataset="declaring", ood=["near"])
    assert [row["group"] for row in near.ood] == ["near"]
    assert "ood_auroc_far" not in near.metrics
    by_name = quick("ce", dataset="declaring", ood=[ood["negative"], "near", ood["negative"]])
    assert [row["group"] for row in by_name.ood] == ["far", "near"], "each stands once, and its name tells its group"
    assert by_name.metrics["ood_auroc_far"] == record.metrics["ood_auroc_far"]


@pytest.mark.slow
def test_a_mean_over_a_part_of_a_group_is_not_taken(declare: Callable[..., None], ood: dict[str, str]) -> None:
    declare(far_ood=(ood["mixed"], ood["negative"]))
    part, whole = (quick("ce", dataset="declaring", ood=[name]) for name in (ood["mixed"], "far"))
    assert part.ood[0]["group"] == "far"
    assert "ood_auroc_far" not in part.metrics
    values = [row["metrics"]["auroc"] for row in whole.ood]
    assert whole.metrics["ood_auroc_far"] == pytest.approx(np.mean(values), rel=1e-12)
    assert whole.metrics["ood_auroc_far"] != values[0]
    low, high = whole.intervals["ood_auroc_far"]
    assert low < whole.metrics["ood_auroc_far"] < high


# --- what is judged ---------------------------------------------------------------------------------------------------


def test_a_score_that_the_outputs_lack_is_undefined_with_a_note(ood: dict[str, str], small: str) -> None:
    record = quick("ensemble:members=2", dataset=small, ood=[ood["mixed"]], ood_score=["energy", "entropy"])
    energy, entropy = record.ood
    assert set(energy["metrics"].values()) == {None}
    assert energy["note"] == "score energy needs logits, and these are probabilities"
    assert record.metrics[f"ood_auroc_{ood['mixed']}_energy"] is None
    assert 0.5 < entropy["metrics"]["auroc"] <= 1
    assert record.metrics[f"ood_auroc_{ood['mixed']}_entropy"] == entropy["metrics"]["auroc"]


def test_features_of_a_trained_network_have_ood_sets_too(features: Any, tmp_path: Path) -> None:
    far = {"train_x": features["train_x"] * 0.1, "train_y": features["train_y"]}
    np.savez(tmp_path / "far.npz", **far, test_x=features["test_x"] * 0.1, test_y=features["test_y"])
    dataset, ood_set = (f"npz:path={tmp_path / name}.npz" for name in ("features", "far"))
    record = quick("ce+temperature", dataset=dataset, model="frozen", epochs=None, ood=[ood_set])
    (row,) = record.ood
    assert 0.5 < row["metrics"]["auroc"] < 1
    assert row["mean_confidence"] < 0.8


def test_rows_of_the_data_are_left_out_of_the_ood_set(tmp_path: Path) -> None:
    x, y = digit_images()
    mixed = np.concatenate([1 - x[:30], x[:10]])
    np.savez(tmp_path / "some.npz", train_x=x, train_y=y, test_x=mixed, test_y=y[:40])
    record = quick("ce", ood=[f"npz:path={tmp_path}/some.npz"])
    assert (record.ood[0]["n"], record.ood[0]["left_out"]) == (30, 10)
    np.savez(tmp_path / "most.npz", train_x=x, train_y=y, test_x=x[:40], test_y=y[:40])
    with pytest.raises(InputError, match="40 of its 40 rows are rows of the data"):
        quick("ce", ood=[f"npz:path={tmp_path}/most.npz"])


# --- records and boards -----------------------------------------------------------------------------------------------


def test_records_hold_their_rows_and_old_records_still_load(tmp_path: Path, ood: dict[str, str], small: str) -> None:
    options: dict[str, Any] = {"dataset": small, "shift": ["rotation"], "ood": [ood["mixed"]], "results": tmp_path}
    record = quick("ce", **options)
    path = tmp_path / "records" / f"{record.run_id}.json"
    assert read_record(path) == record
    assert quick("ce", **options) == record, "it is there already"
    document = json.loads(path.read_text())
    for name in ("shift", "ood"):
        old = {key: value for key, value in document.items() if key != name}
        path.write_text(json.dumps(old))
        assert getattr(read_record(path), name) == []
        path.write_text(json.dumps(document | {name: [1]}))
        with pytest.raises(InputError, match=f"'{name}' does not fit this field of a record"):
            read_record(path)


@pytest.mark.slow
def test_other_ood_rows_make_another_run(tmp_path: Path, small: str) -> None:
    file = tmp_path / "mine.npz"
    generator = np.random.default_rng(0)
    x, y = generator.random((40, 1, 8, 8)).astype(np.float32), np.arange(40) % 2
    options: dict[str, Any] = {"dataset": small, "ood": [f"npz:path={file}"], "results": tmp_path}
    np.savez(file, train_x=x, train_y=y, test_x=x[:20] / 2, test_y=y[:20])
    first = quick("ce", **options)
    np.savez(file, train_x=x, train_y=y, test_x=x[:20] / 3, test_y=y[:20])
    second = quick("ce", **options)
    assert first.run_id != second.run_id
    assert second.cache["hits"] == ["stage1"], "it is not trained a second time"
    (board,) = boards([first, dataclasses.replace(second, recipe="other")], tmp_path)
    assert any("not all rows were judged on the same OOD set" in note for note in board.notes)


@pytest.mark.slow
def test_runs_under_shift_are_listed_stored_and_ranked(cli: Any, ood: dict[str, str], tmp_path: Path) -> None:
    write_some_digits(tmp_path, 450)
    judged_on = ("--shift", "rotation", "--shift", "label-shift", "--ood", ood["mixed"], "--ood-score", "entropy")
    some = ("run", "-d", "npz:path=digits.npz", "--model", "mlp:hidden=16", "--epochs", 3, "-m", "ce")
    both = (*some, "-m", "tst:epochs=2", "-s", 0, "-s", 1, *judged_on)
    ran = cli(*both)
    assert ran.code == 0, ran.err
    for words in ("shift rotation, npz", "shift label-shift, npz", "unshifted", "OOD sets against", "fpr95 %"):
        assert words in ran.out
    assert ran.out.count("rotation ") >= 2
    records = {(r.recipe, r.seed): r for r in read_records(tmp_path / "results")}
    mean = np.mean([records["ce:epochs=3", s].metrics["shift_accuracy_rotation"] for s in (0, 1)])
    assert f"{100 * mean:.2f}" in ran.out
    assert "there already" in cli(*both).err
    # A later run that was judged on less does not take the row from the board.
    assert cli(*some, "-q").code == 0
    for metric in ("shift_ece15_rotation", f"ood_auroc_{ood['mixed']}_entropy"):
        board = cli("leaderboard", "--metric", metric, "--json").document["boards"][0]
        assert [len(row["seeds"]) for row in board["rows"]] == [2, 2]
        biased = metric.startswith("shift_ece15")
        assert all((row["cells"][metric]["interval"] is None) == biased for row in board["rows"])
        assert all((metric in row["no_interval"]) == biased for row in board["rows"])
        assert all((row["rank"] is None) == biased for row in board["rows"])
    assert "did you mean" in cli("leaderboard", "--metric", "shift_ece15_rotatio").err
    single = cli(*some, "--shift", "rotation:angles=10", "--json")
    assert single.document["shift"][0]["severity"] == 10
