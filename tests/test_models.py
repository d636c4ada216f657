"""Networks and the one training loop: shapes, standardisation, the checkpoint kept, failures, determinism."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from calibench import InputError, RunError
from calibench.models.network import Network, Standardize, Task
from calibench.models.networks.cnn import cnn
from calibench.models.networks.frozen import frozen
from calibench.models.networks.mlp import ACTIVATIONS, mlp
from calibench.seeds import seeded
from calibench.training.loop import train
from calibench.training.prediction import mean_nll, predict
from calibench.training.schedule import Schedule

pytestmark = pytest.mark.usefixtures("one_thread")


SHAPES = {"vector": (12,), "image": (6, 8), "colour image": (3, 6, 8)}


def task(shape: tuple[int, ...], classes: int = 5, n: int = 20) -> Task:
    return Task(shape, classes, np.random.default_rng(0).normal(2, 3, size=(n, *shape)).astype(np.float32))


def silent(what: str, done: int, total: int, note: str) -> None:
    pass


# --- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_mlp_takes_every_shape(shape: tuple[int, ...]) -> None:
    network = mlp(task(shape), (16, 7), "relu", 0.0, True).eval()
    x = torch.from_numpy(task(shape).train_x)
    assert network.feature_size == 7
    assert network.body(x).shape == (20, 7)
    assert network(x).shape == (20, 5)
    torch.testing.assert_close(network(x), network.head(network.body(x)))
    assert not network.pretrained


@pytest.mark.parametrize("shape", [SHAPES["image"], SHAPES["colour image"], (2, 2), (1, 3, 2)], ids=str)
def test_cnn_takes_images(shape: tuple[int, ...]) -> None:
    network = cnn(task(shape), 4, 0.0, True).eval()
    x = torch.from_numpy(task(shape).train_x)
    assert network.feature_size == 8
    assert network.body(x).shape == (20, 8)
    assert network(x).shape == (20, 5)


def test_a_grey_image_with_and_without_its_channel_is_the_same_to_a_cnn() -> None:
    x = task((6, 8)).train_x
    with seeded(3):
        flat = cnn(Task((6, 8), 5, x), 4, 0.0, True)
    with seeded(3):
        deep = cnn(Task((1, 6, 8), 5, x[:, None]), 4, 0.0, True)
    torch.testing.assert_close(predict(flat, torch.from_numpy(x)), predict(deep, torch.from_numpy(x[:, None])))


@pytest.mark.parametrize("shape", [(12,), (2, 3, 4, 5), (1, 8), (3, 1, 8)], ids=str)
def test_cnn_refuses_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="model 'cnn' needs images") as caught:
        cnn(task(shape), 4, 0.0, True)
    assert caught.value.hint == "use mlp"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_is_the_function_it_says(activation: str) -> None:
    network = mlp(task((12,)), (6,), activation, 0.0, False).eval().double()
    x = torch.from_numpy(task((12,)).train_x).double()
    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "relu": lambda v: v.clamp_min(0),
        "tanh": torch.tanh,
        "sigmoid": lambda v: 1 / (1 + torch.exp(-v)),
        "gelu": lambda v: v * 0.5 * (1 + torch.erf(v / math.sqrt(2))),
    }
    weights = [p.detach() for p in network.parameters()]
    expected = functions[activation](x @ weights[0].T + weights[1]) @ weights[2].T + weights[3]
    torch.testing.assert_close(network(x).detach(), expected)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_frozen_is_its_given_head(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(9, *shape)).astype(np.float32)
    weight, bias = rng.normal(size=(4, math.prod(shape))).astype(np.float32), rng.normal(size=4).astype(np.float32)
    network = frozen(Task(shape, 4, x, weight, bias))
    assert network.pretrained
    expected = x.reshape(9, -1).astype(np.float64) @ weight.T.astype(np.float64) + bias
    np.testing.assert_allclose(predict(network, torch.from_numpy(x)).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_frozen_needs_the_head() -> None:
    with pytest.raises(InputError, match="needs the trained head"):
        frozen(task((12,)))


# --- standardisation ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 30), st.integers(1, 4)),
        elements=st.floats(-1000, 1000, width=32).map(lambda v: np.float32(round(v, 2))),
    )
)
def test_standardize_against_numpy(x: np.ndarray) -> None:
    found = Standardize(x)(torch.from_numpy(x)).numpy()
    wide = x.astype(np.float64)
    sd = wide.std(axis=0)
    varies = wide.min(axis=0) < wide.max(axis=0)
    expected = np.where(varies, (wide - wide.mean(axis=0)) / np.where(varies, sd, 1), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-3)


def test_standardize_is_by_channel_for_colour_and_over_all_pixels_for_grey() -> None:
    x = np.random.default_rng(0).normal(5, 2, size=(40, 3, 4, 6)).astype(np.float32)
    x[:, 1] *= 10
    found = Standardize(x)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(0, 2, 3)), 1, atol=1e-5)
    grey = x[:, 0]
    found = Standardize(grey)(torch.from_numpy(grey)).numpy()
    np.testing.assert_allclose(found, (grey - grey.mean()) / grey.std(), atol=1e-4)  # and not line by line


@pytest.mark.parametrize("value", [0.0, 0.1, 12345.678, 3e7, -1e20])
def test_a_constant_feature_gives_0_and_never_explodes(value: float) -> None:
    x = np.full((1001, 2), value, dtype=np.float32)
    x[:, 1] = np.arange(1001)
    standardize = Standardize(x)
    assert (standardize(torch.from_numpy(x))[:, 0] == 0).all()
    unseen = torch.tensor([[value * 1.5 + 1, 3.0]])
    assert standardize(unseen)[0, 0] == 0  # it had no variance to be measured by
    assert torch.isfinite(standardize(unseen)).all()


# --- the loop -------------------------------------------------------------------------------------------------------


class Counter(nn.Module):
    """One weight that each step moves by about lr, so that its value tells the epoch; and a buffer that counts."""

    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps", torch.zeros(1))

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        return self.weight.sum()


def scripted(sequence: list[float], select: str) -> tuple[Counter, dict[str, float], list[float]]:
    module, values = Counter(), []
    script = iter(sequence)

    def validate() -> float:
        assert not module.training
        values.append(module.weight.item())
        return next(script)

    found = train(module, module.loss, validate, 4, Schedule(len(sequence), 0.1, 2, 0.0, select), silent, "toy")
    return module, found, values


@settings(max_examples=60, deadline=None)
@given(sequence=st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12))
def test_best_keeps_the_first_lowest_and_last_the_last(sequence: list[float]) -> None:
    module, found, values = scripted(sequence, "best")
    lowest = sequence.index(min(sequence))
    assert found == {"epoch": lowest + 1, "val_nll": sequence[lowest]}
    assert module.weight.item() == values[lowest]
    assert float(module.steps) == 2 * (lowest + 1)  # buffers belong to the checkpoint too
    assert not module.training
    module, found, values = scripted(sequence, "last")
    assert found == {"epoch": len(sequence), "val_nll": sequence[-1]}
    assert module.weight.item() == values[-1]
    assert not module.training


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_names_epoch_and_step(bad: float) -> None:
    module, steps = Counter(), count(1)

    def step(rows: torch.Tensor) -> torch.Tensor:
        return module.loss(rows) + (bad if next(steps) == 8 else 0.0)

    with pytest.raises(RunError, match=r"stage 1, toy: the loss is -?(nan|inf) in epoch 3, step 2 of 3"):
        train(module, step, lambda: 1.0, 6, Schedule(9, 0.1, 2), silent, "stage 1, toy")


def test_a_validation_nll_that_is_not_finite_names_the_epoch() -> None:
    with pytest.raises(RunError, match="toy: the validation NLL is nan in epoch 2"):
        scripted([1.0, math.nan], "best")


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
            silent,
            "toy",
        )
    return network


def test_training_is_deterministic_and_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    before, numbers = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    one, same, other = trained(0), trained(0), trained(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)
    for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_generator_is_put_back_after_an_error() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"), seeded(5):
        torch.rand(3).reshape(2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("rows", "batch", "sizes"), [(65, 16, [16] * 4), (64, 16, [16] * 4), (7, 3, [3, 3]), (1, 8, [1])]
)
def test_every_row_is_seen_once_an_epoch_but_a_lone_last_one(rows: int, batch: int, sizes: list[int]) -> None:
    module, seen = Counter(), []

    def step(index: torch.Tensor) -> torch.Tensor:
        seen.append(index)
        return module.loss(index)

    with seeded(0):
        train(module, step, lambda: 0.0, rows, Schedule(2, 0.1, batch), silent, "toy")
    assert [len(index) for index in seen] == sizes * 2
    first = torch.cat(seen[: len(sizes)])
    assert len(first.unique()) == len(first)
    assert set(first.tolist()) <= set(range(rows))
    if rows > 8:
        assert not torch.equal(first, torch.cat(seen[len(sizes) :]))  # shuffled anew


def test_only_parameters_that_ask_for_gradients_move() -> None:
    x, y = problem()
    network = mlp(Task((6,), 3, x.numpy()), (8,), "relu", 0.0, False)
    for parameter in network.body.parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    loss = lambda rows: nn.functional.cross_entropy(network(x[rows]), y[rows])  # noqa: E731
    train(network, loss, lambda: 0.0, 65, Schedule(1, 0.1, 16, 0.1), silent, "toy")
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_predict_is_batched_in_eval_mode_and_its_result_may_be_trained_on() -> None:
    network = cnn(task((6, 8), n=40), 4, 0.0, True).train()
    x = torch.from_numpy(task((6, 8), n=40).train_x)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    small, whole = predict(network, x, batch_size=7), predict(network, x)
    torch.testing.assert_close(small, whole)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not whole.requires_grad
    head = nn.Linear(5, 2)  # a refit may hand all its features to a layer at once: no inference tensor then
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
