"""`co-teaching`: each network learns from the samples that the other finds easy, and both are trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from objective_cases import blobs, build, log_softmax
from pipeline_cases import members
from torch import nn

from calibench.recipe.member import Member
from calibench.stages import Batch
from calibench_methods.objectives.co_teaching import CoTeaching


@pytest.mark.parametrize("epoch", [1, 4, 10, 15])
def test_each_network_learns_from_the_samples_that_the_other_finds_easy(epoch: int) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(epoch)
    objective: CoTeaching = build("co-teaching:rate=0.4", n=20)
    network, second = nn.Linear(3, 4), objective.companions()[0]
    assert isinstance(second, nn.Linear)
    x, y = torch.from_numpy(rng.normal(size=(20, 3)).astype(np.float32)), torch.from_numpy(rng.integers(4, size=20))
    objective.begin_epoch(epoch)
    loss = objective.step(network, Batch(x, y, torch.arange(20)))
    loss.backward()
    losses = [
        -log_softmax((x @ m.weight.T + m.bias).detach().double().numpy())[np.arange(20), y.numpy()]
        for m in (network, second)
    ]
    kept = round(20 * (1 - 0.4 * min(epoch / 10, 1)))
    easy = [np.argsort(each, kind="stable")[:kept] for each in losses]
    assert set(easy[0]) != set(easy[1])
    assert float(loss.detach()) == pytest.approx(losses[0][easy[1]].mean() + losses[1][easy[0]].mean(), rel=1e-5)
    for module, rows in ((network, easy[1]), (second, easy[0])):
        alone = nn.Linear(3, 4)
        alone.load_state_dict(module.state_dict())
        nn.functional.cross_entropy(alone(x[rows]), y[rows]).backward()
        assert module.weight.grad is not None
        assert alone.weight.grad is not None
        torch.testing.assert_close(module.weight.grad, alone.weight.grad, rtol=1e-4, atol=1e-7)


def test_a_batch_of_one_keeps_its_sample() -> None:
    objective: CoTeaching = build("co-teaching:rate=0.74,ramp=1", n=4)
    objective.begin_epoch(1)
    assert objective.smallest(torch.tensor([3.0])).tolist() == [0]
    assert objective.smallest(torch.tensor([3.0, 1.0, 2.0, 1.0])).tolist() == [1]


def trained(dataset: str, lr: float) -> Member:
    """The only member of a run with this step size; 0 leaves both networks as they start."""
    pipeline = members("co-teaching:rate=0.3", dataset, noise="symmetric:rate=0.3", settings=[f"co-teaching.lr={lr}"])
    pipeline.run(("test",))
    return pipeline.first


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in module.state_dict().items() if name.endswith("weight")}


def test_the_second_network_starts_with_other_weights_and_is_trained(tmp_path: Path) -> None:
    """If both networks started alike, they would select the same samples."""
    dataset = blobs(tmp_path, 300)
    start, end = trained(dataset, 0.0), trained(dataset, 1e-3)
    assert isinstance(start.objective, CoTeaching)
    assert isinstance(end.objective, CoTeaching)
    first, second = weights(start.network), weights(start.objective.second_network)
    assert first
    assert first.keys() == second.keys()
    for name in first:
        assert not torch.equal(second[name], first[name])
        assert not torch.equal(weights(end.objective.second_network)[name], second[name])
