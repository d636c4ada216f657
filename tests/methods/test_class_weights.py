"""Weights of classes: against torch and scikit-learn, their optimum, the checkpoint that they pick, and users' mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from objective_cases import Array, K, N, build, log_softmax, logits_and_labels, loss_of, one_hot, value_and_gradient
from scipy.stats import binom
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from calibench import InputError, Outputs, RunError, run
from calibench.outputs.several_labels import yes_no_outputs
from calibench.stages import Batch
from calibench_methods.objectives.ce import CrossEntropy

SKEWED = np.array([0, 0, 0, 0, 0, 1, 1, 2, 3])
LIST = "1;0.5;20;3"
NUMBERS = [1, 0.5, 20, 3]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_a_list_of_weights_is_that_of_torch(smoothing: float) -> None:
    z, y = logits_and_labels(1)
    weight = torch.tensor(NUMBERS, dtype=torch.float64)
    expected = functional.cross_entropy(torch.tensor(z), torch.tensor(y), weight, label_smoothing=smoothing)
    smoothed = loss_of(build(f"label-smoothing:epsilon={smoothing},weight={LIST}"), z, y)
    torch.testing.assert_close(smoothed, expected)
    if smoothing == 0:
        torch.testing.assert_close(loss_of(build(f"ce:weight={LIST}"), z, y), expected)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(K), y=SKEWED)
    for recipe in ("ce:weight=balanced", "label-smoothing:weight=balanced", "focal:alpha=balanced"):
        assert build(recipe, labels=SKEWED).figures()["class_weights"] == pytest.approx(expected.tolist(), rel=1e-14)
    assert build(f"ce:weight={LIST}").figures() == {}  # the configuration already has them


def test_batches_divided_by_train_average_to_the_weighted_loss_of_all_rows_and_those_of_torch_do_not() -> None:
    z, _ = logits_and_labels(2)
    per_row = -log_softmax(z)[np.arange(N), SKEWED]
    whole = np.average(per_row, weights=np.array(NUMBERS)[SKEWED])
    batches = [np.arange(0, 3), np.arange(3, 6), np.arange(6, 9)]

    def mean_over_batches(recipe: str) -> float:
        objective = build(recipe, labels=SKEWED)
        return float(np.mean([float(loss_of(objective, z[rows], SKEWED[rows])) for rows in batches]))

    assert mean_over_batches(f"ce:weight={LIST},divide_by=train") == pytest.approx(whole, rel=1e-12)
    assert abs(mean_over_batches(f"ce:weight={LIST}") - whole) > 0.1


def test_the_deviation_states_how_much_of_the_loss_a_rare_class_has_in_torchs_mean() -> None:
    """With r rare rows in a batch of 64 they have r w / (r w + 64 - r) of its loss; r is binomial, w = .999 / .001."""
    r = np.arange(65)
    share = binom.pmf(r, 64, 0.001) @ (r * 999 / (r * 999 + 64 - r))
    assert share == pytest.approx(0.06, abs=0.005)


def test_only_weights_that_share_a_divisor_keep_processes_from_sharing_a_batch() -> None:
    assert not build("ce:weight=balanced").can_split()
    for recipe in ("ce", "ce:weight=balanced,divide_by=train", "focal:alpha=balanced", "logit-adjustment"):
        assert build(recipe).can_split(), recipe


# --- the probabilities that a loss trains ---------------------------------------------------------------------------

JOINT = np.array([[60, 6, 1, 3], [20, 9, 2, 1], [4, 3, 5, 2]])
"""Rows of each value of x (line) and of each class."""


@pytest.mark.parametrize(
    ("recipe", "factors"),
    [
        ("ce", np.ones(K)),
        (f"ce:weight={LIST}", np.array(NUMBERS)),
        (f"ce:weight={LIST},divide_by=train", np.array(NUMBERS)),
        ("ce:weight=balanced", 1 / JOINT.sum(axis=0)),
        ("logit-adjustment", 1 / JOINT.sum(axis=0)),
        ("logit-adjustment:tau=0.5", 1 / np.sqrt(JOINT.sum(axis=0))),
        ("balanced-softmax", 1 / JOINT.sum(axis=0)),
    ],
)
def test_the_minimum_is_the_posterior_times_factors_of_the_classes(recipe: str, factors: Array) -> None:
    """With free logits for each x, the gradient is 0 at p(k | x) ~ factor_k n_xk, and not at the class shares themselves."""
    x, y = np.nonzero(JOINT)
    counts = JOINT[x, y]
    x, y = x.repeat(counts), y.repeat(counts)
    objective = build(recipe, labels=y)

    def gradient(table: Array) -> Array:
        _, by_row = value_and_gradient(objective, table[x], y)
        return one_hot(x, len(JOINT)).T @ by_row

    assert np.abs(gradient(np.log(JOINT * factors))).max() < 1e-12
    if recipe != "ce":
        assert np.abs(gradient(np.log(JOINT))).max() > 1e-2


# --- focal and bce --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_alpha_of_two_classes_is_the_weight_of_class_1(gamma: float) -> None:
    """Lin et al., equation 5, for the sigmoid of the difference of the two logits."""
    z, y = logits_and_labels(3, k=2)
    p = 1 / (1 + np.exp(z[:, 0] - z[:, 1]))
    p_t, alpha_t = np.where(y == 1, p, 1 - p), np.where(y == 1, 0.25, 0.75)
    expected = np.mean(-alpha_t * (1 - p_t) ** gamma * np.log(p_t))
    assert float(loss_of(build(f"focal:gamma={gamma},alpha=0.25", k=2), z, y)) == pytest.approx(expected, rel=1e-12)


def bce(z: Array, t: Array, a: Array | float) -> float:
    s = 1 / (1 + np.exp(-z))
    return float(-(a * t * np.log(s) + (1 - t) * np.log(1 - s)).sum(axis=1).mean())


def test_pos_weight_multiplies_the_positive_term() -> None:
    z, y = logits_and_labels(4)
    t = one_hot(y, K)
    expected = {
        "bce": bce(z, t, 1),
        "bce:pos_weight=3": bce(z, t, 3),
        f"bce:pos_weight={LIST}": bce(z, t, np.array(NUMBERS)),
        "bce:pos_weight=balanced": bce(z, t, np.array([4 / 5, 7 / 2, 8, 8])),
    }
    for recipe, value in expected.items():
        assert float(loss_of(build(recipe, labels=SKEWED), z, y)) == pytest.approx(value, rel=1e-12), recipe
    torchs = functional.binary_cross_entropy_with_logits(
        torch.tensor(z), torch.tensor(t), pos_weight=torch.tensor(NUMBERS, dtype=torch.float64)
    )
    assert expected[f"bce:pos_weight={LIST}"] == pytest.approx(K * float(torchs), rel=1e-12)
    objective = build("bce:pos_weight=balanced", labels=SKEWED)
    assert objective.figures() == {"pos_weights": pytest.approx([4 / 5, 7 / 2, 8, 8])}
    val = objective.validation_nll(Outputs(torch.tensor(z), one_vs_rest=True).logits(), torch.tensor(y))
    assert val == pytest.approx(expected["bce:pos_weight=balanced"] / K, rel=1e-12)


def test_pos_weight_balances_each_of_several_labels() -> None:
    labels = np.array([[1, 0], [0, 0], [0, 1], [0, 1]])
    objective = build("bce:pos_weight=balanced", k=2, labels=labels)
    assert objective.figures() == {"pos_weights": pytest.approx([3, 1])}
    z = np.array([[0.3, -1], [2, 0.1], [0, 0], [-1, 1]])
    value = objective.loss(torch.tensor(z), Batch(torch.empty(4), torch.tensor(labels), torch.arange(4)))
    assert float(value) == pytest.approx(bce(z, labels, np.array([3, 1])), rel=1e-12)
    val = objective.validation_nll(yes_no_outputs(torch.tensor(z)).logits(), torch.tensor(labels).flatten())
    assert val == pytest.approx(bce(z, labels, np.array([3, 1])) / 2, rel=1e-12)
    with pytest.raises(RunError, match="label 1 has no positive training row"):
        build("bce:pos_weight=balanced", k=2, labels=labels * [1, 0])
    with pytest.raises(RunError, match="output 0 has no negative training row"):
        build("bce:pos_weight=balanced", k=2, labels=np.maximum(labels, [1, 0]))


# --- the checkpoint -------------------------------------------------------------------------------------------------


def test_the_checkpoint_is_picked_by_the_weighted_nll() -> None:
    z, y = logits_and_labels(5)
    per_row = -log_softmax(z)[np.arange(N), y]
    expected = np.average(per_row, weights=np.array(NUMBERS)[y])
    recipes = ("ce:weight", "ce:divide_by=train,weight", "label-smoothing:weight", "focal:alpha")
    for recipe in recipes:
        value = build(f"{recipe}={LIST}").validation_nll(torch.tensor(z), torch.tensor(y))
        assert value == pytest.approx(expected, rel=1e-12), recipe
    for recipe in ("ce", "label-smoothing", "focal", "bce"):
        value = build(recipe).validation_nll(torch.tensor(z), torch.tensor(y))
        assert value == pytest.approx(per_row.mean(), rel=1e-12), recipe
    log_shares = np.log(np.bincount(np.arange(N) % K) / N)
    adjusted = -log_softmax(z + log_shares)[np.arange(N), y].mean()
    for recipe in ("logit-adjustment", "balanced-softmax"):
        value = build(recipe).validation_nll(torch.tensor(z), torch.tensor(y))
        assert value == pytest.approx(adjusted, rel=1e-12), recipe


def skewed_file(folder: Path) -> str:
    """Two overlapping classes of 5 features; 10 % of 400 rows are class 1."""
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 10 == 0).astype(int)
    np.savez(folder / "skewed.npz", train_x=rng.normal(size=(400, 5)).astype(np.float32) + y[:, None], train_y=y)
    return f"npz:path={folder / 'skewed.npz'}"


def test_stage_1_keeps_the_epoch_of_the_least_val_nll_of_the_objective(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = iter(range(10))
    monkeypatch.setattr(CrossEntropy, "validation_nll", lambda *_: abs(next(epochs) - 2) + 0.5)
    record = run("ce:weight=1;9", skewed_file(tmp_path), model="mlp:hidden=4", epochs=5, results=None)
    assert (record.fitted[0]["epoch"], record.fitted[0]["val_nll"]) == (3, 0.5)


def test_weights_raise_the_probability_of_the_rare_class_and_the_record_has_them(tmp_path: Path) -> None:
    data = skewed_file(tmp_path)
    plain, weighted = (
        run(recipe, data, model="mlp:hidden=4", epochs=15, results=None, metrics="balanced_accuracy")
        for recipe in ("ce:lr=0.01", "ce:lr=0.01,weight=balanced")
    )
    assert weighted.fitted[0]["class_weights"] == pytest.approx([1 / 1.8, 5], rel=0.05)
    assert weighted.metrics["nll"] > plain.metrics["nll"]
    assert weighted.metrics["balanced_accuracy"] > plain.metrics["balanced_accuracy"]


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "message", "hint"),
    [
        ("ce:weight=balance", "neither numbers joined by ';' nor the word balanced", "did you mean 'balanced'"),
        ("ce:weight=a;b", "neither numbers", "as in ce:weight=1;20"),
        ("ce:weight=1;2", "has 2 numbers for 4 classes", "one per class"),
        ("ce:weight=3", "has 1 number for 4 classes", "one per class"),
        ("ce:weight=1;0;1;1", "not positive", "positive, finite"),
        ("ce:weight=1;inf;1;1", "not positive", "positive, finite"),
        ("ce:divide_by=train", "divide_by=train would do nothing", "weight=balanced"),
        ("label-smoothing:divide_by=batch", "would do nothing", "weight=balanced"),
        ("bce:pos_weight=1;2", "has 2 numbers for 4 classes", "one per class"),
        ("bce:pos_weight=-1", "not positive", "positive, finite"),
        ("focal:alpha=0.25", "has 1 number for 4 classes", "one per class"),
        ("focal:alpha=blanced", "neither numbers", "did you mean 'balanced'"),
        ("logit-adjustment:tau=-1", r"tau=-1 is outside \[0, 100\]", "factor of the log shares"),
    ],
)
def test_mistakes_are_refused_before_training(recipe: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build(recipe)
    assert hint in caught.value.hint


def test_alpha_of_two_classes_lies_below_1() -> None:
    with pytest.raises(InputError, match="not below 1: class 0 gets the weight 1 - alpha"):
        build("focal:alpha=1", k=2)


@pytest.mark.parametrize(
    "recipe",
    ["ce:weight=balanced", "bce:pos_weight=balanced", "focal:alpha=balanced", "logit-adjustment", "balanced-softmax"],
)
def test_a_class_without_training_rows_is_named(recipe: str) -> None:
    with pytest.raises(RunError, match=f"{recipe.partition(':')[0]}.*: class 2 has no training row"):
        build(recipe, labels=np.array([0, 1, 3, 3]))
