"""`ltt`: its p-values against scipy, its limit against a loop, and how often a target is missed over repeated draws."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from decision_cases import cost_file, fit, logits_and_labels, post_hoc
from scipy import stats

from calibench import InputError, Outputs
from calibench.outputs.uncertainty import uncertainty_of
from calibench_methods.decisions.ltt import LearnThenTest
from calibench_methods.decisions.risks import Risks, Sample, hoeffding_bentkus

COSTS = "0,1,1,0.2\n1,0,1,0.2\n5,5,0,0.2\n"


@pytest.mark.parametrize(
    ("mean", "n", "target"), [(0.07, 100, 0.1), (0.0, 50, 0.05), (0.1234, 777, 0.2), (0.3, 40, 0.2)]
)
def test_hoeffding_bentkus_is_the_lesser_of_its_two_bounds(mean: float, n: int, target: float) -> None:
    low = min(mean, target)
    kl = (low * math.log(low / target) if low else 0.0) + (1 - low) * math.log((1 - low) / (1 - target))
    bentkus = math.e * stats.binom.cdf(math.ceil(n * mean - 1e-9), n, target)
    assert hoeffding_bentkus(mean, n, target) == pytest.approx(min(1, math.exp(-n * kl), bentkus), rel=1e-12)
    assert (hoeffding_bentkus(mean, n, target) == 1) == (mean >= target)


def test_its_level_holds_for_losses_that_are_not_counts() -> None:
    """Three kinds of losses with mean 0.1: a p-value at most 0.05, or 0.3, in at most that share of 4 000 samples."""
    rng = np.random.default_rng(0)
    coins = rng.random((4000, 60)) < 0.1
    for losses in (coins, rng.beta(0.3, 2.7, size=(4000, 60)), 0.5 * (rng.random((4000, 60)) < 0.2)):
        p = np.array([hoeffding_bentkus(float(mean), 60, 0.1) for mean in losses.mean(axis=1)])
        assert (p <= 0.05).mean() <= 0.05
        assert (p <= 0.3).mean() <= 0.3
    p = np.array([hoeffding_bentkus(float(mean), 60, 0.1) for mean in coins.mean(axis=1)])
    assert (p <= 0.3).mean() > 0.01  # a p-value of 1 throughout would pass as well


def test_the_p_value_of_several_risks_is_the_largest() -> None:
    rng = np.random.default_rng(1)
    sample = Sample(rng.random(300), rng.integers(3, size=300), rng.integers(3, size=300))
    right = rng.random(300) < 0.9
    sample = sample._replace(answers=np.where(right, sample.labels, sample.answers))
    costs = [[0.0, 1, 1, 0.2], [1, 0, 1, 0.2], [5, 5, 0, 0.2]]
    accepted = sample.doubt <= 0.6
    wrong = accepted & (sample.answers != sample.labels)
    overall = stats.binom.cdf(wrong.sum(), accepted.sum(), 0.1)
    by_class = max(
        stats.binom.cdf((wrong & (sample.labels == k)).sum(), (sample.labels == k).sum(), 0.1) for k in range(3)
    )
    paid = [costs[y][a] if ok else 0.2 for y, a, ok in zip(sample.labels, sample.answers, accepted, strict=True)]
    cost = hoeffding_bentkus(float(np.mean(paid)) / 5, 300, 0.4 / 5)
    assert Risks(target_risk=0.1).p_value(sample, 0.6, 3) == pytest.approx(overall)
    assert Risks(target_class_risk=0.1).p_value(sample, 0.6, 3) == pytest.approx(by_class)
    assert Risks(target_cost=0.4, costs=costs).p_value(sample, 0.6, 3) == pytest.approx(cost)
    together = Risks(0.1, 0.1, 0.4, costs).p_value(sample, 0.6, 3)
    assert together == pytest.approx(max(overall, by_class, cost))
    assert Risks(target_class_risk=0.1).p_value(sample, 0.6, 4) == 1  # nothing is known of class 3
    assert Risks(target_risk=0.1).p_value(sample, -1, 3) == 1


def test_the_limit_is_the_last_of_the_sequence_that_passes() -> None:
    logits, labels = logits_and_labels(2000, 3, seed=2)
    logits = logits + 2 * torch.eye(3)[labels]
    rule = LearnThenTest(target_risk=0.05)
    rule.check(3)
    torch.manual_seed(0)
    fitted = fit(rule, Outputs(logits), labels)
    torch.manual_seed(0)
    order = torch.randperm(2000)
    learn, test = order[:500], order[500:]
    doubt = uncertainty_of(Outputs(logits), "max-softmax").numpy()
    wrong = (logits.argmax(1) != labels).numpy()

    def p(rows: torch.Tensor, limit: float) -> float:
        inside = doubt[rows] <= limit
        return float(stats.binom.cdf(wrong[rows][inside].sum(), inside.sum(), 0.05))

    ranked = np.sort(doubt[learn])
    limits = sorted({ranked[math.ceil(q * 499 / 100 - 1e-9)] for q in range(1, 101)})
    start = min(range(len(limits)), key=lambda i: p(learn, limits[i]))
    last = None
    for limit in limits[start:]:
        if p(test, limit) > 0.05:
            break
        last = limit
    assert fitted["doubt"] == last is not None
    assert fitted["p_value"] == pytest.approx(p(test, last))
    assert (fitted["learned_on"], fitted["tested_on"]) == (500, 1500)
    answers = rule.decide(Outputs(logits), fitted).answers.numpy()
    np.testing.assert_array_equal(answers, np.where(doubt <= last, logits.argmax(1).numpy(), -1))


def population(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes; the third is recognised worst, and its errors cost most."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    logits = 1.5 * rng.normal(size=(n, 3))
    logits[np.arange(n), y] += np.array([4.0, 4.0, 2.5])[y] * rng.random(n) * 1.6
    return torch.tensor(logits), torch.tensor(y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "targets",
    [
        "target_risk=0.08",
        "target_class_risk=0.1",
        "target_cost=0.3,matrix={}",
        "target_risk=0.1,target_class_risk=0.12,target_cost=0.35,matrix={}",
    ],
)
def test_targets_are_missed_in_at_most_delta_of_the_draws(targets: str, tmp_path: Path) -> None:
    """300 draws of 1 200 samples; the population is 100 000 samples."""
    text = targets.format(cost_file(tmp_path, COSTS))
    logits, y = population(100_000, seed=0)
    rule = post_hoc(f"ltt:{text},delta=0.1", 3).rule[1]  # type: ignore[index]
    assert isinstance(rule, LearnThenTest)
    doubt, answers, labels = uncertainty_of(Outputs(logits), "max-softmax").numpy(), logits.argmax(1).numpy(), y.numpy()
    costs = np.array([[float(cell) for cell in line.split(",")] for line in COSTS.split()])

    def misses(limit: float) -> bool:
        accepted = doubt <= limit
        wrong = accepted & (answers != labels)
        risks = rule.risks
        above = risks.target_risk is not None and wrong.sum() > risks.target_risk * accepted.sum()
        if risks.target_class_risk is not None:
            above |= bool(
                (np.bincount(labels[wrong], minlength=3) > risks.target_class_risk * np.bincount(labels)).any()
            )
        if risks.target_cost is not None:
            above |= bool(costs[labels, np.where(accepted, answers, -1)].mean() > risks.target_cost)
        return above

    missed, covered = [], []
    for seed in range(300):
        torch.manual_seed(seed)
        cal, truth = population(1200, seed=1 + seed)
        fitted = rule.fit(Outputs(cal), truth)
        limit = -1.0 if fitted["doubt"] is None else fitted["doubt"]
        missed.append(fitted["doubt"] is not None and misses(limit))
        covered.append((doubt <= limit).mean())
    assert np.sum(missed) <= stats.binom.ppf(0.999, 300, 0.1)
    assert np.mean(covered) > 0.25


def test_cost_targets_use_the_matrix_and_its_column_of_abstention(tmp_path: Path) -> None:
    file = cost_file(tmp_path, COSTS)
    logits, y = population(2000, seed=3)
    chain = post_hoc(f"ltt:target_cost=0.5,matrix={file}", 3)
    [fitted] = chain.fit(Outputs(logits), y)
    decisions = chain.decide(Outputs(logits))
    assert decisions is not None
    assert decisions.costs is not None
    assert decisions.targets == {"mean_cost": 0.5}
    paid = decisions.costs[y, decisions.answers].mean()
    assert float(paid) < 0.5
    assert fitted["cal_cost"] < 0.5


def test_nothing_is_promised_where_no_limit_passes() -> None:
    logits, labels = logits_and_labels(60, 3, seed=4)
    rule = LearnThenTest(target_risk=0.01)
    rule.check(3)
    fitted = fit(rule, Outputs(logits), labels)
    assert fitted["doubt"] is None
    assert "no limit passes on 45 samples" in fitted["note"]
    assert (rule.decide(Outputs(logits), fitted).answers == -1).all()


def test_a_class_that_cal_lacks_leaves_nothing_to_promise() -> None:
    logits, y = population(2000, seed=5)
    rule = LearnThenTest(target_class_risk=0.2)
    rule.check(3)
    assert fit(rule, Outputs(logits[y < 2]), y[y < 2])["doubt"] is None
    assert fit(rule, Outputs(logits), y)["doubt"] is not None


def test_no_target_is_an_error_rate_of_5_percent() -> None:
    assert LearnThenTest().risks == Risks(target_risk=0.05)
    assert LearnThenTest(target_class_risk=0.1).risks == Risks(target_class_risk=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("target_risk=0", "target_risk=0 is not between 0 and 1"),
        ("target_class_risk=1", "not between 0 and 1"),
        ("delta=0", "delta=0 is not between 0 and 1"),
        ("target_cost=0.3", "matrix is missing"),
        ("matrix={}", "target_cost is missing"),
        ("target_cost=7,matrix={}", "not between the least cost 0 and the largest 5"),
        ("cal_split=half", "does nothing without a calibrator"),
    ],
)
def test_contradictory_and_idle_parameters_are_refused(options: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        post_hoc(f"ltt:{options.format(cost_file(tmp_path, COSTS))}", 3)
    assert error.value.hint


def test_a_matrix_without_abstention_is_refused(tmp_path: Path) -> None:
    file = cost_file(tmp_path, "0,1,1\n1,0,1\n1,1,0")
    with pytest.raises(InputError, match="3 x 3 numbers") as error:
        post_hoc(f"ltt:target_cost=0.3,matrix={file}", 3)
    assert "the cost of abstention" in error.value.hint
