"""Runs judged under shift and against OOD sets: every kind of recipe, the record, the board, and what is refused first."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.shift import ShiftTask
from calibench.metrics.bootstrap import multiplicities
from calibench.plugins.discovery import registry
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions
from calibench_datasets.shift.corruption_names import KINDS
from calibench_datasets.shift.label_shift import label_shift

pytestmark = pytest.mark.usefixtures("one_thread")

STILL = "rotation:angles=0"
"""The shift that changes nothing: its row must be what the test split gives."""


def quick(method: str, **more: object) -> ResultRecord:
    given = {"model": "mlp:hidden=16", "epochs": 3, "results": None, "device": "cpu"} | more
    return run(method, **given)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A quarter of digits."""
    pixels, y = load_digits(return_X_y=True)
    file = tmp_path_factory.mktemp("small") / "small.npz"
    np.savez(file, train_x=(pixels[:450] / 16).astype(np.float32).reshape(-1, 1, 8, 8), train_y=y[:450])
    return f"npz:path={file}"


# --- every kind of recipe ---------------------------------------------------------------------------------------------

EXACT = [
    "ce",
    "ce+temperature",
    "tst:epochs=2+isotonic",
    "reinit:epochs=2",
    "snapshot:cycles=2,epochs=1",
    "swag:epochs=2,samples=2",
    "tst:epochs=2+snapshot:cycles=2,epochs=1",
    "ensemble:members=2+temperature",
    "tst:epochs=2+ensemble:members=2+threshold:target_coverage=0.8",
    "batch-ensemble:members=2",
]


@pytest.mark.parametrize("method", EXACT)
def test_a_shift_that_changes_nothing_gives_the_test_figures(method, small):
    record = quick(method, dataset=small, shift=[STILL, "rotation:angles=0;30"])
    (still, _, turned) = record.shift
    assert still["metrics"] == {name: record.metrics[name] for name in still["metrics"]}
    assert still["n"] == record.n["test"]
    for name, interval in still["intervals"].items():
        assert interval == record.intervals[name]
    assert still["noise_floor"]["ece15"] == record.noise_floor["ece15"]
    assert turned["metrics"]["accuracy"] < record.metrics["accuracy"]
    assert turned["metrics"]["nll"] > record.metrics["nll"]
    for name, value in still["metrics"].items():
        assert record.metrics[f"shift_{name}_{STILL}.0"] == value
        assert record.units[f"shift_{name}_{STILL}.0"] == record.units[name]
    both = record.metrics["shift_nll_rotation:angles=0.0;30.0"]
    assert both == pytest.approx((still["metrics"]["nll"] + turned["metrics"]["nll"]) / 2, rel=1e-12)
    if "threshold" in method:
        assert turned["metrics"]["coverage"] < still["metrics"]["coverage"] <= 1


@pytest.mark.parametrize("method", ["vtst:epochs=2", "mc-dropout:samples=20", "mean-field:epochs=2,samples=5"])
def test_what_draws_at_random_comes_close_and_is_repeated(method, small):
    model = "mlp:hidden=16,dropout=0.2"
    records = [quick(method, shift=[STILL], model=model, dataset=small) for _ in range(2)]
    (row,) = records[0].shift
    assert row["metrics"]["nll"] == pytest.approx(records[0].metrics["nll"], rel=0.1)
    assert records[0].shift == records[1].shift


def test_calibrators_and_thresholds_are_fitted_on_cal_alone(small):
    method = "ce+temperature+threshold:target_coverage=0.8"
    plain, shifted = (
        quick(method, dataset=small, **more) for more in ({}, {"shift": ["corruptions:kinds=fog;contrast"]})
    )
    assert plain.fitted == shifted.fitted
    assert plain.metrics == {name: shifted.metrics[name] for name in plain.metrics}
    assert plain.intervals == {name: shifted.intervals[name] for name in plain.intervals}


def test_features_and_several_labels_a_row(features, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = quick(
        "ce+temperature", dataset="npz:path=features.npz", model="frozen", epochs=None, shift=["label-shift"]
    )
    assert [row["kind"] for row in record.shift] == ["dirichlet"] * 3
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, size=(300, 2))
    x = (y @ generator.normal(size=(2, 64)) + generator.normal(size=(300, 64))).reshape(300, 8, 8)
    x = (x - x.min()) / (x.max() - x.min())
    np.savez("labels.npz", train_x=x.astype(np.float32), train_y=y)
    more = {"dataset": "npz:path=labels.npz", "model": "mlp:hidden=8"}
    record = quick("bce", shift=[STILL], **more)
    (row,) = record.shift
    assert row["metrics"] == {name: record.metrics[name] for name in row["metrics"]}
    assert row["n"] == record.n["test"]
    with pytest.raises(InputError, match="OOD scores are of one class a row"):
        quick("bce", ood=["npz:path=labels.npz"], **more)


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_run_without_shift_is_the_run_it_always_was():
    config, shifted = resolve("ce"), resolve("ce", shift=["rotation"], ood=["digits"])
    assert "shift" not in config.document()
    assert "ood" not in config.document()
    assert shifted.document() == config.document() | {
        "shift": [{"name": "rotation", "params": {"angles": [10.0, 45.0, 90.0, 135.0, 180.0]}}],
        "ood": {
            "sets": [{**config.dataset.document(), "group": None}],
            "scores": ["max-softmax"],
        },
    }
    assert config.run_id("f") == "digits-mlp-ce-s0-" + resolve("ce").run_id("f")[-12:]
    assert shifted.run_id("f") != config.run_id("f")
    record = quick("ce")
    assert (record.shift, record.ood) == ([], [])
    assert not any(name.startswith(("shift_", "ood_")) for name in record.metrics)
    assert "shift" not in record.data


def test_the_corruption_mean_needs_all_seventy_five(small):
    record = quick("ce", shift=["corruptions"], dataset=small, epochs=1)
    assert len(record.shift) == 75
    for name in ("accuracy", "nll", "brier", "ece15", "aurc"):
        values = [row["metrics"][name] for row in record.shift]
        assert record.metrics[f"shift_{name}_corruptions"] == pytest.approx(np.mean(values), rel=1e-12)
    assert record.units["shift_accuracy_corruptions"] == {"unit": "fraction", "better": "higher", "rankable": True}
    floors = [row["noise_floor"]["ece15"]["mean"] for row in record.shift]
    assert record.noise_floor["shift_ece15_corruptions"]["mean"] == pytest.approx(np.mean(floors))
    assert not record.units["shift_mce15_corruptions"]["rankable"]
    kinds = ";".join(KINDS[1:])
    partial = quick("ce", shift=[f"corruptions:kinds={kinds},severities=1"], dataset=small, epochs=1)
    assert len(partial.shift) == 14
    assert not any(name.startswith("shift_") for name in partial.metrics)
    assert partial.data["shift"][0] | {"notes": []} == {
        "shift": f"corruptions:kinds={kinds},severities=1",
        "variants": 14,
        "mean_over": 0,
        "notes": [],
        "files": "",
    }
    first = {row["kind"]: row["metrics"] for row in record.shift if row["severity"] == 1}
    assert all(row["metrics"] == first[row["kind"]] for row in partial.shift)


def test_the_means_interval_resamples_test_rows_with_all_their_variants(tmp_path):
    record = quick("ce", shift=["rotation:angles=0;20;40"], results=tmp_path)
    held = read_predictions(tmp_path, record)
    single = [quick("ce", shift=[f"rotation:angles={a}"], results=tmp_path) for a in (0, 20, 40)]
    parts = []
    for a, one in zip((0, 20, 40), single, strict=True):
        parts.append(read_predictions(tmp_path, one)[f"bootstrap.shift_accuracy_rotation:angles={a}.0"])
    whole = held["bootstrap.shift_accuracy_rotation:angles=0.0;20.0;40.0"]
    np.testing.assert_allclose(whole, np.mean(parts, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(parts[0], held["bootstrap.accuracy"])
    low, high = record.intervals["shift_accuracy_rotation:angles=0.0;20.0;40.0"]
    assert low < record.metrics["shift_accuracy_rotation:angles=0.0;20.0;40.0"] < high


def test_a_subset_is_resampled_through_the_rows_it_was_drawn_from(tmp_path):
    record = quick("ce", shift=["label-shift:alphas=1,seed=3"], results=tmp_path)
    (row,) = record.shift
    held = read_predictions(tmp_path, record)
    logits, y = held["test.logits"], held["test.labels"]
    correct = (logits.argmax(axis=1) == y).astype(float)
    shares = np.array(row["about"]["prior"]) * row["n"]
    assert record.shift[0]["n"] == shares.sum()
    values = held["bootstrap.shift_accuracy_label-shift:alphas=1.0;seed=3"]  # no comma: names stand in lists
    # its rows are not stored: found again as the plugin drew them
    task = ShiftTask(np.zeros((len(y), 1), dtype=np.float32), y, 10, 1, 0.0, 1.0)
    rows = label_shift(task, (1.0,), None, 3)[0].rows
    assert row["metrics"]["accuracy"] == correct[rows].mean()
    weights = np.concatenate(list(multiplicities(len(y), 1000, 0)))[:, rows]
    np.testing.assert_allclose(values, weights @ correct[rows] / weights.sum(axis=1), rtol=1e-12)


# --- the command line ---------------------------------------------------------------------------------------------------


def test_list_and_show(cli):
    names = [item["name"] for item in cli("list", "shifts", "--json").document["items"]]
    assert names[:5] == ["cifar10-c", "cifar100-c", "corruptions", "label-shift", "rotation"]
    shown = cli("show", "shift", "cifar10-c").out
    assert "mean over" in shown
    assert "jpeg_compression at severity 1, 2, 3, 4, 5" in shown
    assert "near OOD" in cli("show", "dataset", "cifar10").out
    for entry in registry().all("dataset"):
        for name in (*entry.spec.near_ood, *entry.spec.far_ood):
            other = registry().get("dataset", name).spec
            assert other.name != entry.spec.name
    assert cli("show", "shift", "rotation", "--json").document["params"][0]["unit"] == "degrees"


REFUSED = [
    (("--shift", "rotatoin"), "there is no shift called 'rotatoin'", "did you mean 'rotation'?"),
    (("--shift", "corruptions:severities=6"), "severities=6 is outside [1, 5]", "all five"),
    (("--shift", "cifar10-c"), "rows of shape [1, 8, 8], not [3, 32, 32]", "--dataset cifar10"),
    (("-d", "wine", "--shift", "corruptions"), "rows of shape [13], which are not images", "[C, H, W]"),
    (("--shift", "corruptions:frost=nowhere"), "cannot read frost=nowhere", "frost1.png"),
    (("--ood", "svhm"), "there is no dataset called 'svhm'", "did you mean 'svhn'?"),
    (("--ood", "near"), "dataset 'digits' declares no near OOD set", "--ood svhn"),
    (("--ood", "all"), "dataset 'digits' declares no OOD set", "--ood svhn"),
    (("--ood", "wine"), "its rows have shape [13], those of the data [1, 8, 8]", "one shape"),
    (("--ood-score", "energy"), "--ood-score energy would do nothing without --ood", "--ood svhn"),
    (("--ood", "svhn", "--ood-score", "enrgy"), "there is no such score", "did you mean 'energy'?"),
    (("--ood", "svhn", "--data-dir", "."), "there is no train_32x32.mat", "--download fetches it"),
    (("--ood", "digits"), "rows are rows of the data", "none of the classes"),
]


@pytest.mark.parametrize(("args", "says", "hint"), REFUSED, ids=[" ".join(args) for args, _, _ in REFUSED])
def test_mistakes_end_before_anything_is_trained_or_written(refused, args, says, hint):
    refused("run", "-m", "ce", *args, says=says, hint=hint)
