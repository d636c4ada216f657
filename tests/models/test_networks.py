"""`mlp`, `cnn`, `frozen` and the standardisation of inputs: shapes, formulas, refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calibench import InputError
from calibench.models.network import Standardize, Task
from calibench.models.networks.cnn import cnn
from calibench.models.networks.frozen import frozen
from calibench.models.networks.mlp import ACTIVATIONS, mlp
from calibench.seeds import seeded
from calibench.training.prediction import predict

pytestmark = pytest.mark.usefixtures("one_thread")


SHAPES = {"vector": (12,), "image": (6, 8), "colour image": (3, 6, 8)}


def task(shape: tuple[int, ...], classes: int = 5, n: int = 20) -> Task:
    return Task(shape, classes, np.random.default_rng(0).normal(2, 3, size=(n, *shape)).astype(np.float32))


# --- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_mlp_takes_rows_of_every_shape(shape: tuple[int, ...]) -> None:
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
def test_cnn_refuses_rows_that_are_no_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="model 'cnn' needs images") as caught:
        cnn(task(shape), 4, 0.0, True)
    assert caught.value.hint == "use mlp"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_computes_its_formula(activation: str) -> None:
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
def test_frozen_is_the_head_of_the_data(shape: tuple[int, ...]) -> None:
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


def test_the_files_of_networks_import_neither_torch_nor_numpy() -> None:
    code = """
import importlib, pkgutil, sys
import calibench.models.networks as package
names = [module.name for module in pkgutil.iter_modules(package.__path__)]
for name in names:
    importlib.import_module(f"{package.__name__}.{name}")
print(len(names), *{"torch", "numpy", "scipy", "timm"} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["8"]


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
    scaled = Standardize(x)(torch.from_numpy(x)).numpy()
    wide = x.astype(np.float64)
    sd = wide.std(axis=0)
    varies = wide.min(axis=0) < wide.max(axis=0)
    expected = np.where(varies, (wide - wide.mean(axis=0)) / np.where(varies, sd, 1), 0)
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=2e-3)


def test_standardize_is_by_channel_for_colour_and_over_all_pixels_for_grey() -> None:
    x = np.random.default_rng(0).normal(5, 2, size=(40, 3, 4, 6)).astype(np.float32)
    x[:, 1] *= 10
    scaled = Standardize(x)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), 1, atol=1e-5)
    grey = x[:, 0]
    scaled = Standardize(grey)(torch.from_numpy(grey)).numpy()
    np.testing.assert_allclose(scaled, (grey - grey.mean()) / grey.std(), atol=1e-4)  # not line by line


@pytest.mark.parametrize("value", [0.0, 0.1, 12345.678, 3e7, -1e20])
def test_a_constant_feature_becomes_0_and_never_explodes(value: float) -> None:
    x = np.full((1001, 2), value, dtype=np.float32)
    x[:, 1] = np.arange(1001)
    standardize = Standardize(x)
    assert (standardize(torch.from_numpy(x))[:, 0] == 0).all()
    unseen = torch.tensor([[value * 1.5 + 1, 3.0]])
    assert standardize(unseen)[0, 0] == 0  # the training rows have no variance to scale by
    assert torch.isfinite(standardize(unseen)).all()
