"""Runs judged against OOD sets: rows, near and far means, what is stored, the board, and what is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, roc_auc_score

from calibench import DatasetSpec, InputError, run
from calibench.leaderboard.boards import boards
from calibench.plugins.discovery import registry
from calibench.plugins.registry import Entry
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions, read_record, read_records

pytestmark = pytest.mark.usefixtures("one_thread")


def quick(method: str, **more: object) -> ResultRecord:
    given = {"model": "mlp:hidden=16", "epochs": 3, "results": None, "device": "cpu"} | more
    return run(method, **given)


@pytest.fixture(scope="module")
def ood(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of OOD sets for digits: `mixed`, their pixels in another order, and `negative`."""
    folder = tmp_path_factory.mktemp("ood")
    pixels, y = load_digits(return_X_y=True)
    x = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(64)
    sets = {"mixed": x.reshape(-1, 64)[:, order].reshape(x.shape), "negative": 1 - x}
    for name, rows in sets.items():
        arrays = {"train_x": rows[:300], "train_y": y[:300], "test_x": rows[1000:1400], "test_y": y[1000:1400]}
        np.savez(folder / f"{name}.npz", **arrays)
    return {name: f"npz:path={folder / name}.npz" for name in sets}


def test_ood_rows_are_what_scikit_learn_makes_of_the_stored_scores(tmp_path, ood):
    record = quick(
        "ce+temperature", ood=[ood["mixed"], ood["negative"]], ood_score=["max-softmax", "energy"], results=tmp_path
    )
    held = read_predictions(tmp_path, record)
    logits = held["test.logits"].astype(np.float64)
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
        outside = -held[f"ood.{row['set']}.{row['score']}"]
        own = inside[row["score"]]
        if row["score"] == "max-softmax":  # stored is the uncertainty (1 - c) / c
            outside = 1 / (1 - outside)
        truth = np.r_[np.ones(len(own)), np.zeros(400)]
        scores = np.r_[own, outside]
        assert row["metrics"]["auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
        assert row["metrics"]["aupr"] == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
        assert row["metrics"]["aupr_out"] == pytest.approx(average_precision_score(1 - truth, -scores), abs=1e-6)
        limit = np.sort(own)[::-1][int(np.ceil(0.95 * len(own))) - 1]
        assert row["metrics"]["fpr95"] == pytest.approx((outside >= limit).mean(), abs=1 / 400)
        low, high = row["intervals"]["auroc"]
        assert low < row["metrics"]["auroc"] < high
        suffix = "" if row["score"] == "max-softmax" else "_energy"
        assert record.metrics[f"ood_auroc_{row['set']}{suffix}"] == row["metrics"]["auroc"]
    units = {record.units[f"ood_{f}_{ood['mixed']}"]["better"] for f in ("auroc", "aupr", "aupr_out")}
    assert units == {"higher"}
    assert record.units[f"ood_fpr95_{ood['mixed']}"]["better"] == "lower"
    assert not any(name.endswith(("_near", "_far")) for name in record.metrics)


@pytest.fixture
def declared(ood, monkeypatch):
    """Digits with a near set and two far ones."""
    entry = registry().entries["dataset", "digits"]
    spec = dataclasses.replace(entry.spec, near_ood=(ood["mixed"],), far_ood=(ood["negative"],))
    assert isinstance(spec, DatasetSpec)
    monkeypatch.setitem(registry().entries, ("dataset", "digits"), Entry(spec, entry.plugin))


def test_near_and_far_means_stand_beside_the_rows_and_are_never_pooled(declared, ood, tmp_path):
    record = quick("ce", ood=["all"], results=tmp_path)
    assert [(row["set"], row["group"]) for row in record.ood] == [(ood["mixed"], "near"), (ood["negative"], "far")]
    for row in record.ood:
        for name, value in row["metrics"].items():
            assert record.metrics[f"ood_{name}_{row['group']}"] == value
            assert record.intervals[f"ood_{name}_{row['group']}"] == row["intervals"][name]
    assert not any(name.startswith("ood_auroc_all") for name in record.metrics)
    near = quick("ce", ood=["near"])
    assert [row["group"] for row in near.ood] == ["near"]
    assert "ood_auroc_far" not in near.metrics
    named = quick("ce", ood=[ood["negative"], "near", ood["negative"]])
    assert [row["group"] for row in named.ood] == ["far", "near"], "each once, and its group is known by name"
    assert named.metrics["ood_auroc_far"] == record.metrics["ood_auroc_far"]


def test_a_mean_over_a_part_of_a_group_is_not_taken(ood, monkeypatch):
    entry = registry().entries["dataset", "digits"]
    spec = dataclasses.replace(entry.spec, far_ood=(ood["mixed"], ood["negative"]))
    monkeypatch.setitem(registry().entries, ("dataset", "digits"), Entry(spec, entry.plugin))
    part, whole = quick("ce", ood=[ood["mixed"]]), quick("ce", ood=["far"])
    assert part.ood[0]["group"] == "far"
    assert "ood_auroc_far" not in part.metrics
    values = [row["metrics"]["auroc"] for row in whole.ood]
    assert whole.metrics["ood_auroc_far"] == pytest.approx(np.mean(values), rel=1e-12)
    assert whole.metrics["ood_auroc_far"] != values[0]
    low, high = whole.intervals["ood_auroc_far"]
    assert low < whole.metrics["ood_auroc_far"] < high


def test_a_score_that_the_outputs_lack_is_undefined_and_said(ood):
    record = quick("ensemble:members=2", ood=[ood["mixed"]], ood_score=["energy", "entropy"])
    energy, entropy = record.ood
    assert set(energy["metrics"].values()) == {None}
    assert energy["note"] == "score energy needs logits, and these are probabilities"
    assert record.metrics[f"ood_auroc_{ood['mixed']}_energy"] is None
    assert 0.5 < entropy["metrics"]["auroc"] <= 1
    assert record.metrics[f"ood_auroc_{ood['mixed']}_entropy"] == entropy["metrics"]["auroc"]


def test_features_of_a_trained_network_have_ood_sets_too(features, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    far = {"train_x": features["train_x"] * 0.1, "train_y": features["train_y"]}
    np.savez("far.npz", **far, test_x=features["test_x"] * 0.1, test_y=features["test_y"])
    record = quick(
        "ce+temperature", dataset="npz:path=features.npz", model="frozen", epochs=None, ood=["npz:path=far.npz"]
    )
    (row,) = record.ood
    assert 0.5 < row["metrics"]["auroc"] < 1
    assert row["mean_confidence"] < 0.8


def test_rows_of_the_data_are_left_out_of_the_ood_set(tmp_path):
    pixels, y = load_digits(return_X_y=True)
    x = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    mixed = np.concatenate([1 - x[:30], x[:10]])
    np.savez(tmp_path / "some.npz", train_x=x, train_y=y, test_x=mixed, test_y=y[:40])
    record = quick("ce", ood=[f"npz:path={tmp_path}/some.npz"])
    assert (record.ood[0]["n"], record.ood[0]["left_out"]) == (30, 10)
    np.savez(tmp_path / "most.npz", train_x=x, train_y=y, test_x=x[:40], test_y=y[:40])
    with pytest.raises(InputError, match="40 of its 40 rows are rows of the data"):
        quick("ce", ood=[f"npz:path={tmp_path}/most.npz"])


# --- records and boards ------------------------------------------------------------------------------------------


def test_records_hold_their_rows_and_old_ones_still_load(tmp_path, ood):
    record = quick("ce", shift=["rotation"], ood=[ood["mixed"]], results=tmp_path)
    path = tmp_path / "records" / f"{record.run_id}.json"
    assert read_record(path) == record
    again = quick("ce", shift=["rotation"], ood=[ood["mixed"]], results=tmp_path)
    assert again == record, "it was there already"
    document = json.loads(path.read_text())
    for name in ("shift", "ood"):
        old = {key: value for key, value in document.items() if key != name}
        path.write_text(json.dumps(old))
        assert getattr(read_record(path), name) == []
        path.write_text(json.dumps(document | {name: [1]}))
        with pytest.raises(InputError, match=f"'{name}' is not what a record holds"):
            read_record(path)


def test_other_ood_rows_make_another_run(tmp_path, ood):
    file = tmp_path / "mine.npz"
    generator = np.random.default_rng(0)
    x, y = generator.random((40, 1, 8, 8)).astype(np.float32), np.arange(40) % 2
    np.savez(file, train_x=x, train_y=y, test_x=x[:20] / 2, test_y=y[:20])
    first = quick("ce", ood=[f"npz:path={file}"], results=tmp_path)
    np.savez(file, train_x=x, train_y=y, test_x=x[:20] / 3, test_y=y[:20])
    second = quick("ce", ood=[f"npz:path={file}"], results=tmp_path)
    assert first.run_id != second.run_id
    assert second.cache["hits"] == ["stage1"], "and is trained no second time"
    (board,) = boards([first, dataclasses.replace(second, recipe="other")], tmp_path)
    assert any("not all rows were judged on the same OOD set" in note for note in board.notes)


def test_run_list_show_and_rank(cli, ood, tmp_path):
    asked = ("--shift", "rotation", "--shift", "label-shift", "--ood", ood["mixed"], "--ood-score", "entropy")
    run_ = ("run", "-m", "ce", "-m", "tst:epochs=2", "-s", 0, "-s", 1, "--epochs", 3, *asked)
    ran = cli(*run_)
    assert ran.code == 0, ran.err
    for words in ("shift rotation, digits", "shift label-shift, digits", "unshifted", "OOD sets against", "fpr95 %"):
        assert words in ran.out
    assert ran.out.count("rotation ") >= 2
    records = {(r.recipe, r.seed): r for r in read_records(tmp_path / "results")}
    mean = np.mean([records["ce:epochs=3", s].metrics["shift_accuracy_rotation"] for s in (0, 1)])
    assert f"{100 * mean:.2f}" in ran.out
    assert "there already" in cli(*run_).err
    # a later run that was judged on less does not take the row from the board
    assert cli("run", "-m", "ce", "--epochs", 3, "-q").code == 0
    for metric in ("shift_ece15_rotation", f"ood_auroc_{ood['mixed']}_entropy"):
        board = cli("leaderboard", "--metric", metric, "--json").document["boards"][0]
        assert [len(row["seeds"]) for row in board["rows"]] == [2, 2]
        assert all(row["rank"] and row["cells"][metric]["interval"] for row in board["rows"])
    assert "did you mean" in cli("leaderboard", "--metric", "shift_ece15_rotatio").err
    single = cli("run", "-m", "ce", "--epochs", 3, "--shift", "rotation:angles=10", "--json")
    assert single.document["shift"][0]["severity"] == 10


def test_bytes_beside_fractions_are_no_ood_set(ood, tmp_path):
    with np.load(ood["negative"].partition("=")[2]) as held:
        np.savez(tmp_path / "bytes.npz", **{k: v * 255 if k.endswith("x") else v for k, v in held.items()})
    with pytest.raises(InputError, match="scaled differently"):
        quick("ce", ood=[f"npz:path={tmp_path}/bytes.npz"])
    with pytest.raises(InputError, match=r"test=0\.3 would do nothing, the data brings its own test split"):
        quick("ce", ood=[f"{ood['mixed']},test=0.3"])
    with pytest.raises(InputError, match="its test split alone is used"):
        quick("ce", dataset=ood["mixed"], ood=["digits:val=0.3"])


def test_one_word_is_one_name():
    assert {row["shift"] for row in quick("ce", shift="rotation:angles=90").shift} == {"rotation:angles=90.0"}
    with pytest.raises(InputError, match="3 is not a text"):
        quick("ce", shift=3)
