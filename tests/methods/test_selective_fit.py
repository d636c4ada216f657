"""Limits on the uncertainty: against loops written here, and what they guarantee over repeated draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from decision_cases import CIFAR100, fit, logits_and_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calibench import Outputs
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.outputs.uncertainty import uncertainty_of
from calibench_methods.decisions.selective_fit import limit_coverage, limit_risk, starts
from calibench_methods.decisions.threshold import Threshold


@pytest.mark.parametrize("delta", [0.001, 0.05, 0.3])
def test_bounds_equal_scipy(delta: float) -> None:
    for n in (1, 7, 400):
        for hits in {0, 1, n // 3, n - 1, n}:
            exact = stats.binomtest(hits, n).proportion_ci(1 - 2 * delta, method="exact")
            assert upper_bound(np.array(hits), np.array(n), delta) == pytest.approx(exact.high, abs=1e-10)
            assert lower_bound(np.array(hits), np.array(n), delta) == pytest.approx(exact.low, abs=1e-10)


def possible_limits(uncertainty: np.ndarray, wrong: np.ndarray) -> list[tuple[float, int, int]]:
    """(limit, accepted, errors) for every limit that differs from the others."""
    return [(t, int((uncertainty <= t).sum()), int(wrong[uncertainty <= t].sum())) for t in np.unique(uncertainty)]


def limit_by_chains(uncertainty: np.ndarray, wrong: np.ndarray, target: float, delta: float) -> float | None:
    limits = possible_limits(uncertainty, wrong)
    places, level = starts(len(uncertainty), target, delta)
    best = None
    for place in places:
        first = True
        for t, accepted, errors in limits:
            if accepted < place:
                continue
            if first and stats.binom.cdf(errors, accepted - 1, target) > level:
                break
            if stats.binom.cdf(errors, accepted, target) > level:
                break
            first = False
            best = t if best is None else max(best, t)
    return best


def limit_by_search(uncertainty: np.ndarray, wrong: np.ndarray, target: float, delta: float) -> float | None:
    """Algorithm 2 of Geifman & El-Yaniv, on kappa = -uncertainty, with scipy's bound; the best limit that passed."""
    kappa = np.sort(-uncertainty)
    m = len(kappa)
    low, high, best = 1, m, None
    steps = max(1, math.ceil(math.log2(m)))
    for _ in range(steps):
        z = (low + high) // 2
        theta = kappa[z - 1]
        accepted = -uncertainty >= theta
        errors = wrong[accepted].sum()
        bound = stats.beta.ppf(1 - delta / steps, errors + 1, max(accepted.sum() - errors, 1e-300))
        if accepted.sum() > errors and bound < target:
            best = -theta if best is None else max(best, -theta)
            high = z
        else:
            low = z
    return best


def uncertain_samples(n: int, seed: int, grid: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty u, uniform on [0, 1] (or on `grid` steps), and errors with probability u^2 / 2: the limit t has risk t^2 / 6."""
    rng = np.random.default_rng(seed)
    uncertainty = rng.random(n)
    wrong = rng.random(n) < 0.5 * uncertainty**2
    return (uncertainty if grid is None else np.ceil(uncertainty * grid) / grid), wrong


@pytest.mark.parametrize("target", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("grid", [None, 25])
@pytest.mark.parametrize("seed", range(4))
def test_limits_equal_those_of_loops(seed: int, grid: int | None, target: float) -> None:
    uncertainty, wrong = uncertain_samples(700, seed, grid)
    within = [t for t, accepted, errors in possible_limits(uncertainty, wrong) if errors / accepted <= target]
    assert limit_risk(uncertainty, wrong, target, "none", 0.5).uncertainty == max(within, default=None)
    exact = limit_risk(uncertainty, wrong, target, "clopper-pearson", 0.1)
    assert exact.uncertainty == limit_by_chains(uncertainty, wrong, target, 0.1)
    sgr = limit_risk(uncertainty, wrong, target, "sgr", 0.1)
    if grid is None:
        assert sgr.uncertainty == limit_by_search(uncertainty, wrong, target, 0.1)
    for limit in (exact, sgr):
        if limit.uncertainty is not None:
            assert limit.accepted == (uncertainty <= limit.uncertainty).sum()
            assert limit.errors == wrong[uncertainty <= limit.uncertainty].sum()
            assert limit.errors / limit.accepted < limit.bound <= target + 1e-12


@pytest.mark.parametrize(
    ("n", "target", "delta"), [(100, 0.02, 0.05), (5000, 0.02, 0.05), (5000, 0.3, 0.001), (3, 0.9, 0.5)]
)
def test_tests_start_where_one_can_pass_and_share_delta(n: int, target: float, delta: float) -> None:
    places, level = starts(n, target, delta)
    assert len(places) * level <= delta * (1 + 1e-12)
    assert all(place <= n for place in places)
    if places:
        first = places[0]
        assert (1 - target) ** (first - 1) <= level * (1 + 1e-12) < (1 - target) ** (first - 2) * (1 + 1e-9)
        assert places == [first * 4**j for j in range(len(places))]
        assert 4 * places[-1] > n


def test_too_few_samples_abstain_on_everything_with_a_note() -> None:
    limit = limit_risk(np.arange(50.0), np.zeros(50, dtype=bool), 0.02, "clopper-pearson", 0.05)
    assert (limit.uncertainty, limit.accepted, limit.bound) == (None, 0, None)
    assert "50 samples with 0 errors" in limit.note
    always_wrong = limit_risk(np.arange(50.0), np.ones(50, dtype=bool), 0.5, "none", 0.05)
    assert always_wrong.uncertainty is None
    rule = Threshold(target_risk=0.02)
    logits, labels = logits_and_labels(30, 3, seed=0)
    fitted = fit(rule, Outputs(logits), labels)
    assert (fitted["accepts"], fitted["cal_coverage"], fitted["cal_risk"]) == ("nothing", 0, None)
    assert (rule.decide(Outputs(logits), fitted).answers == -1).all()


def exceeds_delta(share: float, tries: int, delta: float) -> bool:
    """True if the share is larger than in 999 of 1000 such experiments with an event of probability delta."""
    return share * tries > stats.binom.ppf(0.999, tries, delta)


@pytest.mark.slow
@pytest.mark.parametrize("guarantee", ["clopper-pearson", "sgr"])
@pytest.mark.parametrize("target", [0.03, 0.06, 0.12])
def test_the_populations_risk_exceeds_the_target_with_probability_at_most_delta(guarantee: str, target: float) -> None:
    """400 draws of 1 500 samples. The population's risk at the limit t is t^2 / 6 exactly, so no test sample is needed."""
    limits = [
        limit_risk(*uncertain_samples(1500, seed), target, guarantee, 0.1).uncertainty or 0.0 for seed in range(400)
    ]
    assert not exceeds_delta(np.mean(np.square(limits) / 6 > target), 400, 0.1)
    best = min(1, math.sqrt(6 * target))
    assert np.mean(limits) > (0.6 if guarantee == "clopper-pearson" else 0.4) * best  # a rule that abstains would fail
    careless = [
        limit_risk(*uncertain_samples(1500, seed), target, "none", 0.1).uncertainty or 0.0 for seed in range(100)
    ]
    assert exceeds_delta(np.mean(np.square(careless) / 6 > target), 100, 0.1)


def test_the_guarantee_holds_if_the_risk_is_largest_at_low_uncertainty() -> None:
    """Errors have probability 0.6 below 0.02 (mislabelled easy samples), 0 up to 0.4 and 0.5 above: the risk crosses twice."""

    def risk(t: float) -> float:
        return (0.6 * min(t, 0.02) + 0.5 * max(t - 0.4, 0)) / t if t > 0 else 0.0

    limits = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        uncertainty = rng.random(1500)
        probability = np.where(uncertainty < 0.02, 0.6, np.where(uncertainty < 0.4, 0.0, 0.5))
        limit = limit_risk(uncertainty, rng.random(1500) < probability, 0.1, "clopper-pearson", 0.1)
        limits.append(limit.uncertainty or 0.0)
    assert not exceeds_delta(np.mean([risk(t) > 0.1 for t in limits]), 300, 0.1)
    assert np.mean(limits) > 0.35


def share_above_target(
    uncertainty: np.ndarray, wrong: np.ndarray, splits: list[np.ndarray], target: float, guarantee: str
) -> float:
    """The share of splits in which the risk of the rows that were not fitted exceeds the target."""
    count = 0
    for order in splits:
        cal, rest = order[:2000], order[2000:]
        limit = limit_risk(uncertainty[cal], wrong[cal], target, guarantee, 0.05)
        accepted = uncertainty[rest] <= (-1 if limit.uncertainty is None else limit.uncertainty)
        count += wrong[rest][accepted].sum() > target * accepted.sum()
    return count / len(splits)


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR100.is_file(), reason=f"there is no {CIFAR100}")
@pytest.mark.parametrize("score", ["max-softmax", "entropy"])
@pytest.mark.parametrize("target", [0.02, 0.05])
def test_target_risk_over_200_splits_of_real_data(score: str, target: float) -> None:
    """CIFAR-100: 2 000 rows to fit, the other 8 000 as the population; their risk at a coverage of 20 % has SD 0.35 points.

    The sampling error of the 8 000 counts against the rule, so the share here is at least that of the population.
    """
    with np.load(CIFAR100) as file:
        probs, labels = file["densenet_bc_100"], file["label"].astype(np.int64)
    wrong = probs.argmax(axis=1) != labels
    rng = np.random.default_rng(0)
    splits = [rng.permutation(len(labels)) for _ in range(200)]
    uncertainty = uncertainty_of(Outputs(torch.tensor(probs), from_probs=True), score).numpy()
    assert share_above_target(uncertainty, wrong, splits, target, "clopper-pearson") <= 0.05
    assert share_above_target(uncertainty, wrong, splits, target, "none") > 0.3  # about half without a guarantee


@pytest.mark.parametrize(("n", "target"), [(60, 0.9), (1000, 0.9), (1000, 0.5), (20, 0.3)])
def test_coverage_is_reached_with_probability_1_minus_delta_exactly(n: int, target: float) -> None:
    """The coverage at the k-th least uncertainty of n is Beta(k, n + 1 - k); by scipy's quantile, k is the least sufficient one."""
    k = limit_coverage(np.arange(n) / n, np.zeros(n, dtype=bool), target, "clopper-pearson", 0.05).accepted
    assert stats.beta.sf(target, k, n + 1 - k) >= 0.95
    assert stats.beta.sf(target, k - 1, n + 2 - k) < 0.95
    plain = limit_coverage(np.arange(n) / n, np.zeros(n, dtype=bool), target, "none", 0.05)
    assert plain.accepted == math.ceil(round(target * n, 6)) < k


def test_coverage_that_cannot_be_shown_accepts_everything() -> None:
    rule = Threshold(target_coverage=0.99)
    logits, labels = logits_and_labels(20, 3, seed=0)
    fitted = fit(rule, Outputs(logits), labels)
    assert fitted["accepts"] == "everything"
    assert "20 samples cannot show" in fitted["note"]
    decisions = rule.decide(Outputs(logits * 0 + torch.eye(3, dtype=torch.float64)[labels] * 1e-9), fitted)
    assert torch.equal(decisions.answers, labels)


def test_a_limit_accepts_all_of_a_tie() -> None:
    limit = limit_coverage(np.repeat([0.0, 1.0], [3, 7]), np.zeros(10, dtype=bool), 0.4, "none", 0.05)
    assert (limit.uncertainty, limit.accepted) == (1.0, 10)


@given(
    uncertainty=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    data=st.data(),
    target=st.sampled_from([0.05, 0.2, 0.29, 0.5, 0.9]),
)
@settings(max_examples=150, deadline=None)
def test_without_a_guarantee_cal_itself_meets_the_target(
    uncertainty: list[int], data: st.DataObject, target: float
) -> None:
    wrong = np.array(data.draw(st.lists(st.booleans(), min_size=len(uncertainty), max_size=len(uncertainty))))
    x = np.array(uncertainty, dtype=np.float64)
    within = [t for t, accepted, errors in possible_limits(x, wrong) if errors <= round(target * accepted, 9)]
    assert limit_risk(x, wrong, target, "none", 0.05).uncertainty == max(within, default=None)
    limit = limit_coverage(x, wrong, target, "none", 0.05)
    assert limit.accepted >= target * len(x) - 1e-9
    assert (x < limit.uncertainty).sum() < max(1, target * len(x) - 1e-9)
