"""Runs judged under shift: every kind of recipe, the mean over variants, and what is resampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_sets import quick, write_some_digits

from calibench import InputError
from calibench.data.shift import ShiftTask
from calibench.metrics.bootstrap import multiplicities
from calibench.records.store import read_predictions
from calibench_datasets.shift.corruption_names import KINDS
from calibench_datasets.shift.label_shift import label_shift

STILL = "rotation:angles=0"
"""The shift that changes nothing: its figures must be those of the test split."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A quarter of the digits."""
    return write_some_digits(tmp_path_factory.mktemp("small"), 450)


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


@pytest.mark.slow
@pytest.mark.parametrize("method", EXACT)
def test_a_shift_that_changes_nothing_gives_the_test_figures(method: str, small: str) -> None:
    record = quick(method, dataset=small, shift=[STILL, "rotation:angles=0;30"])
    (still, _, rotated) = record.shift
    assert still["metrics"] == {name: record.metrics[name] for name in still["metrics"]}
    assert still["n"] == record.n["test"]
    for name, interval in still["intervals"].items():
        assert interval == record.intervals[name]
    assert still["noise_floor"]["ece15"] == record.noise_floor["ece15"]
    assert rotated["metrics"]["accuracy"] < record.metrics["accuracy"]
    assert rotated["metrics"]["nll"] > record.metrics["nll"]
    for name, value in still["metrics"].items():
        assert record.metrics[f"shift_{name}_{STILL}.0"] == value
        assert record.units[f"shift_{name}_{STILL}.0"] == record.units[name]
    mean = record.metrics["shift_nll_rotation:angles=0.0;30.0"]
    assert mean == pytest.approx((still["metrics"]["nll"] + rotated["metrics"]["nll"]) / 2, rel=1e-12)
    if "threshold" in method:
        assert rotated["metrics"]["coverage"] < still["metrics"]["coverage"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vtst:epochs=2", "mc-dropout:samples=20", "mean-field:epochs=2,samples=5"])
def test_recipes_that_draw_at_random_come_close_and_are_repeated(method: str, small: str) -> None:
    model = "mlp:hidden=16,dropout=0.2"
    records = [quick(method, shift=[STILL], model=model, dataset=small) for _ in range(2)]
    (row,) = records[0].shift
    assert row["metrics"]["nll"] == pytest.approx(records[0].metrics["nll"], rel=0.1)
    assert records[0].shift == records[1].shift


@pytest.mark.slow
def test_calibrators_and_thresholds_are_fitted_on_cal_alone(small: str) -> None:
    method = "ce+temperature+threshold:target_coverage=0.8"
    plain = quick(method, dataset=small)
    shifted = quick(method, dataset=small, shift=["corruptions:kinds=fog;contrast"])
    assert plain.fitted == shifted.fitted
    assert plain.metrics == {name: shifted.metrics[name] for name in plain.metrics}
    assert plain.intervals == {name: shifted.intervals[name] for name in plain.intervals}


def test_features_of_a_trained_network_are_shifted_too(features: Any, tmp_path: Path) -> None:
    dataset = f"npz:path={tmp_path / 'features.npz'}"
    record = quick("ce+temperature", dataset=dataset, model="frozen", epochs=None, shift=["label-shift"])
    assert [row["kind"] for row in record.shift] == ["dirichlet"] * 3


def test_rows_of_several_labels_are_shifted_and_have_no_ood_scores(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, size=(300, 2))
    x = (y @ generator.normal(size=(2, 64)) + generator.normal(size=(300, 64))).reshape(300, 8, 8)
    x = (x - x.min()) / (x.max() - x.min())
    np.savez(tmp_path / "labels.npz", train_x=x.astype(np.float32), train_y=y)
    dataset = f"npz:path={tmp_path / 'labels.npz'}"
    record = quick("bce", shift=[STILL], dataset=dataset, model="mlp:hidden=8")
    (row,) = record.shift
    assert row["metrics"] == {name: record.metrics[name] for name in row["metrics"]}
    assert row["n"] == record.n["test"]
    with pytest.raises(InputError, match="OOD scores are of one class a row"):
        quick("bce", ood=[dataset], dataset=dataset, model="mlp:hidden=8")


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_run_without_shift_has_no_figures_of_shift_or_ood(small: str) -> None:
    record = quick("ce", dataset=small)
    assert (record.shift, record.ood) == ([], [])
    assert not any(name.startswith(("shift_", "ood_")) for name in record.metrics)
    assert "shift" not in record.data


@pytest.mark.slow
def test_the_corruption_mean_needs_all_seventy_five_variants(tmp_path: Path) -> None:
    dataset = write_some_digits(tmp_path, 300)
    record = quick("ce", shift=["corruptions"], dataset=dataset, epochs=1)
    assert len(record.shift) == 75
    for name in ("accuracy", "nll", "brier", "ece15", "aurc"):
        values = [row["metrics"][name] for row in record.shift]
        assert record.metrics[f"shift_{name}_corruptions"] == pytest.approx(np.mean(values), rel=1e-12)
    accuracy = {"unit": "fraction", "better": "higher", "rankable": True, "order_only": False}
    assert record.units["shift_accuracy_corruptions"] == accuracy | {"estimand": "the mean of the population"}
    assert record.units["shift_ece15_corruptions"]["order_only"]
    floors = [row["noise_floor"]["ece15"]["mean"] for row in record.shift]
    assert record.noise_floor["shift_ece15_corruptions"]["mean"] == pytest.approx(np.mean(floors))
    assert not record.units["shift_mce15_corruptions"]["rankable"]
    kinds = ";".join(KINDS[1:])
    partial = quick("ce", shift=[f"corruptions:kinds={kinds},severities=1"], dataset=dataset, epochs=1)
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


@pytest.mark.slow
def test_the_means_interval_resamples_test_rows_with_all_their_variants(small: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"dataset": small, "results": tmp_path}
    record = quick("ce", shift=["rotation:angles=0;20;40"], **options)
    stored = read_predictions(tmp_path, record)
    single = [
        read_predictions(tmp_path, quick("ce", shift=[f"rotation:angles={angle}"], **options))[
            f"bootstrap.shift_accuracy_rotation:angles={angle}.0"
        ]
        for angle in (0, 20, 40)
    ]
    mean = "shift_accuracy_rotation:angles=0.0;20.0;40.0"
    np.testing.assert_allclose(stored[f"bootstrap.{mean}"], np.mean(single, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(single[0], stored["bootstrap.accuracy"])
    low, high = record.intervals[mean]
    assert low < record.metrics[mean] < high


def test_a_subset_is_resampled_through_the_rows_it_was_drawn_from(tmp_path: Path) -> None:
    record = quick("ce", shift=["label-shift:alphas=1,seed=3"], results=tmp_path)
    (row,) = record.shift
    stored = read_predictions(tmp_path, record)
    logits, y = stored["test.logits"], stored["test.labels"]
    correct = (logits.argmax(axis=1) == y).astype(float)
    shares = np.array(row["about"]["prior"]) * row["n"]
    assert record.shift[0]["n"] == shares.sum()
    values = stored["bootstrap.shift_accuracy_label-shift:alphas=1.0;seed=3"]  # no comma: names stand in lists
    # The subset's rows are not stored: they are drawn again as the plugin draws them.
    task = ShiftTask(np.zeros((len(y), 1), dtype=np.float32), y, 10, 1, 0.0, 1.0)
    rows = label_shift(task, (1.0,), None, 3)[0].rows
    assert row["metrics"]["accuracy"] == correct[rows].mean()
    weights = np.concatenate(list(multiplicities(len(y), 1000, 0)))[:, rows]
    np.testing.assert_allclose(values, weights @ correct[rows] / weights.sum(axis=1), rtol=1e-12)
