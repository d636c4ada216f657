"""`dividemix`: its steps against the formulas of the paper, the division by losses, and the rows that it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from objective_cases import Array, K, blobs, log_softmax, one_hot
from pipeline_cases import members
from sklearn.mixture import GaussianMixture
from torch import nn

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.recipe.member import Member
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage
from calibench_methods.objectives.dividemix import DivideMix, smaller_component

ROWS, D, EPOCHS = 24, 3, 60


def linear(seed: int) -> nn.Linear:
    network = nn.Linear(D, K, bias=False, dtype=torch.float64)
    network.weight.data = torch.from_numpy(np.random.default_rng(seed).normal(size=(K, D)))
    return network


def prepared(recipe: str = "dividemix", epochs: int = EPOCHS) -> tuple[DivideMix, nn.Linear, Array, Array]:
    """The objective with a linear second network, the first network, and the rows and labels."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(ROWS, D)), rng.integers(K, size=ROWS)
    objective: Any = build_stage(resolve(recipe).objective)
    assert isinstance(objective, DivideMix)
    labels = torch.from_numpy(y)
    objective.prepare(TrainTask(labels, K, epochs, None, lambda: linear(8), x=torch.from_numpy(x)))
    return objective, linear(7), x, y


def probs(network: nn.Module, x: Array) -> Array:
    assert isinstance(network, nn.Linear)
    return np.exp(log_softmax(x @ network.weight.detach().numpy().T))


def mixed_loss(
    own: nn.Module,
    other: nn.Module,
    views: list[Array],
    y: Array,
    right: Array,
    weight: float,
    recipe: tuple[float, float, float],
) -> float:
    """Algorithm 1 of the paper for one network and one batch; draws the mixing weight and the partners as the objective does."""
    threshold, sharpening, alpha = recipe
    p_own, p_other = (np.mean([probs(network, x) for x in views], axis=0) for network in (own, other))
    refined = right[:, None] * one_hot(y, K) + (1 - right[:, None]) * p_own
    guessed = (p_own + p_other) / 2
    q = np.where((right > threshold)[:, None], refined, guessed) ** (1 / sharpening)
    q /= q.sum(axis=1, keepdims=True)
    x, q = np.concatenate(views), np.concatenate([q] * len(views))
    labelled = np.concatenate([right > threshold] * len(views))
    share = float(torch.distributions.Beta(*torch.tensor([alpha, alpha], dtype=torch.float64)).sample())
    share = max(share, 1 - share)
    partner = torch.randperm(len(x)).numpy()
    p = probs(own, share * x + (1 - share) * x[partner])
    q = share * q + (1 - share) * q[partner]
    cross_entropy = -(q * np.log(p)).sum(axis=1)[labelled].mean()
    squared = np.square(p - q)[~labelled].mean()
    penalty = (1 / K * np.log(1 / K / p.mean(axis=0))).sum()
    return float(cross_entropy + weight * squared + penalty)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(
    ("recipe", "values"),
    [("dividemix", (0.5, 0.5, 4.0)), ("dividemix:threshold=0.7,sharpening=0.8,alpha=1", (0.7, 0.8, 1.0))],
)
def test_a_step_equals_the_formulas(recipe: str, values: tuple[float, float, float], views: int) -> None:
    """Epoch 12 of 60: 10 warm up, and the ramp takes a quarter, 15 epochs: it is at (1 + rows seen / rows) / 15."""
    objective, first, x, y = prepared(recipe)
    second = objective.companions()[0]
    rng = np.random.default_rng(5)
    rows = rng.permutation(ROWS)[:12]
    views_of_batch = [x[rows], x[rows] + rng.normal(size=(12, D))][:views]
    right = [rng.uniform(size=ROWS) for _ in range(2)]
    batch = Batch(
        *(torch.from_numpy(a) for a in (views_of_batch[0], y[rows], rows)),
        tuple(map(torch.from_numpy, views_of_batch[1:])),
    )
    objective.begin_epoch(12)
    objective.right = tuple(map(torch.from_numpy, right))
    torch.manual_seed(0)
    losses = [float(objective.step(first, batch).detach()) for _ in range(2)]
    torch.manual_seed(0)
    for loss, seen in zip(losses, (0, 12), strict=True):
        weight = 25 * (1 + seen / ROWS) / 15
        expected = mixed_loss(first, second, views_of_batch, y[rows], right[1][rows], weight, values)
        expected += mixed_loss(second, first, views_of_batch, y[rows], right[0][rows], weight, values)
        assert loss == pytest.approx(expected, rel=1e-10)


def test_no_gradient_flows_through_the_guesses_or_into_the_other_network() -> None:
    objective, first, x, y = prepared()
    objective.begin_epoch(12)
    batch = Batch(torch.from_numpy(x), torch.from_numpy(y), torch.arange(ROWS))
    right = torch.linspace(0, 1, ROWS)
    objective.mix_match((first, objective.second_network), batch, right, 1.0).backward()
    assert first.weight.grad is not None
    assert objective.second_network.weight.grad is None
    targets = objective.targets(first, objective.second_network, (batch.x,), batch.y, right, right > 0.5)
    assert not targets.requires_grad


def test_the_warm_up_is_the_cross_entropy_of_both_networks() -> None:
    objective, first, x, y = prepared()
    objective.begin_epoch(2)
    batch = Batch(torch.from_numpy(x), torch.from_numpy(y), torch.arange(ROWS))
    expected = sum(-np.log(probs(m, x)[np.arange(ROWS), y]).mean() for m in (first, objective.second_network))
    assert float(objective.step(first, batch).detach()) == pytest.approx(float(expected), rel=1e-12)
    assert objective.suspected() is None


def test_each_network_learns_from_the_division_of_the_other() -> None:
    objective, first, x, y = prepared()
    objective.begin_epoch(11)
    objective.step(first, Batch(torch.from_numpy(x), torch.from_numpy(y), torch.arange(ROWS)))
    for network, right in zip((first, objective.second_network), objective.right, strict=True):
        losses = -np.log(probs(network, x)[np.arange(ROWS), y])
        np.testing.assert_allclose(right.numpy(), smaller_component(torch.from_numpy(losses)).numpy(), atol=1e-9)
    suspected = objective.suspected()
    assert suspected is not None
    np.testing.assert_array_equal(suspected.numpy(), objective.right[1].numpy() <= 0.5)


def test_the_division_equals_a_mixture_with_the_authors_settings() -> None:
    rng = np.random.default_rng(0)
    losses = np.concatenate([rng.gamma(2, 0.05, size=700), rng.normal(4, 0.5, size=300)])
    scaled = ((losses - losses.min()) / (losses.max() - losses.min()))[:, None]
    mixture = GaussianMixture(n_components=2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=3).fit(scaled)
    expected = mixture.predict_proba(scaled)[:, mixture.means_.argmin()]
    right = smaller_component(torch.from_numpy(losses)).numpy()
    np.testing.assert_allclose(right, expected, atol=1e-3)
    assert (right[:700] > 0.5).mean() > 0.99
    assert (right[700:] < 0.5).mean() > 0.99
    assert smaller_component(torch.ones(5)).tolist() == [1] * 5


@pytest.mark.parametrize(("epochs", "warm_up"), [(300, 10), (60, 10), (20, 5), (10, 2), (2, 1)])
def test_the_warm_up_is_the_papers_or_a_quarter_of_the_epochs(epochs: int, warm_up: int) -> None:
    assert prepared(epochs=epochs)[0].last_warm_up == warm_up


def test_a_warm_up_of_all_epochs_is_refused() -> None:
    with pytest.raises(InputError, match="warm_up=5 leaves none of the 5 epochs"):
        prepared("dividemix:warm_up=5", epochs=5)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in module.state_dict().items() if name.endswith("weight")}


def trained(dataset: str, lr: float) -> Member:
    pipeline = members(
        "dividemix",
        dataset,
        noise="symmetric:rate=0.3",
        epochs=20,
        settings=[f"dividemix.lr={lr}", "dividemix.select=last"],
    )
    pipeline.run(("test",))
    return pipeline.first


def test_a_run_trains_both_networks_and_finds_the_wrong_labels(tmp_path: Path) -> None:
    dataset = blobs(tmp_path, 600)
    start, end = trained(dataset, 0.0), trained(dataset, 1e-2)
    assert isinstance(start.objective, DivideMix)
    assert isinstance(end.objective, DivideMix)
    for name, first in weights(start.network).items():
        second = weights(start.objective.second_network)[name]
        assert not torch.equal(second, first)
        assert not torch.equal(weights(end.objective.second_network)[name], second)
        assert not torch.equal(weights(end.network)[name], first)
    figures = end.fitted[0]
    assert figures["precision"] > 0.9
    assert figures["recall"] > 0.9
