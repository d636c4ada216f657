"""How rules meet the rest: the decisions of a wrong rule, the samples a rule is fitted on, the risk-coverage curve of a record."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import logits_and_labels, post_hoc

from calibench import DecisionRule, Outputs, RunError
from calibench.metrics.aurc import AURC, area_under, risk_coverage
from calibench.metrics.coverage import Coverage
from calibench.metrics.judged import Judged
from calibench.metrics.selective_risk import SelectiveRisk
from calibench.outputs.decisions import Decisions
from calibench.outputs.uncertainty import uncertainty_of
from calibench_methods.decisions.threshold import SCORES


class Constant(DecisionRule):
    """Decides the same for all outputs."""

    def __init__(self, decisions: object) -> None:
        self.decisions = decisions

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Any:
        return self.decisions


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        (torch.tensor([0, 3]), "row 1: decision 3 is not a class"),
        (torch.tensor([0.0, 1.0]), "not .2. whole numbers"),
        (torch.tensor([0]), "not .2. whole numbers"),
        (Decisions(torch.tensor([0, 1]), sets=torch.ones(2, 3)), "sets have shape"),
        (Decisions(torch.tensor([0, 1]), sets=torch.ones(3, 3, dtype=torch.bool)), "sets have shape"),
        (Decisions(torch.tensor([0, 1]), uncertainty=torch.tensor([0.0, math.nan])), "has shape .2., or holds a NaN"),
        (Decisions(torch.tensor([0, -1]), costs=torch.ones(3, 3)), "abstention has no cost"),
        (Decisions(torch.tensor([0, 1]), costs=torch.ones(2, 3)), "costs have shape"),
    ],
)
def test_a_rule_with_invalid_decisions_is_named(decisions: object, message: str) -> None:
    chain = post_hoc("threshold", 3)
    assert chain.rule is not None
    chain.rule = (chain.rule[0], Constant(decisions))
    with pytest.raises(RunError, match=f"method 'threshold' .*{message}"):
        chain.decide(Outputs(torch.zeros(2, 3)))


@pytest.mark.parametrize(
    "recipe", ["threshold:target_risk=0.1", "threshold:metric=balanced-accuracy", "conformal:alpha=0.3"]
)
def test_a_rule_is_fitted_on_rounded_outputs(recipe: str) -> None:
    """0.9 in float64 is above 0.9 in float32: fitted without rounding, the rule would abstain on all rounded outputs."""
    table = torch.tensor([[0.9, 0.1], [0.4, 0.6]], dtype=torch.float64)[torch.arange(400) % 2]
    labels = torch.where(torch.arange(400) % 2 == 0, 0, torch.arange(400) // 2 % 2)
    chain = post_hoc(recipe, 2)
    chain.rounding = lambda outputs: Outputs(outputs.scores.float(), outputs.from_probs)
    chain.fit(Outputs(table, from_probs=True), labels)
    decisions = chain.decide(Outputs(table.float(), from_probs=True))
    assert decisions is not None
    assert (decisions.answers[::2] == 0).all()


@pytest.mark.parametrize("score", SCORES)
def test_each_score_decides_abstention_and_reaches_the_record(score: str) -> None:
    logits, labels = logits_and_labels(4000, 4, seed=8)
    chain = post_hoc(f"threshold:target_risk=0.3,score={score}", 4)
    [fitted] = chain.fit(Outputs(logits[:2000]), labels[:2000])
    test = Outputs(logits[2000:])
    judged = Judged(test, labels[2000:], chain.decide(test))
    uncertainty = uncertainty_of(test, score).numpy()
    answered = judged.decisions >= 0
    np.testing.assert_array_equal(answered, uncertainty <= fitted["doubt"])
    np.testing.assert_array_equal(judged.decisions[answered], logits[2000:].argmax(1).numpy()[answered])
    details = SelectiveRisk().details(judged)
    assert (details["score"], details["target"]) == (score, 0.3)
    assert details["reached"] == (SelectiveRisk().value(judged) <= 0.3)
    assert 0.1 < Coverage().value(judged) < 0.99
    assert details["aurc"] == pytest.approx(area_under(uncertainty, 1 - judged.correct), abs=1e-5)


def test_the_area_under_the_curve_equals_the_metric() -> None:
    logits, labels = logits_and_labels(300, 3, seed=1)
    judged = Judged(Outputs(logits), labels, torch.zeros(300, dtype=torch.int64).numpy())
    assert SelectiveRisk().details(judged)["aurc"] == pytest.approx(AURC().value(judged), abs=1e-14)


def test_the_curve_equals_that_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    uncertainty, wrong = rng.integers(40, size=300).astype(np.float64), rng.integers(2, size=300).astype(np.float64)
    coverage, risk = risk_coverage(uncertainty, wrong, 1000)
    expected = [((uncertainty <= t).mean(), wrong[uncertainty <= t].mean()) for t in np.unique(uncertainty)]
    np.testing.assert_allclose(np.stack([coverage, risk], axis=1), expected, atol=1e-14)
    thinned, _ = risk_coverage(rng.random(5000), np.zeros(5000), 100)
    np.testing.assert_allclose(thinned, np.arange(1, 101) / 100, atol=1e-3)
    tied = risk_coverage(np.zeros(5), np.array([1.0, 0, 0, 0, 0]), 100)
    assert [values.tolist() for values in tied] == [[1.0], [0.2]]
