"""AUROC, AUPR and FPR95 of OOD detection against scikit-learn, and against all pairs of an ID and an OOD row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from calibench.errors import InputError
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.ood import FIGURES, Ranked, ood_figures, ood_replicates

UNCERTAINTIES = st.lists(st.integers(0, 6).map(lambda v: v / 3), min_size=1, max_size=40)


def oracle(uncertainty_in: np.ndarray, uncertainty_out: np.ndarray) -> dict[str, float]:
    """scikit-learn's figures of the confidence -uncertainty, ID positive; FPR95 by trying every threshold."""
    is_in = np.r_[np.ones(len(uncertainty_in)), np.zeros(len(uncertainty_out))]
    confidence = -np.r_[uncertainty_in, uncertainty_out]
    fpr95 = next(
        (uncertainty_out <= limit).mean()
        for limit in np.unique(np.r_[uncertainty_in, uncertainty_out])
        if (uncertainty_in <= limit).mean() >= 0.95
    )
    return {
        "auroc": roc_auc_score(is_in, confidence),
        "aupr": average_precision_score(is_in, confidence),
        "aupr_out": average_precision_score(1 - is_in, -confidence),
        "fpr95": fpr95,
    }


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(UNCERTAINTIES, UNCERTAINTIES)
def test_figures_with_ties_equal_scikit_learn(uncertainty_in, uncertainty_out):
    figures = ood_figures(np.array(uncertainty_in), np.array(uncertainty_out))
    assert figures == pytest.approx(oracle(np.array(uncertainty_in), np.array(uncertainty_out)), abs=1e-12)


@pytest.mark.parametrize("n", [19, 20, 21, 500])
def test_figures_without_ties(n):
    generator = np.random.default_rng(n)
    uncertainty_in, uncertainty_out = generator.normal(size=n), generator.normal(1, 2, size=777)
    figures = ood_figures(uncertainty_in, uncertainty_out)
    assert figures == pytest.approx(oracle(uncertainty_in, uncertainty_out), abs=1e-12)
    pairs = uncertainty_in[:, None] - uncertainty_out[None, :]
    assert figures["auroc"] == pytest.approx((pairs < 0).mean() + (pairs == 0).mean() / 2, abs=1e-12)
    fpr, tpr, _ = roc_curve(
        np.r_[np.ones(n), np.zeros(777)], -np.r_[uncertainty_in, uncertainty_out], drop_intermediate=False
    )
    assert figures["fpr95"] == fpr[np.argmax(tpr >= 0.95)]
    # A monotone map of uncertainty changes nothing, and swapping the sides turns AUROC into 1 - AUROC.
    assert ood_figures(np.exp(uncertainty_in), np.exp(uncertainty_out)) == figures
    assert ood_figures(uncertainty_out, uncertainty_in)["auroc"] == pytest.approx(1 - figures["auroc"], abs=1e-12)


def test_extreme_figures():
    low, high = np.arange(20.0), 100 + np.arange(30.0)
    assert ood_figures(low, high) == {"auroc": 1, "aupr": 1, "aupr_out": 1, "fpr95": 0}
    worst = ood_figures(high, low)
    assert (worst["auroc"], worst["fpr95"]) == (0, 1)
    alike = ood_figures(np.zeros(20), np.zeros(60))
    assert alike == {"auroc": 0.5, "aupr": 0.25, "aupr_out": 0.75, "fpr95": 1}
    # 19 of 20 rows are exactly 95 %, so the most uncertain ID row may be lost.
    assert ood_figures(np.r_[np.arange(19.0), 1000], np.full(10, 500.0))["fpr95"] == 0
    assert ood_figures(np.r_[np.arange(18.0), 1000, 1000], np.full(10, 500.0))["fpr95"] == 1
    for bad in (np.array([]), np.array([np.nan])):
        with pytest.raises(InputError, match="at least one"):
            ood_figures(low, bad)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(UNCERTAINTIES, UNCERTAINTIES, st.integers(0, 99))
def test_a_weight_is_a_repeated_row(uncertainty_in, uncertainty_out, seed):
    generator = np.random.default_rng(seed)
    counts = [generator.integers(0, 4, size=len(d)) for d in (uncertainty_in, uncertainty_out)]
    for count in counts:
        count[0] += 1
    ranked = Ranked.by_uncertainty(np.array(uncertainty_in), np.array(uncertainty_out))
    figures = ranked.figures(*(count.astype(float) for count in counts))
    repeated = [np.repeat(d, count) for d, count in zip((uncertainty_in, uncertainty_out), counts, strict=True)]
    assert figures == pytest.approx(oracle(*repeated), abs=1e-12)


def test_replicates_resample_both_sets_and_pair_two_methods():
    generator = np.random.default_rng(3)
    uncertainty_in, uncertainty_out = generator.normal(size=300), generator.normal(1, 1, size=200)
    replicates = ood_replicates(
        Ranked.by_uncertainty(uncertainty_in, uncertainty_out), Sampling(1000, seed=0), seed_out=7
    )
    assert set(replicates) == set(FIGURES)
    estimate = ood_figures(uncertainty_in, uncertainty_out)
    for name, values in replicates.items():
        low, high = np.quantile(values, [0.025, 0.975])
        assert low < estimate[name] < high
    # Hanley & McNeil's standard error of an AUROC.
    a = estimate["auroc"]
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + 299 * (q1 - a * a) + 199 * (q2 - a * a)) / (300 * 200)
    assert replicates["auroc"].std(ddof=1) == pytest.approx(np.sqrt(variance), rel=0.2)
    again = ood_replicates(
        Ranked.by_uncertainty(2 * uncertainty_in, 2 * uncertainty_out), Sampling(1000, seed=0), seed_out=7
    )
    other_seed = ood_replicates(
        Ranked.by_uncertainty(uncertainty_in, uncertainty_out), Sampling(1000, seed=0), seed_out=8
    )
    np.testing.assert_array_equal(replicates["auroc"], again["auroc"])
    assert (replicates["auroc"] != other_seed["auroc"]).any()
