"""`calibench.gate` beside a baseline: worse figures are found, a margin has to be shown, and other rows are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gate_cases import drawn
from scipy import stats

import calibench
from calibench.errors import InputError
from calibench.evaluation.gate.baseline import of_intervals
from calibench.evaluation.gate.bounds import Bounds


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


def test_the_same_model_is_no_worse(sure):
    p, y = sure
    limits = {"ece15": 0.5, "brier": 0.9, "aurc": 0.9, "nll": 2}
    result = calibench.gate(
        probs=p, labels=y, max=limits, min={"accuracy": 0.1}, baseline_probs=p.copy(), no_worse=True
    )
    compared = [check for check in result.checks if check.kind == "no_worse"]
    assert {check.metric for check in compared} == {"ece15", "brier", "aurc", "nll", "accuracy"}
    assert result.passed
    for check in compared:
        assert check.low <= 0 <= check.high
        if check.metric != "ece15":
            assert check.low == check.high == 0


def test_a_worse_model_is_found_and_a_better_one_is_not(calibrated):
    p, y = calibrated
    worse = np.clip(p + np.array([0.2, -0.2]), 0.001, 0.999)
    worse /= worse.sum(axis=1, keepdims=True)
    metrics = {"ece15": 0.9, "brier": 1.9, "nll": 9}
    found = calibench.gate(probs=worse, labels=y, max=metrics, baseline_probs=p, no_worse=True)
    assert [check.outcome for check in found.checks[3:]] == ["fails"] * 3
    assert calibench.gate(probs=p, labels=y, max=metrics, baseline_probs=worse, no_worse=True).passed


def test_the_change_of_a_mean_is_paired(samples, softmax):
    """Two models that share their noise: their difference is known far better than either figure."""
    z, y = samples(2000)
    new, old = softmax(z), softmax(z * 1.02)
    check = only(calibench.gate(probs=new, labels=y, baseline_probs=old, no_worse=True))
    losses = [((p - np.eye(3)[y]) ** 2).sum(axis=1) for p in (new, old)]
    difference = losses[0] - losses[1]
    assert check.metric == "brier"
    assert check.value - check.baseline == pytest.approx(difference.mean())
    t = stats.t.ppf(0.95, len(y) - 1) * difference.std(ddof=1) / math.sqrt(len(y))
    assert check.high - check.low == pytest.approx(2 * t, rel=0.02)


def test_better_and_worse_follow_the_metric(samples, softmax):
    z, y = samples(2000)
    good = z.copy()
    good[np.arange(len(y)), y] += 3
    arguments = {"labels": y, "min": {"accuracy": 0.1}, "no_worse": True}
    assert calibench.gate(logits=good, baseline_logits=z, **arguments).passed
    assert calibench.gate(logits=z, baseline_logits=good, **arguments).checks[1].outcome == "fails"


def test_a_margin_has_to_be_shown(calibrated):
    p, y = calibrated
    same = calibench.gate(probs=p, labels=y, baseline_probs=p, margin={"brier": 0.001})
    assert same.passed
    assert only(same).title == "brier no worse than the baseline by more than 0.001"
    small = p[:50], y[:50]
    other = np.clip(small[0] + np.random.default_rng(0).normal(0, 0.2, (50, 1)) * [1, -1], 0.01, 0.99)
    vague = calibench.gate(probs=other, labels=small[1], baseline_probs=small[0], margin={"brier": 1e-6})
    assert only(vague).outcome in ("not_shown", "fails")
    error = refused(probs=p, labels=y, baseline_probs=p, margin={"brier": -1})
    assert "is negative" in error.message


def test_other_rows_are_refused(calibrated):
    p, y = calibrated
    flipped = np.r_[1 - y[:1], y[1:]]
    result = calibench.gate(probs=p, labels=y, max={"brier": 0.9})
    assert result.passed
    with pytest.raises(InputError, match="baseline has 3999 labels"):
        _against(p, y, p[:-1], y[:-1])
    with pytest.raises(InputError, match=r"row 0: label \d, and \d in the baseline \(1 of 4000 labels differ\)"):
        _against(p, y, p, flipped)


def _against(p, y, old, old_labels):
    from calibench.evaluation.gate.gate import asked, gate_samples
    from calibench.evaluation.samples_given import samples_given

    checks = asked({"brier": 0.9}, baseline=True, no_worse=True)
    return gate_samples(samples_given(None, p, y, ""), checks, baseline=samples_given(None, old, old_labels, ""))


def test_a_metric_without_a_better_end_is_not_compared(calibrated):
    p, y = calibrated
    error = refused(probs=p, labels=y, baseline_probs=p, margin={"calibration_slope": 0.1})
    assert error.message == "calibration_slope has no better end, so no model is worse by it"


def test_the_interval_of_a_difference_of_two_errors_is_no_narrower_than_either():
    change = of_intervals(Bounds(0.05, 0.04, 0.07), Bounds(0.02, 0.0, 0.03))
    assert change.low == pytest.approx(0.03 - math.hypot(0.01, 0.01))
    assert change.high == pytest.approx(0.03 + math.hypot(0.02, 0.02))
    noisy = of_intervals(Bounds(0.05, 0.0, 0.03), Bounds(0.01, 0.0, 0.02))  # a figure above its interval
    assert noisy.low < 0 < noisy.high


# --- what comes back ------------------------------------------------------------------------------------------------
