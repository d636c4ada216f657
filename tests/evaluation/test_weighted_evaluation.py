"""Weights and groups through `calibench.evaluate`, and the verdict on weighted samples."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from calibrated import draw

import calibench
from calibench.errors import InputError
from calibench.evaluation.calibration_test import calibration_test, families
from calibench.evaluation.counts import ClassCounts, LabelCounts, RightAnswers
from calibench.evaluation.label_ece import LabelECE
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.noise_floor import drawn_figures
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs


def weighted(p, labels, rng):
    weights = rng.lognormal(0, 1, len(labels))
    return Judged(Outputs(torch.tensor(p), True), torch.tensor(labels), sample_weight=weights)


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 6])
def test_a_calibrated_model_is_rejected_5_times_in_100_at_most(k):
    rejected = 0
    for run in range(100):
        rng = np.random.default_rng((run, k))
        judged = weighted(*draw(rng, 150, k), rng)
        rejected += bool(
            calibration_test(judged, drawn_figures(judged, families(judged), seed=run, draws=500)).findings
        )
    assert rejected <= 12  # 5 % of 100 are more than 12 with a probability of 0.15 %


@pytest.mark.slow
def test_what_is_wrong_is_found_and_told_of_weighted_samples():
    rng = np.random.default_rng(1)
    p, labels = draw(rng, 1500, 4, sharpen=2.0)
    record = calibench.evaluate(probs=p, labels=labels, sample_weight=rng.lognormal(0, 0.5, 1500))
    assert record.calibrated == "miscalibrated"
    assert "over-confident" in record.verdict
    p, labels = draw(rng, 1500, 4)
    record = calibench.evaluate(probs=p, labels=labels, sample_weight=rng.lognormal(0, 0.5, 1500))
    assert record.verdict.startswith("no sign of miscalibration in 1500 weighted samples")
    assert record.detectable > 0


@pytest.mark.slow
def test_moments_of_weighted_counts_are_those_of_drawn_labels():
    rng = np.random.default_rng(2)
    judged = weighted(*draw(rng, 60, 3), rng)
    correct, labels = (np.concatenate(parts) for parts in zip(*draw_labels(judged, 20_000, 0), strict=True))
    for counts in (RightAnswers(judged), ClassCounts(judged)):
        drawn = counts.count(judged, correct, labels)
        error = np.sqrt(counts.variance / 20_000)
        assert (np.abs(drawn.mean(axis=0) - counts.expected) < 4.5 * error).all()
        np.testing.assert_allclose(drawn.var(axis=0), counts.variance, rtol=0.06)
    observed = np.bincount(judged.labels, judged.sample_weight, 3)
    np.testing.assert_allclose(ClassCounts(judged).observed(judged), observed, rtol=1e-12)


def test_several_labels_count_by_the_weight_of_their_sample():
    rng = np.random.default_rng(3)
    x, y, whole = rng.normal(size=(80, 3)), rng.integers(2, size=(80, 3)), rng.integers(0, 4, size=80)
    ours = Judged(yes_no_outputs(torch.tensor(x)), torch.tensor(y).flatten(), sample_weight=whole)
    rows = np.repeat(np.arange(80), whole)
    repeated = Judged(yes_no_outputs(torch.tensor(x[rows])), torch.tensor(y[rows]).flatten())
    share = [
        LabelCounts(judged).observed(judged) / LabelCounts(judged).compared(judged).n for judged in (ours, repeated)
    ]
    np.testing.assert_allclose(share[0], share[1], rtol=1e-12)
    errors = [LabelECE(judged, 15).observed(judged) for judged in (ours, repeated)]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-9, atol=1e-12)
    record = calibench.evaluate(logits=x, labels=y, sample_weight=whole)
    assert record.labels is not None


@pytest.mark.slow
def test_soft_labels_are_tested_with_weights():
    rng = np.random.default_rng(4)
    p, _ = draw(rng, 500, 3)
    shares = np.stack([rng.multinomial(10, row / row.sum()) / 10 for row in p])
    labels = shares.argmax(axis=1)
    weights = rng.lognormal(0, 1, 500)
    record = calibench.evaluate(probs=p, labels=labels, soft=shares, sample_weight=weights)
    assert record.calibrated in ("no_sign", "too_few")
    expected = np.average(shares[np.arange(500), p.argmax(axis=1)], weights=weights)
    assert f"share of people who agree {100 * expected:.2f} %" in record.verdict


@pytest.mark.slow
def test_the_record_holds_groups_and_the_effective_number():
    rng = np.random.default_rng(5)
    p, labels = draw(rng, 300, 3)
    weights, groups = rng.lognormal(0, 1, 300), rng.choice(["b", "a"], 300)
    record = calibench.evaluate(
        probs=p, labels=labels, sample_weight=weights, groups=groups, fit="temperature", cross_fit=3
    )
    assert record.effective_samples == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    document = json.loads(json.dumps(record.to_dict()))
    assert sorted(document["groups"]) == ["a", "b"]
    assert sorted(document["after"]["groups"]) == ["a", "b"]
    for name, group in document["groups"].items():
        rows = groups == name
        alone = calibench.evaluate(probs=p[rows], labels=labels[rows], sample_weight=weights[rows])
        assert group["metrics"] == pytest.approx(alone.metrics, rel=1e-12)
        assert group["intervals"]["brier"] == pytest.approx(alone.intervals["brier"], rel=1e-12)
        assert group["weight"] == pytest.approx(weights[rows].sum() / weights.sum())
        assert group["n"] == rows.sum()


@pytest.mark.slow
def test_without_weights_the_record_has_none():
    p, labels = draw(np.random.default_rng(6), 50, 2)
    record = calibench.evaluate(probs=p, labels=labels, sample_weight=np.full(50, 2.0))
    assert record.metrics == calibench.evaluate(probs=p, labels=labels).metrics
    assert not {"effective_samples", "groups"} & set(record.to_dict())


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"sample_weight": [1.0] * 49 + [-1.0]}, "row 49"),
        ({"sample_weight": [1.0] * 3}, "3.* beside 50 samples"),
        ({"sample_weight": [[1.0], [1.0, 2.0]]}, "sample_weight"),
        ({"sample_weight": list(range(50)), "metrics": "ici"}, "'ici' takes no sample weights"),
        ({"sample_weight": list(range(50)), "fit": "auto", "cross_fit": 2}, "fit auto takes no sample weights"),
        ({"groups": [1, 2]}, "beside 50 samples"),
    ],
)
def test_mistakes_are_told(keywords, message):
    p, labels = draw(np.random.default_rng(7), 50, 2)
    with pytest.raises(InputError, match=message):
        calibench.evaluate(probs=p, labels=labels, **keywords)


@pytest.mark.slow
def test_weights_that_go_with_the_class_reject_calibrated_models_no_more_often():
    """Of 40 calibrated samples about 2 are rejected at 5 %; 8 or more have probability 4e-4."""
    rejected = 0
    for seed in range(40):
        p, labels = draw(np.random.default_rng(seed), 400, 3)
        weights = np.where(p[:, 0] > 0.5, 5.0, 1.0) * (np.arange(400) % 3 > 0)
        record = calibench.evaluate(probs=p, labels=labels, sample_weight=weights, metrics="accuracy")
        rejected += record.calibrated == "miscalibrated"
    assert rejected < 8


def test_means_leave_samples_of_weight_0_out():
    p, labels = draw(np.random.default_rng(1), 400, 3)
    some = np.arange(400) % 2
    record = calibench.evaluate(probs=p, labels=labels, sample_weight=some, resamples=0)
    alone = calibench.evaluate(probs=p[some > 0], labels=labels[some > 0], resamples=0)
    assert record.mean_confidence == pytest.approx(alone.mean_confidence, rel=1e-12)
    assert record.verdict == alone.verdict


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"sample_weight": np.ones(50) + 1j}, "sample_weight are complex numbers"),
        (
            {"sample_weight": np.ma.masked_array(np.arange(50.0), np.arange(50) > 40)},
            "a masked array would lose its mask",
        ),
        ({"groups": [1, "1"] * 25}, "groups: 1 is a number in one row and a text in another"),
        ({"groups": [2**70] * 50}, "more than 64 bits"),
        ({"seed": "a"}, "seed 'a' is not a whole number"),
    ],
)
def test_odd_arguments_are_told(keywords, message):
    p, labels = draw(np.random.default_rng(7), 50, 2)
    with pytest.raises(InputError, match=message):
        calibench.evaluate(probs=p, labels=labels, **keywords)


def test_odd_tensors_are_told():
    labels = torch.arange(50) % 2
    for logits, message in (
        (torch.eye(50)[:, :2].to_sparse(), "layout torch.sparse_coo cannot be judged"),
        (torch.empty(50, 2, device="meta"), "meta device has no numbers"),
        (torch.zeros(50, 2).to(torch.float8_e4m3fn), "logits have type torch.float8_e4m3fn"),
        (np.zeros((50, 2), dtype=np.longdouble), "logits have type float128|logits have type longdouble"),
    ):
        with pytest.raises(InputError, match=message):
            calibench.evaluate(logits, labels)
    weights = torch.linspace(0.5, 2, 50).bfloat16()
    same = calibench.evaluate(torch.eye(50)[:, :2], labels, sample_weight=weights.double(), resamples=0)
    assert calibench.evaluate(torch.eye(50)[:, :2], labels, sample_weight=weights, resamples=0).metrics == same.metrics
