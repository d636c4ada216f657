"""The scores of uncertainty that `threshold` ranks by, against their formulas in extended precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from decision_cases import logits_and_labels

from calibench import InputError, Outputs
from calibench.outputs.uncertainty import threshold_of, uncertainty_of
from calibench_methods.decisions.threshold import SCORES


def by_definition(score: str, x: np.ndarray, norm: float) -> float:
    """The uncertainty of one row of logits."""
    x = x.astype(np.longdouble)
    p = np.exp(x - x.max())
    p = p / p.sum()
    if score == "max-softmax":
        return float(np.delete(p, p.argmax()).sum() / p.max())
    if score == "entropy":
        return float(-sum(v * np.log(v) for v in p if v > 0))
    if score == "margin":
        first, second = np.sort(p)[::-1][:2]
        return float(1 - (first - second))
    if score == "energy":
        return float(-(np.log(np.exp(x - x.max()).sum()) + x.max()))
    z = x - x.mean()
    return float(-(z / (np.abs(z) ** norm).sum() ** (1 / np.longdouble(norm))).max())


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("k", [2, 7])
def test_scores_equal_their_formulas(score: str, k: int) -> None:
    x, _ = logits_and_labels(200, k, seed=k)
    for norm in (1.0, 3.0, 5.0) if score == "max-logit-pnorm" else (5.0,):
        expected = [by_definition(score, row, norm) for row in x.numpy()]
        np.testing.assert_allclose(uncertainty_of(Outputs(x), score, norm).numpy(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("score", [score for score in SCORES if score != "energy"])
@pytest.mark.parametrize("k", [2, 7])
def test_probabilities_have_the_scores_of_their_logits(score: str, k: int) -> None:
    x, _ = logits_and_labels(200, k, seed=k)
    from_probs = uncertainty_of(Outputs(x.softmax(1), from_probs=True), score)
    np.testing.assert_allclose(from_probs.numpy(), uncertainty_of(Outputs(x), score).numpy(), rtol=1e-5, atol=1e-6)


def test_energy_of_probabilities_is_refused() -> None:
    with pytest.raises(InputError, match="energy needs logits"):
        uncertainty_of(Outputs(torch.full((2, 2), 0.5), from_probs=True), "energy")


@pytest.mark.parametrize("score", ["max-softmax", "margin"])
def test_scores_of_saturated_probabilities_differ(score: str) -> None:
    outputs = Outputs(torch.tensor([[50.0, 0.0, 0.0], [60.0, 0.0, 0.0]], dtype=torch.float64))
    assert (outputs.probs().amax(dim=1) == 1).all()
    first, second = uncertainty_of(outputs, score).tolist()
    assert first > second > 0


@pytest.mark.parametrize("score", SCORES)
def test_extreme_logits_and_one_hot_rows_have_finite_scores(score: str) -> None:
    extreme = torch.tensor([[1e300, -1e300, 0.0], [0.0, 0.0, 0.0], [800.0, 0.0, -800.0]], dtype=torch.float64)
    assert uncertainty_of(Outputs(extreme), score).isfinite().all()
    if score != "energy":
        probs = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
        first, even, last = uncertainty_of(Outputs(probs, from_probs=True), score).tolist()
        assert first == last < even


def test_a_limit_on_the_uncertainty_is_a_threshold_on_the_score() -> None:
    assert threshold_of("max-softmax", 0.25) == pytest.approx(0.8)
    assert threshold_of("margin", 0.25) == pytest.approx(0.75)
