"""`gjs`: two augmented views of each image, their divergence, and the form without augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from objective_cases import Array, K, N, build, log_softmax, one_hot
from pipeline_cases import members
from torch import nn

from calibench.processes import ALONE
from calibench.stages import Batch
from calibench.training.augment import read_augmentation
from calibench.training.batch import batch_of


def entropy(q: Array) -> Array:
    return -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=1)


def divergence(weights: tuple[float, ...], parts: list[Array]) -> float:
    """H(sum of w_j q_j) - sum of w_j H(q_j), over -(1 - w_0) log(1 - w_0): equations 3 and 6 of the paper, by entropies."""
    mean = sum(w * q for w, q in zip(weights, parts, strict=True))
    value = entropy(mean) - sum(w * entropy(q) for w, q in zip(weights, parts, strict=True))
    return float(value.mean() / -((1 - weights[0]) * np.log(1 - weights[0])))


def case() -> tuple[nn.Module, Batch, list[Array]]:
    """A linear network, a batch of two views, and the distributions of the label and of both views."""
    rng = np.random.default_rng(4)
    views, weight, y = rng.normal(size=(2, N, 3)), rng.normal(size=(K, 3)), rng.integers(K, size=N)
    network = nn.Linear(3, K, bias=False, dtype=torch.float64)
    network.weight.data = torch.from_numpy(weight)
    batch = Batch(torch.from_numpy(views[0]), torch.from_numpy(y), torch.arange(N), (torch.from_numpy(views[1]),))
    return network, batch, [one_hot(y, K), *(np.exp(log_softmax(x @ weight.T)) for x in views)]


@pytest.mark.parametrize(("recipe", "weight"), [("gjs", 0.3), ("gjs:weight=0.9", 0.9)])
def test_a_step_of_two_views_equals_the_formula(recipe: str, weight: float) -> None:
    network, batch, parts = case()
    loss = float(build(recipe).step(network, batch).detach())
    assert loss == pytest.approx(divergence((weight, (1 - weight) / 2, (1 - weight) / 2), parts), rel=1e-12)


def test_equal_views_give_the_loss_of_one_view() -> None:
    network, batch, _ = case()
    objective = build("gjs:weight=0.6")
    twice = objective.step(network, Batch(batch.x, batch.y, batch.rows, (batch.x,)))
    once = objective.step(network, Batch(batch.x, batch.y, batch.rows))
    assert float(twice.detach()) == pytest.approx(float(once.detach()), rel=1e-12)


def test_the_gradient_reaches_the_network_through_both_views() -> None:
    network, batch, _ = case()
    objective = build("gjs")
    gradients = []
    for views in (batch.more_views, (batch.more_views[0] * 2,)):
        network.zero_grad()
        objective.step(network, Batch(batch.x, batch.y, batch.rows, views)).backward()
        assert network.weight.grad is not None
        gradients.append(network.weight.grad.clone())
    assert not torch.allclose(gradients[0], gradients[1])


def test_a_batch_has_two_different_views_where_something_augments() -> None:
    x = torch.rand(20, 8, 8)
    rows = torch.arange(16)
    y = torch.zeros(20, dtype=torch.int64)
    crop = read_augmentation("crop=2", x.numpy(), "test")
    torch.manual_seed(0)
    two = batch_of(x, y, rows, crop, ALONE, views=2)
    assert [view.shape for view in two.more_views] == [two.x.shape]
    assert not torch.equal(two.x, two.more_views[0])
    torch.manual_seed(0)
    one = batch_of(x, y, rows, crop, ALONE)
    assert one.more_views == ()
    assert torch.equal(one.x, two.x), "a second view changed the first"
    assert batch_of(x, y, rows, read_augmentation(None, x.numpy(), "test"), ALONE, views=2).more_views == ()


def test_augment_gives_two_views_in_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without augmentation, as a user asks for them: the number of copies that each step sees."""
    from sklearn.datasets import load_digits

    from calibench_methods.objectives.gjs import GeneralizedJensenShannon

    x, y = load_digits(n_class=3, return_X_y=True)
    np.savez(tmp_path / "images.npz", train_x=x.reshape(-1, 8, 8).astype(np.float32), train_y=y)
    seen: list[int] = []
    step = GeneralizedJensenShannon.step

    def counted(self: GeneralizedJensenShannon, network: nn.Module, batch: Batch) -> torch.Tensor:
        seen.append(1 + len(batch.more_views))
        return step(self, network, batch)

    monkeypatch.setattr(GeneralizedJensenShannon, "step", counted)
    for settings, views in (([], 1), (["gjs.augment=crop=1"], 2)):
        seen.clear()
        members("gjs", f"npz:path={tmp_path / 'images.npz'}", epochs=1, settings=settings).run(("test",))
        assert set(seen) == {views}
