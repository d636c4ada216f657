"""`mmce`, `mdca`, `dual-focal`, `maxsup` and `acls`: hand-computed values, the authors' code, limits and refusals.

tests/methods/test_objectives.py compares each loss and gradient with its formula.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from objective_cases import Array, build, logits_and_labels, loss_of, value_and_gradient

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.stages.build import build_stage


def binary(confidences: list[float], right: list[bool]) -> tuple[Array, Array]:
    """Logits of two classes with these confidences in class 0, and labels that make the rows right or wrong."""
    r = np.array(confidences)
    return np.stack([np.log(r), np.log(1 - r)], axis=1), np.where(right, 0, 1)


# --- mmce -----------------------------------------------------------------------------------------------------------


def authors_mmce(confidence: Array, right: Array) -> float:
    """MMCE_w as in 20ng_mmce.py (aviralkumar2907/MMCE): means over pairs, divided by the number of pairs again."""
    c, w = confidence[right], confidence[~right]
    m, n = len(c), len(w)

    def mean(a: Array, b: Array, wa: Array, wb: Array) -> float:
        return float(np.mean(np.exp(-np.abs(a[:, None] - b[None, :]) / 0.4) * wa[:, None] * wb[None, :]))

    error = mean(c, c, 1 - c, 1 - c) / (m * m + 1e-5) + mean(w, w, w, w) / (n * n + 1e-5)
    return math.sqrt(error - 2 * mean(c, w, 1 - c, w) / (m * n + 1e-5) + 1e-10)


def test_mmce_of_one_right_and_one_wrong_row_by_hand() -> None:
    z, y = binary([0.9, 0.6], [True, False])
    a = np.array([0.1, -0.6])
    by_hand = math.sqrt(a[0] ** 2 + a[1] ** 2 + 2 * a[0] * a[1] * math.exp(-0.3 / 0.4) + 1e-10)
    error = build("mmce:scale=paper", k=2).error(torch.from_numpy(z), torch.from_numpy(y))
    assert float(error) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("wrong", [1, 6, 32])
def test_the_default_is_the_authors_code(wrong: int) -> None:
    rng = np.random.default_rng(wrong)
    confidence = rng.uniform(0.5, 1, size=64)
    right = np.arange(64) >= wrong
    z, y = binary(confidence.tolist(), right.tolist())
    error = float(build("mmce", k=2).error(torch.from_numpy(z), torch.from_numpy(y)))
    assert error == pytest.approx(authors_mmce(confidence, right), rel=1e-4)  # the 1e-5 in its divisors
    if wrong == 6:  # the ratio that the deviations name
        paper = float(build("mmce:scale=paper", k=2).error(torch.from_numpy(z), torch.from_numpy(y)))
        assert 4 < paper / error < 6


@pytest.mark.parametrize("right", [True, False])
def test_mmce_has_no_penalty_where_all_rows_are_right_or_all_are_wrong(right: bool) -> None:
    z, y = binary([0.7, 0.8, 0.9], [right] * 3)
    value, gradient = value_and_gradient(build("mmce:weight=50", k=2), z, y)
    expected, gradient_of_ce = value_and_gradient(build("ce", k=2), z, y)
    assert value == expected
    np.testing.assert_array_equal(gradient, gradient_of_ce)


def test_mmce_moves_a_confident_wrong_row_and_a_doubtful_right_one_in_opposite_directions() -> None:
    z, y = binary([0.6, 0.95], [True, False])
    gradient = value_and_gradient(build("mmce:weight=1", k=2), z, y)[1] - value_and_gradient(build("ce", k=2), z, y)[1]
    assert gradient[0, 0] < 0  # descent makes the right row more confident
    assert gradient[1, 0] > 0  # and the wrong row less


# --- mdca -----------------------------------------------------------------------------------------------------------


def test_mdca_is_the_focal_loss_where_mean_probabilities_are_the_shares_of_the_labels() -> None:
    z, y = binary([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    assert float(loss_of(build("mdca", k=2), z, y)) == pytest.approx(float(loss_of(build("focal:gamma=1"), z, y)))


def test_mdca_of_two_rows_by_hand() -> None:
    z, y = binary([0.9, 0.6], [True, False])
    gaps = abs(0.75 - 0.5), abs(0.25 - 0.5)
    expected = float(loss_of(build("ce"), z, y)) + 3 * sum(gaps) / 2
    assert float(loss_of(build("mdca:weight=3,gamma=0", k=2), z, y)) == pytest.approx(expected, rel=1e-12)


# --- dual-focal -----------------------------------------------------------------------------------------------------


def test_dual_focal_weighs_by_the_next_lower_class_and_not_by_a_higher_one() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    by_hand = [-(0.8**2) * math.log(0.5), -(0.9**2) * math.log(0.3), -(0.8**2) * math.log(0.2)]
    value = float(loss_of(build("dual-focal:gamma=2", k=3), np.log(p), np.array([0, 1, 2])))
    assert value == pytest.approx(float(np.mean(by_hand)), rel=1e-12)


def test_dual_focal_exceeds_focal_unless_the_label_is_ranked_last() -> None:
    z, y = logits_and_labels(3)
    assert float(loss_of(build("dual-focal:gamma=3"), z, y)) > float(loss_of(build("focal"), z, y))
    last = z.argmin(axis=1)
    focal = float(loss_of(build("focal"), z, last))
    assert float(loss_of(build("dual-focal:gamma=3"), z, last)) == pytest.approx(focal, rel=1e-12)


# --- maxsup ---------------------------------------------------------------------------------------------------------


def test_maxsup_is_label_smoothing_where_all_rows_are_right() -> None:
    z, _ = logits_and_labels(3)
    y = z.argmax(axis=1)
    smoothed = float(loss_of(build("label-smoothing:epsilon=0.1"), z, y))
    assert float(loss_of(build("maxsup:alpha=0.1"), z, y)) == pytest.approx(smoothed, rel=1e-12)


def test_maxsup_penalises_a_wrong_largest_logit_where_label_smoothing_raises_it() -> None:
    z, y = np.array([[4.0, 0.0, 0.0]]), np.array([1])
    ce = value_and_gradient(build("ce", k=3), z, y)[1]
    smoothing = value_and_gradient(build("label-smoothing:epsilon=0.1", k=3), z, y)[1] - ce
    suppression = value_and_gradient(build("maxsup:alpha=0.1", k=3), z, y)[1] - ce
    assert smoothing[0, 0] < 0 < suppression[0, 0]


def test_alpha_rises_linearly_as_in_the_authors_code() -> None:
    objective = build("maxsup:alpha=0.1,alpha_end=0.2")  # of 10 epochs
    alphas = []
    for epoch in range(1, 11):
        objective.begin_epoch(epoch)
        alphas.append(objective.alpha)
    np.testing.assert_allclose(alphas, [0.1 + 0.1 * epoch / 10 for epoch in range(10)], rtol=1e-12)
    constant = build("maxsup")
    constant.begin_epoch(7)
    assert constant.alpha == 0.1


def test_an_alpha_that_changes_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"alpha_end=0\.1 does nothing"):
        build("maxsup:alpha_end=0.1")


# --- acls -----------------------------------------------------------------------------------------------------------


def test_acls_of_one_row_by_hand() -> None:
    z, y = np.array([[12.0, -1.0, 3.0]]), np.array([0])
    penalty = 1.0 * 2.0**2 + 0.1 * (3.0**2 + 0.0) / 2
    expected = float(loss_of(build("ce", k=3), z, y)) + 0.1 * penalty
    value, gradient = value_and_gradient(build("acls", k=3), z, y)
    assert value == pytest.approx(expected, rel=1e-12)
    difference = gradient - value_and_gradient(build("ce", k=3), z, y)[1]
    np.testing.assert_allclose(difference, [[0.1 * 2 * 2.0, -0.1 * 0.1 * 2 * 3.0 / 2, 0.0]], atol=1e-12)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    ["mmce:weight=-1", "mmce:width=0", "mmce:scale=half", "mdca:gamma=-1", "dual-focal:gamma=-1", "acls:margin=-1"],
)
def test_values_out_of_bounds_are_refused(recipe: str) -> None:
    with pytest.raises(InputError):
        resolve(recipe)


@pytest.mark.parametrize(("recipe", "splits"), [("mmce", False), ("mdca", False), ("dual-focal", True), ("acls", True)])
def test_losses_of_the_whole_batch_are_not_split_over_processes(recipe: str, splits: bool) -> None:
    objective: Any = build_stage(resolve(recipe).objective)
    assert objective.can_split() is splits


def test_a_class_without_a_row_is_part_of_the_gap() -> None:
    z, y = binary([0.9], [True])
    wide = np.concatenate([z, np.full((1, 1), -50.0)], axis=1)
    value = float(loss_of(build("mdca:gamma=0,weight=3", k=3), wide, y))
    assert value == pytest.approx(-math.log(0.9) + 0.1 + 0.1, rel=1e-9)
