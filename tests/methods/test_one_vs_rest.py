"""One sigmoid per class: the loss of bce, the probabilities that are judged, and the sets of sigmoid-threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from calibench import Outputs, run
from calibench.records.store import read_predictions
from calibench.stages import Batch
from calibench_methods.objectives.bce import BinaryCrossEntropy


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_the_loss_and_its_gradient_equal_the_formula() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)) * 3, np.arange(6) % 4

    def loss(z: np.ndarray) -> float:
        hit = np.eye(4)[y]
        return float(-(hit * np.log(sigmoid(z)) + (1 - hit) * np.log(1 - sigmoid(z))).sum(1).mean())

    logits = torch.from_numpy(x).requires_grad_()
    batch = Batch(torch.empty(6), torch.from_numpy(y), torch.arange(6))
    computed = BinaryCrossEntropy().loss(logits, batch)
    computed.backward()
    assert float(computed.detach()) == pytest.approx(loss(x), rel=1e-12)
    assert logits.grad is not None
    for place in np.ndindex(6, 4):
        step = np.zeros((6, 4))
        step[place] = 1e-6
        assert float(logits.grad[place]) == pytest.approx((loss(x + step) - loss(x - step)) / 2e-6, abs=1e-8)


def test_the_loss_of_extreme_logits_is_finite() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = BinaryCrossEntropy().loss(logits, Batch(torch.empty(1), torch.tensor([1]), torch.arange(1)))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_probabilities_are_sigmoids_divided_by_their_sum() -> None:
    """Also where sigmoids underflow."""
    x = torch.tensor([[0.3, -1.0, 2.0], [-800.0, -801.0, -900.0], [50.0, 60.0, -50.0]], dtype=torch.float64)
    outputs = Outputs(x, one_vs_rest=True)
    s = sigmoid(x[0].numpy())
    np.testing.assert_allclose(outputs.probs()[0].numpy(), s / s.sum(), rtol=1e-12)
    ratios = np.exp([0.0, -1.0, -100.0])  # the sigmoid of -800 is e^-800 to first order
    np.testing.assert_allclose(outputs.probs()[1].numpy(), ratios / ratios.sum(), rtol=1e-12)
    np.testing.assert_allclose(outputs.probs()[2, :2].numpy(), [0.5, 0.5], rtol=1e-12)
    torch.testing.assert_close(outputs.plain().probs(), outputs.probs(), rtol=1e-12, atol=0)
    assert outputs.plain().one_vs_rest is False
    softmax = Outputs(x)
    assert softmax.plain() is softmax


def test_a_sigmoid_network_with_thresholds_and_abstention(tmp_path: Path) -> None:
    """The user's question that calibench began with: thresholds 0.2, 0.4, 0.4 on sigmoid outputs, and abstention."""
    rng = np.random.default_rng(0)
    y = np.arange(900) % 3
    x = rng.normal(size=(900, 14)) + np.eye(3)[y] @ rng.normal(size=(3, 14))
    np.savez(tmp_path / "d.npz", train_x=x.astype(np.float32), train_y=y)
    record = run(
        "bce+sigmoid-threshold:values=0.2;0.4;0.4",
        f"npz:path={tmp_path / 'd.npz'}",
        "mlp:hidden=40;30,activation=sigmoid",
        results=tmp_path / "r",
        epochs=30,
        settings=["bce.lr=0.01"],
        device="cpu",
    )
    predictions = read_predictions(tmp_path / "r", record)
    p = np.exp(predictions["test.logits"].astype(np.float64))  # the stored logits are log sigmoid(x)
    np.testing.assert_array_equal(predictions["test.sets"], p >= np.array([0.2, 0.4, 0.4]))
    assert (predictions["test.sets"].sum(1) != 1).any()  # some sets have no class, or two
    assert record.metrics["accuracy"] is not None
    assert record.metrics["accuracy"] > 0.6
    normalised = p / p.sum(1, keepdims=True)
    nll = -np.log(normalised[np.arange(len(p)), predictions["test.labels"]]).mean()
    assert record.metrics["nll"] == pytest.approx(nll, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["bce+temperature", "bce+threshold:value=0.6", "bce+tst:epochs=2", "bce+isotonic+cost"]
)
def test_other_stages_get_the_normalised_probabilities(recipe: str, tmp_path: Path) -> None:
    costs = tmp_path / "c.csv"
    np.savetxt(costs, 1 - np.eye(10), delimiter=",")
    text = recipe.replace("cost", f'cost:matrix="{costs}"')
    record = run(
        text, "digits", "mlp:hidden=16", results=tmp_path / "r", epochs=6, settings=["bce.lr=0.01"], device="cpu"
    )
    assert record.metrics["accuracy"] is not None
    assert record.metrics["accuracy"] > 0.5
    if "threshold" in recipe:
        predictions = read_predictions(tmp_path / "r", record)
        p = np.exp(predictions["test.logits"].astype(np.float64))
        confidence = (p / p.sum(1, keepdims=True)).max(1)
        clear = abs(confidence - 0.6) > 1e-6  # the stored precision decides the others
        np.testing.assert_array_equal((predictions["test.decisions"] >= 0)[clear], (confidence >= 0.6)[clear])
