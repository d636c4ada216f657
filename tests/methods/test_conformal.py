"""`conformal` against its scores and quantile, written here, and its coverage over repeated splits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import CIFAR100, fit, overconfident_probs, post_hoc
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calibench import InputError, Outputs
from calibench_methods.decisions.conformal import Conformal

METHODS = ("lac", "aps", "raps")


def conformal(method: str, k: int, **options: Any) -> Conformal:
    """The rule, checked for k classes; raps has a small k_reg and a large penalty."""
    of_raps = {"k_reg": 2, "penalty": 0.05} if method == "raps" else {}
    rule = Conformal(method, **{**of_raps, **options})
    rule.check(k)
    return rule


def sets_of(rule: Conformal, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor:
    sets = rule.decide(outputs, fitted).sets
    assert sets is not None
    return sets


def score_of(p: np.ndarray, k: int, method: str, u: float, penalty: float = 0.05, k_reg: int = 2) -> float:
    """s(x, k) of one row, ranks by probability and then by index."""
    if method == "lac":
        return 1 - p[k]
    order = sorted(range(len(p)), key=lambda j: (-p[j], j))
    rank = order.index(k) + 1
    score = sum(p[j] for j in order[: rank - 1]) + u * p[k]
    return score + (penalty * max(0, rank - k_reg) if method == "raps" else 0)


@pytest.mark.parametrize(
    ("method", "randomized"), [("lac", False), ("aps", True), ("aps", False), ("raps", True), ("raps", False)]
)
def test_sets_equal_the_formula(method: str, randomized: bool) -> None:
    rule = conformal(method, 5, alpha=0.2, **({} if method == "lac" else {"randomized": randomized}))
    cal, labels = overconfident_probs(60, 5, seed=0)
    test, _ = overconfident_probs(40, 5, seed=1)
    cal[:20] = (cal[:20] * 10).round()  # ties in a row
    cal /= cal.sum(dim=1, keepdim=True)
    torch.manual_seed(7)
    fitted = fit(rule, Outputs(cal, True), labels)
    decisions = rule.decide(Outputs(test, True), fitted)
    torch.manual_seed(7)
    u_cal, u_test = (torch.rand(n, 1, dtype=torch.float64)[:, 0].tolist() for n in (60, 40))
    if not randomized:
        u_cal, u_test = [1.0] * 60, [1.0] * 40
    scores = sorted(score_of(p, y, method, u) for p, y, u in zip(cal.numpy(), labels.tolist(), u_cal, strict=True))
    assert fitted["rank"] == math.ceil(61 * 0.8) == 49
    assert fitted["quantile"] == pytest.approx(scores[48], abs=1e-12)
    assert decisions.sets is not None
    for p, u, in_set, answer in zip(test.numpy(), u_test, decisions.sets, decisions.answers.tolist(), strict=True):
        expected = [k for k in range(5) if score_of(p, k, method, u) <= scores[48] + 1e-12]
        assert in_set.nonzero()[:, 0].tolist() == expected
        assert answer == (expected[0] if len(expected) == 1 else -1)


@pytest.mark.parametrize(
    ("n", "alpha", "rank"), [(9, 0.1, 9), (19, 0.05, 19), (10, 0.1, 10), (29, 0.3, 21), (30, 1 / 3, 21)]
)
def test_the_rank_is_computed_in_fractions(n: int, alpha: float, rank: int) -> None:
    probs, labels = overconfident_probs(30, 3, seed=2)
    assert Conformal("lac", alpha).fit(Outputs(probs[:n], True), labels[:n])["rank"] == rank


def test_with_too_few_samples_every_set_contains_all_classes() -> None:
    probs, labels = overconfident_probs(30, 3, seed=2)
    rule = Conformal("lac", 0.1)
    fitted = fit(rule, Outputs(probs[:8], True), labels[:8])
    assert (fitted["rank"], fitted["quantile"], fitted["at_least"]) == (9, None, 1)
    assert "needs 9" in fitted["note"]
    decisions = rule.decide(Outputs(probs, True), fitted)
    assert decisions.sets is not None
    assert decisions.sets.all()
    assert (decisions.answers == -1).all()


def test_raps_without_a_penalty_is_aps() -> None:
    probs, labels = overconfident_probs(500, 4, seed=3)
    torch.manual_seed(0)
    aps = conformal("aps", 4).fit(Outputs(probs, True), labels)["quantile"]
    torch.manual_seed(0)
    assert conformal("raps", 4, penalty=0.0).fit(Outputs(probs, True), labels)["quantile"] == aps


def test_a_large_penalty_leaves_no_set_larger_than_k_reg() -> None:
    probs, labels = overconfident_probs(500, 4, seed=3)
    larger = {}
    for penalty in (0.0, 10.0):
        rule = conformal("raps", 4, penalty=penalty, alpha=0.3)
        sets = sets_of(rule, Outputs(probs, True), rule.fit(Outputs(probs, True), labels))
        larger[penalty] = int((sets.sum(dim=1) > 2).sum())
    assert larger[10.0] == 0 < larger[0.0]


def test_certain_and_right_probabilities_give_sets_of_one_class() -> None:
    _, labels = overconfident_probs(500, 4, seed=3)
    outputs = Outputs(torch.eye(4, dtype=torch.float64)[labels], True)
    rule = Conformal("lac", 0.1)
    assert torch.equal(rule.decide(outputs, rule.fit(outputs, labels)).answers, labels)


def test_sets_of_aps_without_randomization_contain_every_more_probable_class() -> None:
    probs, labels = overconfident_probs(500, 4, seed=3)
    rule = conformal("aps", 4, randomized=False)
    sets = sets_of(rule, Outputs(probs, True), rule.fit(Outputs(probs, True), labels))
    ranked = sets.gather(1, probs.argsort(dim=1, descending=True, stable=True))
    assert (ranked[:, :-1] >= ranked[:, 1:]).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_scores_of_the_last_rank_tie_in_any_precision(dtype: torch.dtype) -> None:
    """The score of the last rank is 1 in every row. If that is the quantile, every set contains all classes."""
    probs, _ = overconfident_probs(300, 7, seed=6)
    outputs = Outputs(probs.to(dtype), True)
    last = outputs.scores.double().argsort(dim=1, descending=True, stable=True)[:, -1]
    rule = conformal("aps", 7, randomized=False)
    fitted = rule.fit(outputs, last)
    assert fitted["quantile"] == 1
    assert sets_of(rule, outputs, fitted).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("alpha=0", "not between 0 and 1"),
        ("alpha=1", "not between 0 and 1"),
        ("alpha=1.5", "outside"),
        ("method=lac,randomized=true", "lac draws nothing"),
        ("method=aps,penalty=0.1", "aps takes no penalty"),
        ("method=lac,k_reg=1", "lac takes no k_reg"),
        ("method=raps,k_reg=4", "raps would be aps"),
        ("method=raps", "k_reg=5 penalises no set of 4"),
        ("method=best", "not one of its choices"),
    ],
)
def test_idle_parameters_are_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        post_hoc(f"conformal:{options}", 4)
    assert error.value.hint


# --- coverage ------------------------------------------------------------------------------------------------------


def covered(rule: Conformal, fitted: dict[str, Any], probs: torch.Tensor, labels: torch.Tensor) -> int:
    """The number of rows whose set contains the label."""
    return int(sets_of(rule, Outputs(probs, True), fitted).gather(1, labels[:, None]).sum())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_coverage_over_repeated_draws_has_the_beta_law_of_the_rank(method: str, alpha: float) -> None:
    """200 cal sets of 99: the coverage given cal is Beta(rank, 100 - rank), so hits among n test rows are Beta-Binomial.

    Scores are untied in all three methods here, so the law is exact and not only a bound. A Kolmogorov-Smirnov test checks it.
    """
    rng = np.random.default_rng(5)
    probs, labels = overconfident_probs(60_000, 6, seed=4)
    hits, tests = [], 600
    torch.manual_seed(0)
    for _ in range(200):
        rows = torch.tensor(rng.choice(60_000, size=99 + tests, replace=False))
        cal, test = rows[:99], rows[99:]
        rule = conformal(method, 6, alpha=alpha)
        fitted = rule.fit(Outputs(probs[cal], True), labels[cal])
        hits.append(covered(rule, fitted, probs[test], labels[test]))
    rank = fitted["rank"]
    law = stats.betabinom(tests, rank, 100 - rank)
    assert fitted["at_least"] == rank / 100 >= 1 - alpha
    assert np.mean(hits) == pytest.approx(law.mean(), abs=3.3 * law.std() / math.sqrt(200))
    assert stats.kstest(hits, law.cdf).pvalue > 0.001
    assert np.std(hits) == pytest.approx(law.std(), rel=0.2)


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR100.is_file(), reason=f"there is no {CIFAR100}")
@pytest.mark.parametrize("method", METHODS)
def test_coverage_of_real_data_stays_in_its_band(method: str) -> None:
    """CIFAR-100, 60 splits of 1 000 rows to fit and 1 000 to judge: the mean lies near rank / (n + 1).

    99.9 % of single splits must lie in the Beta-Binomial band, so at most 1 of 60 may lie outside.
    """
    with np.load(CIFAR100) as file:
        probs, labels = torch.tensor(file["densenet_bc_100"]), torch.tensor(file["label"].astype(np.int64))
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    hits, size = [], []
    for _ in range(60):
        rows = torch.tensor(rng.choice(len(labels), size=2000, replace=False))
        cal, test = rows[:1000], rows[1000:]
        rule = Conformal(method, 0.1)
        fitted = rule.fit(Outputs(probs[cal], True), labels[cal])
        sets = sets_of(rule, Outputs(probs[test], True), fitted)
        hits.append(int(sets.gather(1, labels[test][:, None]).sum()))
        size.append(float(sets.sum(dim=1).double().mean()))
    law = stats.betabinom(1000, fitted["rank"], 1001 - fitted["rank"])
    low, high = law.ppf(0.0005), law.ppf(0.9995)
    assert sum(not low <= c <= high for c in hits) <= 1
    # Splits share samples, which narrows the spread of their mean; the bound for independent splits still holds.
    assert np.mean(hits) == pytest.approx(law.mean(), abs=3.3 * law.std() / math.sqrt(10))
    assert 1 < np.mean(size) < 30  # sets of all classes would cover too


@given(seed=st.integers(0, 10_000), n=st.integers(5, 60), k=st.integers(2, 5), alpha=st.sampled_from([0.05, 0.2, 0.5]))
@settings(max_examples=60, deadline=None)
def test_at_least_rank_samples_of_cal_are_covered_and_a_smaller_alpha_gives_larger_sets(
    seed: int, n: int, k: int, alpha: float
) -> None:
    """Without randomization, cal has the scores of its fit; ties may cover more."""
    probs, labels = overconfident_probs(n, k, seed)
    probs = (probs * 8).round().clamp_min(1e-3) / 8
    outputs = Outputs(probs / probs.sum(dim=1, keepdim=True), True)
    for method in ("lac", "aps"):
        options = {} if method == "lac" else {"randomized": False}
        rule, wider = conformal(method, k, alpha=alpha, **options), conformal(method, k, alpha=alpha / 2, **options)
        fitted = rule.fit(outputs, labels)
        sets, larger = sets_of(rule, outputs, fitted), sets_of(wider, outputs, wider.fit(outputs, labels))
        assert sets.gather(1, labels[:, None]).sum() >= min(fitted["rank"], n)
        assert (larger | ~sets).all()
