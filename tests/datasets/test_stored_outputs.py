"""`outputs` and `sklearn`: a run on stored outputs judges them as `evaluate` does, and refuses to train on them."""

from __future__ import annotations

import numpy as np
import pytest

import calibench
from calibench import InputError
from calibench_datasets.sources.sklearn import CLASSIFIERS, sklearn

RNG = np.random.default_rng(5)
N, K = 400, 3


def outputs_of(rows, sharpness=3.0):
    labels = RNG.integers(K, size=rows)
    logits = RNG.normal(size=(rows, K)) * 1.5 + np.eye(K)[labels] * sharpness
    probs = np.exp(2 * logits)
    return probs / probs.sum(axis=1, keepdims=True), labels


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    """A file in CalArena's layout with two experiments."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path_factory.mktemp("arena") / "arena.h5"
    with h5py.File(path, "w") as file:
        for name in ("adult/forest", "adult/mlp"):
            for split in ("cal", "test"):
                probs, labels = outputs_of(N)
                file[f"{name}/probas_{split}"], file[f"{name}/labels_{split}"] = probs, labels
    return path


def test_a_run_has_the_figures_of_evaluate(arena):
    dataset = f"outputs:path={arena},group=adult/mlp"
    record = calibench.run("ce+temperature", dataset, model="frozen", results=None)
    import h5py

    with h5py.File(arena) as file:
        group = file["adult/mlp"]
        arrays = {name: group[name][()] for name in group}
    judged = calibench.evaluate(
        probs=arrays["probas_test"],
        labels=arrays["labels_test"],
        fit="temperature",
        fit_probs=arrays["probas_cal"],
        fit_labels=arrays["labels_cal"],
    )
    assert judged.after is not None
    for name in ("brier", "nll", "accuracy", "ece15"):
        assert record.metrics[name] == pytest.approx(judged.after["metrics"][name], rel=1e-5)
    assert record.n == {"train": N, "val": N, "cal": N, "test": N}


def test_two_files_are_aligned_by_name(tmp_path):
    pd = pytest.importorskip("pandas")
    names = ["cat", "dog", "fox"]
    for file, order in (("test.csv", names), ("fit.csv", names[::-1])):
        probs, labels = outputs_of(N)
        frame = pd.DataFrame(probs, columns=names)[order]
        frame["label"] = np.asarray(names)[labels]
        frame.to_csv(tmp_path / file, index=False)
    dataset = f"outputs:path={tmp_path}/test.csv,fit={tmp_path}/fit.csv"
    before, after = (calibench.run(r, dataset, model="frozen", results=None) for r in ("ce", "ce+temperature"))
    assert after.metrics["nll"] < before.metrics["nll"]
    assert after.metrics["accuracy"] == before.metrics["accuracy"] > 0.7


@pytest.mark.parametrize(
    "recipe", ["vtst", "ensemble:members=2", "ce+swag", "label-smoothing", "ce+reinit+temperature"]
)
def test_nothing_is_trained_on_outputs(recipe):
    with pytest.raises(InputError, match="trains, and dataset 'sklearn' holds outputs alone"):
        calibench.run(recipe, "sklearn", model="frozen", results=None)


def test_a_network_is_refused():
    with pytest.raises(InputError, match="holds outputs alone") as error:
        calibench.run("ce", "sklearn", results=None)
    assert "--model frozen" in error.value.hint


def test_one_table_has_nothing_to_fit_on(tmp_path):
    with pytest.raises(InputError, match="no samples to fit on"):
        calibench.run("ce", f"outputs:path={tmp_path}/a.csv", model="frozen", results=None)


@pytest.mark.slow
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classifiers_predict_rows_that_they_did_not_see(classifier):
    arrays = sklearn(classifier, "iris", 0)
    cal_y, (x, y) = arrays.cal[1], arrays.test
    assert len(cal_y) + len(y) == 75
    assert (x.argmax(axis=1) == y).mean() > 0.8
    np.testing.assert_allclose(np.exp(x).sum(axis=1), 1, atol=0.01)


def test_outputs_of_one_data_set_are_one_group(arena, tmp_path):
    from calibench.leaderboard.across import across
    from calibench.leaderboard.boards import boards
    from calibench.records.store import read_records

    datasets = [f"outputs:path={arena},group=adult/{model}" for model in ("forest", "mlp")]
    datasets.append("sklearn:of=iris,classifier=naive-bayes")
    for dataset in datasets:
        for recipe in ("ce", "ce+temperature"):
            calibench.run(recipe, dataset, model="frozen", results=tmp_path)
    summary = across(boards(read_records(tmp_path), tmp_path, "brier"), "ce")
    assert summary is not None
    assert (summary.win_rates.tasks, summary.win_rates.groups) == ({"": 3}, {"": 2})
