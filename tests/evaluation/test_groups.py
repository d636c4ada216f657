"""Groups of samples: figures and replicates of each equal those of its samples judged alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from calibench import kernels
from calibench.errors import InputError
from calibench.evaluation.groups import checked_groups, judge_groups
from calibench.evaluation.judge import applicable, judge
from calibench.metrics import group_resamples
from calibench.metrics.bootstrap import Sampling, bootstrap
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.noise_floor import noise_floor
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "metrics"))

from metric_cases import draw

SAMPLING = Sampling(seed=4)
METRICS = "default,augrc,ks,auroc,over_confidence"


def samples(n=240, k=3, weights=False, seed=0):
    rng = np.random.default_rng(seed)
    logits, y = draw(n, k, rng)
    own = rng.lognormal(0, 1, n) * (rng.random(n) < 0.9) if weights else None
    return Judged(Outputs(torch.tensor(logits)), torch.tensor(y), sample_weight=own), rng.integers(5, size=n)


def check_groups(judged, groups, metrics=METRICS, sampling=SAMPLING):
    """Figures, intervals, floors and replicates of every group, against each subset alone."""
    loaded = load_metrics(metrics)
    found = judge_groups(judged, groups, loaded, sampling)
    chosen = applicable(judged, loaded)
    per = judged.labels_per_sample
    for name in np.unique(groups):
        rows = np.flatnonzero(groups == name)
        part = judged.take((rows[:, None] * per + np.arange(per)).ravel())
        alone, group = judge(part, loaded, sampling), found[str(name)]
        assert group.n == len(rows)
        assert group.metrics == alone.metrics
        estimates = {key: metric.value(part) for key, metric in chosen.items()}
        expected = bootstrap(part, chosen, estimates, sampling, rows=rows, num_samples=judged.n // per)
        for key, replicates in expected.items():
            np.testing.assert_allclose(group.replicates[key], replicates.values, rtol=1e-10, atol=1e-11, err_msg=key)
        assert group.noise_floor == noise_floor(part, chosen, seed=sampling.seed)
        for key, method in alone.bootstrap["methods"].items():
            if method != "resamples":
                assert group.intervals[key] == alone.intervals[key], key
        assert group.no_interval.keys() == alone.no_interval.keys()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("weights", [False, True])
def test_groups_equal_their_samples_judged_alone(weights):
    judged, groups = samples(weights=weights)
    found = check_groups(judged, groups)
    assert list(found) == ["0", "1", "2", "3", "4"]
    assert sum(group.n for group in found.values()) == 240
    assert sum(group.weight for group in found.values()) == pytest.approx(1)


@pytest.mark.slow
def test_groups_of_one_sample_and_many_groups(monkeypatch):
    monkeypatch.setattr(group_resamples, "AT_ONCE", 3)
    judged, groups = samples(60)
    groups = np.where(np.arange(60) < 4, 10 + np.arange(60), groups)
    check_groups(judged, groups)


@pytest.mark.slow
def test_samples_with_several_labels_stay_together():
    rng = np.random.default_rng(1)
    x, y = torch.tensor(rng.normal(size=(90, 3))), torch.tensor(rng.integers(2, size=(90, 3)))
    judged = Judged(yes_no_outputs(x), y.flatten(), sample_weight=rng.lognormal(0, 1, 90))
    check_groups(judged, rng.integers(3, size=90), metrics="default")


def test_differences_of_groups_are_paired_by_the_resample():
    """All samples of a group count as often in every group's replicate b: the whole is the weighted mean of its groups."""
    judged, groups = samples()
    loaded = load_metrics("accuracy")
    whole = judge(judged, loaded, Sampling(seed=4)).replicates["accuracy"]
    sizes = bootstrap(judged, {}, {}, Sampling(seed=4))
    assert sizes == {}
    found = judge_groups(judged, groups, loaded, Sampling(seed=4))
    parts = np.stack([group.replicates["accuracy"] for group in found.values()])
    assert (parts.min(axis=0) <= whole + 1e-12).all()
    assert (parts.max(axis=0) >= whole - 1e-12).all()


def test_more_groups_take_no_more_passes_over_the_samples(monkeypatch):
    """Counts are drawn once for each block, and means and bins of all groups are added up together."""
    judged, _ = samples(300)
    calls = {"draws": 0, "sums": 0}

    def counted(name, function):
        def wrapper(*arguments, **keywords):
            calls[name] += 1
            return function(*arguments, **keywords)

        return wrapper

    monkeypatch.setattr(kernels, "resample_counts", counted("draws", kernels.resample_counts))
    monkeypatch.setattr(kernels, "resample_sums", counted("sums", kernels.resample_sums))
    loaded = load_metrics("accuracy,nll,brier,ece15,ece10,ece_debiased15,mce15,over_confidence")
    passes = []
    for count in (1, 60):
        calls.update(draws=0, sums=0)
        judge_groups(judged, np.arange(300) % count, loaded)
        passes.append(dict(calls))
    assert passes[0] == passes[1]
    assert passes[0]["draws"] == passes[0]["sums"] / 2


def test_names_are_numbers_or_texts_in_order():
    assert checked_groups([10, 9, 10], 3)[0] == ["9", "10"]
    assert checked_groups(torch.tensor([10, 9, 10]), 3)[0] == ["9", "10"]
    assert checked_groups(np.array(["b", "a", "b"]), 3)[0] == ["a", "b"]
    names, index = checked_groups(np.array(["b", "a", 3], dtype=object), 3)
    assert (names, index.tolist()) == (["3", "a", "b"], [2, 1, 0])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2], "shape"),
        (np.array([1.0, 2.0, 3.0]), "type float64"),
        ([1, 2.5, 3], "row 1: 2.5"),
        (np.array(["a", None, "b"], dtype=object), "row 1: None"),
        (["a", "b", float("nan")], "row 2: nan"),
        ([[1], [2, 3], [4]], "row 0"),
    ],
)
def test_other_groups_are_refused(groups, message):
    with pytest.raises(InputError, match=message):
        checked_groups(groups, 3)


def test_a_group_without_weight_has_no_figures():
    judged, groups = samples()
    judged = Judged(judged.outputs, torch.tensor(judged.labels), sample_weight=np.where(groups == 2, 0.0, 1.0))
    found = judge_groups(judged, groups, load_metrics("accuracy,ece15,aurc"))
    assert set(found["2"].metrics.values()) == {None}
    assert found["2"].weight == 0
    assert found["2"].replicates == {}
    assert found["1"].metrics["accuracy"] is not None


def test_0_resamples_give_figures_alone():
    judged, groups = samples()
    found = judge_groups(judged, groups, load_metrics(), Sampling(resamples=0))
    assert found["0"].metrics["ece15"] is not None
    assert set(found["0"].intervals.values()) == {None}
    assert (found["0"].noise_floor, found["0"].replicates) == ({}, {})
    assert "replicates" not in found["0"].to_dict()
