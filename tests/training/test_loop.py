"""The training loop: which checkpoint it keeps, how it fails, that it is deterministic; and prediction in batches."""

from __future__ import annotations

import math
from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from calibench import RunError
from calibench.models.network import Network, Task
from calibench.models.networks.cnn import cnn
from calibench.models.networks.mlp import mlp
from calibench.progress import quiet
from calibench.seeds import seeded
from calibench.training.loop import train
from calibench.training.prediction import mean_nll, predict
from calibench.training.schedule import Schedule

pytestmark = pytest.mark.usefixtures("one_thread")


class StepCounter(nn.Module):
    """One weight that each step moves by about lr, so that its value tells the epoch; and a buffer that counts steps."""

    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps", torch.zeros(1))

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        return self.weight.sum()


def train_by_script(sequence: list[float], select: str) -> tuple[StepCounter, dict[str, float], list[float]]:
    """Train a StepCounter with `sequence` as its validation NLLs; the module, what train returns, the weight of each epoch."""
    module, values = StepCounter(), []
    script = iter(sequence)

    def validate() -> float:
        assert not module.training
        values.append(module.weight.item())
        return next(script)

    kept = train(module, module.loss, validate, 4, Schedule(len(sequence), 0.1, 2, 0.0, select), quiet, "toy")
    return module, kept, values


@settings(max_examples=60, deadline=None)
@given(sequence=st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12))
def test_best_keeps_the_first_lowest_and_last_the_last(sequence: list[float]) -> None:
    module, kept, values = train_by_script(sequence, "best")
    lowest = sequence.index(min(sequence))
    end = {"best_epoch": lowest + 1, "ended_after": len(sequence), "most_epochs": len(sequence)}
    assert kept == {"epoch": lowest + 1, "val_nll": sequence[lowest]} | end
    assert module.weight.item() == values[lowest]
    assert float(module.steps) == 2 * (lowest + 1)  # buffers belong to the checkpoint too
    assert not module.training
    module, kept, values = train_by_script(sequence, "last")
    assert kept == {"epoch": len(sequence), "val_nll": sequence[-1]} | end
    assert module.weight.item() == values[-1]
    assert not module.training


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_names_epoch_and_step(bad: float) -> None:
    module, steps = StepCounter(), count(1)

    def step(rows: torch.Tensor) -> torch.Tensor:
        return module.loss(rows) + (bad if next(steps) == 8 else 0.0)

    with pytest.raises(RunError, match=r"stage 1, toy: the loss is -?(nan|inf) in epoch 3, step 2 of 3"):
        train(module, step, lambda: 1.0, 6, Schedule(9, 0.1, 2), quiet, "stage 1, toy")


def test_a_validation_nll_that_is_not_finite_names_the_epoch() -> None:
    with pytest.raises(RunError, match="toy: the validation NLL is nan in epoch 2"):
        train_by_script([1.0, math.nan], "best")


def problem() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(65, 6)).astype(np.float32)), torch.from_numpy(rng.integers(3, size=65))


def trained(seed: int, batch_size: int = 16, epochs: int = 3) -> Network:
    x, y = problem()
    with seeded(seed):
        network = mlp(Task((6,), 3, x.numpy()), (8,), "relu", 0.0, True)
        train(
            network,
            lambda rows: nn.functional.cross_entropy(network(x[rows]), y[rows]),
            lambda: mean_nll(predict(network, x), y),
            65,
            Schedule(epochs, 0.01, batch_size),
            quiet,
            "toy",
        )
    return network


def test_training_is_deterministic_and_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    before, numbers = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other_seed = trained(0), trained(0), trained(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)
    for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other_seed.parameters(), strict=True))


def test_the_generator_is_put_back_after_an_error() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"), seeded(5):
        torch.rand(3).reshape(2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("rows", "batch", "sizes"), [(65, 16, [16] * 4), (64, 16, [16] * 4), (7, 3, [3, 3]), (1, 8, [1])]
)
def test_every_row_is_in_one_batch_an_epoch_except_a_lone_last_row(rows: int, batch: int, sizes: list[int]) -> None:
    module, seen = StepCounter(), []

    def step(index: torch.Tensor) -> torch.Tensor:
        seen.append(index)
        return module.loss(index)

    with seeded(0):
        train(module, step, lambda: 0.0, rows, Schedule(2, 0.1, batch), quiet, "toy")
    assert [len(index) for index in seen] == sizes * 2
    first = torch.cat(seen[: len(sizes)])
    assert len(first.unique()) == len(first)
    assert set(first.tolist()) <= set(range(rows))
    if rows > 8:
        assert not torch.equal(first, torch.cat(seen[len(sizes) :]))  # shuffled anew


def test_only_parameters_that_require_gradients_move() -> None:
    x, y = problem()
    network = mlp(Task((6,), 3, x.numpy()), (8,), "relu", 0.0, False)
    for parameter in network.body.parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    loss = lambda rows: nn.functional.cross_entropy(network(x[rows]), y[rows])  # noqa: E731
    train(network, loss, lambda: 0.0, 65, Schedule(1, 0.1, 16, 0.1), quiet, "toy")
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_predict_is_batched_in_eval_mode_and_its_result_may_be_trained_on() -> None:
    images = np.random.default_rng(0).normal(2, 3, size=(40, 6, 8)).astype(np.float32)
    network = cnn(Task((6, 8), 5, images), 4, 0.0, True).train()
    x = torch.from_numpy(images)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    small, whole = predict(network, x, batch_size=7), predict(network, x)
    torch.testing.assert_close(small, whole)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not whole.requires_grad
    head = nn.Linear(5, 2)  # a refit may pass all its features to a layer at once, so they must be no inference tensor
    head(whole).sum().backward()
    assert head.weight.grad is not None


@settings(max_examples=50, deadline=None)
@given(
    logits=hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(4)), elements=st.floats(-80, 80, width=32)),
    seed=st.integers(0, 99),
)
def test_mean_nll_against_a_float64_formula(logits: np.ndarray, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(4, size=len(logits))
    wide = logits.astype(np.longdouble)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    expected = -log_p[np.arange(len(labels)), labels].mean()
    assert mean_nll(torch.from_numpy(logits), torch.from_numpy(labels)) == pytest.approx(float(expected), abs=1e-12)
