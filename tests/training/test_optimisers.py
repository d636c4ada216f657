"""Steps of the training loop against plain torch loops: optimisers, learning rates, clipping, accumulation, running means."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from calibench import run
from calibench.progress import quiet
from calibench.seeds import seeded
from calibench.training.loop import train
from calibench.training.schedule import Schedule

N, D, K = 50, 6, 3
Data = tuple[torch.Tensor, torch.Tensor]
cross_entropy = nn.functional.cross_entropy


@pytest.fixture
def data() -> Data:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N, D, generator=generator), torch.randint(K, (N,), generator=generator)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(D, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, K))


def linear() -> nn.Module:
    """A module without batch norm, whose gradient is the mean over rows."""
    torch.manual_seed(1)
    return nn.Linear(D, K)


def train_by_loop(data: Data, schedule: Schedule, module: nn.Module | None = None) -> nn.Module:
    """The module after calibench's training loop."""
    x, y = data
    module = network() if module is None else module
    with seeded(7):
        train(
            module,
            lambda rows: cross_entropy(module(x[rows]), y[rows]),
            lambda: float(cross_entropy(module(x), y).detach()),
            N,
            schedule,
            quiet,
            "toy",
        )
    return module


def train_by_hand(
    data: Data,
    make_optimizer: Callable[[Any], torch.optim.Optimizer],
    epochs: int,
    batch: int,
    lr: Callable[[int, int], float],
) -> nn.Module:
    """The module after a plain loop, with the rate `lr(step, steps an epoch)` before each step."""
    x, y = data
    module = network()
    optimizer = make_optimizer(module.parameters())
    steps, at = math.ceil(N / batch), 0
    with seeded(7):
        for _ in range(epochs):
            for rows in torch.randperm(N).split(batch):
                for group in optimizer.param_groups:
                    group["lr"] = lr(at, steps)
                optimizer.zero_grad()
                cross_entropy(module(x[rows]), y[rows]).backward()
                optimizer.step()
                at += 1
    return module


@pytest.mark.parametrize(
    ("settings", "make_optimizer"),
    [
        ({}, lambda p: torch.optim.Adam(p, fused=True)),
        ({"weight_decay": 0.1}, lambda p: torch.optim.Adam(p, weight_decay=0.1, fused=True)),
        ({"optimizer": "adamw", "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, weight_decay=0.1, fused=True)),
        (
            {"optimizer": "sgd", "weight_decay": 5e-4},
            lambda p: torch.optim.SGD(p, 1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True),
        ),
        ({"optimizer": "sgd", "momentum": 0.0}, lambda p: torch.optim.SGD(p, 1, fused=True)),
    ],
)
def test_optimisers_are_those_of_torch(data: Data, settings: dict[str, Any], make_optimizer: Any) -> None:
    by_loop = train_by_loop(data, Schedule(3, 0.05, 16, select="last", **settings))
    by_hand = train_by_hand(data, make_optimizer, 3, 16, lambda at, steps: 0.05)
    for (name, mine), theirs in zip(by_loop.state_dict().items(), by_hand.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, msg=name)


def test_a_warm_up_then_a_cosine_to_0(data: Data) -> None:
    schedule = Schedule(4, 0.1, 10, select="last", optimizer="sgd", lr_schedule="cosine", warmup=1)
    rates = []

    def lr(at: int, steps: int) -> float:
        if at < steps:
            rates.append(0.1 * (at + 1) / steps)
        else:
            rates.append(0.1 * 0.5 * (1 + math.cos(math.pi * (at / steps - 1) / 3)))
        return rates[-1]

    by_loop = train_by_loop(data, schedule)
    by_hand = train_by_hand(data, lambda p: torch.optim.SGD(p, 1, momentum=0.9, nesterov=True, fused=True), 4, 10, lr)
    for mine, theirs in zip(by_loop.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    assert rates[0] == pytest.approx(0.02)
    assert rates[4] == pytest.approx(0.1)
    assert 0 < rates[-1] < 0.002


@pytest.mark.parametrize(("batch", "accumulate"), [(5, 2), (10, 5), (8, 3)])
def test_accumulated_batches_are_one_large_batch(data: Data, batch: int, accumulate: int) -> None:
    """Without batch norm; the last step of an epoch takes the batches that are left."""
    x, y = data
    schedule = Schedule(2, 0.1, batch, select="last", optimizer="sgd", momentum=0.0, accumulate=accumulate)
    by_loop, by_hand = train_by_loop(data, schedule, linear()), linear()
    with seeded(7):
        for _ in range(2):
            batches = torch.randperm(N).split(batch)
            for first in range(0, len(batches), accumulate):
                group = batches[first : first + accumulate]
                by_hand.zero_grad()
                (sum(cross_entropy(by_hand(x[r]), y[r]) for r in group) / len(group)).backward()  # type: ignore[union-attr]
                with torch.no_grad():
                    for p in by_hand.parameters():
                        p.sub_(0.1 * p.grad)
    for mine, theirs in zip(by_loop.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_long_gradients_are_scaled_down(data: Data) -> None:
    schedule = Schedule(1, 1.0, N, select="last", optimizer="sgd", momentum=0.0, clip_norm=0.01)
    before, after = network(), train_by_loop(data, schedule)
    steps = torch.cat([(a - b).flatten() for a, b in zip(after.parameters(), before.parameters(), strict=True)])
    assert float(steps.detach().norm()) == pytest.approx(0.01, rel=1e-3)


def test_the_running_mean_is_validated_and_kept(data: Data) -> None:
    x, y = data
    validated: list[float] = []
    module, plain = network(), network()

    def validate() -> float:
        validated.append(float(cross_entropy(module(x), y).detach()))
        return validated[-1]

    schedule = Schedule(3, 0.1, 10, select="last", optimizer="sgd", ema=0.8)
    with seeded(7):
        train(module, lambda r: cross_entropy(module(x[r]), y[r]), validate, N, schedule, quiet, "toy")

    optimizer = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9, nesterov=True, fused=True)
    mean: dict[str, torch.Tensor] = {}
    nlls = []
    with seeded(7):
        for _ in range(3):
            plain.train()
            for rows in torch.randperm(N).split(10):
                optimizer.zero_grad()
                cross_entropy(plain(x[rows]), y[rows]).backward()
                optimizer.step()
                state = {k: v.double() for k, v in plain.state_dict().items()}
                mean = state if not mean else {k: 0.8 * mean[k] + 0.2 * v for k, v in state.items()}
            averaged = copy.deepcopy(plain).eval()
            averaged.load_state_dict({k: v.to(plain.state_dict()[k].dtype) for k, v in mean.items()})
            nlls.append(float(cross_entropy(averaged(x), y).detach()))
    assert validated == pytest.approx(nlls, rel=1e-4)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, mean[name].float(), rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
def test_a_run_with_every_setting_is_a_run_of_its_own_and_seeded(tmp_path: Any) -> None:
    method = "ce:optimizer=sgd,lr=0.05,lr_schedule=cosine,warmup=1,clip_norm=1,accumulate=2,ema=0.9,epochs=8"
    records = [run(method, model="mlp:hidden=16", results=tmp_path / name) for name in "ab"]
    assert records[0].metrics == records[1].metrics
    plain = run("ce:optimizer=sgd,lr=0.05,epochs=8", model="mlp:hidden=16", results=tmp_path / "a")
    assert plain.run_id != records[0].run_id
    assert plain.metrics != records[0].metrics
    assert records[0].metrics["accuracy"] > 0.8
