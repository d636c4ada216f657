"""`calibench.gate`: a limit holds by the bound of the interval, not by the figure; too few samples are refused by name."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from gate_cases import drawn, population
from scipy import stats

import calibench
from calibench.errors import InputError


@pytest.fixture(scope="module")
def calibrated():
    return drawn(4000, 0.0, 1)


@pytest.fixture(scope="module")
def sure():
    """Twelve points too sure: an ECE of 0.12."""
    return drawn(4000, 0.12, 2)


def only(result):
    (check,) = result.checks
    return check


def refused(**arguments) -> InputError:
    with pytest.raises(InputError) as caught:
        calibench.gate(**arguments)
    return caught.value


# --- the bound decides ----------------------------------------------------------------------------------------------


def test_the_bounds_are_those_of_evaluate_at_twice_the_tail(sure):
    p, y = sure
    names = "ece15,brier,nll,aurc,classwise_ece15,smece"
    expected = calibench.evaluate(probs=p, labels=y, metrics=names, level=0.9).intervals
    result = calibench.gate(probs=p, labels=y, max=dict.fromkeys(names.split(","), 0.9))
    for check in result.checks:
        assert [check.low, check.high] == expected[check.metric], check.metric


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_shares_have_the_exact_bounds_of_clopper_and_pearson(sure, confidence):
    p, y = sure
    hits, n = int((y == 0).sum()), len(y)
    check = only(calibench.gate(probs=p, labels=y, min={"accuracy": 0.5}, confidence=confidence))
    assert check.low == pytest.approx(stats.beta.ppf(1 - confidence, hits, n - hits + 1), rel=1e-9)
    assert check.high == pytest.approx(stats.beta.ppf(confidence, hits + 1, n - hits), rel=1e-9)


def test_the_interval_decides_where_the_figure_says_otherwise(sure):
    p, y = sure
    check = only(calibench.gate(probs=p, labels=y, max={"ece15": 0.9}))
    just = calibench.gate(probs=p, labels=y, max={"ece15": math.nextafter(check.high, 1)})
    assert just.passed
    between = calibench.gate(probs=p, labels=y, max={"ece15": (check.value + check.high) / 2})
    assert check.value < only(between).limit  # the figure is below the limit
    assert not between.passed
    assert only(between).outcome == "not_shown"
    below = calibench.gate(probs=p, labels=y, max={"ece15": (check.low + check.value) / 2})
    assert only(below).outcome == "not_shown"
    beyond = calibench.gate(probs=p, labels=y, max={"ece15": check.low * 0.99})
    assert only(beyond).outcome == "fails"


def test_the_side_of_the_bound_follows_the_kind_of_the_limit(sure):
    p, y = sure
    accuracy = population(0.12)["accuracy"]
    outcomes = {
        (kind, offset): only(calibench.gate(probs=p, labels=y, **{kind: {"accuracy": accuracy + offset}})).outcome
        for kind in ("max", "min")
        for offset in (-0.1, 0.1)
    }
    expected = {("max", -0.1): "fails", ("max", 0.1): "holds", ("min", -0.1): "holds", ("min", 0.1): "fails"}
    assert outcomes == expected


def test_more_confidence_asks_for_more(sure):
    p, y = sure
    highs = [only(calibench.gate(probs=p, labels=y, max={"brier": 1.9}, confidence=c)).high for c in (0.6, 0.9, 0.99)]
    assert highs == sorted(highs)
    assert highs[0] < highs[-1]


def test_a_gate_is_as_good_as_its_worst_check(calibrated):
    p, y = calibrated
    result = calibench.gate(probs=p, labels=y, max={"ece15": 0.06, "brier": 0.1}, min={"accuracy": 0.6})
    assert [check.outcome for check in result.checks] == ["holds", "fails", "holds"]
    assert not result
    assert result.summary == "gate failed: 2 of 3 checks hold at 95 % confidence, 4000 samples"
    assert calibench.gate(probs=p, labels=y, max={"ece15": 0.06})


def test_a_figure_that_is_lucky_does_not_pass_for_it():
    """Confidences that fit the labels to the last one: the interval that evaluate shows then ends at 0."""
    confidence = np.tile([0.75], 400)
    y = np.tile([0, 0, 0, 1], 100)
    p = np.stack([confidence, 1 - confidence], axis=1)
    assert calibench.evaluate(probs=p, labels=y, level=0.9).intervals["ece15"][1] < 0.005
    error = refused(probs=p, labels=y, max={"ece15": 0.01})
    assert "400 samples are too few to show ece15 <= 0.01" in error.message


def test_parameters_and_bins_are_named_as_elsewhere(sure):
    p, y = sure
    result = calibench.gate(probs=p, labels=y, max=["ece:bins=20=0.5", "rms_ce:bins=width,size=15=.5"])
    assert [check.metric for check in result.checks] == ["ece20", "rms_ce:bins=width,size=15"]
    assert [check.limit for check in result.checks] == [0.5, 0.5]


def test_logits_and_their_softmax_have_the_same_checks(samples, softmax):
    z, y = samples(600)
    of_logits, of_probs = (
        calibench.gate(labels=y, max={"brier": 0.9, "ece15": 0.5}, **kind)
        for kind in ({"logits": z}, {"probs": softmax(z)})
    )
    for ours, theirs in zip(of_logits.checks, of_probs.checks, strict=True):
        assert (ours.outcome, ours.metric) == (theirs.outcome, theirs.metric)
        assert ours.high == pytest.approx(theirs.high, rel=1e-6)


# --- decisions ------------------------------------------------------------------------------------------------------


def test_coverage_of_a_rule(sure):
    p, y = sure
    result = calibench.gate(
        probs=p, labels=y, fit="threshold:value=0.7", min={"coverage": 0.5}, max={"selective_risk": 0.5}
    )
    coverage = next(check for check in result.checks if check.metric == "coverage")
    assert coverage.value == (p.max(axis=1) >= 0.7).mean()
    assert result.passed


def test_coverage_without_a_rule_is_refused(sure):
    p, y = sure
    error = refused(probs=p, labels=y, min={"coverage": 0.5})
    assert error.message == "coverage needs a decision rule"
    assert "--fit threshold:value=0.8" in error.hint


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"max": {"mce15": 0.1}}, "'mce15' cannot be gated: no interval", "these have one: accuracy, nll, brier"),
        ({"max": {"ece_15": 0.1}}, "there is no metric called 'ece_15'", "did you mean 'ece15'?"),
        ({"max": {"ece15": 3}}, "ece15 is a fraction", "did you mean 0.03?"),
        ({"max": ["ece15=3%"]}, "a limit is a number", "did you mean 0.03?"),
        ({"max": ["ece15"]}, "'ece15' is not NAME=VALUE", "--max ece15=0.03"),
        ({"max": ["=0.1"]}, "'=0.1' is not NAME=VALUE", "--max ece15=0.03"),
        ({"max": {"ece15": "low"}}, "'low' is not a number", "--max NAME=VALUE"),
        ({"max": {"ece15": True}}, "True is not a number", "--max NAME=VALUE"),
        ({"max": {"ece15": math.nan}}, "nan is not finite", "--max NAME=VALUE"),
        ({"max": {3: 0.1}}, "3 is not the name of a metric", '{"ece15": 0.03}'),
        ({"max": {"default": 0.1}}, "'default' names", "--max NAME=VALUE"),
        ({"max": {"ece15": 1}}, "every model holds this limit", "set one that a model could miss"),
        ({"min": {"accuracy": 0}}, "every model holds this limit", "set one that a model could miss"),
        ({"max": ["ece15=.1", "ece15=.2"]}, "a limit is given twice", "keep one"),
        ({}, "the gate has no check", "--max ece15=0.03"),
        ({"max": {"ece15": 0.1}, "confidence": 95}, "confidence 95 is not", "0.95 is 95 %"),
        ({"max": {"ece15": 0.1}, "confidence": 0.9999}, "at most 0.999", "0.95 is 95 %"),
        ({"no_worse": True}, "nothing to compare with", "--baseline OLD"),
        ({"max": {"soft_brier": 0.1}}, "soft_brier does not apply", "calibench show metric soft_brier"),
        ({"max": {"brier": 0.1}, "fit": "auto", "cross_fit": 5}, "no fit auto", "name the map"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_mistakes(calibrated, arguments, message, hint):
    p, y = calibrated
    error = refused(probs=p, labels=y, **arguments)
    assert message in error.message
    assert hint in error.hint


def test_a_baseline_without_a_comparison_is_refused(calibrated):
    p, y = calibrated
    error = refused(probs=p, labels=y, max={"brier": 0.9}, baseline_probs=p)
    assert "the baseline is compared with nothing" in error.message


# --- too few --------------------------------------------------------------------------------------------------------


def test_nineteen_samples_are_too_few_for_any_gate():
    p, y = drawn(19, 0.0, 0)
    error = refused(probs=p, labels=y, max={"brier": 0.9})
    assert error.message == "19 samples are too few to gate brier"
    assert error.hint == "20 are needed at least"


def test_the_number_that_a_share_needs_is_the_rule_of_three():
    n = 60
    y = np.r_[np.zeros(n - 1, dtype=int), 1]
    p = np.tile([0.9, 0.1], (n, 1))
    error = refused(probs=p, labels=y, min={"accuracy": 0.99})
    assert "60 samples are too few to show accuracy >= 0.99" in error.message
    assert error.message.endswith("299 are needed")
    assert 0.99**299 <= 0.05 < 0.99**298


def test_the_number_that_a_calibration_error_needs_is_about_enough():
    p, y = drawn(300, 0.0, 3)
    error = refused(probs=p, labels=y, max={"ece15": 0.04})
    needed = int(error.message.split("about ")[1].split()[0])
    assert sum(_passes(needed // 4, seed) for seed in range(8)) == 0
    assert sum(_passes(2 * needed, seed) for seed in range(8)) >= 6


def _passes(n: int, seed: int) -> bool:
    p, y = drawn(n, 0.0, 100 + seed)
    try:
        return calibench.gate(probs=p, labels=y, max={"ece15": 0.04}).passed
    except InputError:
        return False


def test_a_limit_that_is_missed_is_no_matter_of_few_samples():
    p, y = drawn(200, 0.5, 0)
    assert only(calibench.gate(probs=p, labels=y, max={"ece15": 0.01})).outcome == "fails"


def test_what_is_not_shown_says_how_many_would_show_it(sure):
    p, y = sure
    brier = only(calibench.gate(probs=p, labels=y, max={"brier": 1.9}))
    limit = brier.value + (brier.high - brier.value) / 2
    check = only(calibench.gate(probs=p, labels=y, max={"brier": limit}))
    assert check.needed == pytest.approx(4 * len(y), rel=0.1)
    assert str(check).endswith(f"about {check.needed} samples would show it")
    impossible = only(calibench.gate(probs=p, labels=y, max={"brier": (brier.low + brier.value) / 2}))
    assert impossible.needed is None
    assert "would show it" not in str(impossible)


# --- a baseline -----------------------------------------------------------------------------------------------------


def test_the_document_has_every_check(sure, tmp_path):
    p, y = sure
    np.savez(tmp_path / "sure.npz", probs=p, labels=y)
    result = calibench.gate(file=tmp_path / "sure.npz", max={"ece15": 0.2})
    document = result.to_dict()
    assert document["schema"] == "calibench.gate/1"
    assert document["passed"] is True
    assert document["n"] == 4000
    assert document["file"] == str(tmp_path / "sure.npz")
    (check,) = document["checks"]
    assert set(check) == {"metric", "kind", "outcome", "limit", "value", "low", "high", "unit", "text"}


def test_a_gate_on_a_file_and_on_its_arrays_is_one(sure, tmp_path):
    p, y = sure
    np.savez(tmp_path / "sure.npz", probs=p, labels=y)
    of_file = calibench.gate(
        file=tmp_path / "sure.npz", max={"brier": 0.9}, baseline=tmp_path / "sure.npz", no_worse=True
    )
    of_arrays = calibench.gate(probs=p, labels=y, max={"brier": 0.9}, baseline_probs=p, no_worse=True)
    assert of_file.checks == of_arrays.checks
    mixed = calibench.gate(file=tmp_path / "sure.npz", max={"brier": 0.9}, baseline_probs=p, no_worse=True)
    assert mixed.checks == of_arrays.checks
    with pytest.raises(InputError, match="give a file, or arrays"):
        calibench.gate(file=tmp_path / "sure.npz", probs=p, labels=y, max={"brier": 0.9})


def test_it_warns_as_evaluate_does(calibrated):
    p, y = calibrated
    (warning,) = calibench.gate(logits=p, labels=y, max={"brier": 0.9}).warnings
    assert warning == calibench.evaluate(logits=p, labels=y).warnings[0]


def test_gating_imports_no_torch(tmp_path):
    p, y = drawn(500, 0.0, 0)
    np.savez(tmp_path / "good.npz", probs=p, labels=y)
    code = "import sys, calibench; calibench.gate(file='good.npz', max={'ece15': .5, 'aurc': .5}); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.stdout.strip() == "False", ran.stderr
