"""How often a gate is wrong: it passes a model beyond its limit, or alarms about a model that is no worse, in at most 5 %."""

from __future__ import annotations

import numpy as np
import pytest
from gate_cases import drawn, population
from scipy import stats

import calibench
from calibench.errors import InputError

RUNS = 200
MOST = int(stats.binom.ppf(0.999, RUNS, 0.05))
"""More wrong gates than this, of RUNS, are no chance if the rate is 5 %."""

GAP = 0.06
"""The ECE of the population."""


def passes(n: int, seed: int, **limits: dict[str, float]) -> bool:
    p, y = drawn(n, GAP, seed)
    try:
        return calibench.gate(probs=p, labels=y, **limits).passed
    except InputError as error:
        if "too few" not in error.message:
            raise
        return False


@pytest.mark.slow
@pytest.mark.parametrize("n", [300, 1500])
@pytest.mark.parametrize(
    ("metric", "kind", "below"),
    [("ece15", "max", 1e-9), ("brier", "max", 1e-9), ("accuracy", "min", -1e-9)],
    ids=["ece15", "brier", "accuracy"],
)
def test_a_model_just_beyond_its_limit_passes_seldom(metric, kind, below, n):
    limit = {kind: {metric: population(GAP)[metric] - below}}
    passed = sum(passes(n, seed, **limit) for seed in range(RUNS))
    assert passed <= MOST


@pytest.mark.slow
def test_the_lower_bound_of_a_calibration_error_is_above_the_value_in_about_9_percent_at_most():
    """It tells `fails` from `not shown`, and both end a gate of `--max` with exit code 1. Gaps here change sign over bins."""

    def right(p):
        return np.clip(p + 0.05 * np.sin(9 * p), 0, 1)

    generator = np.random.default_rng(0)
    many = generator.beta(5, 1.5, 1_000_000)
    sure, answered = np.maximum(many, 1 - many), np.where(many >= 0.5, right(many), 1 - right(many))
    place = np.clip(np.ceil(15 * sure).astype(int) - 1, 0, 14)
    ece = np.abs(np.bincount(place, sure - answered, 15)).sum() / len(many)
    fails = 0
    for seed in range(RUNS):
        p = generator.beta(5, 1.5, 2000)
        labels = (generator.random(2000) < right(p)).astype(np.int64)
        probs = np.stack([1 - p, p], axis=1)
        (check,) = calibench.gate(probs=probs, labels=labels, max={"ece15": float(ece)}, seed=seed).checks
        fails += check.outcome == "fails"
    assert fails <= stats.binom.ppf(0.999, RUNS, 0.09)


@pytest.mark.slow
def test_a_gate_of_several_limits_needs_no_correction():
    """It passes only if every limit is shown, so one limit that is beyond keeps it from passing as often as it would alone."""
    truth = population(GAP)
    limits = {"max": {"ece15": truth["ece15"] - 1e-9, "brier": truth["brier"] - 1e-9}, "min": {"accuracy": 0.2}}
    passed = sum(passes(800, seed, **limits) for seed in range(RUNS))
    assert passed <= MOST


@pytest.mark.slow
def test_a_model_well_within_its_limit_passes():
    truth = population(GAP)
    limits = {"max": {"ece15": truth["ece15"] + 0.06, "brier": truth["brier"] + 0.06}}
    assert sum(passes(1500, seed, **limits) for seed in range(50)) >= 48


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.0, GAP])
def test_models_that_are_as_good_raise_few_alarms(gap):
    """Two models whose answers differ by noise of the same size: four comparisons share the level."""
    alarms = 0
    limits = {"max": {"ece15": 0.9, "brier": 1.9, "aurc": 0.9}, "min": {"accuracy": 0.01}}
    for seed in range(RUNS):
        generator = np.random.default_rng((seed, 7))
        p, y = drawn(600, gap, seed)
        logit = np.log(p[:, 0] / p[:, 1])
        new, old = (1 / (1 + np.exp(-(logit + generator.normal(0, 0.4, len(y))))) for _ in range(2))
        result = calibench.gate(
            probs=np.stack([new, 1 - new], axis=1),
            labels=y,
            baseline_probs=np.stack([old, 1 - old], axis=1),
            no_worse=True,
            **limits,
        )
        alarms += any(check.outcome == "fails" for check in result.checks if check.kind == "no_worse")
    assert alarms <= MOST


@pytest.mark.slow
def test_noise_that_makes_one_error_larger_is_no_alarm():
    """Both are calibrated. Five filled bins have more noise than one, so the difference of the figures has a bias."""
    alarms = larger = 0
    for seed in range(60):
        p, y = drawn(500, 0.0, seed)
        vague = np.tile([0.75, 0.25], (len(y), 1))
        result = calibench.gate(probs=p, labels=y, max={"ece15": 0.9}, baseline_probs=vague, no_worse=True)
        _, compared = result.checks
        larger += compared.value > compared.baseline
        alarms += compared.outcome == "fails"
    assert larger >= 45
    assert alarms <= 7  # of 60 at 5 %: 99 % of such tests have no more
