"""Sample weights in figures: repeated samples, absent samples, equal weights, and scikit-learn as oracles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import draw, simulated, simulated_with_decisions
from sklearn import metrics as sklearn_metrics
from tied_cases import check_resampled, tied_cases

from calibench.errors import InputError
from calibench.evaluation.judge import applicable, judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.metric import Metric
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.sample_weight import effective_samples
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs

LOADED = load_metrics("all", weighted=True)
ALL = {name: metric for name, (_, metric) in LOADED.items()}
SPECS = {name: spec for name, (spec, _) in LOADED.items()}
OF_RANKS = {"ece_equal_mass15", "aurc", "e_aurc", "augrc", "ace15", "tace15", "smece", "rms_ce", "skce"}
OF_FOLDS = {"refinement_nll", "refinement_brier", "calibration_nll", "calibration_brier"}
OF_DRAWS = {"ece_debiased15"}
"""A weight of 2 is no second draw, so it says less about the noise of a bin than two samples do."""
EXACT = {name: metric for name, metric in ALL.items() if name not in OF_RANKS | OF_FOLDS | OF_DRAWS}


def weighted(judged, weights):
    """The same samples with weights."""
    decisions = None
    if judged.decisions is not None:
        arrays = {"sets": judged.sets, "uncertainty": judged.uncertainty, "costs": judged.costs}
        decisions = Decisions(torch.tensor(judged.decisions), **{key: torch.tensor(arrays[key]) for key in arrays})
    return Judged(judged.outputs, torch.tensor(judged.labels), decisions, sample_weight=weights)


def figures(judged, metrics):
    """The figure of each metric that applies."""
    chosen = applicable(judged, {name: (SPECS[name], metric) for name, metric in metrics.items()})
    return {name: metric.value(judged) for name, metric in chosen.items()}


def check_equal(ours, theirs, atol=1e-12, rtol=1e-10):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=atol, err_msg=name)


def lognormal(n, seed=0):
    return np.random.default_rng(seed).lognormal(0, 1, size=n)


@pytest.mark.slow
@given(case=tied_cases(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_whole_weights_are_repeated_samples(case, data):
    judged, rows = case
    whole = data.draw(st.sampled_from(list(rows)))
    repeated = judged.take(np.repeat(np.arange(judged.n), whole.astype(int)))
    check_equal(figures(weighted(judged, whole), EXACT), figures(repeated, EXACT), atol=1e-9)


def test_the_intercept_of_sure_answers_is_not_lost_in_the_rounding_of_the_weights():
    """Wrong answers of both classes weigh the same, so that parts of 1e-17 decide."""
    z = np.array([60.66307337379053, 40.0307954161859, 60.53579595921016, 60.2, 60.94214109540255, -59.772809017258346])
    labels, whole = np.array([1, 0, 0, 1, 1, 1]), np.array([5, 4, 1, 5, 4, 5])
    judged = Judged(Outputs(torch.tensor(np.stack([0 * z, z], axis=1))), torch.tensor(labels))
    repeated = judged.take(np.repeat(np.arange(6), whole))
    metric = ALL["calibration_intercept"]
    assert metric.value(weighted(judged, whole.astype(float))) == pytest.approx(metric.value(repeated), rel=1e-6)


@pytest.mark.slow
@given(case=tied_cases(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_sample_of_weight_0_is_as_good_as_absent(case, data):
    judged, rows = case
    weights = data.draw(st.sampled_from(list(rows))) * np.random.default_rng(judged.n).uniform(0.1, 5, size=judged.n)
    kept = np.flatnonzero(weights)
    whole = weighted(judged, weights)
    part = weighted(judged.take(kept), weights[kept]) if len(kept) < judged.n else whole
    check_equal(figures(whole, ALL), figures(part, ALL), atol=1e-9)


@pytest.mark.slow
@given(case=tied_cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_resampled_equals_the_default_on_counts_times_weights(case, data):
    judged, counts = case
    own = np.array(data.draw(st.lists(st.floats(0.1, 5), min_size=judged.n, max_size=judged.n)))
    judged = weighted(judged, own)
    scale = np.ones(judged.n) if judged.sample_weight is None else judged.sample_weight
    for metric in ALL.values():
        if metric.applies(judged):
            check_resampled(metric, judged, counts * scale, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", sorted(OF_RANKS - {"rms_ce"}))
def test_figures_of_ranks_come_close_to_repeated_samples(name):
    judged = simulated(1500, 3, seed=1)
    whole = np.random.default_rng(2).integers(0, 4, size=judged.n).astype(np.float64)
    repeated = judged.take(np.repeat(np.arange(judged.n), whole.astype(int)))
    metric = ALL[name]
    assert metric.value(weighted(judged, whole)) == pytest.approx(metric.value(repeated), abs=15 / judged.n)


def test_bins_of_100_samples_have_equal_shares_of_the_weight():
    judged = simulated(1000, 3, seed=4)
    weights = lognormal(1000)
    order = np.argsort(judged.confidence, kind="stable")
    share = weights[order] / weights.sum() * 10
    starts = share.cumsum() - share
    gap = (judged.confidence - judged.correct)[order]
    expected = 0.0
    for b in range(10):
        inside = np.clip(np.minimum(starts + share, b + 1) - np.maximum(starts, b), 0, None)
        expected += (inside * gap).sum() ** 2 / 10
    assert ALL["rms_ce"].value(weighted(judged, weights)) == pytest.approx(np.sqrt(expected), rel=1e-9)


def test_equal_mass_groups_hold_equal_weight():
    judged = simulated(900, 3, seed=4)
    weights = lognormal(900)
    order = np.argsort(judged.confidence, kind="stable")
    share = weights[order] / weights.sum() * 15
    starts = share.cumsum() - share
    gap = (judged.confidence - judged.correct)[order]
    inside = [np.clip(np.minimum(starts + share, b + 1) - np.maximum(starts, b), 0, None) for b in range(15)]
    expected = sum(abs((part * gap).sum()) for part in inside) / 15
    assert ALL["ece_equal_mass15"].value(weighted(judged, weights)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_equal_weights_give_the_same_bits_and_a_constant_changes_nothing():
    judged = simulated_with_decisions(300, 4, seed=3)
    assert weighted(judged, np.full(300, 7.3)).sample_weight is None
    assert figures(weighted(judged, np.full(300, 7.3)), ALL) == figures(judged, ALL)
    weights = lognormal(300)
    check_equal(figures(weighted(judged, weights), ALL), figures(weighted(judged, weights * 1e-30), ALL))
    check_equal(figures(weighted(judged, weights), ALL), figures(weighted(judged, weights * 1e306), ALL))


@pytest.mark.slow
def test_debiasing_subtracts_the_variance_of_a_weighted_share_on_average():
    """Of a calibrated model the mean of the signed square is 0, whatever the weights."""
    rng, weights = np.random.default_rng(0), lognormal(120)
    p = np.full((120, 2), (0.3, 0.7))
    signed = []
    for _ in range(3000):
        labels = (rng.random(120) < 0.7).astype(np.int64)
        judged = Judged(Outputs(torch.tensor(p), True), torch.tensor(labels), sample_weight=weights)
        signed.append(ALL["ece_debiased15"].details(judged)["signed_square"])
    assert abs(np.mean(signed)) < 4 * np.std(signed) / np.sqrt(3000)


@pytest.mark.parametrize("k", [2, 4])
def test_figures_equal_those_of_scikit_learn(k):
    rng, weights = np.random.default_rng(k), lognormal(500, k)
    logits, y = draw(500, k, rng)
    judged = Judged(Outputs(torch.tensor(logits)), torch.tensor(y), sample_weight=weights)
    p, answers, truth = judged.probs, judged.prediction, np.eye(k)[y]
    own = {"sample_weight": weights}
    by_class = [1] if k == 2 else range(k)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(y, answers, **own),
        "nll": sklearn_metrics.log_loss(y, p, **own),
        "brier": np.average(((p - truth) ** 2).sum(axis=1), weights=weights),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(y, answers, **own),
        "f1": sklearn_metrics.f1_score(y, answers, average="macro", **own),
        "precision": sklearn_metrics.precision_score(y, answers, average="macro", **own),
        "recall": sklearn_metrics.recall_score(y, answers, average="macro", **own),
        "auroc": np.mean([sklearn_metrics.roc_auc_score(truth[:, j], p[:, j], **own) for j in by_class]),
        "auprc": np.mean([sklearn_metrics.average_precision_score(truth[:, j], p[:, j], **own) for j in by_class]),
    }
    check_equal({name: ALL[name].value(judged) for name in expected}, expected, rtol=1e-9)
    if k == 2:
        half_brier = sklearn_metrics.brier_score_loss(y, p[:, 1], sample_weight=weights)
        assert ALL["brier"].value(judged) == pytest.approx(2 * half_brier, rel=1e-12)


def test_ece_is_the_sum_of_weighted_gaps():
    judged, weights = simulated(400, 5, seed=6), lognormal(400)
    bins = np.minimum(np.ceil(judged.confidence * 15).astype(int) - 1, 14)
    gaps = np.bincount(bins, weights * (judged.confidence - judged.correct), 15)
    assert ALL["ece15"].value(weighted(judged, weights)) == pytest.approx(np.abs(gaps).sum() / weights.sum(), rel=1e-12)
    total = np.bincount(bins, weights, 15)
    largest = np.max(np.abs(gaps)[total > 0] / total[total > 0])
    assert ALL["mce15"].value(weighted(judged, weights)) == pytest.approx(largest, rel=1e-12)


def test_aurc_is_about_the_weighted_mean_risk_at_the_coverage_of_each_sample():
    judged, weights = simulated(3000, 4, seed=7), np.random.default_rng(1).uniform(0.5, 2, 3000)
    order = np.argsort(judged.tail, kind="stable")
    w, wrong = weights[order], 1 - judged.correct[order]
    risk, coverage_step = (w * wrong).cumsum() / w.cumsum(), w / w.sum()
    assert ALL["aurc"].value(weighted(judged, weights)) == pytest.approx((risk * coverage_step).sum(), abs=2 / 3000)
    joint = (w * wrong).cumsum() / w.sum()
    assert ALL["augrc"].value(weighted(judged, weights)) == pytest.approx((joint * coverage_step).sum(), abs=2 / 3000)


def test_details_follow_the_weights():
    judged = simulated_with_decisions(200, 3, seed=8)
    whole = np.random.default_rng(3).integers(0, 4, size=200).astype(np.float64)
    ours, repeated = weighted(judged, whole), judged.take(np.repeat(np.arange(200), whole.astype(int)))
    for name in ("brier", "coverage", "set_size", "mean_cost", "ks", "balanced_accuracy", "auroc"):
        found, expected = ALL[name].details(ours), ALL[name].details(repeated)
        for key in set(expected) - {
            "sigma",
            "ratio",
            "p_value",
            "per_class_hits",
            "per_class_answers",
            "per_class_support",
        }:
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-9, atol=1e-12, err_msg=f"{name} {key}")
    brier = ALL["brier"].details(ours)
    parts = brier["reliability"] - brier["resolution"] + brier["uncertainty"] + brier["within_bin"]
    assert parts == pytest.approx(ALL["brier"].value(ours), rel=1e-12)
    own, confidence = ours.sample_weight, ours.confidence
    sigma = np.sqrt((own**2 * confidence * (1 - confidence)).sum()) / own.sum()
    assert ALL["ks"].details(ours)["sigma"] == pytest.approx(sigma, rel=1e-12)


def test_samples_with_several_labels_have_one_weight():
    rng = np.random.default_rng(0)
    x, y = torch.tensor(rng.normal(size=(60, 3))), torch.tensor(rng.integers(2, size=(60, 3)))
    whole = rng.integers(0, 4, size=60)
    judged = Judged(yes_no_outputs(x), y.flatten(), sample_weight=whole)
    rows = torch.tensor(np.repeat(np.arange(60), whole))
    check_equal(figures(judged, EXACT), figures(Judged(yes_no_outputs(x[rows]), y[rows].flatten()), EXACT))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, np.nan, -1.0], "row 1: nan"),
        ([1.0, 1.0, -0.5], "row 2: -0.5"),
        ([np.inf, 1.0, 1.0], "row 0: inf"),
        ([0.0, 0.0, 0.0], "all weights are 0"),
        ([1.0, 1.0], "shape"),
        (["a", "b", "c"], "sample_weight"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        Judged(Outputs(torch.zeros(3, 2)), torch.tensor([0, 1, 0]), sample_weight=weights)


class Overconfidence(Metric):
    """A metric as a plugin author writes it."""

    def value(self, judged):
        return float(judged.confidence.mean() - judged.correct.mean())


class MeanConfidence(SampleMean):
    """A mean needs no more."""

    def per_sample(self, judged):
        return judged.confidence


class WithDetails(MeanConfidence):
    """Its details may not heed weights."""

    def details(self, judged):
        return {"largest": float(judged.confidence.max())}


def test_a_metric_that_takes_no_weights_is_refused_by_name_and_left_out_of_sets():
    assert (Overconfidence.takes_weights, MeanConfidence.takes_weights, WithDetails.takes_weights) == (
        False,
        True,
        False,
    )
    with pytest.raises(InputError, match=r"'ici' takes no sample weights.*\n?.*accuracy, nll"):
        load_metrics("ici", weighted=True)
    assert "ici" not in ALL
    assert "ici" in load_metrics("all")
    spec = load_metrics("brier")["brier"][0]
    judged = weighted(simulated(50, 2, seed=0), lognormal(50))
    with pytest.raises(InputError, match="'mine' takes no sample weights"):
        judge(judged, {"mine": (spec, Overconfidence())})
    assert set(load_metrics()) == set(load_metrics(weighted=True))


def test_kish():
    assert effective_samples(np.ones(7)) == 7
    assert effective_samples(np.array([1.0, 0, 0])) == 1
    assert effective_samples(np.array([2.0, 1, 1])) == pytest.approx(16 / 6)
